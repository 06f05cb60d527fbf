"""Devices, and which worker gets what: without starting workers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mieb.models import ModelError
from pytest_mieb.runtime import distribution
from pytest_mieb.runtime.distribution import (
    Worker,
    choose_device,
    costs_of,
    group_of,
    make_scheduler,
    visible_gpus,
    worker_of,
)
from pytest_mieb.suite import DatasetRef, Task
from tests.builders import a_task


@pytest.mark.parametrize(
    ("environment", "gpus", "expected"),
    [
        ({}, 0, []),
        ({}, 3, ["0", "1", "2"]),
        ({"CUDA_VISIBLE_DEVICES": "2,5"}, 8, ["2", "5"]),
        ({"CUDA_VISIBLE_DEVICES": " 1 , 0 "}, 2, ["1", "0"]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-1a2b,MIG-3c"}, 1, ["GPU-1a2b", "MIG-3c"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, 2, []),  # the caller hides them all
    ],
)
def test_visible_gpus_are_the_callers_own_or_all(
    tmp_path: Path, environment: dict[str, str], gpus: int, expected: list[str]
) -> None:
    for number in range(gpus):
        (tmp_path / f"0000:{number:02}:00.0").mkdir()
    assert visible_gpus(environment, tmp_path) == expected


def test_a_machine_without_a_driver_has_no_gpu(tmp_path: Path) -> None:
    assert visible_gpus({}, tmp_path / "nothing") == []


LEASE = """
import sys
from pathlib import Path
from pytest_mieb.runtime.distribution import lease
print(lease(sys.argv[2].split(","), Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


class Workers:
    """Processes that lease a GPU and hold it until they are told to end, or are killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[str]] = []

    def start(self, gpus: str = "4,7") -> str:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", LEASE, str(self.folder), gpus],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        assert process.stdout is not None
        return process.stdout.readline().strip()

    def kill(self, place: int) -> None:
        process = self.running.pop(place)
        process.kill()
        process.communicate()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(tmp_path / "leases")
    yield workers
    while workers.running:
        workers.kill(0)


def test_each_worker_leases_a_gpu_of_its_own_and_then_they_share(workers: Workers) -> None:
    assert [workers.start() for _ in range(5)] == ["4", "7", "4", "7", "4"]


def test_the_replacement_of_a_dead_worker_gets_its_gpu(workers: Workers) -> None:
    assert [workers.start(), workers.start()] == ["4", "7"]
    workers.kill(0)
    assert workers.start() == "4"
    workers.kill(0)
    assert workers.start() == "7"


def test_a_worker_narrows_the_visible_devices_to_its_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(distribution, "_held", [])
    import os

    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("auto", Worker("run", 2)) == "cuda"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4"
    for lock in distribution._held:
        lock.close()


@pytest.mark.parametrize(
    ("asked", "cuda", "mps", "chosen"),
    [
        ("auto", 2, False, "cuda"),
        ("auto", 0, True, "mps"),
        ("auto", 0, False, "cpu"),
        ("cpu", 2, True, "cpu"),
        ("cuda:1", 2, False, "cuda:1"),
        ("mps", 0, True, "mps"),
    ],
)
def test_the_device_of_a_process(
    monkeypatch: pytest.MonkeyPatch, asked: str, cuda: int, mps: bool, chosen: str
) -> None:
    see(monkeypatch, cuda, mps)
    assert choose_device(asked, None) == chosen


@pytest.mark.parametrize(
    ("asked", "cuda", "there"), [("cuda", 0, "auto, cpu"), ("mps", 0, "auto, cpu"), ("cuda:2", 2, "auto, cuda, cuda:0")]
)
def test_a_device_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, asked: str, cuda: int, there: str
) -> None:
    see(monkeypatch, cuda, False)
    with pytest.raises(ModelError) as refusal:
        choose_device(asked, None)
    assert str(refusal.value).startswith(
        f"--mieb-device={asked}: torch does not see it; on this machine there are {there}"
    )


def see(monkeypatch: pytest.MonkeyPatch, cuda: int, mps: bool) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


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
