"""The randomisation test against counting every signing."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_mieb.gate.statistics.sign_flip import tails

Values = NDArray[np.float64]
RNG = np.random.default_rng(0)
GAINS = 1 - 1 / np.log2(np.arange(2, 11))


@pytest.fixture(autouse=True)
def _the_same_numbers_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever tests ran before in this process."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(0))


def counted(terms: Values, observed: float) -> float:
    """P(S >= observed) from all 2^k sums, in two halves."""
    halves = []
    for half in np.array_split(np.abs(terms), 2):
        sums = np.zeros(1)
        for size in half:
            sums = np.concatenate([sums - size, sums + size])
        halves.append(np.sort(sums))
    bounds = observed - 1e-9 * np.abs(terms).sum() - halves[0]
    beyond = len(halves[1]) - np.searchsorted(halves[1], bounds)
    return float(beyond.sum() / 2.0 ** len(terms))


def signed(sizes: Values, tilt: float) -> Values:
    """The sizes with signs that lean to the positive, as much as `tilt` says."""
    chance = 1 / (1 + np.exp(-2 * tilt * sizes / np.sqrt(np.mean(sizes**2))))
    return np.where(RNG.random(len(sizes)) < chance, sizes, -sizes)


def test_a_few_terms_by_hand() -> None:
    terms = np.array([3.0, -1.0, 0.0, 1.0])
    sums = [sum(signs) for signs in itertools.product((3, -3), (1, -1), (1, -1))]
    assert tails(terms) == (sum(each >= 3 for each in sums) / 8, sum(each <= 3 for each in sums) / 8) == (3 / 8, 7 / 8)


@pytest.mark.parametrize(("better", "worse"), [(3, 9), (0, 12), (12, 0), (400, 500), (1, 0)])
def test_equal_terms_have_the_exact_test_of_mcnemar(better: int, worse: int) -> None:
    from scipy.stats import binomtest

    terms = np.repeat([0.01, -0.01, 0.0], [worse, better, 50])
    upper, lower = tails(RNG.permutation(terms))
    assert upper == pytest.approx(binomtest(worse, worse + better, alternative="greater").pvalue, rel=1e-9)
    assert lower == pytest.approx(binomtest(worse, worse + better, alternative="less").pvalue, rel=1e-9)


@pytest.mark.parametrize("terms", [[], [0.0, 0.0]])
def test_no_change_is_no_evidence(terms: list[float]) -> None:
    assert tails(np.array(terms)) == (1.0, 1.0)


EXACT: dict[str, Callable[[], Values]] = {
    "few": lambda: RNG.normal(size=21),
    "two subsets": lambda: RNG.choice([1 / 100, 1 / 170], 36),
    "gains": lambda: RNG.choice(GAINS[:4], 32),
    "clusters of 0/1": lambda: RNG.choice([1.0, 2.0, 3.0], 34),
}
NEAR: dict[str, Callable[[], Values]] = {
    "normal": lambda: RNG.normal(size=32),
    "heavy": lambda: RNG.standard_t(3, size=32),
    "steps": lambda: RNG.integers(1, 30, 32) / 30,
}


@pytest.mark.parametrize("name", EXACT)
def test_few_terms_or_few_sizes_are_counted(name: str) -> None:
    sizes = np.abs(EXACT[name]())
    for tilt in np.linspace(-0.5, 2, 12):
        terms = signed(sizes, tilt)
        assert tails(terms).upper == pytest.approx(counted(terms, terms.sum()), rel=1e-6)
        assert tails(terms).lower == pytest.approx(counted(terms, -terms.sum()), rel=1e-6)


@pytest.mark.parametrize("name", NEAR)
def test_the_saddlepoint_is_right_in_relative_terms_far_out(name: str) -> None:
    sizes = np.abs(NEAR[name]())
    smallest = 1.0
    for tilt in np.linspace(0, 2, 20):
        terms = signed(sizes, tilt)
        exact = counted(terms, terms.sum())
        if 1e-8 < exact < 0.1:
            smallest = min(smallest, exact)
            assert tails(terms).upper == pytest.approx(exact, rel=0.08)
    assert smallest < 1e-5


def test_many_steps_are_binomial_in_all_but_name() -> None:
    from scipy.stats import binom

    # The two of half the size shift the others' sum by -1, 0, 0 or 1; it moves in steps of 2.
    terms = np.repeat([1.0, -1.0, 0.5], [100_700, 99_298, 2])
    at_least = [binom.sf(100_700 - 1 + shift, 199_998, 0.5) for shift in (0, 1)]
    assert tails(terms).upper == pytest.approx(at_least[0] / 4 + at_least[1] * 3 / 4, rel=1e-6)


@pytest.mark.parametrize("shift", [0.0, 1e-7, 0.004, 0.012])
def test_200_000_terms_are_near_normal(shift: float) -> None:
    from scipy.stats import norm

    terms = RNG.normal(size=200_000)
    terms += shift - terms.mean()
    z = terms.sum() / np.sqrt(np.square(terms).sum())
    assert tails(terms).upper == pytest.approx(norm.sf(z), rel=2e-3)
    assert sum(tails(terms)) == pytest.approx(1)


def test_a_sum_given_apart_is_what_is_compared() -> None:
    terms = RNG.normal(size=10)
    for observed in (-0.5, 0.0, 1.3):
        assert tails(terms, observed).upper == pytest.approx(counted(terms, observed))
    assert tails(terms, 1e3) == (2.0**-10, 1.0)


def test_false_alarms_keep_the_level() -> None:
    sizes = np.abs(RNG.normal(size=40))
    signs = RNG.choice([-1, 1], (1500, 40))
    p = np.array([tails(sizes * row).upper for row in signs])
    for level in (0.5, 0.05, 0.01):
        assert np.mean(p <= level) <= level + 3.5 * np.sqrt(level * (1 - level) / len(p))
        assert np.mean(p <= level) >= level - 3.5 * np.sqrt(level * (1 - level) / len(p))
