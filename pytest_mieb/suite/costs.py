"""What tasks cost, before they run."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_mieb.suite.task import Task

# Of a card that does not say: the median over the cards that do. A dataset of unknown size is a small one.
_SECONDS_A_ROW, _ROWS = 0.013, 1000
# The part of a task's time that is left where another task has embedded the same data: for most it is less.
SCORING_SHARE = 0.03


def rows_of(tasks: Mapping[str, Task]) -> int:
    """How many rows tasks read, as their cards expect."""
    return sum(sum(task.expected.values()) for task in tasks.values())


def seconds_of(task: Task, known: Mapping[str, float]) -> float:
    """How long the median published model took for a task, or what that comes to where it was measured here (`known`).

    Only what it comes to relative to other tasks means anything: machines and models differ.
    """
    rows = sum(task.expected.values()) or _ROWS
    return known.get(task.name) or task.seconds or rows * _SECONDS_A_ROW


def costs_of(tasks: Mapping[str, Task], known: Mapping[str, float]) -> Mapping[str, float]:
    """What each dataset's tasks cost together, by its path: it is embedded once, for the longest of them."""
    by_dataset: dict[str, list[float]] = {}
    for task in tasks.values():
        by_dataset.setdefault(task.dataset.path, []).append(seconds_of(task, known))
    return {path: max(each) * (1 - SCORING_SHARE) + sum(each) * SCORING_SHARE for path, each in by_dataset.items()}
