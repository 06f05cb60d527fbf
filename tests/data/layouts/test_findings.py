"""What of a dataset does not fit is counted, layout by layout, and the rest is read as the reference reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_mieb.data import DatasetError, load_rows
from pytest_mieb.data.findings import Finding
from pytest_mieb.data.rows import Collection, Labelled
from pytest_mieb.data.sources import Mirror
from pytest_mieb.suite import Task
from tests.builders import a_task
from tests.data.layouts.test_refusals import (
    BEIR,
    CAPTIONS,
    CHOICES,
    COLOURS,
    CV_BENCH,
    HATEFUL,
    IMAGECODE,
    KINDS,
    LABELLED,
    PROBED,
    SHADES,
    TAGGED,
    VIDORE,
    beir,
    imagecode,
    kinds,
    one,
    vidore,
)
from tests.data.mirrors import Numbered, Tables, mirror, pictures, write

QUERIES = {"id": ["q", "r", "s"], "text": ["one", "two", "three"]}
NOT_THERE = "judged queries are not among the queries"
GONE = "judged documents are not in the corpus"
UNANSWERED = "queries have no relevant document in the corpus"
FIRST, LAST = (
    "have the id of an earlier one, of which the first counts",
    "have the id of an earlier one, of which the last counts",
)
CONTRADICTED = "judgements are contradicted by a later one of the same query and document, which counts"
ALONE = "queries have a single candidate, which is always the best"
MOVED = "classes of split test have another number than in split train, and are matched by name"
RENAMED = "classes have another name in the files of split test than in the dataset's description, which counts"
STRANGE = "rows of split test have a label that split train does not have"
FOUND: dict[str, tuple[Task, Tables, list[Finding]]] = {
    "beir: a judged query that is not there": (
        BEIR,
        beir(qrels={"query-id": ["q", "gone"], "corpus-id": ["d", "d"], "score": [1, 1]}),
        [Finding(NOT_THERE, 1, 2, "'gone'")],
    ),
    "beir: a judged document that is not there": (
        BEIR,
        beir(queries=QUERIES, qrels={"query-id": ["q", "q", "r"], "corpus-id": ["d", "gone", "e"], "score": [1, 1, 1]}),
        [Finding(GONE, 1, 3, "'gone'")],
    ),
    "beir: a query all of whose documents are not there": (
        BEIR,
        beir(
            queries=QUERIES, qrels={"query-id": ["q", "r", "r"], "corpus-id": ["d", "gone", "too"], "score": [1, 1, 1]}
        ),
        [Finding(GONE, 2, 3, "'gone'"), Finding(UNANSWERED, 1, 2, "'r'")],
    ),
    "beir: a query without a relevant document": (
        BEIR,
        beir(queries=QUERIES, qrels={"query-id": ["q", "r"], "corpus-id": ["d", "e"], "score": [1, 0]}),
        [Finding(UNANSWERED, 1, 2, "'r'")],
    ),
    "beir: a document of a query that is not there is not missed": (
        BEIR,
        beir(qrels={"query-id": ["q", "gone"], "corpus-id": ["d", "lost"], "score": [1, 1]}),
        [Finding(NOT_THERE, 1, 2, "'gone'")],
    ),
    "beir: a query that is not judged is left out": (BEIR, beir(queries=QUERIES), []),
    "beir: repeated ids": (
        BEIR,
        beir(
            queries={"id": ["q", "x", "x", "q", "q"], "text": ["one", "two", "three", "four", "five"]},
            corpus={"id": ["d", "e", "e"], "image": pictures("red", "green", "blue")},
        ),
        [Finding(f"queries {FIRST}", 2, 3, "'q'"), Finding(f"documents {FIRST}", 1, 3, "'e'")],
    ),
    "beir: judgements that contradict each other": (
        BEIR,
        beir(qrels={"query-id": ["q"] * 4, "corpus-id": ["d", "e", "d", "e"], "score": [1, 0, 2, 0]}),
        [Finding(CONTRADICTED, 1, 2, "('q', 'd')")],
    ),
    "choices: a candidate that is not there": (
        CHOICES,
        beir(
            queries=QUERIES,
            qrels={
                "query-id": ["q", "q", "q", "r", "r"],
                "corpus-id": ["d", "e", "x", "d", "y"],
                "score": [1, 0, 0, 1, 0],
            },
        ),
        [Finding(GONE, 2, 4, "'x'"), Finding(ALONE, 1, 2, "'r'")],
    ),
    "vidore: a judged page that is not there": (
        VIDORE,
        vidore(qrels={"query-id": [1, 1], "corpus-id": [7, 8], "score": [1, 1]}),
        [Finding(GONE, 1, 2, "'corpus-test-8'")],
    ),
    "cv_bench: choices of one text": (
        CV_BENCH,
        one(
            task=["Count"] * 2,
            image=pictures("red", "green"),
            question=["?", "!"],
            choices=[["1", "1"], ["1", "2"]],
            answer=["(A)", "(B)"],
        ),
        [Finding(ALONE, 1, 2, "'query-test-0'")],
    ),
    "hateful memes: a text that was seen before": (
        HATEFUL,
        {
            "": {
                split: {"id": ids, "image": pictures("red", "green"), "text": texts}
                for split, ids, texts in (
                    ("train", [5, 6], ["e", "f"]),
                    ("validation", [3, 4], ["c", "d"]),
                    ("test", [1, 2], ["a", "a"]),
                )
            }
        },
        [Finding(GONE, 1, 2, "'corpus-2'"), Finding(UNANSWERED, 1, 2, "'query-2'")],
    ),
    "captions: an id for two images": (
        CAPTIONS,
        {
            "": {
                "en": {
                    "image_id": ["a", "b", "a"],
                    "image": pictures("red", "green", "blue"),
                    "captions": [["x"], ["y"], ["z"]],
                }
            }
        },
        [Finding(f"queries {FIRST}", 1, 3, "'query-a-0'"), Finding(f"documents {FIRST}", 1, 3, "'corpus-a'")],
    ),
    "imagecode: whatever may be": (
        IMAGECODE,
        imagecode(
            corpus={"id": ["a", "b", "a"], "image": pictures("red", "green", "blue")},
            query={"id": ["q", "r", "q"], "text": ["one", "two", "three"]},
            qrels={
                "query-id": ["q", "q", "r", "r", "gone", "gone"],
                "corpus-id": ["a", "b", "a", "b", "a", "b"],
                "score": [0, 1, 1, 1, 1, 0],
            },
        ),
        [
            Finding(f"documents {LAST}", 1, 3, "'a'"),
            Finding("queries have the id of an earlier one, of which each counts", 1, 3, "'q'"),
            Finding(NOT_THERE, 1, 3, "'gone'"),
            Finding("queries have several documents with score 1, of which the last counts", 1, 2, "'r'"),
        ],
    ),
    "labelled: a label that is not learned": (
        PROBED,
        kinds(["cat", "dog", "cow"], ["cat", "dog"]),
        [Finding(STRANGE, 1, 3, "'cow'")],
    ),
    "labelled: a label that is not tested": (PROBED, kinds(["cat", "dog"], ["cat", "dog", "cow"]), []),
    "labelled: rows without one of several labels": (
        TAGGED,
        kinds([[1], [2], []], [[1], [], [2], []]),
        [
            Finding("rows of split test have no label", 1, 3, "row 2"),
            Finding("rows of split train have no label", 2, 4, "row 1"),
        ],
    ),
    "labelled: classes of one name": (
        a_task(
            "labelled", KINDS, protocol="zero_shot", scoring={"template": "a {label}", "labels": ("red", "red", "blue")}
        ),
        one(image=pictures("red"), kind=[1]),
        [Finding("classes have the name of an earlier one, and so are never found", 1, 3, "'red'")],
    ),
    "labelled: scenes of one name": (
        a_task("labelled", KINDS, protocol="zero_shot", scoring={"template": "a {label}", "labels": "scene names"}),
        one(image=pictures("red"), kind=Numbered([1], "/a/attic", "/b/attic")),
        [Finding("classes have the name of an earlier one, and so are never found", 1, 2, "'attic'")],
    ),
}


@pytest.mark.parametrize("case", FOUND)
def test_what_does_not_fit_is_counted(tmp_path: Path, case: str) -> None:
    task, tables, findings = FOUND[case]
    found = load_rows(task, next(iter(task.subsets)), mirror(tmp_path, tables))
    assert list(found.findings) == findings


def test_imagecode_takes_the_last_of_what_is_repeated_as_the_reference_does(tmp_path: Path) -> None:
    task, tables, _ = FOUND["imagecode: whatever may be"]
    found: Any = load_rows(task, "default", mirror(tmp_path, tables))
    pixels = [[image.getpixel((0, 0)) for image in column.images] for column in found.images]
    green, blue = (0, 255, 0), (0, 0, 255)  # blue is the second "a"
    assert pixels == [[green, green, green], [blue, blue, blue]]
    assert found.texts[0].texts == ["one", "two", "three"]


def test_the_corpus_and_the_judgements_stay_as_they_are_where_a_part_is_missing(tmp_path: Path) -> None:
    task, tables, _ = FOUND["beir: a query all of whose documents are not there"]
    found = load_rows(task, "default", mirror(tmp_path, tables))
    assert isinstance(found, Collection)
    assert found.qrels.documents.tolist() == [0, -1, -1]
    assert found.queries.texts == ["one", "two"]


def split_by_split(folder: Path, tables: Mapping[str, Mapping[str, Any]]) -> Mirror:
    """A mirror in which each split's file was written with class names of its own."""
    return mirror(folder, {"": tables})


