"""What of a dataset does not fit is counted, layout by layout, and the rest is read as the reference reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_mieb.data import load_rows
from pytest_mieb.data.findings import Finding
from pytest_mieb.data.rows import Collection
from pytest_mieb.suite import Task
from tests.data.layouts.test_refusals import (
    BEIR,
    CAPTIONS,
    CHOICES,
    CV_BENCH,
    HATEFUL,
    IMAGECODE,
    VIDORE,
    Tables,
    beir,
    imagecode,
    one,
    vidore,
)
from tests.data.mirrors import mirror, pictures

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
