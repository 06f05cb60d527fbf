"""What tasks cost, as their cards expect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pytest_mieb.suite.task import Task


def costs_of(tasks: Mapping[str, Task]) -> Mapping[str, int]:
    """How many rows each group reads, as the cards expect."""
    costs: Counter[str] = Counter()
    for task in tasks.values():
        costs[task.dataset.path] += sum(task.expected.values())
    return costs
