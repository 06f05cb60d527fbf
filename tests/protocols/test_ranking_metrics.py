"""Metrics of rankings against values worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log2

import numpy as np
import pytest

from pytest_mieb.protocols.ranking_metrics import CUTOFFS, judge, per_query


def metrics(
    ranked: Sequence[int], grades: Mapping[int, int], n_documents: int = 5, missing: Sequence[int] = ()
) -> dict[str, float]:
    """The metrics of one query; `missing` holds the grades of judged documents that are not in the corpus."""
    documents = [*grades, *(-1 for _ in missing)]
    gains = [*grades.values(), *missing]
    judged = judge(
        np.array([ranked], dtype=np.int64).reshape(1, -1),
        np.zeros(len(documents), np.int64),
        np.array(documents, np.int64),
        np.array(gains, np.int64),
        n_documents,
    )
    return {name: float(value[0]) for name, value in per_query(judged).items()}


# Five documents are ranked 2, 0, 3, 1, 4. Document 0 has the grade 3, document 1 the grade 1, document 2 the grade 0:
# relevant ones stand at the ranks 2 and 4.
GRADED = {
    "ndcg_at_1": 0.0,
    "ndcg_at_3": (3 / log2(3)) / (3 / log2(2) + 1 / log2(3)),
    "ndcg_at_5": (3 / log2(3) + 1 / log2(5)) / (3 / log2(2) + 1 / log2(3)),
    "map_at_1": 0.0,
    "map_at_3": (1 / 2) / 2,
    "map_at_5": (1 / 2 + 2 / 4) / 2,
    "recall_at_1": 0.0,
    "recall_at_3": 1 / 2,
    "recall_at_5": 2 / 2,
    "precision_at_1": 0.0,
    "precision_at_3": 1 / 3,
    "precision_at_5": 2 / 5,
    "mrr_at_1": 0.0,
    "mrr_at_3": 1 / 2,
    "mrr_at_5": 1 / 2,
    "hit_rate_at_1": 0.0,
    "hit_rate_at_3": 1.0,
    "hit_rate_at_5": 1.0,
    # Beyond the corpus nothing more is found, and precision still divides by k.
    "ndcg_at_100": (3 / log2(3) + 1 / log2(5)) / (3 / log2(2) + 1 / log2(3)),
    "map_at_20": (1 / 2 + 2 / 4) / 2,
    "recall_at_20": 2 / 2,
    "precision_at_20": 2 / 20,
    "precision_at_100": 2 / 100,
    "mrr_at_100": 1 / 2,
}


@pytest.mark.parametrize("name", GRADED)
def test_graded_relevance(name: str) -> None:
    assert metrics([2, 0, 3, 1, 4], {0: 3, 1: 1, 2: 0})[name] == pytest.approx(GRADED[name])


def test_every_metric_is_there_at_every_cut_off() -> None:
    kinds = ("ndcg", "map", "recall", "precision", "mrr", "hit_rate")
    assert set(metrics([0], {0: 1})) == {f"{kind}_at_{k}" for kind in kinds for k in CUTOFFS}


def test_the_ideal_ranking_is_cut_at_k() -> None:
    # Three relevant documents, one of them first: at 1 no ranking is better.
    found = metrics([0, 3, 4], {0: 1, 1: 1, 2: 1})
    assert found["ndcg_at_1"] == 1
    assert found["ndcg_at_3"] == pytest.approx(1 / (1 + 1 / log2(3) + 1 / 2))
    assert (found["recall_at_1"], found["map_at_1"]) == pytest.approx((1 / 3, 1 / 3))


def test_the_perfect_ranking_of_grades_is_1_and_the_reverse_is_less() -> None:
    assert metrics([1, 0], {0: 1, 1: 2})["ndcg_at_10"] == pytest.approx(1)
    assert metrics([0, 1], {0: 1, 1: 2})["ndcg_at_10"] == pytest.approx((1 + 2 / log2(3)) / (2 + 1 / log2(3)))


def test_a_judged_document_outside_the_corpus_counts_as_relevant_and_is_never_found() -> None:
    found = metrics([0, 1, 2, 3, 4], {0: 1}, missing=[2])
    assert found["recall_at_5"] == 1 / 2
    assert found["map_at_5"] == (1 / 1) / 2
    assert found["ndcg_at_5"] == pytest.approx(1 / (2 + 1 / log2(3)))


def test_a_query_whose_only_relevant_document_is_outside_the_corpus_is_0_in_everything() -> None:
    assert set(metrics([0, 1, 2], {}, missing=[1]).values()) == {0.0}


@pytest.mark.parametrize("grades", [{}, {0: 0}, {0: -1}], ids=["not judged", "grade 0", "grade -1"])
def test_a_query_with_no_relevant_document_is_0_in_everything(grades: dict[int, int]) -> None:
    assert set(metrics([0, 1, 2], grades).values()) == {0.0}


def test_a_grade_below_0_takes_nothing_away() -> None:
    assert metrics([1, 0], {0: 2, 1: -1})["ndcg_at_3"] == pytest.approx((2 / log2(3)) / 2)


def test_places_without_a_document_count_nothing() -> None:
    found = metrics([1, 0, -1, -1, -1], {0: 1}, missing=[1])
    assert (found["precision_at_5"], found["recall_at_5"]) == (1 / 5, 1 / 2)


def test_no_ranked_document_at_all_is_0() -> None:
    assert set(metrics([], {0: 1}).values()) == {0.0}


def test_queries_do_not_see_each_others_judgements() -> None:
    # Both rank document 0 first; only for the second query is it relevant. The judgements come in no order.
    judged = judge(
        np.array([[0, 1], [0, 1], [1, 0]]), np.array([1, 2, 0]), np.array([0, 0, 1]), np.array([1, 4, 2]), n_documents=2
    )
    found = per_query(judged)
    assert found["hit_rate_at_1"].tolist() == [0, 1, 0]
    assert found["mrr_at_3"].tolist() == [1 / 2, 1, 1 / 2]
    assert found["ndcg_at_3"].tolist() == pytest.approx([1 / log2(3), 1, 1 / log2(3)])
