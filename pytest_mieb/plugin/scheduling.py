"""Which worker of pytest-xdist gets which task, and when."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pytest_mieb.report.run import task_in
from pytest_mieb.runtime.devices import Worker
from pytest_mieb.suite.costs import costs_of

if TYPE_CHECKING:
    import pytest

    from pytest_mieb.suite import Task

# How many workers may die of an item, one after the other: the second time it is the item.
_TRIES = 2


def worker_of(config: pytest.Config) -> Worker | None:
    """The worker that this process is, or None outside of xdist's workers."""
    given: Mapping[str, Any] | None = getattr(config, "workerinput", None)
    return Worker(str(given["testrunuid"]), int(given["workercount"])) if given else None


def group_of(nodeid: str, tasks: Mapping[str, Task]) -> str:
    """What runs on one worker: the tasks of one dataset, whose inputs are then embedded once; else each test alone."""
    name = task_in(nodeid, tasks)
    return tasks[name].dataset.path if name else nodeid


class _CostliestFirst(OrderedDict[str, dict[str, bool]]):
    """xdist's queue of work, from which the group of the largest cost is taken first."""

    costs: Mapping[str, float]

    def popitem(self, last: bool = True) -> tuple[str, dict[str, bool]]:
        group = max(self, key=lambda name: self.costs.get(name, 0))
        return group, self.pop(group)


def chosen_distribution(config: pytest.Config) -> str | None:
    """How the user wants tests to be spread, where that was said: `-n` alone says only on how many workers."""
    if config.getoption("distload"):  # -d
        return "load"
    given = [*config.invocation_params.args, *config.getini("addopts")]
    said = any(str(argument).split("=")[0] == "--dist" for argument in given)
    return str(config.getoption("dist")) if said else None


def make_scheduler(
    config: pytest.Config,
    log: Any,
    tasks: Mapping[str, Task],
    known: Mapping[str, float],
    note: Callable[[str], None],
) -> Any:
    """A scheduler that keeps a group on one worker and starts with the costliest.

    xdist's own `loadgroup` stops grouping on pytest 9.2 (pytest-xdist#1386), and its `load` and `worksteal` keep no
    order.

    Args:
        known: see `costs_of`.
        note: told what worker died, and of what.
    """
    from xdist.scheduler import LoadScopeScheduling

    tries = 1 if str(config.getoption("maxworkerrestart", None)) == "0" else _TRIES

    class DatasetScheduling(LoadScopeScheduling):
        deaths: Counter[str]

        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid, tasks)

        def remove_node(self, node: Any) -> str | None:
            """Give others what a dead worker had left; of an item that was tried before, they are told."""
            workload: dict[str, dict[str, bool]] = self.assigned_work.pop(node)
            left = [(group, nodeid) for group, unit in workload.items() for nodeid, done in unit.items() if not done]
            if not left:
                return None
            group, deadly = left[0]
            self.deaths[deadly] += 1
            gone = self.deaths[deadly] >= tries
            workload[group][deadly] = gone
            if not gone:
                name = task_in(deadly, tasks) or deadly
                note(f"worker {node.gateway.id} died while it ran {name}, which was started again")
            self.workqueue.update({group: unit for group, unit in workload.items() if not all(unit.values())})
            for other in self.assigned_work:
                self._reschedule(other)
            return deadly if gone else None

    scheduling = DatasetScheduling(config, log)
    scheduling.deaths = Counter()
    scheduling.workqueue = _CostliestFirst()
    scheduling.workqueue.costs = costs_of(tasks, known)
    return scheduling
