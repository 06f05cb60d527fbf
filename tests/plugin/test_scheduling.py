"""Which worker gets what: without starting workers."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mieb.plugin.scheduling import chosen_distribution, group_of, make_scheduler, worker_of
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


def test_a_group_costs_its_longest_task_and_the_scoring_of_the_others() -> None:
    known = {"A": 10.0, "B": 200.0, "C": 30.0, "D": 45.0, "E": 100.0}
    assert costs_of(TASKS, known) == pytest.approx({"small": 30.3, "big": 203, "middle": 45})
    cards = {name: replace(task, seconds=known[name]) for name, task in TASKS.items()}
    assert costs_of(cards, {}) == costs_of(TASKS, known)
    assert costs_of(cards, {"D": 60.0})["middle"] == pytest.approx(60)


def test_a_card_that_says_nothing_costs_by_its_rows() -> None:
    costs = costs_of(TASKS | tasks_of(F={"unknown": 0}), {})
    assert costs["unknown"] > costs["big"] > costs["middle"] > costs["small"] > 0


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


def scheduled(pytester: pytest.Pytester, n_nodes: int, *options: str, notes: list[str]) -> tuple[Any, list[Node]]:
    config = pytester.parseconfig("-p", "xdist", "--tx", f"{n_nodes}*popen", *options)
    scheduling = make_scheduler(config, None, TASKS, {}, notes.append)
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
    scheduling, nodes = scheduled(pytester, n_nodes, notes=[])
    finish(scheduling, *nodes)
    assert nodes[0].order == ["BE", "D", "AC"]


def test_workers_start_with_the_largest_datasets(pytester: pytest.Pytester) -> None:
    _, nodes = scheduled(pytester, 3, notes=[])
    assert [list(map(name_of, node.sent)) for node in nodes] == [["B", "E"], ["D"], ["A", "C"]]


def test_what_a_dead_worker_had_left_goes_to_another(pytester: pytest.Pytester) -> None:
    notes: list[str] = []
    scheduling, (dead,) = scheduled(pytester, 1, notes=notes)
    assert scheduling.remove_node(dead) is None
    assert notes == ["worker gw0 died while it ran B, which was started again"]
    replacement = Node("gw1", [])
    join(scheduling, replacement)
    scheduling.schedule()
    finish(scheduling, replacement)
    assert replacement.order == ["BE", "D", "AC"]


def test_an_item_of_which_two_workers_died_is_told_and_not_tried_again(pytester: pytest.Pytester) -> None:
    notes: list[str] = []
    scheduling, (first,) = scheduled(pytester, 1, notes=notes)
    scheduling.remove_node(first)
    second, third = Node("gw1", []), Node("gw2", [])
    join(scheduling, second)
    scheduling.schedule()
    assert scheduling.remove_node(second) == "tasks/test_mieb.py::test_mieb[B]"
    join(scheduling, third)
    scheduling.schedule()
    finish(scheduling, third)
    assert third.order == ["E", "D", "AC"]
    assert len(notes) == 1


def test_without_restarts_the_first_death_is_told(pytester: pytest.Pytester) -> None:
    scheduling, (dead,) = scheduled(pytester, 1, "--max-worker-restart=0", notes=[])
    assert scheduling.remove_node(dead) == "tasks/test_mieb.py::test_mieb[B]"


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        (["-n2"], None),
        (["-n2", "--dist", "load"], "load"),
        (["-n2", "--dist=loadfile"], "loadfile"),
        (["-d", "--tx", "2*popen"], "load"),
    ],
)
def test_a_distribution_of_the_users_is_told_from_a_number_of_workers(
    pytester: pytest.Pytester, options: list[str], chosen: str | None
) -> None:
    assert chosen_distribution(pytester.parseconfig("-p", "xdist", *options)) == chosen


def test_a_worker_that_dies_when_all_is_done_leaves_nothing(pytester: pytest.Pytester) -> None:
    scheduling, (node,) = scheduled(pytester, 1, notes=[])
    finish(scheduling, node)
    assert scheduling.remove_node(node) is None
