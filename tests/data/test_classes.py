"""Class names: in the files, in the prompts, and where the two contradict each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import pytest

from pytest_mieb.data import DatasetError
from pytest_mieb.data.classes import (
    misplaced,
    names_in,
    names_of,
    prompted,
    refuse_other_classes,
    repeated,
    scene_name,
)
from pytest_mieb.data.findings import Finding
from pytest_mieb.suite import Task
from tests.builders import a_task

FEATURE = datasets.ClassLabel(names=["cat", "dog"])


def zero_shot(labels: Any, **scoring: Any) -> Task:
    return a_task(
        protocol="zero_shot", scoring={"template": "a {label}", "labels": labels, **scoring}, file=Path("Some.yaml")
    )


@pytest.mark.parametrize(
    ("feature", "names"),
    [
        (FEATURE, ("cat", "dog")),
        (datasets.List(FEATURE), ("cat", "dog")),
        (datasets.Value("int64"), None),
        (datasets.List(datasets.Value("string")), None),
        (datasets.Image(), None),
        (datasets.ClassLabel(num_classes=0), None),
    ],
)
def test_the_names_of_a_feature(feature: Any, names: tuple[str, ...] | None) -> None:
    assert names_of(feature) == names


def file(path: Path, features: Mapping[str, Any] | None, **columns: Any) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if features is None:
        pq.write_table(pa.table(columns), path)
    else:
        datasets.Dataset.from_dict(columns, datasets.Features(features)).to_parquet(path)
    return path


def test_the_names_in_files_are_those_that_each_was_written_with(tmp_path: Path) -> None:
    other = datasets.ClassLabel(names=["dog", "cat"])
    one = file(tmp_path / "1.parquet", {"kind": FEATURE, "tags": datasets.List(other)}, kind=[0], tags=[[1]])
    two = file(tmp_path / "2.parquet", {"kind": other}, kind=[0])
    texts = file(tmp_path / "3.parquet", {"kind": datasets.Value("string")}, kind=["cat"])
    bare = file(tmp_path / "4.parquet", None, kind=[0])
    assert names_in([one, bare, texts, two, one], "kind") == [("cat", "dog"), ("dog", "cat")]
    assert names_in([one], "tags") == [("dog", "cat")]
    assert names_in([bare, texts], "kind") == names_in([one], "gone") == names_in([], "kind") == []


@pytest.mark.parametrize(
    ("own", "others", "moved"),
    [
        (["a", "b"], ["a", "b"], None),
        (["a", "b"], ["b", "a"], ("a", 0, 1)),
        (["x", "b", "a"], ["a", "b", "c"], ("a", 2, 0)),
        (["Annual Crop", "sea_lake"], ["annual-crop", "SeaLake"], None),
        (["Sea Lake", "river"], ["River", "SeaLake"], ("Sea Lake", 0, 1)),
        (["a photo", "b"], ["c", "d"], None),
        (["a"], ["a", "b"], None),
        (["missile", "car", "missile"], ["Missile", "car", "rocket"], None),  # two classes of one name
        (["", "b"], ["b2", ""], None),
    ],
)
def test_a_name_at_another_place(own: list[str], others: list[str], moved: tuple[str, int, int] | None) -> None:
    assert misplaced(own, others) == moved


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/a/abbey", "abbey"),
        ("/c/church/outdoor", "church outdoor"),
        ("/b/botanical_garden", "botanical garden"),
    ],
)
def test_scene_names(name: str, words: str) -> None:
    assert scene_name(name) == words


@pytest.mark.parametrize(
    ("labels", "names", "prompts"),
    [
        (("one", "two"), ("a", "b"), ("one", "two")),
        (("one", "two"), None, ("one", "two")),
        ("class names", ("/a/b_c", "d"), ("/a/b_c", "d")),
        ("scene names", ("/a/b_c", "/d/e/f"), ("b c", "e f")),
        ("class names", None, None),
        ("scene names", None, None),
    ],
)
def test_the_names_that_go_into_prompts(labels: Any, names: tuple[str, ...] | None, prompts: Any) -> None:
    assert prompted(zero_shot(labels), names) == prompts


REMEDY = "list the classes of the dataset in its order under `labels` in Some.yaml, or take 'class names'"


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (("blue", "red"), "column 'kind' has 3 classes where the card lists 2"),
        (("red", "green", "blue", "sky"), "column 'kind' has 3 classes where the card lists 4"),
        (
            ("Blue", "red", "green"),
            "column 'kind' has its classes in another order than the card: 'Blue' is class 2 of the column "
            "and class 0 of the card",
        ),
        (
            ("bright red", "blue", "deep blue"),
            "column 'kind' has its classes in another order than the card: 'blue' is class 2 of the column "
            "and class 1 of the card",
        ),
    ],
)
def test_a_card_that_lists_other_classes_is_refused(labels: tuple[str, ...], sentence: str) -> None:
    def error(said: str, remedy: str) -> DatasetError:
        return DatasetError(f"{said}; {remedy}")

    names = ("red", "green", "blue")
    with pytest.raises(DatasetError) as refusal:
        refuse_other_classes(zero_shot(labels), "kind", names, error)
    assert str(refusal.value) == f"{sentence}; {REMEDY}"
    refuse_other_classes(zero_shot(labels, labels_differ=True), "kind", names, error)


@pytest.mark.parametrize(
    "labels",
    ["class names", "scene names", ("red", "green", "blue"), ("Red", "GREEN", "bl_ue"), ("rosy", "leafy", "skyey")],
    ids=str,
)
def test_a_card_that_words_the_classes_otherwise_is_none_of_ours(labels: Any) -> None:
    refuse_other_classes(zero_shot(labels), "kind", ("red", "green", "blue"), lambda *said: DatasetError(*said))


def test_classes_of_one_name_are_found() -> None:
    assert repeated(("red", "green")) == ()
    (found,) = repeated(("red", "green", "red", "blue", "green", "red"))
    assert found == Finding("classes have the name of an earlier one, and so are never found", 3, 6, "'red'")
