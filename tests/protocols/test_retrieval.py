from __future__ import annotations

from math import log2

import numpy as np
import pytest

from pytest_mieb.data.rows import Qrels
from pytest_mieb.protocols import retrieval

# Cosines with [1, 0], falling: documents a to d at 0, 45, 90 and 180 degrees.
DOCUMENTS = np.array([[1, 0], [1, 1], [0, 1], [-1, 0]], np.float32)
IDS = ["a", "b", "c", "d"]
QUERIES = np.array([[1, 0], [0, 1]], np.float32)


def qrels(*judgements: tuple[int, int, int]) -> Qrels:
    queries, documents, gains = (np.array(column, np.int64) for column in zip(*judgements, strict=True))
    return Qrels(queries, documents, gains)


def test_the_score_is_the_mean_over_queries_and_the_outcomes_are_one_a_query() -> None:
    # Query 0 ranks a b c d, query 1 ranks c b d a ("d" before "a": both have cosine 0).
    scored = retrieval.retrieve(QUERIES, DOCUMENTS, IDS, qrels((0, 1, 1), (1, 2, 1)), "ndcg_at_10")
    assert scored.outcomes.tolist() == pytest.approx([1 / log2(3), 1])
    assert scored.metrics["ndcg_at_10"] == pytest.approx((1 / log2(3) + 1) / 2)
    assert scored.metrics["hit_rate_at_1"] == 1 / 2
    assert scored.truth is None


def test_ties_go_to_the_larger_id() -> None:
    scored = retrieval.retrieve(QUERIES, DOCUMENTS, IDS, qrels((0, 0, 1), (1, 0, 1)), "mrr_at_10")
    assert scored.outcomes.tolist() == [1, 1 / 4]  # a is last for query 1, behind d, which is as far away


def test_skipping_the_first_result_drops_whatever_is_on_top() -> None:
    judged = qrels((0, 0, 1), (0, 1, 1), (1, 1, 1))
    kept = retrieval.retrieve(QUERIES, DOCUMENTS, IDS, judged, "hit_rate_at_1")
    skipped = retrieval.retrieve(QUERIES, DOCUMENTS, IDS, judged, "hit_rate_at_1", skip_first_result=True)
    assert kept.outcomes.tolist() == [1, 0]
    assert skipped.outcomes.tolist() == [1, 1]
    assert skipped.metrics["recall_at_100"] == (1 / 2 + 1) / 2  # what was skipped is still counted as relevant


def test_skipping_the_first_result_still_ranks_a_hundred_documents() -> None:
    corpus = np.stack([np.cos(np.arange(120) / 50), np.sin(np.arange(120) / 50)], axis=1).astype(np.float32)
    names = [f"{number:03}" for number in range(120)]
    judged = qrels((0, 100, 1))  # the hundredth after the first
    scored = retrieval.retrieve(QUERIES[:1], corpus, names, judged, "recall_at_100", skip_first_result=True)
    assert scored.outcomes.tolist() == [1]


def test_with_candidates_each_query_sees_only_its_own() -> None:
    judged = qrels((0, 2, 1), (0, 3, 0), (1, 1, 1), (1, 2, 0))
    pools = [np.array([2, 3]), np.array([1, 2])]
    scored = retrieval.retrieve(QUERIES, DOCUMENTS, IDS, judged, "accuracy", candidates=pools)
    assert scored.outcomes.tolist() == [1, 0]  # c before d; c before b
    assert scored.metrics["accuracy"] == 1 / 2


def test_accuracy_is_recall_at_1() -> None:
    # Two right answers out of three candidates: the first of them earns half.
    judged = qrels((0, 0, 1), (0, 1, 1), (0, 3, 0))
    scored = retrieval.retrieve(QUERIES[:1], DOCUMENTS, IDS, judged, "accuracy", candidates=[np.array([0, 1, 3])])
    assert scored.outcomes.tolist() == [1 / 2]


def test_half_precision_embeddings_are_compared_in_float32() -> None:
    near = np.array([[1, 0.001], [1, 0.002]], np.float16)
    assert np.float16(1) * np.float16(1) + np.float16(0.001) ** 2 == np.float16(1)  # in float16 they would tie
    scored = retrieval.retrieve(QUERIES[:1].astype(np.float16), near, ["a", "b"], qrels((0, 0, 1)), "hit_rate_at_1")
    assert scored.outcomes.tolist() == [1]