def probe(test: Any, train: Any) -> Mapping[str, Any]:
    return kinds(test, train)[""]


def named(values: Any) -> list[str]:
    return [values.names[value] for value in values] if isinstance(values, Numbered) else list(values)


@pytest.mark.parametrize(
    ("test", "train", "findings"),
    [
        (Numbered([2, 1, 0], "a", "b", "c"), Numbered([0, 1, 2], "a", "b", "c"), []),
        (Numbered([0, 1, 2], "b", "a", "c"), Numbered([0, 1, 2], "a", "b", "c"), [Finding(MOVED, 2, 3, "'b'")]),
        (Numbered([0, 1], "b", "a"), ["a", "b"], []),
        (["b", "a"], Numbered([0, 1], "a", "b"), []),
        (["b", "d"], Numbered([0, 1], "a", "b"), [Finding(STRANGE, 1, 2, "'d'")]),
        (
            Numbered([0, 1, 3], "b", "a", "c", "d"),
            Numbered([0, 1, 2], "a", "b", "c"),
            [Finding(MOVED, 2, 3, "'b'"), Finding(STRANGE, 1, 3, "'d'")],
        ),
    ],
    ids=["the same", "another order", "names and texts", "texts and names", "a text more", "a name more"],
)
@pytest.mark.parametrize("first", ["test", "train"])
def test_the_labels_of_two_splits_are_matched_by_the_names_in_their_own_files(
    tmp_path: Path, test: Any, train: Any, findings: list[Finding], first: str
) -> None:
    """`datasets` gives both splits the type of the first file that it reads."""
    tables = probe(test, train)
    source = split_by_split(tmp_path, {name: tables[name] for name in sorted(tables, key=lambda name: name != first)})
    found = load_rows(PROBED, "default", source)
    assert isinstance(found, Labelled) and found.train is not None
    learned = dict(zip(found.train.labels, named(train), strict=True))
    assert [learned.get(label, "d") for label in found.test.labels] == named(test)
    assert list(found.findings) == findings
    if isinstance(train, Numbered):
        assert list(found.train.labels) == list(train)


