"""Pseudo-values: what one example adds to a score; their mean is the score, their variance gives its sampling error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Examples:
    """What stands behind the score of one subset.

    `outcomes`, shape (n,) or, for a probe, (n, training draws), and `truth`, shape (n,) or None, are those of
    `Scored`. `clusters`, shape (n,): examples with the same number are not independent of each other, in one subset
    or across the subsets of a task; None where all are. `fits`, shape (n, f), and `restarts`, shape (r,), are those of
    `Repeats`; None where the score has none, or where whoever recorded it kept none.
    """

    outcomes: NDArray[Any]
    truth: NDArray[Any] | None = None
    clusters: NDArray[np.int64] | None = None
    fits: NDArray[Any] | None = None
    restarts: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.outcomes)


def contributions(estimator: str, examples: Examples) -> Values:
    """Pseudo-values of the shape of the outcomes, whose mean is the subset's score.

    A mean's are its outcomes. Spearman's correlation and normalised mutual information have the score plus the
    influence of each example on it: the infinitesimal jackknife (Efron, 1982, The jackknife, the bootstrap and other
    resampling plans, chapter 6).

    Args:
        estimator: one of `ESTIMATORS`.

    Raises:
        ValueError: an unknown estimator, no examples, no truth where the score needs it, a value that is not a number,
            or a correlation that is not defined.
    """
    if estimator not in ESTIMATORS:
        raise ValueError(f"unknown estimator {estimator!r}; the known ones are {', '.join(sorted(ESTIMATORS))}")
    if not len(examples):
        raise ValueError("no examples, so no score")
    function = ESTIMATORS[estimator]
    if function is None:
        values = np.asarray(examples.outcomes, dtype=np.float64)
    elif examples.truth is None or len(examples.truth) != len(examples):
        raise ValueError(f"{estimator} needs the truth of each of its {len(examples)} examples")
    else:
        values = function(examples.outcomes, examples.truth)
    if not np.isfinite(values).all():
        raise ValueError("an outcome is not a finite number")
    return values


def spearman(values: NDArray[Any], truth: NDArray[Any]) -> Values:
    """Spearman's correlation plus the influence of each pair on it, shape (n,); equal values share their mean rank.

    The correlation is C / sqrt(V W) with C the covariance of F(x) and G(y), V and W their variances, and F and G the
    two distribution functions, half of a tie counted. A pair moves these three by its own term and by shifting the
    ranks of all pairs above it (Croux and Dehon, 2010, Influence functions of the Spearman and Kendall correlation
    measures, who treat the case without ties).

    Raises:
        ValueError: all values are equal, or all of the truth.
    """
    x, y = np.unique(values, return_inverse=True)[1], np.unique(truth, return_inverse=True)[1]
    if len(values) == 0 or x.max() == 0 or y.max() == 0:
        raise ValueError("the correlation is not defined: all similarities or all human scores are equal")
    f, g = _half_above(x, np.ones(len(x)), below=True), _half_above(y, np.ones(len(y)), below=True)
    joint, first, second = np.mean(f * g), np.mean(f * f), np.mean(g * g)
    covariance, variance_f, variance_g = joint - 0.25, first - 0.25, second - 0.25
    of_covariance = f * g + _half_above(x, g) + _half_above(y, f) - 3 * joint
    of_f = f * f + 2 * _half_above(x, f) - 3 * first
    of_g = g * g + 2 * _half_above(y, g) - 3 * second
    scale = np.sqrt(variance_f * variance_g)
    rho = covariance / scale
    influence: Values = of_covariance / scale - rho / 2 * (of_f / variance_f + of_g / variance_g)
    return rho + influence


def _half_above(place: NDArray[np.intp], weights: Values, below: bool = False) -> Values:
    """For each entry the mean weight of those above it (or below), those equal to it counted half; shape (n,)."""
    equal = np.bincount(place, weights=weights)
    side = np.cumsum(equal) if below else np.cumsum(equal[::-1])[::-1]
    result: Values = (side - equal / 2)[place] / len(place)
    return result


def normalised_mutual_information(clusters: NDArray[Any], labels: NDArray[Any]) -> Values:
    """I / ((H + J) / 2) plus the influence of each example on it, shape (n,).

    I is the mutual information of clusters and labels, H and J their entropies, normalised by the arithmetic mean as
    in scikit-learn. An example in the cell (i, j) has the influences log(p_ij / (p_i p_j)) - I on I and
    -log p_i - H on H, the derivatives in the cells' shares p. One cluster and one label: 1 for each example.
    """
    x, y = np.unique(clusters, return_inverse=True)[1], np.unique(labels, return_inverse=True)[1]
    n = len(x)
    cell = np.unique(x * (y.max() + 1) + y, return_inverse=True)[1]
    own, other, shared = (-np.log(np.bincount(place)[place] / n) for place in (x, y, cell))
    information = own + other - shared
    mean_entropy, mutual = np.mean(own + other) / 2, np.mean(information)
    if mean_entropy == 0:
        return np.ones(n)
    score = mutual / mean_entropy
    influence: Values = (information - mutual - score * ((own + other) / 2 - mean_entropy)) / mean_entropy
    return score + influence


# How a score comes from outcomes, by the names that protocols give; None is their mean.
ESTIMATORS: Mapping[str, Callable[[NDArray[Any], NDArray[Any]], Values] | None] = {
    "mean": None,
    "spearman": spearman,
    "mutual_information": normalised_mutual_information,
}
