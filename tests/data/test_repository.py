"""What is in a repository: as `datasets` resolves it, from a folder or from a hub's listing."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest

from pytest_mieb.data.repository import Repository, Split, in_folder, of_listing
from tests.data.mirrors import Columns, Tables, pictures, write

ROWS: Columns = {"image": pictures("red"), "kind": [0]}
TABLES: Tables = {"corpus": {"test": ROWS, "train": ROWS}, "query": {"test": ROWS}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "some", TABLES)
    return tmp_path / "some"


def listing(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


def test_configs_and_splits_are_those_of_datasets(folder: Path) -> None:
    found = in_folder(folder)
    assert list(found.configs) == datasets.get_dataset_config_names(str(folder))
    for name, config in found.configs.items():
        assert list(config.splits) == datasets.get_dataset_split_names(str(folder), name)
        assert config.parquet and not config.problem
    assert found.split("corpus", "train") == Split(("corpus/train-00000-of-00001.parquet",))


def test_a_listing_is_as_good_as_the_files(folder: Path) -> None:
    assert of_listing(listing(folder), {"README.md": folder / "README.md"}) == in_folder(folder)


def test_a_name_that_leads_out_of_the_repository_is_passed_over(folder: Path, tmp_path: Path) -> None:
    names = [*listing(folder), "../../evil.parquet"]
    assert of_listing(names, {"README.md": folder / "README.md"}) == in_folder(folder)
    assert not list(tmp_path.rglob("evil*"))


def test_files_without_a_word_about_them_are_told_apart_by_their_names(tmp_path: Path) -> None:
    names = [
        "data/train-00000-of-00002.parquet",
        "data/train-00001-of-00002.parquet",
        "data/test-00000-of-00001.parquet",
    ]
    found = of_listing(names, {})
    assert found.default == "default"
    assert {name: split.files for name, split in found.config(None).splits.items()} == {
        "train": (names[0], names[1]),
        "test": (names[2],),
    }


def test_what_is_kept_reads_back_the_same(folder: Path, tmp_path: Path) -> None:
    found = in_folder(folder)
    found.write(tmp_path / "kept" / "some.json")
    assert Repository.read(tmp_path / "kept" / "some.json") == found


@pytest.mark.parametrize("content", ["", "{", "[]", '{"configs": {"a": 1}, "default": null}', '{"configs": 3}'])
def test_what_cannot_be_read_is_not_there(tmp_path: Path, content: str) -> None:
    (tmp_path / "some.json").write_text(content)
    assert Repository.read(tmp_path / "some.json") is None
    assert Repository.read(tmp_path / "gone.json") is None


def test_what_is_not_there_is_refused_in_the_words_of_datasets(folder: Path) -> None:
    found = in_folder(folder)
    with pytest.raises(ValueError, match="Config name is missing"):
        found.config(None)
    with pytest.raises(ValueError, match=r"BuilderConfig 'qrels' not found. Available: corpus, query"):
        found.config("qrels")
    with pytest.raises(ValueError, match=r"Unknown split 'train'. Should be one of test"):
        found.split("query", "train")


def test_a_config_whose_files_are_gone_is_a_problem_of_its_own(folder: Path) -> None:
    (folder / "query" / "test-00000-of-00001.parquet").unlink()
    found = in_folder(folder)
    assert found.split("corpus", "test")
    with pytest.raises(FileNotFoundError, match="no file of 'test'"):
        found.split("query", "test")


def test_declared_types_and_rows_are_taken_from_the_head(folder: Path) -> None:
    head = """---
configs:
- config_name: default
  data_files:
  - split: test
    path: query/test-*.parquet
dataset_info:
  features:
  - name: kind
    dtype:
      class_label:
        names: {'0': cat, '1': dog}
  splits:
  - name: test
    num_examples: 7
---
"""
    (folder / "README.md").write_text(head)
    config = in_folder(folder).config(None)
    assert config.splits["test"].rows == 7
    features = datasets.Features.from_dict(dict(config.features or {}))
    assert features["kind"].names == ["cat", "dog"]
