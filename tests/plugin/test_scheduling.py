"""Which worker gets what: without starting workers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mieb.plugin.scheduling import group_of, make_scheduler, worker_of
from pytest_mieb.runtime.devices import Worker
from pytest_mieb.suite import DatasetRef, Task
from pytest_mieb.suite.costs import costs_of
from tests.builders import a_task


def test_a_worker_is_told_by_what_xdist_gives_it() -> None:
    config: Any = SimpleNamespace(workerinput={"testrunuid": "abc", "workercount": 4, "workerid": "gw0"})
    assert worker_of(config) == Worker("abc", 4)
    controller: Any = SimpleNamespace()
    assert worker_of(controller) is None


def tasks_of(**datasets: dict[str, int]) -> dict[str, Task]:
    """Tasks by name, each with its dataset's rows: `A=dict(big=10)`."""
    return {
        name: a_task(name=name, dataset=DatasetRef(path, "r", "labelled"), expected={"test": rows})
        for name, of in datasets.items()
        for path, rows in of.items()
    }


TASKS = tasks_of(A={"small": 10}, B={"big": 500}, C={"small": 30}, D={"middle": 45}, E={"big": 500})


@pytest.mark.parametrize(
    ("nodeid", "group"),
    [
        ("tasks/test_mieb.py::test_mieb[A]", "small"),
        ("tasks/test_mieb.py::test_mieb[C]", "small"),
        ("tests/test_own.py::test_mine[B]", "big"),
        ("tests/test_own.py::test_other[Z]", "tests/test_own.py::test_other[Z]"),
        ("tests/test_own.py::test_plain", "tests/test_own.py::test_plain"),
    ],
)
def test_tasks_of_one_dataset_are_one_group(nodeid: str, group: str) -> None:
    assert group_of(nodeid, TASKS) == group


def test_a_group_costs_the_rows_of_its_tasks() -> None:
    assert costs_of(TASKS) == {"small": 40, "big": 1000, "middle": 45}


class Node:
    """A worker as the scheduler sees it; it notes what it is sent, and so does `order` for all of them."""

    def __init__(self, name: str, order: list[str]) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.sent: list[int] = []
        self.order = order
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.sent += indices
        self.order.append("".join(map(name_of, indices)))

    def shutdown(self) -> None:
        self.shutting_down = True


IDS = [f"tasks/test_mieb.py::test_mieb[{name}]" for name in TASKS]


def name_of(index: int) -> str:
    return list(TASKS)[index]


def scheduled(pytester: pytest.Pytester, n_nodes: int) -> tuple[Any, list[Node]]:
    config = pytester.parseconfig("-p", "xdist", "--tx", f"{n_nodes}*popen")
    scheduling = make_scheduler(config, None, TASKS)
    order: list[str] = []
    nodes = [Node(f"gw{number}", order) for number in range(n_nodes)]
    for node in nodes:
        join(scheduling, node)
    scheduling.schedule()
    return scheduling, nodes


def join(scheduling: Any, node: Node) -> None:
    scheduling.add_node(node)
    scheduling.add_node_collection(node, IDS)


def finish(scheduling: Any, *nodes: Node) -> None:
    """Let every node report each item that it was sent, until there are no more."""
    for node in nodes:
        for index in node.sent:  # which grows on the way
            scheduling.mark_test_complete(node, index)
    assert scheduling.tests_finished


@pytest.mark.parametrize("n_nodes", [1, 2, 3])
def test_the_largest_dataset_is_sent_first_and_each_to_one_worker(pytester: pytest.Pytester, n_nodes: int) -> None:
    scheduling, nodes = scheduled(pytester, n_nodes)
    finish(scheduling, *nodes)
    assert nodes[0].order == ["BE", "D", "AC"]


def test_workers_start_with_the_largest_datasets(pytester: pytest.Pytester) -> None:
    _, nodes = scheduled(pytester, 3)
    assert [list(map(name_of, node.sent)) for node in nodes] == [["B", "E"], ["D"], ["A", "C"]]


def test_what_a_dead_worker_had_left_goes_to_another_but_for_what_it_died_of(pytester: pytest.Pytester) -> None:
    scheduling, (dead,) = scheduled(pytester, 1)
    assert scheduling.remove_node(dead) == "tasks/test_mieb.py::test_mieb[B]"
    replacement = Node("gw1", [])
    join(scheduling, replacement)
    scheduling.schedule()
    finish(scheduling, replacement)
    assert replacement.order == ["E", "D", "AC"]


def test_a_worker_that_dies_when_all_is_done_leaves_nothing(pytester: pytest.Pytester) -> None:
    scheduling, (node,) = scheduled(pytester, 1)
    finish(scheduling, node)
    assert scheduling.remove_node(node) is None
