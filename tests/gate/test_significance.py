"""Paired comparisons: against known tests, by hand, and on changes that are none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_mieb.gate.influence import Examples
from pytest_mieb.gate.significance import (
    Difference,
    compare,
    holm,
    pooled,
    sampling_error,
    smallest_detectable,
    upper_bound,
)

Rng = np.random.Generator
INFINITE = float("inf")


def outcomes(lost: int, won: int, n: int) -> tuple[dict[str, Examples], dict[str, Examples]]:
    old, new = np.zeros(n, np.uint8), np.zeros(n, np.uint8)
    old[:lost], new[lost : lost + won] = 1, 1
    return {"default": Examples(old)}, {"default": Examples(new)}


def test_hits_have_the_exact_test_of_mcnemar_and_the_error_of_agresti_and_min() -> None:
    from scipy.stats import binomtest

    difference = compare("zero_shot", *outcomes(15, 5, 200))
    assert difference.drop == pytest.approx(10 / 200)
    assert difference.p_drop == pytest.approx(binomtest(15, 20, alternative="greater").pvalue)
    assert difference.p_gain == pytest.approx(binomtest(5, 20, alternative="greater").pvalue)
    assert difference.examples == 200
    assert difference.unit == pytest.approx(1 / 200)
    assert difference.standard_error == pytest.approx(np.sqrt(20 + 1) / 200, rel=0.02)
    assert compare("zero_shot", *outcomes(1, 0, 200)).standard_error == pytest.approx(np.sqrt(2) / 200, rel=0.01)


@pytest.mark.parametrize("protocol", ["zero_shot", "retrieval", "sts", "clustering", "linear_probe"])
def test_identical_outcomes_are_no_difference(protocol: str) -> None:
    rng = np.random.default_rng(0)
    shape = (50, 5) if protocol == "linear_probe" else (50,)
    examples = {"default": Examples(rng.integers(0, 2, shape), rng.integers(0, 3, 50))}
    difference = compare(protocol, examples, examples)
    assert difference == Difference(0.0, 0.0, 1.0, 1.0, 50, 1 / 50)
    assert upper_bound(difference, 0.05) == 0


def test_subsets_count_the_same_and_their_order_does_not() -> None:
    old = {"big": Examples(np.array([1, 1, 1, 1])), "small": Examples(np.array([1, 0]))}
    new = {"small": Examples(np.array([0, 0])), "big": Examples(np.array([1, 1, 1, 0]))}
    difference = compare("retrieval", old, new)
    assert difference.drop == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert difference.p_drop == 1 / 4
    assert difference.examples == 6


def test_five_captions_of_one_image_are_one_piece_of_evidence() -> None:
    old, new = outcomes(10, 0, 100)
    images = np.arange(100) // 5
    clustered = [{"default": Examples(side["default"].outcomes, None, images)} for side in (old, new)]
    assert compare("retrieval", old, new).p_drop == 2.0**-10
    assert compare("retrieval", *clustered).p_drop == 2.0**-2
    assert compare("retrieval", *clustered).standard_error > 2 * compare("retrieval", old, new).standard_error


def test_one_image_in_two_languages_is_one_piece_of_evidence() -> None:
    side = [{name: Examples(each, None, np.arange(8)) for name in ("en", "no")} for each in (np.ones(8), np.zeros(8))]
    assert compare("retrieval", *side).p_drop == 2.0**-8


def test_sts_and_clustering_drop_by_the_difference_of_their_scores() -> None:
    from scipy.stats import spearmanr
    from sklearn.metrics import normalized_mutual_info_score as nmi

    rng = np.random.default_rng(0)
    truth = rng.normal(size=90)
    old, new = truth + rng.normal(size=90), truth + 2 * rng.normal(size=90)
    difference = compare("sts", {"a": Examples(old, truth)}, {"a": Examples(new, truth)})
    assert difference.drop == pytest.approx(spearmanr(old, truth)[0] - spearmanr(new, truth)[0])
    labels = np.arange(90) % 3
    before, after = np.where(rng.random((2, 90)) < [[0.9], [0.5]], labels, rng.integers(0, 3, (2, 90)))
    difference = compare("clustering", {"a": Examples(before, labels)}, {"a": Examples(after, labels)})
    assert difference.drop == pytest.approx(nmi(labels, before) - nmi(labels, after))
    assert difference.p_drop < 1e-3


def noisy_cosines(rng: Rng) -> tuple[Examples, Examples]:
    truth = rng.normal(size=100)
    base = truth + 0.5 * rng.normal(size=100)
    old, new = base + 0.3 * rng.normal(size=(2, 100))
    return Examples(old, truth), Examples(new, truth)


def perturbed_clusters(rng: Rng) -> tuple[Examples, Examples]:
    labels = np.arange(100) % 10
    base = np.where(rng.random(100) < 0.6, labels, rng.integers(0, 10, 100))
    old, new = np.where(rng.random((2, 100)) < 0.1, rng.integers(0, 10, (2, 100)), base)
    return Examples(old, labels), Examples(new, labels)


def lucky_draws(rng: Rng) -> tuple[Examples, Examples]:
    base = 1 + 1.5 * rng.normal(size=(300, 1))

    def side() -> NDArray[np.uint8]:
        noise = 0.2 * rng.normal(size=(1, 5)) + 0.3 * rng.normal(size=(300, 5))
        return np.asarray(base + noise > 0, dtype=np.uint8)

    return Examples(side()), Examples(side())


@pytest.mark.parametrize(
    ("protocol", "sides"), [("sts", noisy_cosines), ("clustering", perturbed_clusters), ("linear_probe", lucky_draws)]
)
def test_no_change_alarms_no_more_often_than_the_level(
    protocol: str, sides: Callable[[Rng], tuple[Examples, Examples]]
) -> None:
    rng = np.random.default_rng(4)
    p = []
    for _ in range(600):
        old, new = sides(rng)
        difference = compare(protocol, {"a": old}, {"a": new})
        p += [difference.p_drop, difference.p_gain]
    for level in (0.05, 0.01):
        assert np.mean(np.array(p) <= level) <= level + 3 * np.sqrt(level * (1 - level) / len(p))
    assert np.mean(np.array(p) <= 0.05) > 0.02  # nor so seldom that nothing would be found


def test_a_drop_in_every_draw_of_a_probe_is_found() -> None:
    rng = np.random.default_rng(0)
    old = rng.random((1000, 5)) < 0.8
    new = old & ~(rng.random((1000, 1)) < 0.05)
    difference = compare("linear_probe", {"a": Examples(old)}, {"a": Examples(new)})
    assert difference.drop == pytest.approx(0.04, abs=0.01)
    assert difference.p_drop < 1e-5 and difference.p_gain > 0.99
    assert difference.freedom < INFINITE


ONE = Examples(np.ones(3), np.arange(3), np.arange(3))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ({}, {}, "no subsets"),
        ({"en": ONE}, {"en": ONE, "no": ONE}, "subset no: only one of the two has it"),
        ({"en": ONE}, {"en": Examples(np.ones(4))}, r"subset en: outcomes of shape \(3,\) before and \(4,\) now"),
        ({"en": ONE}, {"en": Examples(np.ones(3), np.zeros(3), np.arange(3))}, "subset en: not the same truth"),
        ({"en": ONE}, {"en": Examples(np.ones(3), np.arange(3))}, "subset en: not the same clusters"),
    ],
)
def test_other_examples_are_refused(old: dict[str, Examples], new: dict[str, Examples], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare("retrieval", old, new)


def test_the_error_of_one_score() -> None:
    hits = np.repeat([1, 0], [70, 30])
    assert sampling_error("zero_shot", {"a": Examples(hits)}) == pytest.approx(np.sqrt(0.21 / 99 + 1e-4))
    by_two = np.arange(100) // 2
    assert sampling_error("zero_shot", {"a": Examples(hits, None, by_two)}) == pytest.approx(
        np.sqrt(0.21 / 49.5 * 0.99 + 1e-4), rel=0.01
    )
    assert sampling_error("zero_shot", {"a": Examples(np.ones(100))}) == pytest.approx(0.01)
    with pytest.raises(ValueError, match="no subsets"):
        sampling_error("zero_shot", {})


def test_the_smallest_detectable_drop() -> None:
    assert smallest_detectable(0.01, 0.05) == pytest.approx((1.6449 + 0.8416) * 0.01, rel=1e-4)
    assert smallest_detectable(0.01, 0.05, power=0.5) == pytest.approx(0.016449, rel=1e-4)
    # One changed example of 1000, at Holm's level for 130 tasks: no test can show fewer than 12 of them.
    assert 12 < smallest_detectable(0.001, 0.05 / 130, unit=0.001) / 0.001 < 25
    assert smallest_detectable(0.0, 0.05, unit=0.001) == pytest.approx(2.4865**2 * 0.001, rel=1e-4)


def test_the_upper_bound() -> None:
    assert upper_bound(Difference(0.01, 0.002, 0, 1, 9), 0.05) == pytest.approx(0.01 + 1.6449 * 0.002, rel=1e-4)
    assert upper_bound(Difference(0.01, 0.002, 0, 1, 9, freedom=4), 0.05) == pytest.approx(
        0.01 + 2.1318 * 0.002, rel=1e-4
    )


@pytest.mark.parametrize(
    ("p", "weights", "rejected"),
    [
        ({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}, None, {"a", "d"}),  # Holm's steps: 0.0125, 0.0167, 0.025
        ({"a": 0.05}, None, {"a"}),
        ({"a": 0.026, "b": 0.001}, None, {"a", "b"}),
        ({"a": 0.026, "b": 0.026}, None, set()),
        ({"a": 0.04, "b": 0.9}, {"a": 9, "b": 1}, {"a"}),
        ({"a": 0.0, "b": 0.05}, {"a": 0, "b": 1}, {"b"}),
        ({}, None, set()),
    ],
)
def test_holm(p: dict[str, float], weights: dict[str, float] | None, rejected: set[str]) -> None:
    assert holm(p, 0.05, weights) == rejected


def task(drop: float, error: float, freedom: float = INFINITE) -> Difference:
    return Difference(drop, error, 0.5, 0.5, 100, freedom=freedom)


def test_independent_tasks_add_variances_and_those_of_one_dataset_errors() -> None:
    from scipy.stats import norm

    tasks = {"a": task(0.02, 0.01), "b": task(0.00, 0.01)}
    apart = pooled(tasks, {})
    assert (apart.drop, apart.standard_error, apart.examples) == pytest.approx((0.01, 0.01 / np.sqrt(2), 200))
    assert (apart.p_drop, apart.p_gain) == pytest.approx((norm.sf(np.sqrt(2)), norm.cdf(np.sqrt(2))))
    assert pooled(tasks, {"a": "x", "b": "x"}).standard_error == pytest.approx(0.01)
    assert pooled(tasks, {"a": "x", "b": "y"}) == apart
    assert pooled(tasks, {"a": "b"}) == apart  # a group is no task, whatever its name
    weighed = pooled(tasks, {}, {"a": 3, "b": 1})
    assert (weighed.drop, weighed.standard_error) == pytest.approx((0.015, 0.01 * np.sqrt(10) / 4))


def test_few_training_draws_stay_few_in_a_mean() -> None:
    from scipy.stats import t

    assert pooled({"a": task(0.02, 0.01, 4)}, {}).p_drop == pytest.approx(t.sf(2, 4))
    many = pooled({str(number): task(0.02, 0.01, 4) for number in range(10)}, {})
    assert many.freedom == pytest.approx(40)


def test_a_mean_of_nothing_changed_or_of_nothing() -> None:
    assert pooled({"a": task(0.0, 0.0)}, {}).p_drop == 1
    with pytest.raises(ValueError, match="no tasks with a weight"):
        pooled({}, {})
