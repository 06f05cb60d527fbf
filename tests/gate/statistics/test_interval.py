"""Confidence intervals of a drop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import norm, t

from pytest_mieb.gate.statistics.influence import Examples
from pytest_mieb.gate.statistics.interval import Interval, interval
from pytest_mieb.gate.statistics.significance import Difference, compare, pooled
from tests.gate.builders import difference, hits

Sides = tuple[Examples, Examples]


@pytest.mark.parametrize("drop", [0.028, 0.0, -0.05, 0.99])
@pytest.mark.parametrize("freedom", [float("inf"), 4.0, 1.0, 1234.5])
def test_a_drop_less_and_more_what_the_error_leaves_open(drop: float, freedom: float) -> None:
    found = interval(difference(drop, error=0.01, freedom=freedom))
    reach = 0.01 * (norm.isf(0.025) if np.isinf(freedom) else t.isf(0.025, freedom))
    assert found == pytest.approx(Interval(drop - reach, drop + reach))  # beyond 1 too: it is not cut


def test_it_is_that_of_agresti_and_min_for_hits_and_misses() -> None:
    """Half a pair in each of the four cells, but for what that moves the middle: here 1 in 100."""
    old, new = hits(70), Examples(np.roll(hits(60).outcomes, 3))
    b, c = ((old.outcomes - new.outcomes == sign).sum() + 0.5 for sign in (1, -1))
    error = np.sqrt(b + c - (b - c) ** 2 / 102) / 102
    found = interval(compare("mean", {"default": old}, {"default": new}))
    assert found is not None
    assert found.high - found.low == pytest.approx(2 * norm.isf(0.025) * error, rel=0.03)


def test_where_no_error_is_known_there_is_none() -> None:
    same = {"default": hits(70)}
    assert interval(compare("mean", same, same)) is None
    assert interval(Difference(0.2, 0.0, 0.0, 1.0, 0)) is None  # scores alone, without any error


def test_a_mean_has_one_that_is_narrower_than_those_of_its_tasks() -> None:
    tasks = {name: difference(0.02, error=0.01) for name in "ABCD"}
    found = interval(pooled(tasks, {}))
    assert found == pytest.approx((0.02 - 0.0098, 0.02 + 0.0098), abs=1e-5)


def unchanged(chance: np.random.Generator) -> Sides:
    """8 of 100 examples differ, in either direction, so that nothing dropped."""
    kind = chance.random(200)
    old = np.where(kind < 0.04, 1, np.where(kind < 0.08, 0, kind > 0.5))
    return hits_of(old), hits_of(np.where(kind < 0.08, 1 - old, old))


def worse(chance: np.random.Generator) -> Sides:
    """Ten points are lost and five are gained."""
    kind = chance.random(200)
    old = np.where(kind < 0.10, 1, np.where(kind < 0.15, 0, kind > 0.5))
    return hits_of(old), hits_of(np.where(kind < 0.15, 1 - old, old))


def probe(chance: np.random.Generator) -> Sides:
    """Five training draws, which move all examples of a draw together."""
    examples, draws = chance.normal(size=(200, 1)), chance.normal(scale=0.2, size=(1, 5))
    sides = [examples + chance.normal(scale=0.5, size=(200, 5)) + moved for moved in (0, draws)]
    return hits_of(sides[0] > 0), hits_of(sides[1] > 0)


def hits_of(outcomes: np.ndarray) -> Examples:
    return Examples(outcomes.astype(np.float32))


@pytest.mark.parametrize(
    ("simulated", "drop"),
    [(unchanged, 0.0), (worse, 0.05), (probe, 0.0)],
)
def test_nineteen_of_twenty_hold_the_true_drop(simulated: Callable[[np.random.Generator], Sides], drop: float) -> None:
    chance, held = np.random.default_rng(0), 0
    for _ in range(300):
        old, new = simulated(chance)
        found = interval(compare("mean", {"default": old}, {"default": new}))
        held += found is not None and found.low <= drop <= found.high
    assert 0.92 <= held / 300 <= 0.985
