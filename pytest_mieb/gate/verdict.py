"""What a comparison means under a policy: a status, and the sentences to fail with."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Literal, NamedTuple

from pytest_mieb.gate.comparison import Comparison, Pair
from pytest_mieb.gate.policy import TOLERANCE, ComparisonFamily, Policy
from pytest_mieb.gate.statistics.interval import CONFIDENCE, interval
from pytest_mieb.gate.statistics.significance import Difference, smallest_detectable, upper_bound
from pytest_mieb.measurement.baseline import Acceptance
from pytest_mieb.support.numbers import beside, between, counted, p_is, percent, points

Status = Literal["passed", "improved", "suspect", "accepted", "regressed", "measured"]
# Scores that differ by the tolerance differ by a little more or less as floating-point numbers.
ROUNDING = 1e-9
REGRESSIONS: tuple[Status, ...] = ("regressed", "accepted")


class Rule(NamedTuple):
    """By what one comparison is judged: the smallest drop that matters, and the chance of a false alarm that it may
    have, alone (`alpha`) and as one of many (`level`). `by_holm`: it reached the level by Holm's procedure."""

    tolerance: float
    alpha: float
    level: float
    policy: Policy
    by_holm: bool = False


@dataclass(frozen=True)
class Verdict:
    """The status of one comparison; `failure` is the text to fail with, None where nothing is wrong.

    `suspect`: worse alone, but not after correcting for all comparisons of the run; it passes. `accepted`: regressed,
    which the baseline accepts for a while; it passes. `improved` mirrors `regressed`. `measured` compares with nothing,
    as `--mieb-baseline=none` and `--mieb-update` ask for. `detectable` is the smallest drop that would be found four
    times out of five; None where that cannot be told. `tolerance` is the smallest drop that matters; None where nothing
    is compared.

    A task fails also by one of its `subsets`, whose verdicts are their own; `failure` then says which. `languages` are
    those to look at, the largest drop first: the subsets that regressed, or where none did by itself though the task
    did, as few as lost half of what was lost. `accepted` is what the baseline says of a regression of the task.
    """

    status: Status
    score: float
    pair: Pair | None = None
    failure: str | None = None
    detectable: float | None = None
    subsets: Mapping[str, Verdict] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    accepted: Acceptance | None = None
    tolerance: float | None = None

    @property
    def statuses(self) -> set[Status]:
        """Of the task and of its subsets."""
        return {self.status, *(each.status for each in self.subsets.values())}

    @property
    def recovered(self) -> bool:
        """Whether a regression is accepted that is not there any more."""
        return self.accepted is not None and self.statuses <= {"passed", "improved"}


def judge(comparison: Comparison, policy: Policy, family: ComparisonFamily) -> Verdict:
    """The verdict on a task by itself, and on each of its subsets."""
    rule = Rule(comparison.tolerance, policy.alpha, family.level("tasks", policy.alpha), policy)
    of_subsets = Rule(2 * comparison.tolerance, policy.alpha, family.level("subsets", policy.alpha), policy)
    subsets = {
        name: _verdict(f"{comparison.task} [{name}]", comparison, pair, of_subsets)
        for name, pair in comparison.subsets.items()
    }
    return on_task(comparison, status_of(comparison, rule, comparison.drift), rule, subsets)


def on_task(comparison: Comparison, status: Status, rule: Rule, subsets: Mapping[str, Verdict]) -> Verdict:
    """The verdict on a task that came out as `status`, with those on its subsets."""
    status = _accepted(status, comparison)
    smallest, losing = detectable(comparison, rule, comparison.drift), _losing(status, subsets)
    accepted, tolerance = comparison.accepted, rule.tolerance
    verdict = Verdict(status, comparison.score, comparison, None, smallest, subsets, losing, accepted, tolerance)
    if status == "regressed":
        blamed = blame(verdict)
        failure = failure_of(comparison.task, comparison, comparison, rule, [blamed] if blamed else ())
        return replace(verdict, failure=failure)
    if "regressed" in verdict.statuses:
        return replace(verdict, failure=_failure_by_language(comparison, verdict, rule))
    return verdict


