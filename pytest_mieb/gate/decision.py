"""The verdict on a whole run, from what is known of each of its tasks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from math import hypot
from typing import Literal

from pytest_mieb.gate.comparison import Comparison, Pair
from pytest_mieb.gate.policy import ComparisonFamily, Policy, judged_means
from pytest_mieb.gate.statistics.significance import Difference, holm, pooled
from pytest_mieb.gate.verdict import Rule, Status, Verdict, detectable, drop_of, judge, on_task, reason_of, status_of
from pytest_mieb.suite import Task
from pytest_mieb.suite.means import means
from pytest_mieb.support.numbers import beside, percent

State = Literal["passed", "regressed", "incomplete"]
_UNCHANGED = Difference(0.0, 0.0, 1.0, 1.0, 0)
EXIT_CODES: Mapping[State, int] = {"passed": 0, "regressed": 1, "incomplete": 6}


@dataclass(frozen=True)
class MeanVerdict:
    """The verdict on a mean: of a category, or Mean (en) and Mean (m).

    `incomplete` where tasks of it have no comparison, which `missing` names; it then has no numbers. `accepted` are the
    tasks of which a drop is accepted: they are in the score, but count as unchanged in the difference that decides. The
    status is `accepted` where that made the difference.
    """

    name: str
    tasks: int
    status: Status | Literal["incomplete"]
    tolerance: float | None = None
    pair: Pair | None = None
    detectable: float | None = None
    failure: str | None = None
    missing: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()

    @property
    def acceptance_note(self) -> str | None:
        """The sentence on the tasks that count as unchanged; None where none does."""
        if not self.accepted:
            return None
        verb, whose = ("counts", "its drop is") if len(self.accepted) == 1 else ("count", "their drops are")
        return f"{', '.join(self.accepted)} {verb} as unchanged, because {whose} accepted"


@dataclass(frozen=True)
class Decision:
    """Everything that the gate says of a run.

    `incomplete` gives the reason for each task that should have a verdict and has none. `regressed_by_holm` are the
    tasks that regressed by Holm's procedure though they passed by themselves.
    """

    family: ComparisonFamily
    verdicts: Mapping[str, Verdict]
    means: tuple[MeanVerdict, ...] = ()
    incomplete: Mapping[str, str] = field(default_factory=dict)
    regressed_by_holm: tuple[str, ...] = ()

    @property
    def state(self) -> State:
        verdicts = [*self.verdicts.values(), *(each for own in self.verdicts.values() for each in own.subsets.values())]
        if any(verdict.failure for verdict in verdicts) or any(mean.status == "regressed" for mean in self.means):
            return "regressed"
        return "incomplete" if self.incomplete else "passed"


def decide(
    comparisons: Mapping[str, Comparison],
    incomplete: Mapping[str, str],
    selected: Collection[str],
    tasks: Mapping[str, Task],
    policy: Policy,
) -> Decision:
    """Judge all comparisons of a run together.

    Args:
        comparisons: by task.
        incomplete: why a selected task that the baseline has, or that has a score, is not compared.
        selected: the names of all selected tasks, which share the chance of a false alarm.
        tasks: the suite.
    """
    family = ComparisonFamily.of(selected, tasks)
    verdicts = {name: judge(comparisons[name], policy, family) for name in tasks if name in comparisons}
    regressed_by_holm: list[str] = []
    if policy.kind == "significance":
        p_values = {name: comparisons[name].difference.p_drop if name in comparisons else 1.0 for name in selected}
        share = family.share("tasks", policy.alpha)
        rejected = holm(p_values, share)
        for name in [name for name in tasks if name in rejected]:
            comparison, verdict = comparisons.get(name), verdicts.get(name)
            if comparison and verdict and verdict.status == "suspect":
                rule = Rule(comparison.tolerance, policy.alpha, share, policy, by_holm=True)
                found = on_task(comparison, "regressed", rule, verdict.subsets)
                verdicts[name] = replace(found, detectable=verdict.detectable)  # as one of many, like the others
                regressed_by_holm += [name] if verdicts[name].failure else []
    judged = _judged(comparisons, incomplete, selected, tasks, policy, family)
    return Decision(family, verdicts, tuple(judged), dict(incomplete), tuple(regressed_by_holm))


def _judged(
    comparisons: Mapping[str, Comparison],
    incomplete: Mapping[str, str],
    selected: Collection[str],
    tasks: Mapping[str, Task],
    policy: Policy,
    family: ComparisonFamily,
) -> list[MeanVerdict]:
    verdicts = []
    for name, weights in judged_means(selected, tasks).items():
        missing = tuple(task for task in weights if task in incomplete)
        known = {task: weight for task, weight in weights.items() if task in comparisons}
        category = tasks[next(iter(weights))].category if len({tasks[task].category for task in weights}) == 1 else None
        if missing:
            verdicts.append(_without_numbers(name, len(weights), missing))
        elif len(known) > 1 and (category or len(known) == len(weights)):
            verdicts.append(_mean(name, category, known, comparisons, tasks, policy, family))
    return verdicts


def _without_numbers(name: str, size: int, missing: tuple[str, ...]) -> MeanVerdict:
    shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    failure = f"{name} is incomplete, because {len(missing)} of {size} tasks have no verdict: {shown}"
    return MeanVerdict(name, size, "incomplete", failure=failure, missing=missing)


def _mean(
    name: str,
    category: str | None,
    weights: Mapping[str, float],
    comparisons: Mapping[str, Comparison],
    tasks: Mapping[str, Task],
    policy: Policy,
    family: ComparisonFamily,
) -> MeanVerdict:
    """The verdict on one mean. Its noise is the root of the summed squares of its tasks' noise, each by its weight.

    A task of which a drop is accepted counts as unchanged: the mean fails by what the others lost.
    """
    total = sum(weights.values())
    noise = hypot(*(weight / total * comparisons[task].noise for task, weight in weights.items()))
    tolerance = policy.tolerance_of_mean(category, noise)
    differences = {task: _without_drift(comparisons[task]) for task in weights}
    datasets = {task: tasks[task].dataset.path for task in weights}
    accepted = tuple(task for task in weights if comparisons[task].accepts)
    members = [tasks[task] for task in weights]
    score = means(members, {task: comparisons[task].score for task in weights})[name]
    baseline = means(members, {task: comparisons[task].baseline for task in weights})[name]
    whole = Pair(score, baseline, pooled(differences, datasets, weights))
    pair = replace(whole, difference=pooled(differences | dict.fromkeys(accepted, _UNCHANGED), datasets, weights))
    rule = Rule(tolerance, policy.alpha, family.level("means", policy.alpha), policy)
    status = status_of(pair, rule)
    if accepted and status in ("passed", "improved"):
        status = status_of(whole, rule)
        status = "accepted" if status in ("suspect", "regressed") else status
    mean = MeanVerdict(name, len(weights), status, tolerance, pair, detectable(pair, rule), accepted=accepted)
    if status != "regressed":
        return mean
    beyond = " beyond known drift" if any(comparisons[task].drift for task in weights) else ""
    fitted = any(comparisons[task].difference.fits for task in weights)
    lines = [
        f"{name} regressed: mean of {len(weights)} tasks {beside(pair.score, pair.baseline)}, tolerance "
        f"{percent(tolerance)}",
        *(["a clustering counts by its fits with matched initial centres, not by its score"] if fitted else ()),
        *drop_of(pair.difference, beyond),
        reason_of(pair, rule),
        *([mean.acceptance_note] if mean.acceptance_note else ()),
    ]
    return replace(mean, failure="\n".join(lines))


def _without_drift(comparison: Comparison) -> Difference:
    """Only what exceeds the known drift counts, in either direction."""
    difference, drift = comparison.difference, comparison.drift
    if not drift:
        return difference
    excess = max(abs(difference.drop) - drift, 0.0)
    return replace(difference, drop=excess if difference.drop > 0 else -excess)
