"""One task's new score beside its old one: whether they compare, how far it dropped, and what chance makes of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from math import hypot, sqrt
from operator import itemgetter
from typing import Any, NamedTuple

from pytest_mieb.gate.policy import Policy
from pytest_mieb.gate.statistics.influence import Examples
from pytest_mieb.gate.statistics.significance import Difference, restart_error, t_tail
from pytest_mieb.gate.statistics.significance import compare as paired
from pytest_mieb.measurement.baseline import Acceptance, Estimate, Measurement
from pytest_mieb.measurement.context import Context, differences, preprocessing_change, refusal
from pytest_mieb.protocols import estimator_of, protocol_of
from pytest_mieb.suite import Task
from pytest_mieb.support.numbers import percent

# The fewest training draws of a MIEB probe: with four degrees of freedom their variance is known well enough.
ENOUGH_DRAWS = 5


class IncomparableError(Exception):
    """Two scores that cannot be compared: the message says why, and what to do."""


class Measured(NamedTuple):
    """One of the two: a task as it was measured, what with, and the outcomes of its examples by subset, if known."""

    measured: Measurement
    context: Context | None = None
    examples: Mapping[str, Examples] | None = None


@dataclass(frozen=True)
class Pair:
    """A new score, an old one, and what is known of their difference; all 0..1."""

    score: float
    baseline: float
    difference: Difference


@dataclass(frozen=True)
class Comparison(Pair):
    """A task's. `paired`: example by example; otherwise by the scores and their sampling error alone.

    `tolerance` is the smallest drop that matters, `noise` what the score was seen to move for no reason. `drift` is
    what an old score of others may differ by for reasons of data and protocol. `accepted` is what the baseline says of
    a regression, as seen on the day of the comparison. `preprocessing` says how the inputs are prepared otherwise,
    `warnings` what else differs.
    """

    task: str = ""
    metric: str = ""
    paired: bool = False
    tolerance: float = 0.0
    noise: float = 0.0
    drift: float = 0.0
    accepted: Acceptance | None = None
    subsets: Mapping[str, Pair] = field(default_factory=dict)
    preprocessing: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def accepts(self) -> bool:
        """Whether a regression of the task, or of one of its subsets, fails nothing yet."""
        return self.accepted is not None and not self.accepted.ended

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Comparison:
        """What `dataclasses.asdict` and JSON made of one."""
        content = dict(given)
        subsets = {name: Pair(**_with_difference(pair)) for name, pair in content.pop("subsets").items()}
        warnings = tuple(content.pop("warnings"))
        said = content.pop("accepted")
        accepted = Acceptance(**said | {"until": date.fromisoformat(said["until"])}) if said else None
        return cls(**_with_difference(content), accepted=accepted, subsets=subsets, warnings=warnings)


def _with_difference(content: dict[str, Any]) -> dict[str, Any]:
    return content | {"difference": Difference(**content["difference"])}


def compare(task: Task, old: Measured, new: Measured, policy: Policy, today: date | None = None) -> Comparison:
    """Compare two measurements of a task.

    With the outcomes of both, example by example (`significance.compare`). Otherwise by the scores: the sampling error
    of one of them stands for that of the difference, which overstates it as long as the two models err on the same
    examples; to it a score of one fit adds how far that moves when it is done again. The drop counts only as far as it
    exceeds the baseline's drift. Published scores may be of the whole task only: its subsets are then not compared.

    Args:
        today: the day on which an accepted regression is looked at.

    Raises:
        IncomparableError: other data, another version of the protocols, or an environment that moved.
    """
    refuse_other_data(task, old.measured, new.measured)
    warnings: tuple[str, ...] = ()
    change = None
    if old.context and new.context:
        reason = refusal(old.context, new.context)
        if reason:
            raise IncomparableError(f"{task.name}: {reason}")
        warnings = tuple(differences(old.context, new.context))
        if warnings and policy.strict_context:
            raise IncomparableError(
                f"{task.name}: {'; '.join(warnings)}; compare in the baseline's context, record the baseline anew, or "
                "allow different contexts (without strict-context)"
            )
        change = preprocessing_change(old.context, new.context)
    by_example = old.examples is not None and new.examples is not None and estimator_of(task) is not None
    lone = _lone_fit(task, old, new)
    if lone:
        by_example, warnings = False, (*warnings, lone)
    if by_example and (few := _few_draws(task)):
        warnings = (*warnings, few)
    drift = 0.0 if by_example else old.measured.drift
    whole = _pair(task, old.measured, new.measured, (old.examples, new.examples), by_example, drift)
    pairs = {}
    for subset, now in new.measured.subsets.items():
        if subset in old.measured.subsets:
            own = _one(old.examples, subset), _one(new.examples, subset)
            pairs[subset] = _pair(task, old.measured.subsets[subset], now, own, by_example, drift)
    return Comparison(
        score=whole.score,
        baseline=whole.baseline,
        difference=whole.difference,
        task=task.name,
        metric=task.metric,
        paired=by_example,
        tolerance=policy.tolerance_of(task, old.measured),
        noise=old.measured.noise,
        drift=drift,
        accepted=old.measured.accepted and old.measured.accepted.on(today or date.today()),
        subsets=pairs,
        preprocessing=change,
        warnings=warnings,
    )


def refuse_other_data(task: Task, old: Measurement, new: Measurement) -> None:
    """Raises IncomparableError where the two were not measured on the same examples, as far as that is known."""
    remedy = "scores of different data cannot be compared: record the baseline anew with --mieb-update"
    if old.dataset and new.dataset and old.dataset != new.dataset:
        raise IncomparableError(
            f"{task.name}: the score was measured on revision {new.dataset} of {task.dataset.path}, the baseline's on "
            f"{old.dataset}; {remedy}"
        )
    lost = [subset for subset in old.subsets if subset not in (new.subsets or task.subsets)]
    if lost:
        raise IncomparableError(f"{task.name}: the score lacks the subsets {', '.join(lost)} of the baseline; {remedy}")
    extra = [subset for subset in new.subsets if subset not in old.subsets]
    if extra and (old.subsets or old.examples):
        raise IncomparableError(
            f"{task.name}: the baseline lacks the subsets {', '.join(extra)} of the score; {remedy}"
        )
    if old.part != new.part:
        raise IncomparableError(
            f"{task.name}: the score was measured on {new.part or 'the whole'} of {task.dataset.path}, the baseline's "
            f"on {old.part or 'the whole'}; a part can only be compared with the same part: measure the same rows, or "
            "record a baseline of these with --mieb-update"
        )
    if old.examples and new.examples and old.examples != new.examples:
        raise IncomparableError(
            f"{task.name}: the examples differ from the baseline's, although the dataset's revision is the same; "
            f"{remedy}, or restore the data"
        )


def _lone_fit(task: Task, old: Measured, new: Measured) -> str | None:
    """A sentence where a clustering is compared by single fits, between which only large drops show: one side has no
    repeated ones, or the card's metric is none that they are compared in. None elsewhere.
    """
    repeats = [
        side.examples is not None and all(each.fits is not None for each in side.examples.values())
        for side in (old, new)
    ]
    judged = estimator_of(task) is not None
    if not protocol_of(task).single_fit or (judged and all(repeats)):
        return None
    own = new.examples if repeats[1] else old.examples
    moves = restart_error(own)[0]
    known = f", which varies by {percent(moves)} points (one standard deviation) between restarts" if moves else ""
    remedy = "record the baseline anew with --mieb-update" if judged else f"{task.metric} has no test over several fits"
    return f"{task.name} is compared by a single fit of k-means{known}: smaller drops are not detected; {remedy}"


def _few_draws(task: Task) -> str | None:
    """A sentence where a probe has so few training draws that their variance is hardly known, which hides any drop."""
    draws = task.scoring.get("n_experiments", 1)
    if not 1 < draws < ENOUGH_DRAWS:
        return None
    return (
        f"{task.name} is compared over {draws} training draws, too few to know their variance: after correcting for "
        f"many tasks even a large drop may pass as suspect; give its card n_experiments: {ENOUGH_DRAWS} or more"
    )


def _one(examples: Mapping[str, Examples] | None, subset: str) -> Mapping[str, Examples] | None:
    return examples and {subset: examples[subset]}


def _pair(
    task: Task,
    old: Estimate,
    new: Estimate,
    examples: tuple[Mapping[str, Examples] | None, Mapping[str, Examples] | None],
    by_example: bool,
    drift: float,
) -> Pair:
    estimator = estimator_of(task)
    if by_example and estimator and examples[0] and examples[1]:
        try:
            difference = paired(estimator, examples[0], examples[1])
        except ValueError as problem:
            raise IncomparableError(
                f"{task.name}: the outcomes belong to different examples ({problem}); record the baseline anew "
                "with --mieb-update"
            ) from problem
        if difference.drop and not difference.fits:  # the scores are exact, the stored outcomes float32
            difference = replace(difference, drop=old.score - new.score)
        return Pair(new.score, old.score, difference)
    drop, sampling = old.score - new.score, max(old.error, new.error)
    restart, freedom = max((restart_error(side) for side in examples), key=itemgetter(0))
    error = hypot(sampling, sqrt(2) * restart)  # both sides are one fit each
    if restart:
        freedom *= (error / (sqrt(2) * restart)) ** 4
    p_values = _tail(drop - drift, error, freedom), _tail(-drop - drift, error, freedom)
    return Pair(new.score, old.score, Difference(drop, error, *p_values, 0, freedom=freedom))


def _tail(excess: float, error: float, freedom: float) -> float:
    """The upper tail of Student's t, the normal distribution's where the freedom is infinite."""
    if error == 0:
        return 0.0 if excess > 0 else 1.0
    return t_tail(excess / error, freedom)