def _accepted(status: Status, comparison: Comparison) -> Status:
    """A regression that is accepted and not ended is no failure."""
    return "accepted" if status == "regressed" and comparison.accepts else status


def _losing(status: Status, subsets: Mapping[str, Verdict]) -> tuple[str, ...]:
    drops = {name: each.pair.difference.drop for name, each in subsets.items() if each.pair}
    order = sorted(drops, key=lambda name: -drops[name])
    regressed = [name for name in order if subsets[name].status in REGRESSIONS]
    if regressed or status not in REGRESSIONS:
        return tuple(regressed)
    lost = list(accumulate(max(drops[name], 0.0) for name in order))
    return tuple(order[: 1 + bisect_left(lost, lost[-1] / 2)]) if lost and lost[-1] else ()


def blame(verdict: Verdict) -> str | None:
    """The sentence on the languages of a task that lost: score, baseline and difference of each; None without any."""
    if not verdict.languages:
        return None
    regressed = sum(each.status in REGRESSIONS for each in verdict.subsets.values())
    if regressed:
        return f"{regressed} of {counted(len(verdict.subsets), 'language')} regressed: {_listed(verdict)}"
    return f"no single language regressed; most of the drop comes from {_listed(verdict)}"


def _listed(verdict: Verdict, shown: int = 5) -> str:
    pairs = {name: pair for name in verdict.languages if (pair := verdict.subsets[name].pair)}
    each = [f"{name} {beside(pair.score, pair.baseline)}" for name, pair in pairs.items()]
    return "; ".join(each[:shown]) + (f"; and {len(each) - shown} more" if len(each) > shown else "")


def acceptance_of(verdict: Verdict) -> str | None:
    """What became of an accepted regression that fails nothing, as a sentence; None where none is accepted."""
    accepted = verdict.accepted
    if accepted and "accepted" in verdict.statuses:
        return f"the regression is accepted until {accepted.until}: {accepted.reason}"
    if accepted and verdict.recovered:
        known = f"was accepted until {accepted.until} ({accepted.reason})"
        return f"the regression that {known} is gone; remove `accepted` from the baseline"
    return None


def status_of(pair: Pair, rule: Rule, drift: float = 0.0) -> Status:
    """What one comparison comes out as, among as many as `rule.level` allows for; a drop by the tolerance passes."""
    drop, gain = pair.difference.drop - drift, -pair.difference.drop - drift
    most = rule.tolerance + ROUNDING
    if rule.policy.kind == "non-inferiority":
        if upper_bound(pair.difference, rule.alpha) - drift >= rule.tolerance:
            return "regressed"
    elif drop > most and pair.difference.p_drop <= rule.alpha:
        return "regressed" if pair.difference.p_drop <= rule.level else "suspect"
    return "improved" if gain > most and pair.difference.p_gain <= rule.level else "passed"


def detectable(pair: Pair, rule: Rule, drift: float = 0.0) -> float | None:
    """The smallest drop that this comparison would fail for, four times out of five.

    None where no outcome changed: how far two models differ that differ cannot be told from two that do not.
    """
    difference = pair.difference
    if not difference.standard_error:
        return None
    found = smallest_detectable(difference.standard_error, rule.level, unit=difference.unit, freedom=difference.freedom)
    return max(rule.tolerance, found) + drift


def _verdict(name: str, comparison: Comparison, pair: Pair, rule: Rule) -> Verdict:
    status = _accepted(status_of(pair, rule, comparison.drift), comparison)
    failure = failure_of(name, comparison, pair, rule) if status == "regressed" else None
    smallest = detectable(pair, rule, comparison.drift)
    return Verdict(status, pair.score, pair, failure, smallest, tolerance=rule.tolerance)


