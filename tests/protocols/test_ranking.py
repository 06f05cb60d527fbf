"""Rankings, and above all their ties: among equal float32 scores the larger document id as a string goes first."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_mieb.protocols import ranking
from pytest_mieb.protocols.ranking import descending, rank_all, rank_candidates

RIGHT = np.array([[1, 0]], np.float32)


def test_ids_are_ordered_as_strings() -> None:
    assert descending(["1", "10", "9", "a", "B"]).tolist() == [3, 4, 2, 1, 0]


def test_documents_come_by_cosine_and_not_by_dot_product() -> None:
    documents = np.array([[100, 100], [1, 0], [-1, 0]], np.float32)  # cosines 0.71, 1, -1
    assert rank_all(RIGHT, documents, ["a", "b", "c"], 3).tolist() == [[1, 0, 2]]


@pytest.mark.parametrize(
    ("ids", "expected"), [(["a", "b", "c"], [2, 1, 0]), (["c", "b", "a"], [0, 1, 2]), (["2", "10", "1"], [0, 1, 2])]
)
def test_equal_scores_rank_by_id_descending(ids: list[str], expected: list[int]) -> None:
    documents = np.array([[1, 1], [2, 2], [4, 4]], np.float32)  # one direction, lengths of powers of two: equal scores
    assert rank_all(RIGHT, documents, ids, 3).tolist() == [expected]
    assert rank_candidates(RIGHT, documents, ids, [np.arange(3)]).tolist() == [expected]


def test_zero_and_minus_zero_are_one_score() -> None:
    import torch

    scores = torch.tensor([-1.0, -1e-30, -0.0, 0.0, 1e-30, 1.0])
    keys = ranking._sortable(scores).tolist()
    assert keys[2] == keys[3]
    assert sorted(set(keys)) == [key for place, key in enumerate(keys) if place != 3]


def test_opposite_and_orthogonal_documents_rank_last_in_that_order() -> None:
    documents = np.array([[-1, 0], [0, 1], [0, -1], [-1, 1]], np.float32)  # cosines -1, 0, -0, -0.71
    assert rank_all(RIGHT, documents, ["a", "b", "c", "d"], 4).tolist() == [[2, 1, 3, 0]]


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_ranking_is_cut_at_the_depth_or_at_the_corpus(depth: int) -> None:
    documents = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    assert rank_all(RIGHT, documents, ["a", "b", "c"], depth).tolist() == [[0, 2, 1][:depth]]


@pytest.mark.parametrize("documents_at_once", [1, 2, 3, 7, 15, 16])
@pytest.mark.parametrize("queries_at_once", [1, 2, 5])
@pytest.mark.parametrize("depth", [1, 3, 100])
def test_chunks_leave_the_ranking_as_it_is(
    monkeypatch: pytest.MonkeyPatch, documents_at_once: int, queries_at_once: int, depth: int
) -> None:
    # All 16 corners of a cube of 4 dimensions: of length 2, so that every cosine is a multiple of 1/2 without rounding,
    # and there are only the scores -1, -1/2, 0, 1/2 and 1: ties everywhere.
    corners = np.array(list(product([-1, 1], repeat=4)), np.float32)
    queries = corners[[0, 3, 5, 10, 15]]
    ids = [str(number * 7 % 16) for number in range(16)]
    scores = queries @ corners.T / 4
    by_id = sorted(range(16), key=lambda place: ids[place], reverse=True)

    def ranked(row: NDArray[np.float32]) -> list[int]:
        return sorted(by_id, key=lambda place: -row[place])[:depth]

    monkeypatch.setattr(ranking, "DOCUMENTS_AT_ONCE", documents_at_once)
    monkeypatch.setattr(ranking, "QUERIES_AT_ONCE", queries_at_once)
    assert rank_all(queries, corners, ids, depth).tolist() == list(map(ranked, scores))


def test_a_ranking_of_many_blocks_is_that_of_all_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "DOCUMENTS_AT_ONCE", 64)
    random = np.random.default_rng(0)
    queries, documents = (random.choice([-1, 1], (n, 16)).astype(np.float32) for n in (70, 1000))  # exact: length 4
    ids = [str(number) for number in random.permutation(1000)]
    found = rank_all(queries, documents, ids, 100)
    assert found.tolist() == rank_candidates(queries, documents, ids, [np.arange(1000)] * 70)[:, :100].tolist()


def test_equal_candidates_rank_by_id_whatever_their_place() -> None:
    random = np.random.default_rng(0)
    documents = np.repeat(random.standard_normal((1, 1031), dtype=np.float32), 13, axis=0)
    queries = random.standard_normal((20, 1031), dtype=np.float32)
    ranked = rank_candidates(queries, documents, [f"{number:02}" for number in range(13)], [np.arange(13)] * 20)
    assert (ranked == np.arange(12, -1, -1)).all()


def test_candidates_are_ranked_among_themselves_and_filled_up() -> None:
    documents = np.array([[1, 0], [0, 1], [1, 1], [-1, 0]], np.float32)
    queries = np.array([[1, 0], [0, 1]], np.float32)
    pools = [np.array([3, 1]), np.array([0, 2, 3])]
    # query 0: cosines 0 (document 1), -1 (3). query 1: 0.71 (2), then 0 (0 and 3), of which id "d" is the larger.
    assert rank_candidates(queries, documents, ["a", "b", "c", "d"], pools).tolist() == [[1, 3, -1], [2, 3, 0]]
