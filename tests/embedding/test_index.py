"""The sorted index: every key is found where it was added, however many runs it is in."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_mieb.data.keys import Keys
from pytest_mieb.embedding.index import Index


def keys(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 16), dtype=np.uint8)


def flat(given: NDArray[np.uint8]) -> Keys:
    return np.ascontiguousarray(given).view("V16").ravel()


@pytest.mark.parametrize("sizes", [[0], [1], [1000], [1, 1, 1, 1, 1], [100, 1, 50, 3, 900, 2, 2], [7] * 40])
def test_every_key_is_found_where_it_was_added_and_no_other(sizes: list[int]) -> None:
    index, own = Index(), keys(sum(sizes))
    for start, size in zip(np.cumsum([0, *sizes[:-1]]), sizes, strict=True):
        index.add(own[start : start + size])
        index.find(flat(keys(3, seed=9)))  # which sorts what is new into a run
    order = np.random.default_rng(1).permutation(len(own))
    assert np.array_equal(index.find(flat(own[order])), order)
    assert (index.find(flat(keys(50, seed=2))) == -1).all()
    assert len(index) == sum(sizes)


def test_keys_that_begin_alike_are_told_apart() -> None:
    own = keys(50)
    own[:, :8] = own[0, :8]
    index = Index()
    index.add(own[:20])
    index.find(flat(own[:1]))
    index.add(own[20:])
    assert np.array_equal(index.find(flat(own)), np.arange(50))
    stranger = own[:1].copy()
    stranger[0, 15] ^= 1
    assert index.find(flat(stranger)).tolist() == [-1]


def test_a_forgotten_key_is_found_where_it_was_added_again() -> None:
    own, index = keys(30), Index()
    index.add(own[:20])
    index.add(own[10:30])  # ten keys twice
    index.forget(0, 20)
    found = index.find(flat(own))
    assert (found[:10] == -1).all() and np.array_equal(found[10:], np.arange(20, 40))
    index.add(own[:5])
    assert np.array_equal(index.find(flat(own[:5])), np.arange(40, 45))


def test_an_empty_index_finds_nothing() -> None:
    assert Index().find(flat(keys(2))).tolist() == [-1, -1]
    assert Index().find(flat(keys(0))).tolist() == []
