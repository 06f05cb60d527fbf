"""What a comparison means under a policy, and the sentences to fail with."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from scipy.special import ndtri, stdtrit
from scipy.stats import norm, t

from pytest_mieb.gate.comparison import Pair
from pytest_mieb.gate.policy import ComparisonFamily, Policy
from pytest_mieb.gate.statistics.significance import Difference, smallest_detectable
from pytest_mieb.gate.verdict import Rule, acceptance_of, blame, detectable, judge, other_than_scores, status_of
from pytest_mieb.measurement.baseline import Acceptance
from pytest_mieb.support.numbers import percent, points
from tests.gate.builders import comparison, pair

TEN = ComparisonFamily(10)  # each at a tenth of 5 %
STRICT = Policy("non-inferiority")


@pytest.mark.parametrize(
    ("drop", "p_drop", "outcome"),
    [
        (0.0, 0.5, "passed"),
        (0.01, 0.0049, "regressed"),
        (0.01, 0.005, "regressed"),  # at the level
        (0.01, 0.0051, "suspect"),
        (0.01, 0.05, "suspect"),  # at alpha
        (0.01, 0.0501, "passed"),
        (0.2, 0.0501, "passed"),  # however large
        (0.005, 1e-9, "passed"),  # at the tolerance
        (0.00501, 1e-9, "regressed"),
        (0.001, 1e-9, "passed"),  # however sure
        (-0.01, 0.9949, "passed"),
        (-0.01, 0.9951, "improved"),
        (-0.005, 1.0, "passed"),
        (-0.00501, 1.0, "improved"),
    ],
)
def test_the_outcome_by_drop_and_chance(drop: float, p_drop: float, outcome: str) -> None:
    verdict = judge(comparison(drop=drop, p_drop=p_drop), Policy(), TEN)
    assert verdict.status == outcome
    assert (verdict.failure is not None) is (outcome == "regressed")
    assert verdict.score == pytest.approx(0.7 - drop)
    assert verdict.pair is not None and verdict.pair.difference.drop == drop


@pytest.mark.parametrize(("before", "after"), [(0.7, 0.695), (0.5, 0.495), (1.0, 0.995), (0.305, 0.3)])
def test_a_drop_or_a_gain_by_the_tolerance_passes_whatever_the_rounding(before: float, after: float) -> None:
    for drop, p_drop in ((before - after, 1e-9), (after - before, 1 - 1e-9)):
        assert judge(comparison(drop=drop, p_drop=p_drop), Policy(), TEN).status == "passed"


@pytest.mark.parametrize(
    ("tolerance", "alpha", "tasks", "outcome"),
    [
        (0.005, 0.05, 10, "suspect"),
        (0.0199, 0.05, 10, "suspect"),
        (0.02, 0.05, 10, "passed"),
        (0.005, 0.05, 5, "regressed"),
        (0.005, 0.1, 10, "regressed"),
        (0.005, 0.005, 10, "passed"),
        (0.0, 0.05, 5, "regressed"),
    ],
)
def test_tolerance_alpha_and_the_number_of_tasks_decide(
    tolerance: float, alpha: float, tasks: int, outcome: str
) -> None:
    own = comparison(drop=0.02, p_drop=0.008, tolerance=tolerance)
    assert judge(own, Policy(alpha=alpha), ComparisonFamily(tasks)).status == outcome


def test_subsets_are_judged_at_twice_the_tolerance_and_their_own_level() -> None:
    subsets = {
        "at twice": pair(0.01, 1e-9),
        "beyond": pair(0.0101, 1e-9),
        "at the level": pair(0.05, 0.05 / 3 / 20),
        "above it": pair(0.05, 0.05 / 3 / 20 * 1.001),
        "better": pair(-0.0101, 1 - 1e-9),
        "hardly better": pair(-0.0099, 1 - 1e-9),
    }
    verdict = judge(comparison(subsets=subsets), Policy(), ComparisonFamily(10, 20))
    assert verdict.status == "passed"
    assert {name: each.status for name, each in verdict.subsets.items()} == {
        "at twice": "passed",
        "beyond": "regressed",
        "at the level": "regressed",
        "above it": "suspect",
        "better": "improved",
        "hardly better": "passed",
    }
    failure = verdict.subsets["beyond"].failure
    assert failure is not None
    assert failure.splitlines()[0] == (
        "Some [beyond] regressed: accuracy 68.99, baseline 70.00 (-1.01), tolerance 1.00"
    )
    assert verdict.subsets["above it"].failure is None


OTHERS = {f"l{number}": pair(0.0) for number in range(30)}


@pytest.mark.parametrize(
    ("drop", "subsets", "languages", "sentence"),
    [
        (0.02, {}, (), None),
        (
            0.02,
            {"no": pair(0.5, 1e-9), "en": pair(0.0)},
            ("no",),
            "1 of 2 languages regressed: no 20.00, baseline 70.00 (-50.00)",
        ),
        (
            0.02,
            {"en": pair(0.1, 1e-9), "no": pair(0.5, 1e-9), "de": pair(-0.1, 1 - 1e-9)},
            ("no", "en"),
            "2 of 3 languages regressed: no 20.00, baseline 70.00 (-50.00); en 60.00, baseline 70.00 (-10.00)",
        ),
        (
            0.0,
            {"no": pair(0.5, 1e-9)} | OTHERS,
            ("no",),
            "1 of 31 languages regressed: no 20.00, baseline 70.00 (-50.00)",
        ),
        # Where none regressed by itself, as few as lost half of what was lost.
        (
            0.02,
            {"no": pair(0.05), "en": pair(0.04), "de": pair(-0.2), "fr": pair(0.0)},
            ("no",),
            "no single language regressed; most of the drop comes from no 65.00, baseline 70.00 (-5.00)",
        ),
        (
            0.02,
            {"no": pair(0.03), "en": pair(0.03), "de": pair(0.03), "fr": pair(0.03)},
            ("no", "en"),
            "no single language regressed; most of the drop comes from no 67.00, baseline 70.00 (-3.00); "
            "en 67.00, baseline 70.00 (-3.00)",
        ),
        (0.0, {"no": pair(0.05), "en": pair(0.04)}, (), None),  # nothing failed
        (0.02, {"no": pair(0.0), "en": pair(-0.1)}, (), None),  # no language lost anything
    ],
)
def test_a_task_that_fails_names_its_languages_with_what_they_lost(
    drop: float, subsets: dict[str, Pair], languages: tuple[str, ...], sentence: str | None
) -> None:
    verdict = judge(
        comparison(drop=drop, p_drop=1e-9 if drop else 0.5, subsets=subsets), Policy(), ComparisonFamily(1, 31)
    )
    assert (verdict.languages, blame(verdict)) == (languages, sentence)
    assert (verdict.status, verdict.failure is not None) == ("regressed" if drop else "passed", bool(drop or sentence))
    if drop and sentence:
        assert (verdict.failure or "").splitlines()[-2] == sentence


def test_where_all_languages_regressed_five_are_named() -> None:
    lost = {f"l{number}": pair(0.5 - number / 100, 1e-9) for number in range(38)}
    verdict = judge(comparison(drop=0.3, p_drop=1e-9, subsets=lost), Policy(), ComparisonFamily(1, 38))
    assert verdict.languages == tuple(lost)
    sentence = blame(verdict)
    assert sentence is not None
    assert sentence.startswith("38 of 38 languages regressed: l0 20.00, baseline 70.00 (-50.00); l1 21.00")
    assert sentence.endswith("l4 24.00, baseline 70.00 (-46.00); and 33 more")


def test_where_only_languages_regressed_the_text_says_so_and_all_of_the_worst() -> None:
    change = "preprocessing differs from the baseline's: size 1 -> 2"
    lost = {"en": pair(0.03, 1e-9), "no": pair(0.05, 1e-6), "de": pair(-0.08)}
    verdict = judge(comparison(drop=0.0, subsets=lost, preprocessing=change), Policy(), ComparisonFamily(1, 3))
    assert verdict.status == "passed"
    assert verdict.failure is not None
    assert verdict.failure.splitlines() == [
        change,
        "Some regressed in 2 of 3 languages: no 65.00, baseline 70.00 (-5.00); en 67.00, baseline 70.00 (-3.00)",
        "their mean did not regress: accuracy 70.00, baseline 70.00 (0.00), tolerance 0.50",
        "Some [no] regressed: accuracy 65.00, baseline 70.00 (-5.00), tolerance 1.00",
        "the drop is 5.00 points, with a 95 % confidence interval of 3.04 to 6.96",
        "the test on 1,000 paired examples gives p = 1e-06, which is significant at 0.0056",
        "if the drop is intended, record it with --mieb-update",
    ]


def test_subsets_leave_the_tasks_less() -> None:
    own = comparison(drop=0.02, p_drop=0.004)
    assert judge(own, Policy(), ComparisonFamily(10)).status == "regressed"
    assert judge(own, Policy(), ComparisonFamily(10, 20)).status == "suspect"  # 2/3 of 5 % for ten
    assert judge(own, Policy(), ComparisonFamily(10, 20, 2)).status == "suspect"  # 1/2


@pytest.mark.parametrize(
    ("drop", "p_drop", "outcome"),
    [
        (0.02, 1e-9, "passed"),  # at tolerance and drift
        (0.0201, 1e-9, "regressed"),
        (0.0201, 0.02, "suspect"),
        (-0.02, 1.0, "passed"),
        (-0.0201, 1.0, "improved"),
    ],
)
def test_only_what_exceeds_the_drift_counts(drop: float, p_drop: float, outcome: str) -> None:
    verdict = judge(comparison(drop=drop, p_drop=p_drop, drift=0.015, paired=False), Policy(), TEN)
    assert verdict.status == outcome


@pytest.mark.parametrize(
    ("drop", "error", "outcome"),
    [
        (0.0, 0.0030, "passed"),  # bound 0.00493
        (0.0, 0.0031, "regressed"),  # not shown to be below
        (0.0, 0.0, "passed"),
        (0.004, 0.0006, "passed"),
        (0.004, 0.0007, "regressed"),
        (0.0051, 1e-9, "regressed"),
        (-0.02, 0.01, "passed"),
        (-0.02, 0.02, "regressed"),
    ],
)
def test_non_inferiority_passes_only_what_was_shown(drop: float, error: float, outcome: str) -> None:
    own = comparison(drop=drop, p_drop=0.5, error=error)
    for family in (
        ComparisonFamily(1),
        ComparisonFamily(100, 50, 10),
    ):  # all must pass, so none is corrected for the others
        assert judge(own, STRICT, family).status == outcome
    assert bool(drop + norm.isf(0.05) * error >= 0.005) is (outcome == "regressed")


def test_non_inferiority_knows_drift_freedom_and_improvement() -> None:
    assert judge(comparison(drop=0.01, error=0.001, drift=0.008), STRICT, TEN).status == "passed"
    assert judge(comparison(drop=0.01, error=0.001, drift=0.006), STRICT, TEN).status == "regressed"
    assert judge(comparison(drop=-0.03, p_drop=1 - 1e-6, error=0.01), STRICT, TEN).status == "improved"
    rule = Rule(0.005, 0.05, 0.05, STRICT)
    few = Pair(0.7, 0.7, Difference(0.0, 0.0025, 0.5, 0.5, 100, freedom=4))
    assert norm.isf(0.05) * 0.0025 < 0.005 < t.isf(0.05, 4) * 0.0025
    assert status_of(few, rule) == "regressed"


def test_a_regression_says_score_baseline_drop_tolerance_and_chance() -> None:
    verdict = judge(comparison("CIFAR10", 0.0488, 0.00012), Policy(), TEN)
    assert verdict.failure == (
        "CIFAR10 regressed: accuracy 65.12, baseline 70.00 (-4.88), tolerance 0.50\n"
        "the drop is 4.88 points, with a 95 % confidence interval of 2.92 to 6.84\n"
        "the test on 1,000 paired examples gives p = 0.00012, which is significant at 0.005\n"
        "if the drop is intended, record it with --mieb-update"
    )


def test_where_fits_are_compared_the_text_tells_them_from_the_score() -> None:
    by_fits = replace(comparison().difference, drop=0.02, p_drop=1e-9, fits=16, before=0.75, standard_error=0.004)
    verdict = judge(replace(comparison(drop=0.05), difference=by_fits), Policy(), TEN)
    assert verdict.failure is not None
    lines = verdict.failure.splitlines()
    assert lines[0] == "Some regressed: accuracy 65.00, baseline 70.00 (-5.00), tolerance 0.50"
    assert lines[1].startswith(
        "the score is that of a single fit, which changes with every restart; the mean over 16 fits with matched "
        "initial centres is 73.00, "
    )
    assert lines[1].endswith("baseline 75.00 (-2.00)")
    assert lines[2].startswith("the drop is 2.00 points, with a 95 % confidence interval of 1.2")
    assert lines[3] == "the test on 1,000 paired examples in 16 fits gives p = 1e-09, which is significant at 0.005"


@pytest.mark.parametrize(
    ("fits", "drop", "lines"),
    [
        (16, 0.006, 0),
        (0, 0.0, 0),
        (16, 0.002, 1),
        (16, 0.03, 1),
        (16, -0.02, 1),
    ],
)
def test_scores_that_moved_otherwise_than_what_is_compared_are_told(fits: int, drop: float, lines: int) -> None:
    moved = replace(comparison(drop=0.01), difference=replace(comparison().difference, drop=drop, fits=fits))
    told = other_than_scores({"Some": moved, "Other": comparison(drop=0.02)})
    assert len(told) == lines
    assert all(
        "by fits with matched initial centres" in line and f"Some -1.00, over its fits {points(-drop)}" in line
        for line in told
    )


def test_a_change_of_preprocessing_is_the_first_line_of_the_failure() -> None:
    change = "preprocessing differs from the baseline's: interpolation bicubic -> bilinear"
    own = comparison(drop=0.05, p_drop=1e-6, subsets={"no": pair(0.05, 1e-6)}, preprocessing=change)
    verdict = judge(own, Policy(), ComparisonFamily(10, 2))
    for failure in (verdict.failure, verdict.subsets["no"].failure):
        assert failure is not None and failure.splitlines()[0] == change
        assert "regressed: accuracy" in failure.splitlines()[1]
    assert judge(comparison(preprocessing=change), Policy(), TEN).failure is None


def test_a_regression_by_scores_alone_names_drift_and_error() -> None:
    own = comparison(drop=0.05, p_drop=1e-4, drift=0.01, paired=False)
    own = type(own)(**{**vars(own), "difference": Difference(0.05, 0.01, 1e-4, 1, 0)})
    failure = judge(own, Policy(), TEN).failure
    assert failure is not None
    assert failure.splitlines()[:3] == [
        "Some regressed: accuracy 65.00, baseline 70.00 (-5.00), tolerance 0.50 beyond a known drift of 1.00",
        "the drop is 5.00 points, with a 95 % confidence interval of 3.04 to 6.96",
        "the test by the sampling error of the score gives p = 0.0001, which is significant at 0.005",
    ]


@pytest.mark.parametrize("policy", [Policy(), STRICT])
def test_a_regression_of_which_no_error_is_known_has_no_interval_no_bound_and_no_p_value(policy: Policy) -> None:
    failure = judge(comparison(drop=0.05, p_drop=0.0, error=0.0), policy, TEN).failure
    assert failure is not None
    assert failure.splitlines()[1:-1] == [
        "no sampling error is known, so every drop beyond the tolerance and the known drift is a regression"
    ]


def test_a_failure_of_non_inferiority_names_the_bound_beside_the_interval() -> None:
    failure = judge(comparison(drop=0.001, error=0.01), Policy("non-inferiority", alpha=0.01), TEN).failure
    assert failure is not None
    assert failure.splitlines()[1:3] == [
        "the drop is 0.10 points, with a 95 % confidence interval of -1.86 to 2.06",
        "the upper 99 % confidence bound of the drop is 2.43 on 1,000 paired examples, which is not below the "
        "tolerance",
    ]


UNTIL = Acceptance(date(2027, 3, 1), "a new tokenizer")
OVER = replace(UNTIL, ended=True)


@pytest.mark.parametrize("policy", [Policy(), STRICT])
def test_an_accepted_regression_passes_and_says_so(policy: Policy) -> None:
    subsets = {"en": pair(0.0, error=1e-6), "no": pair(0.2, 1e-9)}
    verdict = judge(comparison(drop=0.1, p_drop=1e-9, subsets=subsets, accepted=UNTIL), policy, ComparisonFamily(1, 2))
    assert (verdict.status, verdict.failure, verdict.accepted) == ("accepted", None, UNTIL)
    assert {name: (each.status, each.failure) for name, each in verdict.subsets.items()} == {
        "en": ("passed", None),
        "no": ("accepted", None),
    }
    assert acceptance_of(verdict) == "the regression is accepted until 2027-03-01: a new tokenizer"
    assert blame(verdict) == "1 of 2 languages regressed: no 50.00, baseline 70.00 (-20.00)"
    assert not verdict.recovered


def test_a_regression_in_a_language_alone_is_accepted_with_its_task() -> None:
    own = comparison(drop=0.0, subsets={"en": pair(0.0), "no": pair(0.2, 1e-9)}, accepted=UNTIL)
    verdict = judge(own, Policy(), ComparisonFamily(1, 2))
    assert (verdict.status, verdict.subsets["no"].status, verdict.failure) == ("passed", "accepted", None)
    assert (verdict.languages, acceptance_of(verdict)) == (
        ("no",),
        "the regression is accepted until 2027-03-01: a new tokenizer",
    )


def test_an_acceptance_that_ended_fails_and_says_so() -> None:
    subsets = {"en": pair(0.0), "no": pair(0.2, 1e-9)}
    ended = "its acceptance ended on 2027-03-01 (a new tokenizer)"
    for drop in (0.1, 0.0):
        own = comparison(drop=drop, p_drop=1e-9 if drop else 0.5, subsets=subsets, accepted=OVER)
        verdict = judge(own, Policy(), ComparisonFamily(1, 2))
        assert verdict.status == ("regressed" if drop else "passed")
        for failure in (verdict.failure, verdict.subsets["no"].failure):
            assert failure is not None
            assert failure.splitlines()[-2:] == [ended, "if the drop is intended, record it with --mieb-update"]
        assert acceptance_of(verdict) is None


@pytest.mark.parametrize("accepted", [UNTIL, OVER])
def test_an_accepted_regression_that_is_gone_is_to_be_removed(accepted: Acceptance) -> None:
    gone = judge(comparison(subsets={"no": pair(-0.1, 1 - 1e-9)}, accepted=accepted), Policy(), ComparisonFamily(1, 1))
    assert gone.recovered
    assert acceptance_of(gone) == (
        "the regression that was accepted until 2027-03-01 (a new tokenizer) is gone; remove `accepted` from the "
        "baseline"
    )
    suspect = judge(comparison(drop=0.02, p_drop=0.04, accepted=accepted), Policy(), TEN)
    assert (suspect.status, suspect.recovered, acceptance_of(suspect)) == ("suspect", False, None)
    assert acceptance_of(judge(comparison(), Policy(), TEN)) is None


@pytest.mark.parametrize("drift", [0.0, 0.02])
def test_the_smallest_drop_that_would_be_found(drift: float) -> None:
    rule = Rule(0.005, 0.05, 0.01, Policy())
    own = pair(0.0, error=0.01, unit=0.001)
    assert detectable(own, rule, drift) == pytest.approx(smallest_detectable(0.01, 0.01, unit=0.001) + drift)
    few = replace(own, difference=replace(own.difference, unit=0.0, freedom=4.0))
    of_four = 0.01 * (stdtrit(4, 0.99) + ndtri(0.8))  # t where few draws or groups tell the error
    assert detectable(few, rule, drift) == pytest.approx(of_four + drift)
    assert detectable(pair(0.0, error=1e-6), rule, drift) == pytest.approx(0.005 + drift)  # never below the tolerance
    assert detectable(pair(0.0, error=0.0), rule, drift) is None  # no outcome changed, so nothing is known


def test_the_smallest_drop_of_a_subset_is_that_at_its_own_level() -> None:
    verdict = judge(comparison(subsets={"en": pair(0.0), "no": pair(0.0)}), Policy(), ComparisonFamily(10, 20))
    assert verdict.detectable == pytest.approx(smallest_detectable(0.01, 0.05 * 2 / 3 / 10))
    assert verdict.subsets["en"].detectable == pytest.approx(smallest_detectable(0.01, 0.05 / 3 / 20))


@pytest.mark.parametrize(("score", "shown"), [(0.12345, "12.35"), (1, "100.00"), (-0.001, "-0.10"), (0, "0.00")])
def test_scores_are_shown_times_100_with_two_decimals(score: float, shown: str) -> None:
    assert percent(score) == shown


@pytest.mark.parametrize(
    ("difference", "shown"), [(0.01, "+1.00"), (-0.0488, "-4.88"), (0.0, "0.00"), (-0.00001, "0.00"), (0.00004, "0.00")]
)
def test_differences_are_shown_with_their_sign(difference: float, shown: str) -> None:
    assert points(difference) == shown
