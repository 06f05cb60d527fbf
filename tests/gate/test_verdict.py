"""What a score means against its baseline, and the sentence to fail with."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pytest_mieb.gate.baseline import Baseline, Mark, TaskBaseline
from pytest_mieb.gate.verdict import judge, percent, points
from pytest_mieb.record import TaskRecord

BASELINE = Baseline(
    "exp6",
    "hub",
    tasks={
        "CIFAR10": TaskBaseline(0.75, 0.74),
        "XFlickr": TaskBaseline(0.5, 0.48, {"en": Mark(0.6, 0.55), "no": Mark(0.4, 0.35)}),
        "STS": TaskBaseline(-0.2, -0.205),
    },
)


def record(task: str, score: float, subsets: Mapping[str, float] | None = None) -> TaskRecord:
    subsets = subsets or {"default": score}
    return TaskRecord(task, "accuracy", score, subsets, dict.fromkeys(subsets, 100), 1, 2, 0.5)


@pytest.mark.parametrize(
    ("task", "score", "outcome"),
    [
        ("CIFAR10", 0.75, "passed"),
        ("CIFAR10", 0.74, "passed"),  # at the threshold
        ("CIFAR10", 0.7399, "regressed"),
        ("CIFAR10", 0.0, "regressed"),
        ("CIFAR10", 0.76, "passed"),  # as far above as the threshold is below
        ("CIFAR10", 0.7601, "improved"),
        ("STS", -0.2, "passed"),
        ("STS", -0.21, "regressed"),
    ],
)
def test_outcomes(task: str, score: float, outcome: str) -> None:
    verdict = judge(record(task, score), BASELINE)
    assert verdict.outcome == outcome
    assert (verdict.failure is not None) is (outcome == "regressed")
    assert verdict.baseline == BASELINE.tasks[task]
    assert verdict.subsets == {}


def test_a_regression_says_score_baseline_difference_threshold_and_what_to_do() -> None:
    assert judge(record("CIFAR10", 0.7012), BASELINE).failure == (
        "CIFAR10 regressed: accuracy 70.12, baseline 75.00 (-4.88), threshold 74.00\n"
        "if the drop is meant, record it with --mieb-update"
    )


def test_a_task_that_the_baseline_lacks_fails_with_the_remedy() -> None:
    verdict = judge(record("CIFAR100", 0.5), BASELINE)
    assert (verdict.outcome, verdict.baseline) == ("no baseline", None)
    assert verdict.failure is not None
    assert verdict.failure.splitlines()[0] == "CIFAR100: no baseline in exp6, scored 50.00"
    assert "--mieb-update -k CIFAR100" in verdict.failure.splitlines()[1]


def test_without_a_baseline_a_score_is_only_measured() -> None:
    verdict = judge(record("CIFAR10", 0.0), None)
    assert (verdict.outcome, verdict.failure, verdict.score) == ("measured", None, 0.0)


def test_each_subset_is_judged_by_its_own_threshold() -> None:
    verdict = judge(record("XFlickr", 0.51, {"en": 0.72, "no": 0.3}), BASELINE)
    assert (verdict.outcome, verdict.failure) == ("passed", None)
    assert {name: each.outcome for name, each in verdict.subsets.items()} == {"en": "improved", "no": "regressed"}
    assert verdict.subsets["no"].failure == (
        "XFlickr [no] regressed: accuracy 30.00, baseline 40.00 (-10.00), threshold 35.00\n"
        "if the drop is meant, record it with --mieb-update"
    )


def test_a_subset_that_the_baseline_lacks_fails() -> None:
    verdict = judge(record("XFlickr", 0.51, {"en": 0.6, "de": 0.6}), BASELINE)
    missing = verdict.subsets["de"]
    assert missing.outcome == "no baseline"
    assert missing.failure is not None and missing.failure.startswith("XFlickr [de]: no baseline in exp6")


@pytest.mark.parametrize(("score", "shown"), [(0.12345, "12.35"), (1, "100.00"), (-0.001, "-0.10"), (0, "0.00")])
def test_scores_are_shown_times_100_with_two_decimals(score: float, shown: str) -> None:
    assert percent(score) == shown


@pytest.mark.parametrize(
    ("difference", "shown"), [(0.01, "+1.00"), (-0.0488, "-4.88"), (0.0, "0.00"), (-0.00001, "0.00"), (0.00004, "0.00")]
)
def test_differences_are_shown_with_their_sign(difference: float, shown: str) -> None:
    assert points(difference) == shown
