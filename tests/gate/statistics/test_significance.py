"""Paired comparisons: against known tests, by hand, and on changes that are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_mieb.gate.statistics.influence import Examples
from pytest_mieb.gate.statistics.significance import (
    GROUPS,
    Difference,
    _groups,
    compare,
    holm,
    pooled,
    restart_error,
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

    difference = compare("mean", *outcomes(15, 5, 200))
    assert difference.drop == pytest.approx(10 / 200)
    assert difference.p_drop == pytest.approx(binomtest(15, 20, alternative="greater").pvalue)
    assert difference.p_gain == pytest.approx(binomtest(5, 20, alternative="greater").pvalue)
    assert difference.examples == 200
    assert difference.unit == pytest.approx(1 / 200)
    assert difference.standard_error == pytest.approx(np.sqrt(20 + 1) / 200, rel=0.02)
    assert compare("mean", *outcomes(1, 0, 200)).standard_error == pytest.approx(np.sqrt(2) / 200, rel=0.01)


@pytest.mark.parametrize(("estimator", "draws"), [("mean", 1), ("mean", 5), ("spearman", 1), ("mutual_information", 1)])
def test_identical_outcomes_are_no_difference(estimator: str, draws: int) -> None:
    rng = np.random.default_rng(0)
    shape = (50, draws) if draws > 1 else (50,)
    fits = rng.integers(0, 3, (50, 4)) if estimator == "mutual_information" else None
    examples = {"default": Examples(rng.integers(0, 2, shape), rng.integers(0, 3, 50), fits=fits)}
    difference = compare(estimator, examples, examples)
    same = replace(difference, fits=0, before=0.0)
    assert same == Difference(0.0, 0.0, 1.0, 1.0, 50, 0.0 if estimator == "mutual_information" else 1 / 50)
    assert difference.fits == (4 if estimator == "mutual_information" else 0)
    assert upper_bound(difference, 0.05) == 0


def test_subsets_count_the_same_and_their_order_does_not() -> None:
    old = {"big": Examples(np.array([1, 1, 1, 1])), "small": Examples(np.array([1, 0]))}
    new = {"small": Examples(np.array([0, 0])), "big": Examples(np.array([1, 1, 1, 0]))}
    difference = compare("mean", old, new)
    assert difference.drop == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert difference.p_drop == 1 / 4
    assert difference.examples == 6


def test_five_captions_of_one_image_are_one_piece_of_evidence() -> None:
    old, new = outcomes(10, 0, 100)
    images = np.arange(100) // 5
    clustered = [{"default": Examples(side["default"].outcomes, None, images)} for side in (old, new)]
    assert compare("mean", old, new).p_drop == 2.0**-10
    assert compare("mean", *clustered).p_drop == 2.0**-2
    assert compare("mean", *clustered).standard_error > 2 * compare("mean", old, new).standard_error


def test_one_image_in_two_languages_is_one_piece_of_evidence() -> None:
    side = [{name: Examples(each, None, np.arange(8)) for name in ("en", "no")} for each in (np.ones(8), np.zeros(8))]
    assert compare("mean", *side).p_drop == 2.0**-8


def test_sts_drops_by_the_difference_of_its_correlations() -> None:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    truth = rng.normal(size=90)
    old, new = truth + rng.normal(size=90), truth + 2 * rng.normal(size=90)
    difference = compare("spearman", {"a": Examples(old, truth)}, {"a": Examples(new, truth)})
    assert difference.drop == pytest.approx(spearmanr(old, truth)[0] - spearmanr(new, truth)[0])


def fits_of(labels: NDArray[np.int64], right: float, fits: int, rng: Rng, restarts: int = 0) -> Examples:
    """As many fits, each of which puts a share of the images into the cluster of their class."""
    shape = len(labels), fits
    found = np.where(rng.random(shape) < right, labels[:, None], rng.integers(0, labels.max() + 1, shape))
    return Examples(found[:, 0], labels, fits=found, restarts=rng.normal(0.5, 0.1, restarts) if restarts else None)


def test_clustering_drops_by_the_mean_over_its_fits() -> None:
    from sklearn.metrics import normalized_mutual_info_score as nmi

    rng = np.random.default_rng(0)
    labels = np.arange(300) % 12
    old, new = fits_of(labels, 0.8, 16, rng), fits_of(labels, 0.7, 16, rng)
    assert old.fits is not None and new.fits is not None
    before, after = (np.mean([nmi(labels, fit) for fit in side.T]) for side in (old.fits, new.fits))
    difference = compare("mutual_information", {"a": old}, {"a": new})
    assert (difference.drop, difference.before) == pytest.approx((before - after, before))
    assert difference.fits == 16 and difference.examples == 300
    assert difference.p_drop < 1e-3 < difference.p_gain
    back = compare("mutual_information", {"a": new}, {"a": old})
    assert (back.p_gain, back.drop) == pytest.approx((difference.p_drop, -difference.drop))
    # The score's own fit and what the clusters are called count for nothing.
    renamed = replace(new, outcomes=labels, fits=11 - new.fits)
    assert compare("mutual_information", {"a": old}, {"a": renamed}) == pytest.approx(difference)


def test_subsets_of_a_clustering_count_the_same() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 6
    side = {name: fits_of(labels, right, 4, rng) for name, right in (("en", 0.8), ("no", 0.6))}
    worse = {"en": side["en"], "no": fits_of(labels, 0.3, 4, rng)}
    alone = compare("mutual_information", {"no": side["no"]}, {"no": worse["no"]})
    both = compare("mutual_information", side, worse)
    assert both.drop == pytest.approx(alone.drop / 2)
    assert both.standard_error < alone.standard_error


def test_images_of_a_class_that_move_together_are_one_piece_of_evidence() -> None:
    """Two of twelve classes fall apart, in every fit alike: by image that is beyond doubt, by class it is not."""
    labels = np.arange(1200) % 12
    torn = np.where(labels < 2, (np.arange(1200) // 12) % 12, labels)
    one_by_one = labels.copy()
    one_by_one[:200] = (labels[:200] + 1 + np.arange(200) % 11) % 12
    sound = Examples(labels, labels, fits=np.repeat(labels[:, None], 3, axis=1))
    p = {}
    for name, clusters in (("torn", torn), ("one by one", one_by_one)):
        fits = np.repeat(clusters[:, None], 3, axis=1)
        p[name] = compare("mutual_information", {"a": sound}, {"a": Examples(clusters, labels, fits=fits)}).p_drop
    assert p["one by one"] < 1e-4 and p["torn"] > 0.01


@pytest.mark.parametrize("classes", [2, 3, 9, 10, 40])
def test_few_classes_are_cut_into_pieces(classes: int) -> None:
    labels = np.arange(400) % classes
    groups = _groups(labels)
    assert len(np.unique(groups)) >= max(classes, GROUPS)
    assert all(len(np.unique(labels[groups == group])) == 1 for group in np.unique(groups))
    assert np.ptp(np.bincount(groups)) <= 400 / classes / 3


def test_fits_that_are_not_there_or_not_as_many_are_refused() -> None:
    labels = np.arange(40) % 4
    rng = np.random.default_rng(0)
    side = fits_of(labels, 0.5, 3, rng)
    with pytest.raises(ValueError, match="subset a: no repeated fits"):
        compare("mutual_information", {"a": Examples(labels, labels)}, {"a": side})
    with pytest.raises(ValueError, match="subset a: 3 repeated fits before and 4 now"):
        compare("mutual_information", {"a": side}, {"a": fits_of(labels, 0.5, 4, rng)})


def test_the_error_of_one_fit_of_several() -> None:
    labels = np.arange(40) % 4
    several = {"a": fits_of(labels, 0.5, 2, np.random.default_rng(0), restarts=8)}
    restarts = several["a"].restarts
    assert restarts is not None
    assert restart_error(several) == pytest.approx((restarts.std(ddof=1), 7))
    assert restart_error(several | {"b": several["a"]}) == pytest.approx((restarts.std(ddof=1) / np.sqrt(2), 14))
    still = Examples(labels, restarts=np.full(8, 0.5))
    assert restart_error({"a": still}) == restart_error({"a": Examples(labels)}) == restart_error(None) == (0, INFINITE)
    assert restart_error(several | {"b": still}) == pytest.approx((restarts.std(ddof=1) / 2, 7))


def noisy_cosines(rng: Rng) -> tuple[Examples, Examples]:
    truth = rng.normal(size=100)
    base = truth + 0.5 * rng.normal(size=100)
    old, new = base + 0.3 * rng.normal(size=(2, 100))
    return Examples(old, truth), Examples(new, truth)


def perturbed_clusters(rng: Rng) -> tuple[Examples, Examples]:
    """Some images move by themselves, whatever the fit, and each fit moves the images of some class together."""
    labels = np.arange(100) % 10
    base = np.where(rng.random((100, 1)) < 0.6, labels[:, None], rng.integers(0, 10, (100, 1)))

    def side() -> NDArray[np.int64]:
        alone = np.where(rng.random((100, 1)) < 0.1, rng.integers(0, 10, (100, 1)), base)
        return np.where(labels[:, None] == rng.integers(0, 10, 8), rng.integers(0, 10, 8), alone)

    old, new = side(), side()
    return Examples(old[:, 0], labels, fits=old), Examples(new[:, 0], labels, fits=new)


def lucky_draws(rng: Rng) -> tuple[Examples, Examples]:
    base = 1 + 1.5 * rng.normal(size=(300, 1))

    def side() -> NDArray[np.uint8]:
        noise = 0.2 * rng.normal(size=(1, 5)) + 0.3 * rng.normal(size=(300, 5))
        return np.asarray(base + noise > 0, dtype=np.uint8)

    return Examples(side()), Examples(side())


@pytest.mark.parametrize(
    ("estimator", "sides"),
    [("spearman", noisy_cosines), ("mutual_information", perturbed_clusters), ("mean", lucky_draws)],
)
def test_no_change_alarms_no_more_often_than_the_level(
    estimator: str, sides: Callable[[Rng], tuple[Examples, Examples]]
) -> None:
    rng = np.random.default_rng(4)
    p = []
    for _ in range(600):
        old, new = sides(rng)
        difference = compare(estimator, {"a": old}, {"a": new})
        p += [difference.p_drop, difference.p_gain]
    for level in (0.05, 0.01):
        assert np.mean(np.array(p) <= level) <= level + 3 * np.sqrt(level * (1 - level) / len(p))
    assert np.mean(np.array(p) <= 0.05) > 0.02  # nor so seldom that nothing would be found


def test_a_drop_in_every_draw_of_a_probe_is_found() -> None:
    rng = np.random.default_rng(0)
    old = rng.random((1000, 5)) < 0.8
    new = old & ~(rng.random((1000, 1)) < 0.05)
    difference = compare("mean", {"a": Examples(old)}, {"a": Examples(new)})
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
        compare("mean", old, new)


def test_the_error_of_one_score() -> None:
    hits = np.repeat([1, 0], [70, 30])
    assert sampling_error("mean", {"a": Examples(hits)}) == pytest.approx(np.sqrt(0.21 / 99 + 1e-4))
    by_two = np.arange(100) // 2
    assert sampling_error("mean", {"a": Examples(hits, None, by_two)}) == pytest.approx(
        np.sqrt(0.21 / 49.5 * 0.99 + 1e-4), rel=0.01
    )
    assert sampling_error("mean", {"a": Examples(np.ones(100))}) == pytest.approx(0.01)
    with pytest.raises(ValueError, match="no subsets"):
        sampling_error("mean", {})


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
