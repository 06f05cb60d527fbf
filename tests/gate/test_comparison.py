"""Whether two measurements compare at all, and what is said of their difference."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from pytest_mieb.gate.comparison import Comparison, IncomparableError, Measured, compare
from pytest_mieb.gate.policy import Policy
from pytest_mieb.gate.statistics.influence import Examples
from pytest_mieb.gate.statistics.significance import Difference
from pytest_mieb.measurement.baseline import Acceptance, Estimate, Measurement
from pytest_mieb.measurement.context import Context
from tests.gate.builders import comparison, hits, pair, zero_shot

TASK = zero_shot("Some")
SEVERAL = zero_shot("Some", subsets={"en": (), "no": ()})
THERE = Context(
    preprocessing={"interpolation": "bicubic"},
    protocol=3,
    device="cpu",
    dtype="float32",
    batch_size=64,
    versions={"torch": "2.6"},
)
KNOWN = Measurement(0.7, 0.02, dataset="0123", examples="ab", outcomes="cd", run_id="ef")
SUBSETS = {"en": Estimate(0.8, 0.04), "no": Estimate(0.6, 0.05)}


def side(
    measured: Measurement = KNOWN,
    context: Context | None = THERE,
    right: Mapping[str, Examples] | None = None,
    **changes: Any,
) -> Measured:
    return Measured(replace(measured, **changes), context, right)


@pytest.mark.parametrize(
    ("old", "new", "sentences"),
    [
        (
            side(dataset="0000"),
            side(),
            ("Some: the score was measured on revision 0123 of org/Some, the baseline's on 0000", "--mieb-update"),
        ),
        (
            side(examples="xx"),
            side(),
            ("Some: the examples differ from the baseline's, although", "--mieb-update, or restore the data"),
        ),
        (
            side(subsets=SUBSETS),
            side(subsets={"en": Estimate(0.8)}),
            ("Some: the score lacks the subsets no of", "--mieb-update"),
        ),
        (
            side(subsets={**SUBSETS, "de": Estimate(0.1)}),
            side(),
            ("Some: the score lacks the subsets de of", "--mieb-update"),
        ),
        # The hash of the examples differs then too; the subsets say more.
        (
            side(subsets=SUBSETS, examples="xx"),
            side(subsets={"no": Estimate(0.6)}),
            ("Some: the score lacks the subsets en of",),
        ),
        (
            side(subsets=SUBSETS, examples="xx"),
            side(subsets={**SUBSETS, "de": Estimate(0.1), "fr": Estimate(0.2)}),
            ("Some: the baseline lacks the subsets de, fr of", "--mieb-update"),
        ),
        (side(), side(subsets=SUBSETS), ("Some: the baseline lacks the subsets en, no of",)),
        # The hash of the examples differs then too; the number of rows says more.
        (
            side(examples="xx"),
            side(part="30 of 40 rows"),
            (
                "Some: the score was measured on 30 of 40 rows of org/Some, the baseline's on the whole; a part",
                "--mieb-update",
            ),
        ),
        (
            side(part="30 of 40 rows"),
            side(),
            (
                "Some: the score was measured on the whole of org/Some, the baseline's on 30 of 40 rows;",
                "measure the same rows",
            ),
        ),
        (
            side(part="30 of 40 rows"),
            side(part="20 of 40 rows"),
            ("Some: the score was measured on 20 of 40 rows of org/Some, the baseline's on 30 of 40 rows;",),
        ),
        (
            Measured(Measurement(0.75, drift=0.01)),  # published
            side(part="30 of 40 rows"),
            ("Some: the score was measured on 30 of 40 rows of org/Some, the baseline's on the whole;",),
        ),
        (
            side(context=replace(THERE, protocol=2)),
            side(),
            ("Some: the baseline was scored by version 2 of the protocols, this run by version 3;", "--mieb-update"),
        ),
        (
            side(),
            side(context=replace(THERE, canary=("pixels",))),
            ("Some: the environment moved, not the model:", "and differs at pixels now", "record it anew"),
        ),
        (
            side(right={"default": hits(70)}),
            side(right={"default": hits(60, 101)}),
            ("Some: the outcomes belong to different examples", "default", "--mieb-update"),
        ),
        (
            side(right={"default": replace(hits(70), clusters=np.arange(100))}),
            side(right={"default": hits(60)}),
            ("Some: the outcomes belong to different examples", "not the same clusters", "--mieb-update"),
        ),
        (
            side(subsets=SUBSETS, right={"en": hits(80)}),
            side(subsets=SUBSETS, right={"en": hits(80), "no": hits(60)}),
            ("Some: the outcomes belong to different examples", "subset no", "--mieb-update"),
        ),
    ],
)
def test_what_does_not_compare_says_why_and_what_to_do(
    old: Measured, new: Measured, sentences: tuple[str, ...]
) -> None:
    for policy in (Policy(), Policy(strict_context=True)):
        with pytest.raises(IncomparableError) as refusal:
            compare(SEVERAL, old, new, policy)
        assert str(refusal.value).startswith(sentences[0])
        assert all(sentence in str(refusal.value) for sentence in sentences)


def test_a_part_compares_with_the_same_part() -> None:
    old, new = side(part="30 of 40 rows"), side(score=0.6, part="30 of 40 rows")
    assert compare(TASK, old, new, Policy()).difference.drop == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"dataset": ""}, {}),
        ({}, {"dataset": ""}),
        ({"examples": ""}, {}),
        ({}, {"examples": ""}),
        ({"outcomes": "yy", "run_id": "yy"}, {}),
    ],
)
def test_what_is_not_known_is_no_reason(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert compare(TASK, side(**old), side(**new), Policy()).difference.drop == 0


def test_published_scores_of_the_whole_task_alone_compare_with_it_alone() -> None:
    published = Measured(Measurement(0.75, drift=0.01))
    found = compare(SEVERAL, published, side(subsets=SUBSETS), Policy())
    assert (found.subsets, found.paired) == ({}, False)
    assert found.difference.drop == pytest.approx(0.05)


@pytest.mark.parametrize(("draws", "warned"), [(1, False), (2, True), (4, True), (5, False)])
def test_few_training_draws_are_warned_of(draws: int, warned: bool) -> None:
    task = zero_shot("Some", protocol="linear_probe", scoring={"n_experiments": draws, "samples_per_label": 4})
    rows = {"default": Examples(np.arange(60).reshape(-1, 1) % (2 + np.arange(draws)) > 0)}
    found = compare(task, side(right=rows), side(right=rows), Policy())
    assert any("training draws, too few to know their variance" in each for each in found.warnings) is warned


CLUSTERING = zero_shot("Some", protocol="clustering", metric="nmi")


def clustered(right: float, *, fits: bool = True, seed: int = 0) -> dict[str, Examples]:
    rng = np.random.default_rng(seed)
    labels = np.arange(600) % 12
    found = np.where(rng.random((600, 6)) < right, labels[:, None], rng.integers(0, 12, (600, 6)))
    repeats = {"fits": found, "restarts": rng.normal(0.5, 0.03, 8)} if fits else {}
    return {"default": Examples(found[:, 0], labels, **repeats)}


def test_clusterings_compare_by_their_repeated_fits_whatever_the_scores() -> None:
    old, new = side(right=clustered(0.9)), side(right=clustered(0.8, seed=1), score=0.69)
    found = compare(CLUSTERING, old, new, Policy())
    assert (found.score, found.baseline, found.paired) == (0.69, 0.7, True)
    assert found.difference.fits == 6 and found.difference.drop > 0.05
    assert found.difference.p_drop < 1e-3
    assert found.warnings == ()


def test_a_metric_without_a_test_over_fits_is_compared_by_one_fit_and_says_so() -> None:
    task = zero_shot("Some", protocol="clustering", metric="ari")
    found = compare(task, side(right=clustered(0.9)), side(right=clustered(0.9, seed=1)), Policy())
    assert not found.paired and found.difference.fits == 0
    (warning,) = found.warnings
    assert warning.startswith("Some is compared by a single fit") and warning.endswith(
        "ari has no test over several fits"
    )


@pytest.mark.parametrize("lone", ["old", "new", "both"])
def test_a_single_fit_raises_no_alarm_that_a_restart_would_raise(lone: str) -> None:
    old = side(right=clustered(0.9, fits=lone == "new"), score=0.74)
    new = side(right=clustered(0.9, fits=lone == "old", seed=1))
    found = compare(CLUSTERING, old, new, Policy())
    assert not found.paired and found.difference.fits == 0
    (warning,) = found.warnings
    assert warning.startswith("Some is compared by a single fit of k-means") and "--mieb-update" in warning
    if lone == "both":
        assert found.difference.standard_error == pytest.approx(0.02)
        return
    restarts = (new if lone == "old" else old).examples["default"].restarts  # type: ignore[index]
    assert restarts is not None
    moves = restarts.std(ddof=1)
    assert f"which varies by {100 * moves:.2f} points" in warning
    assert found.difference.standard_error == pytest.approx(np.hypot(0.02, np.sqrt(2) * moves))
    assert found.difference.freedom > 7
    assert found.difference.p_drop > 0.1
    collapsed = compare(CLUSTERING, old._replace(measured=replace(KNOWN, score=0.99)), new, Policy())
    assert collapsed.difference.p_drop < 1e-3


def test_published_scores_of_clusterings_allow_for_a_restart() -> None:
    published = Measured(Measurement(0.74, drift=0.005))
    with_fits, without = (compare(CLUSTERING, published, side(right=each), Policy()) for each in (clustered(0.9), None))
    assert with_fits.difference.p_drop > 0.1 > without.difference.p_drop


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"device": "NVIDIA H100"}, "the device is NVIDIA H100, the baseline's was cpu"),
        ({"dtype": "float16"}, "the dtype is float16, the baseline's was float32"),
        ({"batch_size": 8}, "the batch size is 8, the baseline's was 64"),
        ({"versions": {"torch": "2.7"}}, "versions differ from the baseline's: torch 2.7 (was 2.6)"),
    ],
)
def test_another_context_is_a_warning_or_an_error_where_it_is_strict(change: dict[str, Any], sentence: str) -> None:
    new = side(context=replace(THERE, **change))
    assert compare(TASK, side(), new, Policy()).warnings == (sentence,)
    with pytest.raises(IncomparableError) as refusal:
        compare(TASK, side(), new, Policy(strict_context=True))
    assert str(refusal.value).startswith(f"Some: {sentence}; compare in the baseline's context")
    assert "record the baseline anew" in str(refusal.value) and "strict-context" in str(refusal.value)


@pytest.mark.parametrize("missing", [0, 1])
def test_without_a_context_on_one_side_there_is_nothing_to_warn_of(missing: int) -> None:
    contexts: list[Context | None] = [THERE, replace(THERE, device="NVIDIA H100", preprocessing={"a": 1}, protocol=9)]
    contexts[missing] = None
    old, new = (side(context=context) for context in contexts)
    found = compare(TASK, old, new, Policy(strict_context=True))
    assert (found.warnings, found.preprocessing) == ((), None)


def test_a_change_of_preprocessing_is_told_and_is_no_warning() -> None:
    new = side(context=replace(THERE, preprocessing={"interpolation": "bilinear"}))
    found = compare(TASK, side(), new, Policy(strict_context=True))
    assert found.preprocessing == "preprocessing differs from the baseline's: interpolation bicubic -> bilinear"
    assert found.warnings == ()


def test_with_outcomes_on_both_sides_examples_are_compared_one_by_one() -> None:
    old, new = side(right={"default": hits(70)}), side(score=0.6, right={"default": hits(60)})
    found = compare(TASK, old, new, Policy())
    assert (found.task, found.metric, found.paired) == ("Some", "accuracy", True)
    assert (found.score, found.baseline) == (0.6, 0.7)
    assert found.difference.drop == pytest.approx(0.1)
    assert found.difference.p_drop == pytest.approx(2**-10)  # ten of ten that differ are worse
    assert found.difference.examples == 100
    mirrored = compare(TASK, new, old, Policy())
    assert mirrored.difference.p_gain == pytest.approx(2**-10)


def test_a_drop_is_that_of_the_exact_scores_and_none_where_no_outcome_differs() -> None:
    third = {"default": Examples(np.array([1 / 3, 1, 0], dtype=np.float32))}
    less = {"default": Examples(np.array([1 / 3, 0.5, 0], dtype=np.float32))}
    found = compare(TASK, side(score=4 / 9, right=third), side(score=5 / 18, right=less), Policy())
    assert found.difference.drop == 4 / 9 - 5 / 18
    rounded = compare(TASK, side(score=0.444444, right=third), side(score=4 / 9, right=third), Policy(tolerance=0))
    assert (rounded.difference.drop, rounded.difference.p_drop, rounded.difference.p_gain) == (0, 1, 1)


@pytest.mark.parametrize("lacking", [0, 1, 2])
@pytest.mark.parametrize("drift", [0.0, 0.03])
def test_without_the_outcomes_of_one_side_scores_and_their_error_are_compared(lacking: int, drift: float) -> None:
    right: list[Mapping[str, Examples] | None] = [{"default": hits(70)}, {"default": hits(60)}]
    if lacking < 2:
        right[lacking] = None
    old = side(right=right[0], error=0.04 if lacking else 0.0, drift=drift)
    found = compare(TASK, old, side(score=0.6, error=0.03, right=right[1]), Policy())
    if lacking == 2:
        assert (found.paired, found.drift) == (True, 0.0)  # outcomes of our own have not drifted
        return
    error = 0.04 if lacking else 0.03
    assert (found.paired, found.drift) == (False, drift)
    expected = Difference(0.1, error, norm.sf((0.1 - drift) / error), norm.sf((-0.1 - drift) / error), 0)
    assert found.difference.drop == pytest.approx(expected.drop)
    assert found.difference.standard_error == error
    assert found.difference.p_drop == pytest.approx(expected.p_drop)
    assert found.difference.p_gain == pytest.approx(expected.p_gain)
    assert found.difference.examples == 0


@pytest.mark.parametrize(("score", "p_drop", "p_gain"), [(0.69, 0, 1), (0.7, 1, 1), (0.71, 1, 0), (0.6951, 1, 1)])
def test_scores_without_any_error_are_taken_at_their_word(score: float, p_drop: float, p_gain: float) -> None:
    found = compare(TASK, side(error=0.0, drift=0.005), side(score=score, error=0.0), Policy()).difference
    assert (found.p_drop, found.p_gain) == (p_drop, p_gain)


@pytest.mark.parametrize("with_outcomes", [True, False])
def test_each_subset_is_compared_with_its_own(with_outcomes: bool) -> None:
    before, after = {"en": hits(80), "no": hits(60)}, {"en": hits(70), "no": hits(65)}
    old = side(subsets=SUBSETS, right=before if with_outcomes else None, drift=0.0)
    now = {"no": Estimate(0.65, 0.01), "en": Estimate(0.7, 0.01)}  # in another order
    found = compare(SEVERAL, old, side(score=0.675, subsets=now, right=after), Policy())
    assert {name: (each.score, each.baseline) for name, each in found.subsets.items()} == {
        "en": (0.7, 0.8),
        "no": (0.65, 0.6),
    }
    drops = {name: each.difference.drop for name, each in found.subsets.items()}
    assert drops == pytest.approx({"en": 0.1, "no": -0.05})
    if with_outcomes:
        assert found.subsets["en"].difference.p_drop == pytest.approx(2**-10)
        assert found.subsets["no"].difference.p_gain == pytest.approx(2**-5)
        assert [each.difference.examples for each in (found, *found.subsets.values())] == [200, 100, 100]
    else:
        assert found.subsets["en"].difference.p_drop == pytest.approx(norm.sf(0.1 / 0.04))
        assert found.subsets["no"].difference.standard_error == 0.05


def test_the_tolerance_is_the_policys() -> None:
    policy = Policy(named={"zero_shot_classification": 0.03})
    assert compare(TASK, side(), side(), policy).tolerance == 0.03
    assert compare(TASK, side(tolerance=0.02), side(tolerance=0.5), policy).tolerance == 0.02
    assert compare(TASK, side(tolerance=0.02, noise=0.04), side(noise=0.5), policy).tolerance == 0.04


def test_an_accepted_regression_is_seen_on_the_day_of_the_comparison() -> None:
    assert not compare(TASK, side(), side(), Policy()).accepts
    accepted = Acceptance(date(2027, 3, 1), "x")
    for day, accepts in ((date(2027, 3, 1), True), (date(2027, 3, 2), False)):
        found = compare(TASK, side(accepted=accepted), side(), Policy(), day)
        assert (found.accepted, found.accepts) == (Acceptance(date(2027, 3, 1), "x", not accepts), accepts)
    for year, accepts in ((2000, False), (9999, True)):  # as seen today
        assert compare(TASK, side(accepted=Acceptance(date(year, 1, 1), "x")), side(), Policy()).accepts is accepts
    assert compare(TASK, side(), side(accepted=accepted), Policy()).accepted is None  # the old side says


@pytest.mark.parametrize(
    "own",
    [
        comparison(drop=0.1 + 0.2, p_drop=1e-300),
        comparison(
            paired=False,
            drift=0.01,
            accepted=Acceptance(date(2027, 3, 1), "a reason", ended=True),
            subsets={"no": pair(1 / 3), "on": pair(0.1, freedom=4.25, unit=0.01)},
            preprocessing="size 1 -> 2",
            warnings=("a", "b"),
        ),
    ],
)
def test_a_comparison_crosses_processes_to_the_last_digit(own: Comparison) -> None:
    back = crossed(own)
    assert back == own
    assert back.difference.freedom == float("inf")
    assert isinstance(back.warnings, tuple)


def test_what_the_statistics_return_crosses_processes() -> None:
    draws = np.random.default_rng(0).random((50, 5)) < 0.7
    probe = zero_shot("Some", protocol="linear_probe", category="linear_probing")
    right = [{"default": Examples(each.astype(np.float32))} for each in (draws, draws & (draws[::-1]))]
    old, new = (side(score=float(each["default"].outcomes.mean()), right=each) for each in right)
    found = compare(probe, old, new, Policy())
    assert crossed(found) == found
    assert np.isfinite(found.difference.freedom)


def test_a_score_that_its_outcomes_do_not_make_up_is_compared_by_itself() -> None:
    """A card may choose an F1, of which hits and misses say nothing."""
    task = zero_shot("Some", metric="f1")
    old, new = side(right={"default": hits(70)}), side(score=0.6, error=0.0, right={"default": hits(60)})
    found = compare(task, replace_error(old), new, Policy())
    assert not found.paired
    assert found.difference.drop == pytest.approx(0.1) and found.difference.standard_error == 0.0
    assert compare(TASK, old, new, Policy()).paired


def replace_error(given: Measured) -> Measured:
    return given._replace(measured=replace(given.measured, error=0.0))


def crossed(comparison: Comparison) -> Comparison:
    """As it comes out of another process."""
    return Comparison.from_json(json.loads(json.dumps(asdict(comparison), default=date.isoformat)))
