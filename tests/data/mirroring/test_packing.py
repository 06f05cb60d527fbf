"""A part of a mirror: the same bytes by the same seed, read as the whole was, and known to be a part."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mieb.data import load_rows
from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.layouts.beir import ids
from pytest_mieb.data.layouts.ranked import picture_digests
from pytest_mieb.data.mirroring import manifest
from pytest_mieb.data.mirroring.fetching import PATIENCE
from pytest_mieb.data.mirroring.packing import Packed, pack
from pytest_mieb.data.mirroring.planning import planned
from pytest_mieb.data.parts import Draw
from pytest_mieb.data.rows import Labelled
from pytest_mieb.data.sources import Mirror
from pytest_mieb.data.table import Opener
from pytest_mieb.miniature import mirror
from pytest_mieb.suite import Task
from pytest_mieb.suite.cards import load_tasks
from tests.builders import a_task
from tests.data.mirrors import Numbered, pictures, write

OPTIONS = {"split": "test", "train_split": "train", "image": "image", "label": "kind"}
COLOURS = ("red", "green", "blue")
TASK = a_task("labelled", OPTIONS, protocol="linear_probe", scoring={"samples_per_label": 4, "n_experiments": 2})
PATH = TASK.dataset.path


def rows(count: int, first: int = 0) -> dict[str, object]:
    kinds = [(first + row) % 3 for row in range(count)]
    return {"image": pictures(*(COLOURS[kind] for kind in kinds)), "kind": Numbered(kinds, *COLOURS)}


@pytest.fixture
def source(tmp_path: Path) -> Mirror:
    write(tmp_path / "mirror" / PATH, {"": {"train": rows(300), "test": rows(90)}})  # type: ignore[dict-item]
    return Mirror(tmp_path / "mirror", tmp_path / "cache", any_size=True)


def packed(source: Mirror, out: Path, *tasks: Task, seed: int = 0, count: int | None = 12) -> Packed:
    own = {tasks[0].dataset.path: list(tasks)}
    return pack(source, out, own, lambda path: Draw(seed, path, rows=count), lambda path: None)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_same_seed_gives_the_same_bytes(source: Mirror, tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        assert packed(source, tmp_path / name, TASK, seed=seed).problems == {}
    one, two, three = (contents(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two and len(one) == 4
    assert one != three and one.keys() == three.keys()


def test_a_probe_still_learns_every_class_that_it_is_tested_on(source: Mirror, tmp_path: Path) -> None:
    assert packed(source, tmp_path / "part", TASK).rows == {PATH: 24}
    read = load_rows(TASK, "default", Mirror(tmp_path / "part", tmp_path / "cache", any_size=True))
    assert isinstance(read, Labelled) and read.train and read.findings == ()
    assert sorted(read.test.labels) == sorted(read.train.labels) == [0] * 4 + [1] * 4 + [2] * 4
    assert read.class_names == COLOURS


def test_a_row_that_the_card_drops_is_not_taken(source: Mirror, tmp_path: Path) -> None:
    dropped = tuple(range(1, 300))  # all but the first three rows would do
    task = a_task(
        "labelled", {**OPTIONS, "drop_train_rows": dropped[2:]}, protocol="linear_probe", scoring=TASK.scoring
    )
    packed(source, tmp_path / "part", task)
    split = Mirror(tmp_path / "part", tmp_path / "cache", any_size=True).columns(task.dataset, None, "train")
    assert split.values("kind") == [0, 1, 2]


def test_two_tasks_on_one_dataset_have_one_part(source: Mirror, tmp_path: Path) -> None:
    other = a_task("labelled", {"split": "test", "image": "image", "label": "kind"}, name="Other")
    assert packed(source, tmp_path / "part", TASK, other).rows == {PATH: 24}


def test_the_record_says_that_it_is_a_part_and_nothing_is_fetched_into_it(source: Mirror, tmp_path: Path) -> None:
    packed(source, tmp_path / "part", TASK, seed=7)
    record = manifest.read(tmp_path / "part", PATH)
    assert record and record.part == "12 rows of each split, by seed 7" and record.revision == TASK.dataset.revision
    with pytest.raises(
        DatasetError, match="the mirror holds a part of it, 12 rows of each split, by seed 7; fetch into"
    ):
        planned(TASK.dataset, [TASK], record, PATIENCE, lambda sentence: None)
    again = packed(Mirror(tmp_path / "part", tmp_path / "cache"), tmp_path / "less", TASK, count=6)
    assert again.problems == {} and again.rows == {PATH: 14}


def test_a_dataset_that_is_not_there_costs_no_other(source: Mirror, tmp_path: Path) -> None:
    gone = a_task("labelled", OPTIONS, path="org/gone")
    found = pack(
        source,
        tmp_path / "part",
        {"org/gone": [gone], PATH: [TASK]},
        lambda path: Draw(0, path),
        lambda path: None,
    )
    assert list(found.rows) == [PATH] and "is not in the mirror" in found.problems["org/gone"]


def test_what_is_not_parquet_is_taken_too(source: Mirror, tmp_path: Path) -> None:
    folder = source.folder / "org/lines"
    folder.mkdir()
    (folder / "test.csv").write_text("text,negative,id\n" + "".join(f"t{n},n{n},{n}\n" for n in range(50)))
    task = a_task("scimmir", {"split": "test"}, path="org/lines")
    assert packed(source, tmp_path / "part", task).problems == {}
    part = Mirror(tmp_path / "part", tmp_path / "cache").columns(task.dataset, None, "test")
    assert len(part) == 12 and all(
        text == f"t{number}" for text, number in zip(part.values("text"), part.values("id"), strict=True)
    )


def test_a_query_whose_own_picture_is_searched_keeps_it(miniature_cache: Path, tmp_path: Path) -> None:
    task = load_tasks()["CUB200I2IRetrieval"]
    whole = Mirror(mirror(miniature_cache, print), tmp_path / "cache", any_size=True)
    packed(whole, tmp_path / "part", task, count=5)
    opener = Opener(Mirror(tmp_path / "part", tmp_path / "cache", any_size=True), task.dataset)
    corpus, queries = (opener.table("test", config) for config in ("corpus", "queries"))
    assert len(ids(queries)) == 5 and {*picture_digests(queries)} <= {*picture_digests(corpus)}
