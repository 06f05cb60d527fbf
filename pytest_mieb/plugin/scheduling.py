"""Which worker of pytest-xdist gets which task, and when."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_mieb.report.run import task_in
from pytest_mieb.runtime.devices import Worker
from pytest_mieb.suite.costs import costs_of

if TYPE_CHECKING:
    import pytest

    from pytest_mieb.suite import Task


def worker_of(config: pytest.Config) -> Worker | None:
    """The worker that this process is, or None outside of xdist's workers."""
    given: Mapping[str, Any] | None = getattr(config, "workerinput", None)
    return Worker(str(given["testrunuid"]), int(given["workercount"])) if given else None


def group_of(nodeid: str, tasks: Mapping[str, Task]) -> str:
    """What runs on one worker: the tasks of one dataset, whose inputs are then embedded once; else each test alone."""
    name = task_in(nodeid, tasks)
    return tasks[name].dataset.path if name else nodeid


class _LargestFirst(OrderedDict[str, dict[str, bool]]):
    """xdist's queue of work, from which the group of the largest cost is taken first."""

    costs: Mapping[str, int]

    def popitem(self, last: bool = True) -> tuple[str, dict[str, bool]]:
        group = max(self, key=lambda name: self.costs.get(name, 0))
        return group, self.pop(group)


def make_scheduler(config: pytest.Config, log: Any, tasks: Mapping[str, Task]) -> Any:
    """A scheduler that keeps a group on one worker and starts with the largest.

    xdist's own `loadgroup` stops grouping on pytest 9.2 (pytest-xdist#1386), and its `load` and `worksteal` keep no
    order.
    """
    from xdist.scheduler import LoadScopeScheduling

    class DatasetScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid, tasks)

        def remove_node(self, node: Any) -> str | None:
            """Give others what a dead worker had left, but for the item it died of: it would kill them too."""
            workload: dict[str, dict[str, bool]] = self.assigned_work.pop(node)
            left = [(group, nodeid) for group, unit in workload.items() for nodeid, done in unit.items() if not done]
            if not left:
                return None
            group, deadly = left[0]
            workload[group][deadly] = True
            self.workqueue.update({group: unit for group, unit in workload.items() if not all(unit.values())})
            for other in self.assigned_work:
                self._reschedule(other)
            return deadly

    scheduling = DatasetScheduling(config, log)
    scheduling.workqueue = _LargestFirst()
    scheduling.workqueue.costs = costs_of(tasks)
    return scheduling