def test_several_labels_a_row_are_matched_by_name_too(tmp_path: Path) -> None:
    tables = probe(Numbered([[0], [1, 2]], "b", "a", "c"), Numbered([[0, 1], [2]], "a", "b", "c"))
    found = load_rows(TAGGED, "default", split_by_split(tmp_path, tables))
    assert isinstance(found, Labelled) and found.train is not None
    assert (found.test.labels, found.train.labels) == ([[1], [0, 2]], [[0, 1], [2]])
    assert found.class_names is None  # with which the examples would get another hash


def in_two_files(folder: Path, *parts: Numbered) -> Mirror:
    """A mirror whose test split lies in several files."""
    data = folder / "mirror" / "org/some-dataset" / "data"
    for number, part in enumerate(parts):
        write(folder / str(number), {"": {"test": {"image": pictures(*["red"] * len(part)), "kind": part}}})
        data.mkdir(parents=True, exist_ok=True)
        (folder / str(number) / "data/test-00000-of-00001.parquet").rename(data / f"test-{number}.parquet")
    (data.parent / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: test\n    path: data/*\n---\n"
    )
    return Mirror(folder / "mirror", folder / "cache")


def test_files_of_one_split_that_number_their_classes_differently_are_refused(tmp_path: Path) -> None:
    source = in_two_files(tmp_path, Numbered([0, 1], "a", "b"), Numbered([0, 1], "b", "a"))
    with pytest.raises(DatasetError) as refusal:
        load_rows(LABELLED, "default", source)
    assert str(refusal.value).endswith(
        "split test: column 'kind' has its classes in another order in each file: 'b' is class 1 in one and class 0 in "
        "another; write all files with one list of classes"
    )


def test_files_of_one_split_may_know_more_or_fewer_classes(tmp_path: Path) -> None:
    source = in_two_files(tmp_path, Numbered([0, 1], "a", "b"), Numbered([0, 2], "a", "b", "c"))
    found = load_rows(COLOURS, "default", source)
    assert isinstance(found, Labelled)
    assert (found.test.labels, found.class_names, found.findings) == ([0, 1, 0, 2], ("a", "b", "c"), ())


@pytest.mark.parametrize(
    ("own", "prompts", "findings"),
    [
        (("red", "blue"), ("red", "blue"), []),
        (("blue", "red"), ("blue", "red"), []),  # the file's own, in whose order it numbers
        (
            ("rot", "blau"),
            ("red", "blue"),
            [Finding(RENAMED, 2, 2, "'rot'")],
        ),
    ],
)
def test_prompts_are_made_of_the_names_that_the_split_numbers(
    tmp_path: Path, own: tuple[str, ...], prompts: tuple[str, ...], findings: list[Finding]
) -> None:
    tables = probe(Numbered([0, 1], *own), Numbered([0, 1], "red", "blue"))
    source = split_by_split(tmp_path, {"train": tables["train"], "test": tables["test"]})
    found = load_rows(COLOURS, "default", source)
    assert isinstance(found, Labelled)
    assert (found.class_names, list(found.findings)) == (prompts, findings)


def test_a_card_that_says_so_may_list_other_labels(tmp_path: Path) -> None:
    source = mirror(tmp_path, one(image=pictures("red"), kind=Numbered([1], "red", "blue")))
    with pytest.raises(DatasetError, match="another order than the card"):
        load_rows(SHADES, "default", source)
    task = a_task("labelled", KINDS, protocol="zero_shot", scoring={**SHADES.scoring, "labels_differ": True})
    found = load_rows(task, "default", source)
    assert isinstance(found, Labelled)
    assert found.test.labels == [1]
