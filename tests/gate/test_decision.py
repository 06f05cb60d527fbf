"""The verdict on a whole run: what Holm adds, what the means show, and what is missing."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date
from math import sqrt

import numpy as np
import pytest
from scipy.stats import norm

from pytest_mieb.gate.comparison import Comparison, Measured, compare
from pytest_mieb.gate.decision import EXIT_CODES, Decision, MeanVerdict, decide
from pytest_mieb.gate.policy import ComparisonFamily, Policy
from pytest_mieb.gate.statistics.influence import Examples
from pytest_mieb.gate.statistics.significance import smallest_detectable
from pytest_mieb.gate.verdict import Verdict
from pytest_mieb.measurement.baseline import Acceptance, Estimate, Measurement
from pytest_mieb.suite import CATEGORIES, DatasetRef, Task
from pytest_mieb.suite.cards import load_tasks
from pytest_mieb.suite.means import means
from tests.gate.builders import comparison, difference, pair, zero_shot

# One task a category, so that there are no means: each has a quarter of 5 %.
ALONE = {
    name: zero_shot(name, category=category, suites=()) for name, category in zip("ABCD", CATEGORIES, strict=False)
}
TOGETHER = {name: zero_shot(name, suites=()) for name in "ABCD"}
CATEGORY = "zero_shot_classification"


def decided(
    comparisons: Collection[Comparison],
    tasks: Mapping[str, Task] = ALONE,
    incomplete: Mapping[str, str] | None = None,
    policy: Policy | None = None,
    selected: Collection[str] | None = None,
) -> Decision:
    by_task = {each.task: each for each in comparisons}
    return decide(by_task, incomplete or {}, selected or set(tasks), tasks, policy or Policy())


def outcomes(decision: Decision) -> dict[str, str]:
    return {name: verdict.status for name, verdict in decision.verdicts.items()}


def chances(a: float, b: float, c: float, d: float = 0.5) -> list[Comparison]:
    return [comparison(name, 0.02, p) for name, p in zip("ABCD", (a, b, c, d), strict=True)]


@pytest.mark.parametrize(
    ("p", "found", "by_holm"),
    [
        # 5 % / 4 = 0.0125, / 3 = 0.0167, / 2 = 0.025
        ((0.001, 0.016, 0.03), {"A": "regressed", "B": "regressed", "C": "suspect"}, ("B",)),
        ((0.001, 0.016, 0.024), {"A": "regressed", "B": "regressed", "C": "regressed"}, ("B", "C")),
        ((0.001, 0.017, 0.024), {"A": "regressed", "B": "suspect", "C": "suspect"}, ()),  # the chain is broken
        ((0.013, 0.016, 0.024), {"A": "suspect", "B": "suspect", "C": "suspect"}, ()),  # it does not begin
        ((0.0125, 0.012, 0.001), {"A": "regressed", "B": "regressed", "C": "regressed"}, ()),
    ],
)
def test_holm_adds_what_regressed_beside_the_others(
    p: tuple[float, float, float], found: dict[str, str], by_holm: tuple[str, ...]
) -> None:
    decision = decided(chances(*p))
    assert outcomes(decision) == {**found, "D": "passed"}
    assert decision.regressed_by_holm == by_holm
    for name in by_holm:
        failure = decision.verdicts[name].failure
        assert failure is not None and failure.startswith(f"{name} regressed: accuracy 68.00, baseline 70.00 (-2.00)")
        assert "which is significant at 0.05 by Holm's procedure" in failure
    # The smallest drop that a task would have failed for is told at one level, not by what the others did.
    assert len({decision.verdicts[name].detectable for name in found}) == 1
    assert decision.state == ("regressed" if "regressed" in found.values() else "passed")


def test_holm_fails_no_drop_within_its_tolerance() -> None:
    own = [comparison("A", 0.02, 0.001), comparison("B", 0.004, 0.002), comparison("C", 0.02, 0.024)]
    decision = decided([*own, comparison("D")])
    assert outcomes(decision) == {"A": "regressed", "B": "passed", "C": "regressed", "D": "passed"}
    assert decision.regressed_by_holm == ("C",)


def test_a_task_without_verdict_counts_in_the_family_all_the_same() -> None:
    three = chances(0.001, 0.016, 0.03)[:2]
    with_all = decided(three, incomplete={"C": "crashed", "D": "crashed"})
    assert with_all.regressed_by_holm == ("B",)  # four tasks were selected
    one = [comparison("B", 0.02, 0.016)]
    assert outcomes(decided(one, selected={"A", "B", "C"})) == {"B": "regressed"}
    assert outcomes(decided(one, selected=set(ALONE))) == {"B": "suspect"}


def test_non_inferiority_needs_no_holm() -> None:
    own = [comparison(each.task, 0.001, each.difference.p_drop, 0.001) for each in chances(1e-9, 0.016, 0.03)]
    decision = decided(own, policy=Policy("non-inferiority"))
    assert (set(outcomes(decision).values()), decision.regressed_by_holm) == ({"passed"}, ())


def test_many_small_drops_fail_the_mean() -> None:
    decision = decided([comparison(name, 0.004, 0.02, 0.002) for name in TOGETHER], TOGETHER)
    assert decision.family == ComparisonFamily(4, 0, 1)
    assert set(outcomes(decision).values()) == {"passed"}
    (mean,) = decision.means
    assert (mean.name, mean.tasks, mean.status, mean.missing) == (CATEGORY, 4, "regressed", ())
    assert mean.pair is not None
    assert (mean.pair.score, mean.pair.baseline) == pytest.approx((0.696, 0.7))
    assert mean.pair.difference.standard_error == pytest.approx(0.001)  # four datasets
    assert mean.pair.difference.p_drop == pytest.approx(norm.sf(4))
    assert mean.failure is not None
    assert mean.failure.splitlines() == [
        f"{CATEGORY} regressed: mean of 4 tasks 69.60, baseline 70.00 (-0.40), tolerance 0.25",
        "the drop is 0.40 points, with a 95 % confidence interval of 0.20 to 0.60",
        "the test on 4,000 paired examples gives p = 3.2e-05, which is significant at 0.017",
    ]
    assert decision.state == "regressed"


@pytest.mark.parametrize(
    ("drop", "error", "outcome"),
    [
        (0.0025, 1e-6, "passed"),  # at half a task's tolerance
        (0.00251, 1e-6, "regressed"),
        (0.01, 0.0090, "regressed"),  # p = 0.0131, below 5 % / 3
        (0.01, 0.0099, "suspect"),  # 0.0217
        (0.01, 0.0130, "passed"),  # 0.0620
        (-0.01, 0.0090, "improved"),
        (-0.0025, 1e-6, "passed"),
    ],
)
def test_a_mean_by_drop_and_chance(drop: float, error: float, outcome: str) -> None:
    decision = decided([comparison(name, drop, 0.5, error) for name in TOGETHER], TOGETHER)
    assert decision.means[0].status == outcome
    assert decision.state == ("regressed" if outcome == "regressed" else "passed")
    expected = max(0.0025, smallest_detectable(error / 2, 0.05 / 3))
    assert decision.means[0].detectable == pytest.approx(expected)


def test_tasks_on_one_dataset_have_their_errors_in_common() -> None:
    own = [comparison(name, 0.0, error=0.002) for name in TOGETHER]
    shared = DatasetRef("org/one", "0123", "labelled")
    tasks = {name: replace(task, dataset=shared) if name in "AB" else task for name, task in TOGETHER.items()}
    (mean,) = decided(own, tasks).means
    assert mean.pair is not None
    assert mean.pair.difference.standard_error == pytest.approx(0.002 / 4 * sqrt(2**2 + 1 + 1))


def test_only_what_exceeds_the_drift_counts_in_a_mean() -> None:
    own = [
        comparison(name, drop, 0.5, 1e-4, drift=0.01)
        for name, drop in zip("ABCD", (0.011, 0.012, -0.02, 0.005), strict=True)
    ]
    (mean,) = decided(own, TOGETHER).means
    assert mean.pair is not None
    assert mean.pair.difference.drop == pytest.approx((0.001 + 0.002 - 0.01 + 0) / 4)
    assert mean.pair.score == pytest.approx(0.7 - 0.008 / 4)  # as measured


def test_the_interval_of_a_mean_is_of_what_exceeds_the_drift() -> None:
    own = [comparison(name, 0.02, 0.5, 0.002, drift=0.01) for name in TOGETHER]
    (mean,) = decided(own, TOGETHER).means
    assert mean.failure is not None
    assert mean.failure.splitlines()[:2] == [
        f"{CATEGORY} regressed: mean of 4 tasks 68.00, baseline 70.00 (-2.00), tolerance 0.25",
        "the drop beyond known drift is 1.00 points, with a 95 % confidence interval of 0.80 to 1.20",
    ]


@pytest.mark.parametrize(("noise", "tolerance"), [(0.0, 0.0025), (0.004, 0.0025), (0.01, 0.005)])
def test_a_mean_is_allowed_what_its_tasks_move_for_no_reason(noise: float, tolerance: float) -> None:
    """Four tasks that move by a point, each by itself, move their mean by half a point."""
    own = [comparison(name, 0.004, 0.5, 1e-4, noise=noise) for name in TOGETHER]
    (mean,) = decided(own, TOGETHER).means
    assert mean.tolerance == pytest.approx(tolerance)
    assert mean.status == ("passed" if tolerance == 0.005 else "regressed")


def test_a_mean_by_non_inferiority_needs_to_be_shown() -> None:
    own = [comparison(name, 0.0, error=0.004) for name in TOGETHER]
    (mean,) = decided(own, TOGETHER, policy=Policy("non-inferiority")).means
    assert mean.status == "regressed"  # 1.64 * 0.002 is above 0.0025
    (mean,) = decided(own, TOGETHER, policy=Policy("non-inferiority", named={"means": 0.0034})).means
    assert mean.status == "passed"


UNTIL = Acceptance(date(2027, 3, 1), "a new tokenizer")
WITHOUT_A = "A counts as unchanged, because its drop is accepted"


@pytest.mark.parametrize("policy", [Policy(), Policy("non-inferiority")])
def test_an_accepted_regression_fails_no_mean(policy: Policy) -> None:
    own = [comparison("A", 0.1, 1e-9, accepted=UNTIL), *(comparison(name, 0.0, error=1e-4) for name in "BCD")]
    decision = decided(own, TOGETHER, policy=policy)
    (mean,) = decision.means
    assert (decision.state, decision.verdicts["A"].status) == ("passed", "accepted")
    assert (mean.status, mean.failure, mean.accepted, mean.acceptance_note) == ("accepted", None, ("A",), WITHOUT_A)
    assert mean.pair is not None
    assert (mean.pair.score, mean.pair.baseline) == pytest.approx((0.675, 0.7))  # as measured
    assert mean.pair.difference.drop == pytest.approx(0.0)
    ended = [replace(own[0], accepted=replace(UNTIL, ended=True)), *own[1:]]
    (mean,) = decided(ended, TOGETHER, policy=policy).means
    assert (mean.status, mean.accepted, mean.acceptance_note) == ("regressed", (), None)


def test_a_mean_that_dropped_for_other_reasons_fails_beside_an_accepted_regression() -> None:
    """The others lost two points each, which is 1.5 of the mean."""
    own = [comparison("A", 0.1, 1e-9, accepted=UNTIL), *(comparison(name, 0.02, 0.5, 0.004) for name in "BCD")]
    decision = decided(own, TOGETHER)
    (mean,) = decision.means
    assert decision.state == "regressed"
    assert mean.pair is not None
    assert mean.pair.difference.drop == pytest.approx(0.015)
    assert mean.pair.difference.standard_error == pytest.approx(sqrt(3) * 0.001)
    assert (mean.failure or "").splitlines() == [
        f"{CATEGORY} regressed: mean of 4 tasks 66.00, baseline 70.00 (-4.00), tolerance 0.25",
        "the drop is 1.50 points, with a 95 % confidence interval of 1.16 to 1.84",
        "the test on 3,000 paired examples gives p < 1e-15, which is significant at 0.017",
        WITHOUT_A,
    ]


@pytest.mark.parametrize(
    ("accepted", "others", "outcome"),
    [
        (0.1, 0.0, "accepted"),
        (0.0, 0.0, "passed"),  # gone
        (-0.1, 0.0, "improved"),
        (-0.1, 0.02, "regressed"),  # a gain there covers no drop elsewhere
        (0.01, -0.02, "improved"),
        (0.06, -0.02, "passed"),  # as the mean did, though the others improved
    ],
)
def test_the_outcome_of_a_mean_beside_an_accepted_regression(accepted: float, others: float, outcome: str) -> None:
    own = [comparison("A", accepted, 0.5, 0.004, accepted=UNTIL)]
    own += [comparison(name, others, 0.5, 0.004) for name in "BCD"]
    (mean,) = decided(own, TOGETHER).means
    assert (mean.status, mean.accepted) == (outcome, ("A",))


def test_a_mean_of_accepted_regressions_alone_passes() -> None:
    own = [comparison(name, 0.1, 1e-9, accepted=UNTIL) for name in TOGETHER]
    (mean,) = decided(own, TOGETHER).means
    assert (mean.status, mean.accepted) == ("accepted", tuple("ABCD"))


def test_an_accepted_regression_found_only_beside_the_others_fails_nothing() -> None:
    own = [comparison("A", 0.02, 0.001), comparison("B", 0.02, 0.016, accepted=UNTIL)]
    decision = decided(own, selected={"A", "B", "C", "D"})
    assert outcomes(decision) == {"A": "regressed", "B": "accepted"}
    assert decision.regressed_by_holm == ()


def test_a_mean_with_a_task_missing_is_incomplete_and_fails_without_numbers() -> None:
    own = [comparison(name, 0.05, 1e-9) for name in "AB"]
    decision = decided(own, TOGETHER, incomplete={"D": "did not run", "C": "crashed"})
    (mean,) = decision.means
    assert mean == MeanVerdict(
        CATEGORY,
        4,
        "incomplete",
        failure=f"{CATEGORY} is incomplete, because 2 of 4 tasks have no verdict: C, D",
        missing=("C", "D"),
    )
    assert decision.state == "regressed"  # A and B did; that goes first
    assert decided([], TOGETHER, incomplete=dict.fromkeys("ABCD", "x")).state == "incomplete"


def test_an_incomplete_mean_names_five_tasks_at_most() -> None:
    tasks = {name: zero_shot(name, suites=()) for name in "ABCDEFGH"}
    (mean,) = decided([comparison("A")], tasks, incomplete=dict.fromkeys("BCDEFGH", "x")).means
    assert mean.failure is not None and mean.failure.endswith("B, C, D, E, F and 2 more")
    assert len(mean.missing) == 7


@pytest.mark.parametrize(("known", "judged"), [("ABCD", 4), ("ABC", 3), ("AB", 2), ("A", None), ("", None)])
def test_tasks_that_do_not_compare_leave_a_category_smaller(known: str, judged: int | None) -> None:
    """Published scores of a task that became another one: no comparison, and nothing is missing."""
    decision = decided([comparison(name) for name in known], TOGETHER)
    assert [mean.tasks for mean in decision.means] == ([judged] if judged else [])
    assert decision.state == "passed"


SUITE = load_tasks()


@pytest.mark.parametrize("lite", [False, True])
def test_the_means_are_those_of_the_paper(lite: bool) -> None:
    selected = [name for name, task in SUITE.items() if not lite or "lite" in task.suites]
    tasks, chance = [SUITE[name] for name in selected], random.Random(0)
    before = {name: chance.random() for name in selected}
    after = {name: chance.random() for name in selected}
    own = [
        Comparison(after[name], before[name], difference(before[name] - after[name]), task=name, tolerance=0.005)
        for name in selected
    ]
    decision = decided(own, SUITE, selected=set(selected))
    for scores, kind in ((before, "baseline"), (after, "score")):
        expected = means(tasks, scores)
        for mean in decision.means:
            assert getattr(mean.pair, kind) == pytest.approx(expected[mean.name])
    for mean in decision.means:
        assert mean.pair is not None
        assert mean.pair.difference.drop == pytest.approx(mean.pair.baseline - mean.pair.score)
    assert {"Mean (en)", "Mean (m)"} < {mean.name for mean in decision.means}


def test_an_overall_mean_is_not_judged_on_some_of_its_tasks() -> None:
    lite = [name for name, task in SUITE.items() if "lite" in task.suites]
    multilingual = next(name for name in lite if "multilingual" in SUITE[name].suites)
    decision = decided([comparison(name) for name in lite if name != multilingual], SUITE, selected=lite)
    names = {mean.name for mean in decision.means}
    assert "Mean (en)" in names and "Mean (m)" not in names
    decision = decided(
        [comparison(name) for name in lite if name != multilingual], SUITE, {multilingual: "x"}, selected=lite
    )
    assert {mean.name: mean.status for mean in decision.means}["Mean (m)"] == "incomplete"
    assert {mean.name: mean.status for mean in decision.means}["Mean (en)"] == "passed"


FAILED, FINE = Verdict("regressed", 0.5, failure="x"), Verdict("passed", 0.5)


@pytest.mark.parametrize(
    ("verdicts", "means", "incomplete", "state"),
    [
        ({}, (), {}, "passed"),
        ({"A": FINE, "B": Verdict("suspect", 0.5), "C": Verdict("improved", 0.5)}, (), {}, "passed"),
        ({"A": FINE}, (), {"B": "crashed"}, "incomplete"),
        ({"A": FINE}, (MeanVerdict("m", 2, "incomplete", failure="x", missing=("B",)),), {"B": "x"}, "incomplete"),
        ({"A": FAILED}, (), {}, "regressed"),
        ({"A": FAILED}, (), {"B": "crashed"}, "regressed"),
        ({"A": replace(FINE, subsets={"no": FAILED})}, (), {}, "regressed"),
        ({"A": FINE}, (MeanVerdict("m", 2, "regressed", failure="x"),), {"B": "crashed"}, "regressed"),
        ({"A": FINE}, (MeanVerdict("m", 2, "suspect"),), {}, "passed"),
    ],
)
def test_the_state_of_a_run(
    verdicts: dict[str, Verdict], means: tuple[MeanVerdict, ...], incomplete: dict[str, str], state: str
) -> None:
    decision = Decision(ComparisonFamily(1), verdicts, means, incomplete)
    assert decision.state == state
    assert EXIT_CODES[decision.state] == {"passed": 0, "regressed": 1, "incomplete": 6}[state]


def xm3600(lost: Collection[str] = (), right: float = 0.6, keep: float = 0.0) -> dict[str, Examples]:
    """38 languages with two captions for each of 3600 pictures; of those that are `lost` a share is still found."""
    chance = np.random.default_rng(0)
    sides = {}
    for number in range(38):
        found, kept = chance.random(7200) < right, chance.random(7200) < keep
        outcomes = found & kept if f"l{number}" in lost else found
        sides[f"l{number}"] = Examples(outcomes.astype(np.float32), clusters=np.repeat(np.arange(3600), 2))
    return sides


def measured(examples: Mapping[str, Examples]) -> Measured:
    marks = {name: Estimate(float(each.outcomes.mean()), 0.006) for name, each in examples.items()}
    return Measured(Measurement(sum(mark.score for mark in marks.values()) / 38, 0.001, marks), None, examples)


@pytest.mark.parametrize(
    ("right", "keep", "outcome", "first"),
    [
        (0.6, 0.0, "regressed", "XM regressed: hit_rate_at_1 58.40, baseline 59.98 (-1.58), tolerance 0.50"),
        # A language at 10 % takes a quarter of a point of the mean with it, less than the task's tolerance.
        (0.1, 0.0, "passed", "XM regressed in 1 of 38 languages: l17 0.00, baseline 10.07 (-10.07)"),
        (0.6, 0.9, "passed", "XM regressed in 1 of 38 languages: l17 54.15, baseline 60.00 (-5.85)"),
    ],
)
@pytest.mark.parametrize("with_outcomes", [True, False])
def test_one_of_38_languages_that_collapses_is_named(
    right: float, keep: float, outcome: str, first: str, with_outcomes: bool
) -> None:
    task = zero_shot("XM", protocol="retrieval", category="retrieval", metric="hit_rate_at_1", suites=())
    task = replace(task, subsets={f"l{number}": () for number in range(38)})
    old, new = measured(xm3600(right=right)), measured(xm3600(["l17"], right, keep))
    if not with_outcomes:
        old = old._replace(examples=None)
    decision = decided([compare(task, old, new, Policy())], {"XM": task})
    verdict = decision.verdicts["XM"]
    assert (decision.state, verdict.status, verdict.languages) == ("regressed", outcome, ("l17",))
    assert {each.status for name, each in verdict.subsets.items() if name != "l17"} == {"passed"}
    lines = (verdict.failure or "").splitlines()
    assert lines[0] == first
    if outcome == "regressed":
        assert lines[3] == "1 of 38 languages regressed: l17 0.00, baseline 60.00 (-60.00)"
    else:
        assert lines[1].startswith("their mean did not regress: hit_rate_at_1 ")


def test_a_task_that_fails_beside_the_others_names_its_languages_too() -> None:
    """Its drop is beyond the level only by Holm's procedure, and no language's by itself."""
    subsets = {"en": pair(0.04, 0.02), "no": pair(0.0)}
    tasks = {**ALONE, "B": zero_shot("B", category=CATEGORIES[1], suites=(), subsets={"en": (), "no": ()})}
    own = [comparison("A", 0.02, 1e-9), comparison("B", 0.02, 0.02, subsets=subsets)]
    decision = decided(own, tasks, selected={"A", "B"})
    assert decision.regressed_by_holm == ("B",)
    assert decision.verdicts["B"].languages == ("en",)
    assert "most of the drop comes from en 66.00, baseline 70.00 (-4.00)" in (decision.verdicts["B"].failure or "")


def test_a_subset_that_regressed_fails_the_run() -> None:
    tasks = {"A": zero_shot("A", suites=(), subsets={"en": (), "no": ()})}
    decision = decided([comparison("A", subsets={"en": pair(0.05, 1e-6), "no": pair(0.0)})], tasks)
    assert decision.family == ComparisonFamily(1, 2, 0)
    assert outcomes(decision) == {"A": "passed"}
    assert decision.state == "regressed"
