"""The randomisation distribution of a sum: each term keeps its size and takes either sign with probability 1/2."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

# Up to this many terms, and up to this many ways to sum half of the terms, the distribution is exact.
ENUMERATED = 22
SUMS = 3000
# Terms and sums closer than this, relative to the largest, are equal.
EQUAL = 1e-9
# Nearer to the centre than this the formula is a difference of two large numbers, and the normal is as good.
CENTRE = 1e-3
STEPS = 200


class Tails(NamedTuple):
    """P(S >= observed) and P(S <= observed); both hold the observed sum itself."""

    upper: float
    lower: float


def tails(terms: Values, observed: float | None = None) -> Tails:
    """The two one-sided p-values of the paired randomisation test: S adds the terms with random signs.

    Args:
        terms: shape (k,), in any order.
        observed: what S is compared with; the sum of the terms unless it is given.

    The test is exact where each difference is as likely to have come with the opposite sign (Fisher, 1935, The design
    of experiments, section 21). Terms of one size: the binomial, which for 0/1 outcomes is McNemar's exact test
    (McNemar, 1947). Up to 22 terms, or terms of few sizes: counted exactly. More: the saddlepoint approximation of
    Robinson (1982, Saddlepoint approximations for permutation tests and confidence intervals), see `_saddlepoint`.
    The largest possible sum of k terms has 2^-k, and no sum has less. No terms but zeros: 1.
    """
    from scipy.special import bdtrc

    sizes = np.abs(terms)
    largest = float(sizes.max(initial=0.0))
    sizes = sizes[sizes > EQUAL * largest]
    if not len(sizes):
        return Tails(1.0, 1.0)
    count, total = len(sizes), float(sizes.sum())
    observed = float(terms.sum()) if observed is None else observed
    equal = bool(sizes.min() >= largest * (1 - EQUAL))
    halves = None if equal else _halves(sizes)

    def tail(bound: float) -> float:
        if bound >= total * (1 - EQUAL):
            return float(0.5**count)
        if bound <= -total * (1 - EQUAL):
            return 1.0
        if equal:
            return float(bdtrc(np.ceil((bound + total) / (2 * largest) - 1e-6) - 1, count, 0.5))
        chance = _counted(*halves, bound - EQUAL * total) if halves else _saddlepoint(sizes, bound)
        return min(1.0, max(0.5**count, chance))

    return Tails(tail(observed), tail(-observed))


class _Half(NamedTuple):
    """Distinct signings of some of the terms: their sums and probabilities."""

    sums: Values
    probabilities: Values


def _halves(sizes: Values) -> tuple[_Half, _Half] | None:
    """All signed sums of the terms, in two independent halves of similar length; None where they are too many."""
    if len(sizes) <= ENUMERATED:
        kinds, repeats = sizes, np.ones(len(sizes), dtype=np.int64)
    else:
        kinds, repeats = np.unique(np.round(sizes / sizes.max(), 9), return_counts=True)
        if len(kinds) > ENUMERATED or np.log(repeats + 1).sum() > 2 * np.log(SUMS):
            return None
        kinds = kinds * sizes.max()
    halves = [_Half(np.zeros(1), np.ones(1)), _Half(np.zeros(1), np.ones(1))]
    for kind, repeat in sorted(zip(kinds.tolist(), repeats.tolist(), strict=True), key=lambda each: -each[1]):
        shorter = int(len(halves[0].sums) > len(halves[1].sums))
        halves[shorter] = _extended(halves[shorter], kind, repeat)
    if max(len(half.sums) for half in halves) > SUMS:
        return None
    return halves[0], halves[1]


def _extended(half: _Half, size: float, repeat: int) -> _Half:
    from scipy.special import betaln

    positive = np.arange(repeat + 1)
    chances = np.exp(-betaln(positive + 1, repeat - positive + 1) - np.log(repeat + 1) - repeat * np.log(2))
    return _Half(
        (half.sums[:, None] + size * (2 * positive - repeat)).ravel(), (half.probabilities[:, None] * chances).ravel()
    )


def _counted(one: _Half, other: _Half, bound: float) -> float:
    """P(a sum of one half plus a sum of the other >= bound)."""
    order = np.argsort(other.sums)
    beyond = np.append(np.cumsum(other.probabilities[order][::-1])[::-1], 0.0)
    return float(one.probabilities @ beyond[np.searchsorted(other.sums[order], bound - one.sums)])


def _saddlepoint(sizes: Values, observed: float) -> float:
    """Lugannani and Rice's formula for P(S >= observed), |observed| < sum of `sizes`.

    K(t) = sum log cosh(t a) generates the cumulants of S. Where all sizes are multiples of a step h, S moves in steps
    of 2h, and the second continuity correction of Daniels (1987, Tail probability approximations) holds.
    """
    step = _step(sizes)
    target = observed - step
    return _beyond(sizes, target, step) if target >= 0 else 1 - _beyond(sizes, -target, step)


def _beyond(sizes: Values, target: float, step: float) -> float:
    """The formula at 0 <= target, `step` 0 for a continuous S."""
    from scipy.special import ndtr

    tilt, variance = _tilt(sizes, target)
    arguments = tilt * sizes
    cumulants = np.where(
        arguments < 1,
        0.5 * np.log1p(np.sinh(np.minimum(arguments, 1)) ** 2),  # log cosh, exact where it is small
        arguments + np.log1p(np.exp(-2 * arguments)) - np.log(2),
    ).sum()
    signed_root = np.sqrt(max(0.0, 2 * (tilt * target - cumulants)))
    if signed_root < CENTRE:
        return float(ndtr(-target / np.sqrt(np.square(sizes).sum())))
    distance = (np.sinh(tilt * step) / step if step else tilt) * np.sqrt(variance)
    density = np.exp(-(signed_root**2) / 2) / np.sqrt(2 * np.pi)
    return float(ndtr(-signed_root) + density * (1 / distance - 1 / signed_root))


def _tilt(sizes: Values, target: float) -> tuple[float, float]:
    """t with K'(t) = target, and K''(t).

    K' is concave above 0, so Newton's steps from below the solution rise to it.
    """
    tilt = target / float(np.square(sizes).sum())
    for _ in range(STEPS):
        slopes = np.tanh(tilt * sizes)
        variance = float(np.square(sizes) @ (1 - slopes**2))
        move = (target - float(sizes @ slopes)) / variance
        tilt += move
        if move <= 1e-10 * tilt:
            break
    slopes = np.tanh(tilt * sizes)
    return tilt, float(np.square(sizes) @ (1 - slopes**2))


def _step(sizes: Values) -> float:
    """The largest h of which all sizes are multiples, 0 where there is none of at least 1/12 of the smallest."""
    ratios = sizes / sizes.min()
    for part in range(1, 13):
        multiples = ratios * part
        if np.abs(multiples - np.rint(multiples)).max() < 1e-6:
            return float(sizes.min() / part)
    return 0.0
