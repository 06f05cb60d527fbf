"""Pseudo-values against the scores' own libraries, the delete-one jackknife and the bootstrap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_mieb.gate.statistics.influence import (
    Examples,
    contributions,
    normalised_mutual_information,
    spearman,
)


def rho(values: NDArray[Any], truth: NDArray[Any]) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(values, truth)[0])


def nmi(clusters: NDArray[Any], labels: NDArray[Any]) -> float:
    table = np.zeros((int(clusters.max()) + 1, int(labels.max()) + 1))
    np.add.at(table, (clusters, labels), 1 / len(labels))

    def entropy(shares: NDArray[np.float64]) -> float:
        return -float(np.sum(shares[shares > 0] * np.log(shares[shares > 0])))

    both = entropy(table.sum(axis=0)) + entropy(table.sum(axis=1))
    return 2 * (both - entropy(table)) / both


def pairs(n: int, grid: float, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Cosines and human scores that go together, rounded to the grid so that they tie."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=n)
    return np.round(values / grid) * grid, np.round((values + rng.normal(size=n)) / grid) * grid


def clusters(n: int, k: int, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    return np.where(rng.random(n) < 0.6, labels, rng.integers(0, k, n)), labels


CASES = [
    pytest.param(spearman, rho, pairs(80, 1e-9), id="spearman"),
    pytest.param(spearman, rho, pairs(80, 0.5), id="spearman with ties"),
    pytest.param(spearman, rho, pairs(80, 2.0), id="spearman with few values"),
    pytest.param(normalised_mutual_information, nmi, clusters(500, 3), id="nmi"),
]
Estimator = Callable[[NDArray[Any], NDArray[Any]], NDArray[np.float64]]
Score = Callable[[NDArray[Any], NDArray[Any]], float]


@pytest.mark.parametrize(("estimator", "score", "sample"), CASES)
def test_the_mean_is_the_score_and_the_rest_the_delete_one_jackknife(
    estimator: Estimator, score: Score, sample: tuple[NDArray[Any], NDArray[Any]]
) -> None:
    values, truth = sample
    pseudo, n = estimator(values, truth), len(values)
    assert pseudo.mean() == pytest.approx(score(values, truth), abs=1e-12)
    without = np.array([score(np.delete(values, row), np.delete(truth, row)) for row in range(n)])
    jackknife = n * score(values, truth) - (n - 1) * without
    assert np.corrcoef(pseudo, jackknife)[0, 1] > 0.999
    assert pseudo.std() == pytest.approx(jackknife.std(), rel=0.04)


@pytest.mark.parametrize(("estimator", "score", "sample"), CASES)
def test_the_standard_error_is_the_bootstraps(
    estimator: Estimator, score: Score, sample: tuple[NDArray[Any], NDArray[Any]]
) -> None:
    values, truth = sample
    n, rng = len(values), np.random.default_rng(1)
    error = estimator(values, truth).std() / np.sqrt(n)
    again = [score(values[rows], truth[rows]) for rows in rng.integers(0, n, (500, n))]
    assert error == pytest.approx(np.std(again), rel=0.12)  # 3 % Monte-Carlo error, and n is small


def test_nmi_is_scikit_learns() -> None:
    from sklearn.metrics import normalized_mutual_info_score

    found, labels = clusters(200, 9)
    score = normalised_mutual_information(found, labels).mean()
    assert score == pytest.approx(normalized_mutual_info_score(labels, found), abs=1e-12)
    assert score == pytest.approx(nmi(found, labels), abs=1e-12)


def test_nmi_of_one_cluster_and_one_label_is_1() -> None:
    assert normalised_mutual_information(np.zeros(4), np.zeros(4)).tolist() == [1, 1, 1, 1]


def test_clusters_that_say_nothing_of_the_labels_have_0() -> None:
    scores = normalised_mutual_information(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]))
    assert scores.tolist() == pytest.approx([0, 0, 0, 0])


@pytest.mark.parametrize(
    ("estimator", "examples", "message"),
    [
        ("guessing", Examples(np.ones(3)), "unknown estimator 'guessing'; the known ones are mean"),
        ("mean", Examples(np.ones(0)), "no examples"),
        ("mean", Examples(np.array([1, np.nan])), "not a finite number"),
        ("spearman", Examples(np.ones(3)), "spearman needs the truth of each of its 3 examples"),
        ("mutual_information", Examples(np.ones(3), np.ones(2)), "mutual_information needs the truth"),
        ("spearman", Examples(np.ones(3), np.arange(3)), "all similarities or all human scores are equal"),
        ("spearman", Examples(np.arange(3), np.ones(3)), "all similarities or all human scores are equal"),
    ],
)
def test_what_has_no_score_is_refused(estimator: str, examples: Examples, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contributions(estimator, examples)


def test_a_means_pseudo_values_are_its_outcomes() -> None:
    outcomes = np.array([[1, 0], [1, 1]], np.uint8)
    assert contributions("mean", Examples(outcomes)).tolist() == [[1, 0], [1, 1]]
