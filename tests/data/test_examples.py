"""What tells two runs over other examples apart, and which examples depend on each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pytest_mieb.data.examples import Digest, clusters
from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.keys import as_keys
from pytest_mieb.data.rows import CaptionedImages, Collection, Labelled, LabelledSplit, Qrels, Rows, ScoredPairs


def labelled(test: Sequence[Any], train: Sequence[Any] | None = None, names: tuple[str, ...] | None = None) -> Labelled:
    split = None if train is None else LabelledSplit(texts(len(train)), train)
    return Labelled(LabelledSplit(texts(len(test)), test), split, names)


def texts(count: int) -> Inputs:
    return Inputs(texts=[str(number) for number in range(count)])


def pairs(*scores: float) -> ScoredPairs:
    return ScoredPairs(texts(len(scores)), texts(len(scores)), np.array(scores))


def collection(
    judged: Sequence[tuple[int, int, int]],
    ids: str,
    queries: int,
    *,
    images: bool = True,
    candidates: Sequence[Sequence[int]] | None = None,
) -> Collection:
    """`judged` are triples of query, document and gain; `ids` has a letter a document."""
    columns = np.array(judged, dtype=np.int64).reshape(-1, 3).T
    documents = Inputs(images=list(ids)) if images else texts(len(ids))  # type: ignore[arg-type]
    own = None if candidates is None else [np.array(each, dtype=np.int64) for each in candidates]
    return Collection(texts(queries), documents, list(ids), Qrels(*columns), queries + len(ids), own)


def digest(rows: Rows, *keys: bytes) -> str:
    found = Digest()
    found.add_keys(as_keys(key.ljust(16, b"-") for key in keys))
    found.add_truth(rows)
    return found.hexdigest()


QRELS = [(0, 0, 1), (1, 1, 1)]
DIFFERENT: dict[str, tuple[Rows, Rows]] = {
    "a label": (labelled([0, 1, 2]), labelled([0, 1, 1])),
    "labels in another order": (labelled([0, 1, 2]), labelled([2, 1, 0])),
    "a label of a multilabel row": (labelled([[0, 1], [2]]), labelled([[0], [1, 2]])),
    "a training label": (labelled([0], [1, 2]), labelled([0], [1, 1])),
    "a label from one split to the other": (labelled([1, 2], [3]), labelled([1], [2, 3])),
    "digits from one split to the other": (labelled([1], [23]), labelled([12], [3])),
    "the name of a class": (labelled([0], names=("a", "b")), labelled([0], names=("b", "a"))),
    "a human score": (pairs(1, 2), pairs(1, 2.5)),
    "a gain": (collection(QRELS, "ab", 2), collection([(0, 0, 1), (1, 1, 2)], "ab", 2)),
    "a relevant document": (collection(QRELS, "ab", 2), collection([(0, 1, 1), (1, 1, 1)], "ab", 2)),
    "a query": (collection(QRELS, "ab", 2), collection([(0, 0, 1), (0, 1, 1)], "ab", 2)),
    "a document's id": (collection(QRELS, "ab", 2), collection(QRELS, "ac", 2)),
    "a candidate": (
        collection(QRELS, "ab", 2, candidates=[[0, 1], [1]]),
        collection(QRELS, "ab", 2, candidates=[[0, 1], [0]]),
    ),
    "a candidate from one query to the next": (
        collection(QRELS, "ab", 2, candidates=[[0, 1], [1]]),
        collection(QRELS, "ab", 2, candidates=[[0], [1, 1]]),
    ),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_other_truth_has_another_digest(case: str) -> None:
    one, other = DIFFERENT[case]
    assert digest(one) == digest(one)
    assert digest(one) != digest(other)


def test_the_digest_knows_what_is_embedded_and_in_what_order() -> None:
    rows = CaptionedImages((texts(1),), (texts(1),))
    found = [digest(rows, *keys) for keys in ((), (b"a",), (b"b",), (b"a", b"b"), (b"b", b"a"))]
    assert len(set(found)) == len(found)
    assert {len(each) for each in found} == {32}


def test_an_input_from_one_column_to_the_next_changes_the_digest() -> None:
    found = []
    for columns in ((b"ab", b"c"), (b"a", b"bc")):
        one = Digest()
        for column in columns:
            one.add_keys(as_keys(bytes([letter]) * 16 for letter in column))
        found.append(one.hexdigest())
    assert found[0] != found[1]


def test_captions_of_one_picture_belong_together_also_in_several_languages() -> None:
    english = clusters(collection([(0, 0, 1), (1, 0, 1), (2, 1, 1)], "ab", 3), 2)
    french = clusters(collection([(0, 1, 1), (1, 2, 1)], "xbA", 2), 2)
    other = clusters(collection([(0, 1, 1)], "xa", 1), 2)
    assert english is not None and french is not None and other is not None
    assert english[0] == english[1] != english[2]
    assert french[0] == english[2] and other[0] == english[0]
    assert french[1] not in english
    assert english.dtype == np.int64 and english.min() >= 0


def test_a_query_with_several_relevant_pictures_or_none_in_the_corpus_stands_alone() -> None:
    judged = [(0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0), (2, -1, 1), (4, 0, 1)]
    found = clusters(collection(judged, "ab", 5), 1)
    assert found is not None
    assert found[1] == found[4]  # a gain of 0 is not relevant
    assert len(set(found.tolist())) == 4
    assert [place for place, number in enumerate(found) if number < 0] == [0, 2, 3]


@pytest.mark.parametrize("subsets", [1, 2])
def test_translations_of_a_pair_of_sentences_stand_in_the_same_row(subsets: int) -> None:
    found = clusters(pairs(1, 2, 3), subsets)
    assert (found is None) if subsets == 1 else (found is not None and found.tolist() == [0, 1, 2])


@pytest.mark.parametrize(
    "rows",
    [
        labelled([0, 1]),
        CaptionedImages((texts(2),), (texts(2),)),
        collection(QRELS, "ab", 2, images=False),
        collection(QRELS, "ab", 2, candidates=[[0], [1]]),
    ],
    ids=["labels", "captioned images", "texts as documents", "candidates"],
)
def test_all_others_are_independent(rows: Rows) -> None:
    assert clusters(rows, 2) is None


def test_the_length_of_the_corpus_does_not_matter_for_the_clusters() -> None:
    rows = collection(QRELS, "ab", 2)
    longer = replace(rows, document_ids=[*rows.document_ids, "c"])
    one, other = clusters(rows, 1), clusters(longer, 1)
    assert one is not None and other is not None and one.tolist() == other.tolist()