def failure_of(name: str, comparison: Comparison, pair: Pair, rule: Rule, more: Iterable[str] = ()) -> str:
    """Score, baseline, tolerance, drop and chance; a change of preprocessing, the usual reason, comes first."""
    head = [comparison.preprocessing] if comparison.preprocessing else []
    drift = f" beyond a known drift of {percent(comparison.drift)}" if comparison.drift else ""
    accepted = comparison.accepted
    ended = [f"its acceptance ended on {accepted.until} ({accepted.reason})"] if accepted else []
    return "\n".join(
        [
            *head,
            f"{name} regressed: {comparison.metric} {beside(pair.score, pair.baseline)}, tolerance "
            f"{percent(rule.tolerance)}{drift}",
            *fits_of(pair.difference),
            *drop_of(pair.difference),
            reason_of(pair, rule),
            *more,
            *ended,
            "if the drop is intended, record it with --mieb-update",
        ]
    )


def _failure_by_language(comparison: Comparison, verdict: Verdict, rule: Rule) -> str:
    """The text where languages regressed and their mean did not; of the one that lost most, all that is said of it."""
    worst = (verdict.subsets[verdict.languages[0]].failure or "").splitlines()
    head = 1 if comparison.preprocessing else 0
    return "\n".join(
        [
            *worst[:head],
            f"{comparison.task} regressed in {len(verdict.languages)} of {counted(len(verdict.subsets), 'language')}: "
            f"{_listed(verdict)}",
            f"their mean did not regress: {comparison.metric} {beside(comparison.score, comparison.baseline)}, "
            f"tolerance {percent(rule.tolerance)}",
            *worst[head:],
        ]
    )


def fits_of(difference: Difference) -> list[str]:
    """What is compared where the score is a single fit, as a line."""
    if not difference.fits:
        return []
    now = difference.before - difference.drop
    return [
        f"the score is that of a single fit, which changes with every restart; the mean over {difference.fits} fits "
        f"with matched initial centres is {beside(now, difference.before)}"
    ]


def other_than_scores(comparisons: Mapping[str, Comparison]) -> list[str]:
    """The tasks of which the score moved by half a point more or less than what is compared, as a line."""
    moved = [
        f"{name} {points(each.score - each.baseline)}, over its fits {points(-each.difference.drop)}"
        for name, each in comparisons.items()
        if each.difference.fits and abs(each.baseline - each.score - each.difference.drop) > TOLERANCE
    ]
    return (
        [f"clustering is judged by fits with matched initial centres, not by its score: {'; '.join(moved)}"]
        if moved
        else []
    )


def drop_of(difference: Difference, beyond: str = "") -> list[str]:
    """The drop, or what of it lies `beyond` something, with its interval, as a line; none where no error is known."""
    found = interval(difference)
    if found is None:
        return []
    within = f"with a {100 * CONFIDENCE:g} % confidence interval of {between(*found)}"
    return [f"the drop{beyond} is {percent(difference.drop)} points, {within}"]


def reason_of(pair: Pair, rule: Rule) -> str:
    """What the decision rests on, in a sentence."""
    difference = pair.difference
    if difference.error_unknown:
        return "no sampling error is known, so every drop beyond the tolerance and the known drift is a regression"
    how = f"on {difference.examples:,} paired examples" if difference.examples else "by the sampling error of the score"
    how += f" in {difference.fits} fits" if difference.fits else ""
    if rule.policy.kind == "non-inferiority":
        bound = f"the upper {100 * (1 - rule.alpha):g} % confidence bound of the drop"
        return f"{bound} is {percent(upper_bound(difference, rule.alpha))} {how}, which is not below the tolerance"
    procedure = " by Holm's procedure" if rule.by_holm else ""
    return f"the test {how} gives {p_is(difference.p_drop)}, which is significant at {rule.level:.2g}{procedure}"
