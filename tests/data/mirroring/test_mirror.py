"""A mirror that holds what tasks read and no more, read as the hub describes the whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_mieb.data.digest import Digest, digest_called
from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.mirroring import manifest
from pytest_mieb.data.mirroring.listing import by_dataset
from pytest_mieb.data.mirroring.manifest import FileRecord, Manifest
from pytest_mieb.data.mirroring.needs import files_of, parquet_of, split_files_of
from pytest_mieb.data.opening import features_in
from pytest_mieb.data.repository import UNLISTED, Repository, in_folder
from pytest_mieb.data.sources import Mirror
from pytest_mieb.suite import DatasetRef
from tests.builders import REVISION, a_task
from tests.data.mirrors import Columns, pictures, write

TASK = a_task("labelled", {"split": "test", "image": "image", "label": "kind"})
PATH = TASK.dataset.path
ROWS: Columns = {"image": pictures("red", "green", "blue"), "kind": [0, 1, 2]}
TEXTS: Columns = {"image": pictures("red"), "kind": ["cat"]}
TRAIN, TEST = (f"data/{split}-00000-of-00001.parquet" for split in ("train", "test"))


def repository(folder: Path) -> Repository:
    write(folder / PATH, {"": {"train": ROWS, "test": ROWS}, "other": {"test": TEXTS}})
    return in_folder(folder / PATH)


def listing(folder: Path) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]


def test_the_files_that_a_task_reads(tmp_path: Path) -> None:
    found, files = repository(tmp_path), listing(tmp_path / PATH)
    assert files_of([TASK], found, files) == ["README.md", TEST]
    probe = a_task("labelled", {**TASK.dataset.options, "train_split": "train"})
    assert files_of([TASK, probe], found, files) == ["README.md", TEST, TRAIN]
    assert split_files_of([probe], found) == [TEST, TRAIN]
    assert parquet_of([TASK], found)


def test_all_of_what_nobody_describes_is_needed(tmp_path: Path) -> None:
    repository(tmp_path)
    files = listing(tmp_path / PATH)
    assert files_of([TASK], UNLISTED, files) == sorted(files) and not parquet_of([TASK], UNLISTED)


def test_of_what_is_not_parquet_all_is_needed_that_belongs_to_no_other_config(tmp_path: Path) -> None:
    found = repository(tmp_path)
    configs = {**found.configs, "default": replace(found.configs["default"], parquet=False)}
    files = [*listing(tmp_path / PATH), "labels.txt"]
    assert files_of([TASK], replace(found, configs=configs), files) == ["README.md", TEST, TRAIN, "labels.txt"]
    assert not parquet_of([TASK], replace(found, configs=configs))


def test_a_split_that_is_not_there_is_named(tmp_path: Path) -> None:
    task = a_task("labelled", {**TASK.dataset.options, "split": "gone"})
    with pytest.raises(DatasetError, match="cannot be read from the hub: it lacks a split that the card names"):
        files_of([task], repository(tmp_path), [])


def kept(folder: Path, revision: str = REVISION) -> Mirror:
    """A mirror of which the training split was not fetched."""
    found = repository(folder)
    (folder / PATH / TRAIN).unlink()
    size = (folder / PATH / TEST).stat().st_size
    files = {TEST: FileRecord(size, Digest("sha256", ""))}
    Manifest(PATH, revision, "c" * 40, files, found).write(folder)
    return Mirror(folder, folder / "cache")


def test_a_split_that_was_not_fetched_hides_none_that_was(tmp_path: Path) -> None:
    bare = kept(tmp_path)
    manifest.record_of(tmp_path, PATH).unlink()
    with pytest.raises(DatasetError, match="cannot be read from the mirror"):
        bare.columns(TASK.dataset, None, "test")


def test_the_record_knows_the_types_that_a_file_had_which_was_not_fetched(tmp_path: Path) -> None:
    """`datasets` gives every split the types of the first one, which is not there."""
    source = kept(tmp_path)
    record = manifest.read(tmp_path, PATH)
    assert record
    own = replace(record.repository.configs["default"], features=features_in(tmp_path / PATH / TEST).to_dict())
    repository = replace(record.repository, configs={**record.repository.configs, "default": own})
    replace(record, repository=repository).write(tmp_path)
    found = source.columns(TASK.dataset, None, "test")
    assert found.values("kind") == [0, 1, 2] and source.configs(TASK.dataset) == ["default", "other"]


def test_what_was_not_fetched_or_is_not_whole_is_said_to_be_so(tmp_path: Path) -> None:
    source = kept(tmp_path)
    with pytest.raises(
        DatasetError, match=rf"{TRAIN} was not fetched in the mirror .*; fetch it with `pytest-mieb data"
    ):
        source.columns(TASK.dataset, None, "train")
    (tmp_path / PATH / TEST).write_bytes(b"")
    with pytest.raises(DatasetError, match=f"{TEST} is missing or has another size than the hub's in the mirror"):
        source.columns(TASK.dataset, None, "test")


def test_another_revision_than_the_cards_is_refused(tmp_path: Path) -> None:
    source = kept(tmp_path, revision="b" * 40)
    with pytest.raises(DatasetError, match=f"holds revision {'b' * 40} of it, and the card reads {REVISION}; fetch it"):
        source.splits(TASK.dataset, None)
    with pytest.raises(DatasetError, match="holds revision"):
        source.state(TASK.dataset)
    assert source.splits(replace(TASK.dataset, revision="c" * 40), None) == ["train", "test"]


def test_a_record_that_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    source = kept(tmp_path)
    manifest.record_of(tmp_path, PATH).write_text("{")
    with pytest.raises(DatasetError, match="remove it, and fetch the dataset again"):
        source.splits(TASK.dataset, None)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    files = {
        "README.md": FileRecord(5, Digest("git", "a" * 40), 7),
        TEST: FileRecord(9, Digest("sha256", "b" * 64)),
    }
    written = Manifest(PATH, "main", "c" * 40, files, repository(tmp_path / "hub"), "a part")
    written.write(tmp_path)
    assert manifest.read(tmp_path, PATH) == written and manifest.recorded(tmp_path) == [PATH]
    assert manifest.read(tmp_path, "org/none") is None


def test_the_hashes_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"hello\n")
    heard: list[int] = []
    git = Digest("git", "ce013625030ba8dba906f756967f9e9ca394464a")
    assert git.of(file, 6, heard.append) == git and heard == [6]
    sha = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
    assert Digest("sha256", "").of(file, 6) == Digest("sha256", sha) == digest_called(sha)
    assert digest_called(git.value) == git and digest_called("README.md") is None and digest_called("g" * 40) is None


def test_two_revisions_of_a_dataset_do_not_fit_into_one_mirror() -> None:
    other = a_task(name="Other", dataset=DatasetRef(PATH, "main", "labelled"))
    with pytest.raises(DatasetError, match="Some reads revision 0123456789abcdef, and Other main; a mirror holds one"):
        by_dataset([TASK, other])
