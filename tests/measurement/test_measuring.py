"""A result in the form in which it is recorded and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pytest_mieb.gate.statistics.influence import Examples
from pytest_mieb.gate.statistics.significance import sampling_error
from pytest_mieb.measurement import outcomes
from pytest_mieb.measurement.baseline import Estimate
from pytest_mieb.measurement.measuring import examples_of, measured
from pytest_mieb.measurement.result import SubsetResult, TaskResult
from pytest_mieb.protocols.scored import Repeats, Scored
from pytest_mieb.suite import DatasetRef
from pytest_mieb.support.seconds import Seconds
from tests.gate.builders import zero_shot

TASK = zero_shot(dataset=DatasetRef("org/some", "0123456789abcdef" * 2, "labelled"))
RIGHT = np.array([1, 1, 1, 0], dtype=np.float64)


def subset(
    score: float, right: np.ndarray = RIGHT, digest: str = "d", clusters: np.ndarray | None = None
) -> SubsetResult:
    return SubsetResult(score, Scored({"accuracy": score}, right), {"test": len(right)}, clusters, digest)


def result(subsets: Mapping[str, SubsetResult]) -> TaskResult:
    score = float(np.mean([each.score for each in subsets.values()]))
    return TaskResult(TASK, score, subsets, embedded=4, reused=0, seconds=Seconds(total=1.0))


def test_one_subset_is_the_task_itself() -> None:
    found = measured(result({"default": subset(0.75)}), "1a2b3c4d")
    assert (found.score, found.subsets, found.run_id) == (0.75, {}, "1a2b3c4d")
    assert found.dataset == "0123456789ab"
    assert (found.tolerance, found.noise, found.outcomes, found.drift) == (None, 0.0, "", 0.0)
    # 3 of 4: variance of the mean with n - 1, and one example more.
    assert found.error == pytest.approx(np.sqrt(RIGHT.var(ddof=1) / 4 + 1 / 16))


def test_several_subsets_have_a_score_and_an_error_each() -> None:
    subsets = {"en": subset(0.75), "no": subset(0.5, np.array([1.0, 0.0]))}
    found = measured(result(subsets))
    own = {name: sampling_error("mean", {name: Examples(each.scored.outcomes)}) for name, each in subsets.items()}
    assert found.subsets == {"en": Estimate(0.75, own["en"]), "no": Estimate(0.5, own["no"])}
    assert own["en"] < own["no"]
    assert (found.score, found.run_id) == (0.625, "")
    both = {name: Examples(each.scored.outcomes) for name, each in subsets.items()}
    assert found.error == pytest.approx(sampling_error("mean", both))


@pytest.mark.parametrize(
    ("sizes", "part"),
    [
        ([{}, {}], ""),
        ([{"test": (30, 40)}, {}], "30 of 40 rows"),
        ([{"test": (30, 40), "train": (90, 80)}, {}], "120 of 120 rows"),
        ([{"en": (3, 1000)}, {"no": (5, 2000)}], "8 of 3000 rows"),
    ],
)
def test_a_part_is_known_by_its_rows(sizes: list[dict[str, tuple[int, int]]], part: str) -> None:
    subsets = {name: replace(subset(0.75), other_sizes=own) for name, own in zip(("en", "no"), sizes, strict=True)}
    assert measured(result(subsets)).part == part


def test_examples_that_depend_on_each_other_make_the_error_larger() -> None:
    right = np.repeat([1.0, 0.0, 1.0, 1.0], 25)
    alone = measured(result({"default": subset(0.75, right)}))
    together = measured(result({"default": subset(0.75, right, clusters=np.arange(100) // 25)}))
    assert together.error > 4 * alone.error


@pytest.mark.parametrize(
    "other",
    [
        {"en": subset(0.75, digest="x"), "no": subset(0.75, digest="b")},
        {"en": subset(0.75, digest="b"), "no": subset(0.75, digest="a")},
        {"no": subset(0.75, digest="b"), "en": subset(0.75, digest="a")},
        {"en": subset(0.75, digest="a"), "de": subset(0.75, digest="b")},
        {"en": subset(0.75, digest="a")},
    ],
    ids=["another digest", "exchanged", "another order", "another name", "one less"],
)
def test_the_hash_of_the_examples_follows_each_subsets(other: Mapping[str, SubsetResult]) -> None:
    own = result({"en": subset(0.75, digest="a"), "no": subset(0.75, digest="b")})
    scored_otherwise = result({"en": subset(0.5, 1 - RIGHT, "a"), "no": subset(0.5, digest="b")})
    assert measured(own).examples == measured(scored_otherwise).examples
    assert measured(own).examples != measured(result(other)).examples
    assert len(measured(own).examples) == 16


def test_the_outcomes_compared_are_those_that_are_stored(tmp_path: Path) -> None:
    third = np.array([1 / 3, 2 / 3, 0.1, 1])
    found = examples_of(result({"default": subset(0.5, third, clusters=np.array([0, 0, 1, 1]))}))
    outcomes.write(tmp_path / "t.npz", found)
    back = outcomes.read(tmp_path / "t.npz")["default"]
    assert np.array_equal(found["default"].outcomes, back.outcomes) and back.outcomes.dtype == np.float32
    assert back.clusters is not None and back.clusters.tolist() == [0, 0, 1, 1]
    assert back.truth is None


def test_repeated_fits_are_stored_too() -> None:
    repeats = Repeats(np.array([[0, 1], [1, 1], [0, 0], [1, 0]]), np.array([0.2, 0.4]), np.array([0.1, 0.3, 0.2]))
    given = subset(0.75)
    given = replace(given, scored=replace(given.scored, repeats=repeats))
    found = examples_of(result({"default": given}))["default"]
    assert found.fits is not None and found.fits.tolist() == repeats.fits.tolist()
    assert found.restarts is not None and found.restarts.tolist() == [0.1, 0.3, 0.2]
    assert given.repeatable == pytest.approx(0.3)
    assert result({"one": given, "two": subset(0.5)}).repeatable == pytest.approx((0.3 + 0.5) / 2)


def test_the_error_of_a_metric_that_the_outcomes_do_not_make_up_is_unknown() -> None:
    given = result({"default": subset(0.75)})
    in_f1 = replace(given, task=zero_shot(metric="f1"))
    assert measured(given).error > 0
    assert measured(in_f1).error == 0
