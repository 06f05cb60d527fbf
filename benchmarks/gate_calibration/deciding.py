"""The gate's own words on two simulated releases."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.gate_calibration.releases import Base, Release
from pytest_mieb.gate.comparison import Comparison, Measured, compare
from pytest_mieb.gate.decision import decide
from pytest_mieb.gate.policy import Policy
from pytest_mieb.gate.statistics.influence import contributions
from pytest_mieb.measurement.baseline import Estimate, Measurement
from pytest_mieb.protocols import estimator_of
from pytest_mieb.suite import Task

DEFAULT, EXACTING = Policy(), Policy(tolerance=0.0)
THRESHOLD = 0.005
SUITES = ("lite", "full")


@dataclass(frozen=True)
class Found:
    """What the gate calls regressed: tasks (by themselves or by Holm), tasks of which a subset is, and means."""

    tasks: frozenset[str]
    subsets: frozenset[str]
    means: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.tasks or self.subsets or self.means)


def suite(name: str, tasks: Mapping[str, Task]) -> list[str]:
    """The names of the tasks of `lite`, or of all (`full`)."""
    return [each for each, task in tasks.items() if name == "full" or name in task.suites]


def compared(task: Task, pair: Release, policy: Policy = DEFAULT) -> Comparison:
    """The comparison that a run would make of these outcomes."""
    old, new = (Measured(_measured(task, side), None, side) for side in pair)
    return compare(task, old, new, policy)


def _measured(task: Task, side: Base) -> Measurement:
    estimator = estimator_of(task)
    assert estimator
    scores = {subset: float(contributions(estimator, each).mean()) for subset, each in side.items()}
    subsets = {subset: Estimate(score) for subset, score in scores.items()} if len(scores) > 1 else {}
    return Measurement(float(np.mean(list(scores.values()))), subsets=subsets)


def decided(
    comparisons: Mapping[str, Comparison], selected: Collection[str], tasks: Mapping[str, Task], policy: Policy
) -> Found:
    """What regresses under `policy`; the comparisons may have been made under another."""
    own = {name: replace(comparisons[name], tolerance=policy.tolerance) for name in selected}
    decision = decide(own, {}, selected, tasks, policy)
    beside = {name for name, own in decision.verdicts.items() if any(each.failure for each in own.subsets.values())}
    found = Found(
        frozenset(name for name, verdict in decision.verdicts.items() if verdict.status == "regressed"),
        frozenset(beside),
        frozenset(mean.name for mean in decision.means if mean.status == "regressed"),
    )
    assert bool(found) == (decision.state == "regressed")
    return found


def below_threshold(comparisons: Mapping[str, Comparison], names: Collection[str]) -> frozenset[str]:
    """The tasks that a gate with one fixed threshold and nothing else would fail."""
    return frozenset(name for name in names if comparisons[name].difference.drop > THRESHOLD)
