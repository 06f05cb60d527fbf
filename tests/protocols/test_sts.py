from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from pytest_mieb.protocols import sts
from pytest_mieb.protocols.similarity import normalised

EAST = np.array([[1, 0], [1, 0], [1, 0]], np.float32)


def test_correlations_of_three_pairs() -> None:
    second = np.array([[1, 0], [0, 1], [3, 4]], np.float32)
    scored = sts.correlate(EAST, second, np.array([3.0, 1.0, 2.0]))
    # Cosines 1, 0, 0.6: deviations 7/15, -8/15, 1/15 from their mean; those of the scores 1, -1, 0.
    assert scored.outcomes.tolist() == pytest.approx([1, 0, 0.6])
    assert scored.metrics["cosine_spearman"] == pytest.approx(1)
    assert scored.metrics["cosine_pearson"] == pytest.approx((7 + 8) / sqrt((49 + 64 + 1) * 2))
    # Manhattan distances 0, 2, 2 + 4 = 6, negated; their deviations from -8/3 are 8/3, 2/3, -10/3.
    assert scored.metrics["manhattan_pearson"] == pytest.approx((8 - 2) / sqrt((64 + 4 + 100) * 2))
    assert scored.metrics["manhattan_spearman"] == pytest.approx(1 / 2)  # ranks 3, 2, 1 and 3, 1, 2: 1 - 6 * 2 / 24
    # Euclidean distances 0, sqrt 2, sqrt(4 + 16), in the same order as Manhattan's.
    assert scored.metrics["euclidean_spearman"] == pytest.approx(1 / 2)
    assert scored.truth is not None and scored.truth.tolist() == [3, 1, 2]


def test_equal_values_share_their_mean_rank() -> None:
    second = np.array([[1, 0], [2, 0], [0, 1]], np.float32)
    scored = sts.correlate(EAST, second, np.array([3.0, 2.0, 1.0]))
    # Ranks of the cosines 2.5, 2.5, 1 and of the scores 3, 2, 1: deviations 0.5, 0.5, -1 and 1, 0, -1.
    assert scored.metrics["cosine_spearman"] == pytest.approx((0.5 * 1 + 1 * 1) / sqrt(1.5 * 2))


def test_identical_images_tie_at_exactly_1_where_a_dot_product_scatters_them() -> None:
    rows = np.random.default_rng(0).normal(size=(500, 48)).astype(np.float32)
    assert set(sts.paired_cosine(rows, rows).tolist()) == {1.0}
    unit = normalised(rows)
    assert len(set((unit * unit).sum(axis=1).tolist())) > 1


@pytest.mark.parametrize(
    ("second", "scores"),
    [
        pytest.param([[1, 0], [1, 0], [1, 0]], [1, 2, 3], id="all cosines equal"),
        pytest.param([[1, 0], [0, 1], [1, 1]], [2, 2, 2], id="all scores equal"),
    ],
)
def test_a_correlation_that_is_not_defined_is_no_number(second: list[list[float]], scores: list[float]) -> None:
    scored = sts.correlate(EAST, np.array(second, np.float32), np.array(scores, np.float64))
    assert np.isnan(scored.metrics["cosine_spearman"]) and np.isnan(scored.metrics["cosine_pearson"])


def test_one_pair_alone_has_no_correlation() -> None:
    assert np.isnan(sts.correlate(EAST[:1], EAST[:1], np.array([1.0])).metrics["cosine_spearman"])


def test_nearly_equal_cosines_are_correlated_without_a_warning() -> None:
    second = np.array([[1, 0], [1, 5e-4], [1, 1e-3]], np.float32)
    assert sts.correlate(EAST, second, np.array([3.0, 2.0, 1.0])).metrics["cosine_spearman"] == pytest.approx(1)
