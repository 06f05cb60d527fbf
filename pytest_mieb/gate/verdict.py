"""What a comparison means under a policy: an outcome, and the sentences to fail with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pytest_mieb.gate.comparison import Comparison, Pair
from pytest_mieb.gate.policy import Family, Policy
from pytest_mieb.gate.significance import smallest_detectable, upper_bound

Outcome = Literal["passed", "improved", "suspect", "regressed", "measured"]
# Scores that differ by the tolerance differ by a little more or less as floating-point numbers.
ROUNDING = 1e-9


class Rule(NamedTuple):
    """By what one comparison is judged: the smallest drop that matters, and the chance of a false alarm that it may
    have, alone (`alpha`) and as one of many (`level`)."""

    tolerance: float
    alpha: float
    level: float
    policy: Policy


@dataclass(frozen=True)
class Verdict:
    """The outcome of one comparison; `failure` is the text to fail with, None where nothing is wrong.

    `suspect`: worse by itself, but not among so many comparisons; it passes. `improved` mirrors `regressed`.
    `measured` compares with nothing, as `--mieb-baseline=none` and `--mieb-update` ask for. `detectable` is the
    smallest drop that would be found four times out of five; None where that cannot be told.
    """

    outcome: Outcome
    score: float
    pair: Pair | None = None
    failure: str | None = None
    detectable: float | None = None
    subsets: Mapping[str, Verdict] = field(default_factory=dict)


def judge(comparison: Comparison, policy: Policy, family: Family) -> Verdict:
    """The verdict on a task by itself, and on each of its subsets."""
    rule = Rule(comparison.tolerance, policy.alpha, family.level("tasks", policy.alpha), policy)
    beside = Rule(2 * comparison.tolerance, policy.alpha, family.level("subsets", policy.alpha), policy)
    subsets = {
        name: _verdict(f"{comparison.task} [{name}]", comparison, pair, beside)
        for name, pair in comparison.subsets.items()
    }
    whole = _verdict(comparison.task, comparison, comparison, rule)
    return Verdict(whole.outcome, whole.score, whole.pair, whole.failure, whole.detectable, subsets)


def outcome_of(pair: Pair, rule: Rule, drift: float = 0.0) -> Outcome:
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
    return max(rule.tolerance, smallest_detectable(difference.standard_error, rule.level, unit=difference.unit)) + drift


def _verdict(name: str, comparison: Comparison, pair: Pair, rule: Rule) -> Verdict:
    outcome = outcome_of(pair, rule, comparison.drift)
    failure = failure_of(name, comparison, pair, rule) if outcome == "regressed" else None
    return Verdict(outcome, pair.score, pair, failure, detectable(pair, rule, comparison.drift))


def failure_of(name: str, comparison: Comparison, pair: Pair, rule: Rule) -> str:
    """Score, baseline, drop, tolerance and chance; a change of preprocessing, the usual reason, comes first."""
    head = [comparison.preprocessing] if comparison.preprocessing else []
    drift = f" after {percent(comparison.drift)} for known drift" if comparison.drift else ""
    return "\n".join(
        [
            *head,
            f"{name} regressed: {comparison.metric} {percent(pair.score)}, baseline {percent(pair.baseline)} "
            f"({points(-pair.difference.drop)}), tolerance {percent(rule.tolerance)}{drift}",
            reason_of(pair, rule),
            "if the drop is meant, record it with --mieb-update",
        ]
    )


def reason_of(pair: Pair, rule: Rule) -> str:
    """What the decision rests on, in a sentence."""
    difference = pair.difference
    how = f"on {difference.examples:,} paired examples" if difference.examples else "by the sampling error of the score"
    if rule.policy.kind == "non-inferiority":
        bound = percent(upper_bound(difference, rule.alpha))
        return f"with {100 * (1 - rule.alpha):g} % confidence the drop is below {bound} only, {how}"
    return f"p = {difference.p_drop:.1g} {how}, significant at {rule.level:.1g}"


def percent(score: float) -> str:
    """A score as shown to people: times 100, two decimals."""
    return f"{100 * score:.2f}"


def points(difference: float) -> str:
    """A difference of scores as shown to people, with its sign; what rounds to nothing is 0.00."""
    shown = f"{100 * difference:+.2f}"
    return "0.00" if float(shown) == 0 else shown
