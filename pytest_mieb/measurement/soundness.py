"""Whether a stored score can be true: within what its metric can be, and made up by the outcomes that go with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_mieb.gate.statistics.influence import Examples, contributions
from pytest_mieb.measurement.baseline import Measurement
from pytest_mieb.protocols import estimator_of
from pytest_mieb.suite import Task

# A hundredth of a point, the last digit that is shown. Six digits in the file and float32 outcomes come to 5e-7 at
# most, over all tasks and subsets of the miniature.
ROUNDING = 1e-4
# What a metric can be where that is not 0 to 1. The adjusted Rand index: Chacon and Rastrojo, 2023, Minimum adjusted
# Rand index for two clusterings of a given size.
LIMITS: Mapping[str, tuple[float, float]] = {
    "cosine_spearman": (-1.0, 1.0),
    "cosine_pearson": (-1.0, 1.0),
    "ari": (-0.5, 1.0),
}


def impossible(task: Task, measured: Measurement) -> str | None:
    """What no measurement of the task can have given, with its key below the task's, or None."""
    low, high = LIMITS.get(task.metric, (0.0, 1.0))
    for key, score in _scores(measured):
        if not low - ROUNDING <= score <= high + ROUNDING:
            return f"{key}: {score} is no {task.metric}, which lies between {low:g} and {high:g}"
    if measured.subsets and set(measured.subsets) == set(task.subsets):
        mean = sum(estimate.score for estimate in measured.subsets.values()) / len(measured.subsets)
        if abs(mean - measured.score) > ROUNDING:
            return f"score: {measured.score} is not the mean of its subsets, {mean:.6f}"
    return None


def _scores(measured: Measurement) -> Iterator[tuple[str, float]]:
    yield "score", measured.score
    for name, estimate in measured.subsets.items():
        yield f"subsets.{name}.score", estimate.score


def contradiction(task: Task, measured: Measurement, examples: Mapping[str, Examples]) -> str | None:
    """In which score and by how much the outcomes contradict what is stored, or None.

    A score in a metric that its outcomes do not make up is not looked at.
    """
    estimator = estimator_of(task)
    if estimator is None:
        return None
    try:
        made_up = {name: float(contributions(estimator, each).mean()) for name, each in examples.items()}
    except ValueError as problem:
        return f"{task.name}: the outcomes make up no score ({problem})"
    pairs = {
        f"{task.name} [{name}]": (estimate.score, made_up.get(name)) for name, estimate in measured.subsets.items()
    }
    pairs[task.name] = measured.score, sum(made_up.values()) / len(made_up)
    for name, (stored, found) in pairs.items():
        if found is not None and abs(stored - found) > ROUNDING:
            return f"{name}: scored {100 * stored:.2f}, while its outcomes make up {100 * found:.2f}"
    return None
