"""MIEB's aggregates: the means of groups of tasks, and the two means over the means of groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from statistics import fmean

from pytest_mieb.suite import CATEGORIES, Task

MULTILINGUAL = {"retrieval": "retrieval (multilingual)", "visual_sts": "visual_sts (cross- and multilingual)"}
GROUPS = (*CATEGORIES, *MULTILINGUAL.values())
MEAN_EN, MEAN_M = "Mean (en)", "Mean (m)"
# The overall means, and the groups that each of them is over.
OVERALL: Mapping[str, tuple[str, ...]] = {MEAN_EN: CATEGORIES, MEAN_M: GROUPS}


def group_of(task: Task) -> str:
    """The group whose mean a task enters: its category, or its category's multilingual part."""
    return MULTILINGUAL.get(task.category, task.category) if "multilingual" in task.suites else task.category


def by_group(tasks: Iterable[Task]) -> dict[str, list[str]]:
    """The names of `tasks` by the group that they are in."""
    members: dict[str, list[str]] = {}
    for task in tasks:
        members.setdefault(group_of(task), []).append(task.name)
    return members


def means(tasks: Iterable[Task], scores: Mapping[str, float]) -> dict[str, float]:
    """All means of `tasks`: of each group over its tasks with a score, and the overall ones over the means of their
    groups. An overall mean is left out where one of its tasks has no score, or where it has no tasks.
    """
    members = by_group(tasks)
    scored = {group: [scores[name] for name in names if name in scores] for group, names in members.items()}
    found = {group: fmean(values) for group, values in scored.items() if values}
    complete = {group for group, names in members.items() if len(scored[group]) == len(names)}
    for mean, groups in OVERALL.items():
        own = [group for group in members if group in groups]
        if own and complete.issuperset(own):
            found[mean] = fmean(found[group] for group in own)
    return found


def overall_weights(tasks: Iterable[Task]) -> dict[str, float]:
    """The weight of each task in the mean over the means of their groups; all of them add up to 1."""
    groups = {task.name: group_of(task) for task in tasks}
    sizes = Counter(groups.values())
    return {name: 1 / (len(sizes) * sizes[group]) for name, group in groups.items()}
