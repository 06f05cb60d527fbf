"""MIEB's aggregates: category means, and the means over them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from statistics import fmean

from pytest_mieb.suite import CATEGORIES, Task

MULTILINGUAL = {"retrieval": "retrieval (multilingual)", "visual_sts": "visual_sts (cross- and multilingual)"}


def group_of(task: Task) -> str:
    """The group whose mean a task enters: its category, or its category's multilingual part."""
    return MULTILINGUAL.get(task.category, task.category) if "multilingual" in task.suites else task.category


def groups() -> list[str]:
    """The ten groups, the eight English ones first."""
    return [*CATEGORIES, *MULTILINGUAL.values()]


def group_means(tasks: Iterable[Task], scores: Mapping[str, float]) -> dict[str, float]:
    """The mean score of each group that has a task with a score."""
    members: dict[str, list[float]] = {}
    for task in tasks:
        if task.name in scores:
            members.setdefault(group_of(task), []).append(scores[task.name])
    return {group: fmean(values) for group, values in members.items()}


def overall(tasks: Collection[Task], scores: Mapping[str, float], names: Iterable[str]) -> float | None:
    """The mean over the means of the named groups; None when a task of theirs has no score."""
    wanted = set(names)
    members = [task for task in tasks if group_of(task) in wanted]
    if not members or any(task.name not in scores for task in members):
        return None
    return fmean(group_means(members, scores).values())


def mean_en(tasks: Collection[Task], scores: Mapping[str, float]) -> float | None:
    """Mean (en): over the category means of the English tasks among `tasks`."""
    return overall(tasks, scores, CATEGORIES)


def mean_m(tasks: Collection[Task], scores: Mapping[str, float]) -> float | None:
    """Mean (m): over those and the two multilingual means."""
    return overall(tasks, scores, groups())
