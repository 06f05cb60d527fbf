"""The ways to get a dataset, and what is said when it is not to be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet
import pytest
from datasets.exceptions import DataFilesNotFoundError, DatasetGenerationError, DatasetNotFoundError

from pytest_mieb.data import DatasetError, load_rows, open_source, other_sizes
from pytest_mieb.data.hub import Hub
from pytest_mieb.data.remedies import translated
from pytest_mieb.data.sources import Miniature, Mirror, _state
from tests.builders import a_task
from tests.data.mirrors import Columns, mirror, pictures, plain
from tests.hub import Hub as HubServer

TASK = a_task("labelled", {"split": "test", "image": "image", "label": "kind"})
NAMED = "dataset org/some-dataset (revision 0123456789abcdef)"
ROWS: Columns = {"image": pictures("red", "green", "blue"), "kind": [0, 1, 2]}


@pytest.mark.parametrize(
    ("name", "kind", "checks_sizes"), [("hub", Hub, True), ("miniature", Miniature, False), ("folder", Mirror, True)]
)
def test_a_source_by_its_name(tmp_path: Path, name: str, kind: type, checks_sizes: bool) -> None:
    source = open_source(name if name != "folder" else str(tmp_path), tmp_path)
    assert type(source) is kind
    assert (source.checks_sizes, source.name) == (checks_sizes, name if name != "folder" else str(tmp_path))


def test_a_mirror_without_the_dataset_says_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as refusal:
        load_rows(TASK, "default", Mirror(tmp_path, tmp_path / "cache"))
    assert str(refusal.value) == (
        f"{NAMED} is not in the mirror {tmp_path}: fetch it with `pytest-mieb data fetch`, or download a snapshot of "
        f"it to {tmp_path / 'org/some-dataset'}"
    )


def parquet(source: Mirror) -> Path:
    (file,) = source.folder.rglob("*.parquet")
    return file


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:200])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def scramble(file: Path) -> None:
    file.write_bytes(b"this is no parquet file, whatever it is called" * 9)


@pytest.mark.parametrize("damage", [truncate, empty, scramble])
def test_a_damaged_file_is_to_be_downloaded_again(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    source = mirror(tmp_path, {"": {"test": ROWS}})
    damage(parquet(source))
    with pytest.raises(DatasetError) as refusal:
        load_rows(TASK, "default", source)
    assert str(refusal.value).startswith(f"{NAMED} cannot be read from the mirror {tmp_path / 'mirror'}: ")
    assert "download it again" in str(refusal.value)


def test_a_missing_file_is_to_be_downloaded_again(tmp_path: Path) -> None:
    source = mirror(tmp_path, {"": {"test": ROWS}})
    parquet(source).unlink()
    with pytest.raises(DatasetError, match="cannot be read from the mirror"):
        load_rows(TASK, "default", source)


def test_a_split_without_rows_is_refused(tmp_path: Path) -> None:
    source = mirror(tmp_path, {"": {"test": {"kind": []}}})
    with pytest.raises(DatasetError, match="a split that the card names has no rows; check the card"):
        load_rows(TASK, "default", source)


def test_a_file_without_rows_is_not_called_damaged(tmp_path: Path) -> None:
    source = mirror(tmp_path, {"": {"test": ROWS}})
    pyarrow.parquet.write_table(pyarrow.parquet.read_table(parquet(source)).slice(0, 0), parquet(source))
    with pytest.raises(DatasetError, match="a split that the card names has no rows; check the card"):
        load_rows(TASK, "default", source)


def test_a_mirror_whose_files_were_replaced_is_read_anew(tmp_path: Path) -> None:
    old = mirror(tmp_path / "old", {"": {"test": ROWS}})
    new = mirror(tmp_path / "new", {"": {"test": {"image": pictures("white", "grey"), "kind": [7, 8]}}})
    cache = tmp_path / "cache"
    found = [load_rows(TASK, "default", Mirror(source.folder, cache)).sizes for source in (old, new, old)]
    assert found == [{"test": 3}, {"test": 2}, {"test": 3}]


@pytest.mark.parametrize("replaced", [False, True], ids=["in place", "by another file"])
def test_a_file_of_the_same_size_and_time_is_another_state(tmp_path: Path, replaced: bool) -> None:
    file = tmp_path / "test.parquet"
    file.write_bytes(b"old")
    os.utime(file, (1, 1))
    before = _state.__wrapped__(str(tmp_path))
    assert _state.__wrapped__(str(tmp_path)) == before
    other = tmp_path.parent / f"{tmp_path.name}-new"
    other.write_bytes(b"new")
    if replaced:
        os.replace(other, file)
    else:
        file.write_bytes(other.read_bytes())
    os.utime(file, (1, 1))
    assert _state.__wrapped__(str(tmp_path)) != before


def test_a_damaged_image_is_named_by_column_and_row(tmp_path: Path) -> None:
    broken = plain("red")[:40]
    rows: Columns = {"image": [*pictures("red"), {"bytes": broken, "path": None}], "kind": [0, 1]}
    found = load_rows(TASK, "default", mirror(tmp_path, {"": {"test": rows}}))
    images = found.test.inputs.images  # type: ignore[union-attr]
    assert images is not None and images[0].size == (4, 4)
    with pytest.raises(DatasetError) as refusal:
        images[1]
    assert str(refusal.value).startswith(f"{NAMED}, split test: column 'image' holds a damaged image in row 1")


@pytest.mark.parametrize("count", [2, 4])
def test_another_number_of_rows_than_the_card_expects_is_refused(tmp_path: Path, count: int) -> None:
    task = a_task("labelled", TASK.dataset.options, expected={"test": count}, file=Path("tasks/Some.yaml"))
    with pytest.raises(DatasetError) as refusal:
        load_rows(task, "default", mirror(tmp_path, {"": {"test": ROWS}}))
    assert str(refusal.value).startswith(f"{NAMED}, test: 3 rows where the card expects {count}; ")
    assert str(refusal.value).endswith(
        "correct `expected` in Some.yaml, or measure what is there with --mieb-sizes=any"
    )


def test_the_expected_number_is_that_of_the_split_that_the_card_names(tmp_path: Path) -> None:
    options = {**TASK.dataset.options, "split": "validation", "train_split": "learn"}
    learnt: Columns = {"image": pictures("red", "green"), "kind": [0, 1]}
    source = mirror(tmp_path, {"": {"validation": ROWS, "learn": learnt}})
    expected = {"validation": 3, "learn": 2}
    assert load_rows(a_task("labelled", options, expected=expected), "default", source).sizes["train"] == 2
    with pytest.raises(DatasetError, match="learn: 2 rows where the card expects 1"):
        load_rows(a_task("labelled", options, expected=expected | {"learn": 1}), "default", source)


def test_a_row_that_the_card_drops_is_not_missed(tmp_path: Path) -> None:
    options = {**TASK.dataset.options, "train_split": "train", "drop_train_rows": (1,)}
    task = a_task("labelled", options, expected={"test": 3, "train": 3})
    assert load_rows(task, "default", mirror(tmp_path, {"": {"test": ROWS, "train": ROWS}})).sizes["train"] == 2


def test_the_expected_number_of_a_subset(tmp_path: Path) -> None:
    table: Columns = {
        "image_id": ["a", "b"],
        "image": pictures("red", "green"),
        "captions": [["one"], ["two", "three"]],
    }
    source = mirror(tmp_path, {"": {"en": table}})
    sound = a_task(
        "captioned_images_per_language",
        modalities="t2i",
        subsets={"en": ("eng-Latn",)},
        expected={"en": 5},
        file=Path("Some.yaml"),
    )
    assert load_rows(sound, "en", source).sizes == {"test": 5}
    short = replace(sound, expected={"en": 6})
    with pytest.raises(DatasetError, match="en: 5 rows where the card expects 6"):
        load_rows(short, "en", source)


def test_a_source_that_does_not_check_sizes_leaves_them(tmp_path: Path) -> None:
    source = mirror(tmp_path, {"": {"test": ROWS}})
    lenient = Mirror(source.folder, source.cache, checks_sizes=False)
    assert load_rows(a_task("labelled", TASK.dataset.options, expected={"test": 99}), "default", lenient).sizes == {
        "test": 3
    }


FAILURES = {
    "gated": (DatasetNotFoundError("Dataset 'x' is a gated dataset on the Hub."), "it is gated; accept its terms"),
    "offline": (ConnectionError("Couldn't reach the Hugging Face Hub"), "the hub was not reached"),
    "no config": (ValueError("BuilderConfig 'qrels' not found. Available: ['a']"), "it lacks a config"),
    "no split": (ValueError("Unknown split \"test\". Should be one of ['train']."), "it lacks a split"),
    "no dataset": (DatasetNotFoundError("Dataset 'x' doesn't exist on the Hub"), "it or its revision does not exist"),
    "no file": (DataFilesNotFoundError("No (supported) data files here"), "a file is missing, truncated or damaged"),
    "damaged": (DatasetGenerationError("An error occurred"), "a file is missing, truncated or damaged"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_to_load_has_a_remedy(case: str) -> None:
    failure, remedy = FAILURES[case]

    def fail() -> None:
        raise failure

    with pytest.raises(DatasetError) as refusal:
        translated(TASK.dataset, "hub", fail)
    said = str(refusal.value)
    assert said.startswith(f"{NAMED} cannot be read from the hub: {remedy}")
    assert said.endswith(f"[{type(failure).__name__}: {failure}]")


def test_the_files_of_a_split(tmp_path: Path) -> None:
    source = mirror(tmp_path, {"": {"test": ROWS, "train": ROWS}})
    found = source.columns(TASK.dataset, None, "test")
    assert found.paths == [source.folder / "org/some-dataset/data/test-00000-of-00001.parquet"]
    with pytest.raises(DatasetError, match="it lacks a split that the card names"):
        source.columns(TASK.dataset, None, "gone")


def test_a_split_whose_columns_are_of_another_type_is_read_by_itself(tmp_path: Path) -> None:
    """`datasets` reads every split as it reads the first, and fails."""
    texts: Columns = {"image": pictures("red"), "kind": ["cat"]}
    source = mirror(tmp_path, {"": {"train": ROWS, "test": texts}})
    assert source.columns(TASK.dataset, None, "test").values("kind") == ["cat"]
    assert source.columns(TASK.dataset, None, "train").values("kind") == [0, 1, 2]


def test_a_split_with_columns_of_its_own_is_read_by_itself(tmp_path: Path) -> None:
    source = mirror(tmp_path, {"": {"train": ROWS, "test": {**ROWS, "more": ["a", "b", "c"]}}})
    found = source.columns(TASK.dataset, None, "test")
    assert list(found.names) == ["image", "kind", "more"] and found.values("more") == ["a", "b", "c"]


def test_a_split_of_another_format_is_left_to_datasets(tmp_path: Path) -> None:
    source = mirror(tmp_path, {"": {"test": ROWS}})
    folder = source.folder / "org/some-dataset"
    (folder / "rows.csv").write_text("kind\n7\n")
    (folder / "README.md").write_text("---\nconfigs:\n- config_name: default\n  data_files: rows.csv\n---\n")
    found = source.columns(TASK.dataset, None, "train")
    assert (list(found.paths), found.values("kind")) == ([], [7])


PRINT_FILES = """
import sys
from pathlib import Path
from pytest_mieb.data.hub import Hub
from pytest_mieb.suite import DatasetRef
hub, ref = Hub(cache=Path(sys.argv[1])), DatasetRef("org/some-dataset", "0123456789" * 4, "labelled")
print(*(file.name for file in hub.columns(ref, None, "test").paths))
"""


def test_a_split_of_the_hub_is_fetched_once_and_alone(tmp_path: Path) -> None:
    source = mirror(tmp_path, {"": {"train": ROWS, "test": ROWS}})

    def run(home: Path, *, offline: bool) -> subprocess.CompletedProcess[str]:
        variables = hub.environment(home) | {
            "HF_HUB_OFFLINE": str(int(offline)),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        command = [sys.executable, "-W", "ignore", "-c", PRINT_FILES, str(tmp_path / "ours")]
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)

    with HubServer(source.folder) as hub:
        assert run(tmp_path / "home", offline=False).stdout.strip() == "test-00000-of-00001.parquet"
        assert not list((tmp_path / "home").rglob("train-*.parquet"))
        asked = len(hub.requests)
        for offline in (False, True):
            assert run(tmp_path / "home", offline=offline).stdout.strip() == "test-00000-of-00001.parquet"
        shutil.rmtree(tmp_path / "home" / "hub" / "datasets--org--some-dataset")
        assert "go online once" in run(tmp_path / "home", offline=True).stderr
        assert len(hub.requests) == asked


def test_where_any_size_is_welcome_another_number_of_rows_is_noted(tmp_path: Path) -> None:
    source = mirror(tmp_path, {"": {"test": ROWS, "train": ROWS}})
    options = {**TASK.dataset.options, "train_split": "train"}
    task = a_task("labelled", options, expected={"test": 99, "train": 3})
    rows = load_rows(task, "default", replace(source, any_size=True))
    assert other_sizes(task, "default", rows) == {"test": (3, 99)}
    assert other_sizes(replace(task, expected={}), "default", rows) == {}


@pytest.mark.parametrize("name", ["hub", "folder"])
def test_a_source_takes_any_size_where_it_is_told_to(tmp_path: Path, name: str) -> None:
    where = name if name == "hub" else str(tmp_path)
    assert not open_source(where, tmp_path).any_size
    assert open_source(where, tmp_path, any_size=True).any_size
    assert not open_source("miniature", tmp_path, any_size=True).any_size
