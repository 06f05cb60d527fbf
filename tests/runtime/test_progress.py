"""What a process says of its work, and when."""

from __future__ import annotations

import threading
import time

import pytest

from pytest_mieb.runtime.devices import shown
from pytest_mieb.runtime.progress import Beacon, Progress, Status


def test_a_status_survives_the_way_to_another_process() -> None:
    status = Status("embedding", "CIFAR10", "cuda:3", 1200, 200, 2200)
    assert Status.loads(status.dumps()) == status


@pytest.mark.parametrize(
    ("status", "done", "lacking", "share"),
    [
        (Status(), 0, 0, 0.0),
        (Status("loading data", "A", embedded=5, before=5, goal=5), 0, 0, 0.0),
        (Status("loading data", "A", embedded=5, before=5, goal=3), 0, 0, 0.0),  # the goal of an earlier plan
        (Status("embedding", "A", embedded=5, before=5, goal=5), 0, 0, 0.0),
        (Status("embedding", "A", embedded=7, before=5, goal=13), 2, 8, 0.25),
        (Status("embedding", "A", embedded=13, before=5, goal=13), 8, 8, 1.0),
        (Status("scoring", "A", embedded=5, before=5, goal=5), 0, 0, 1.0),
        (Status("waiting", embedded=13), 13, 0, 0.0),
    ],
)
def test_how_much_of_a_task_is_done(status: Status, done: int, lacking: int, share: float) -> None:
    assert (status.done, status.lacking, status.share) == (done, lacking, share)


def test_the_stages_of_a_task() -> None:
    progress = Progress()
    assert progress.status("", 0, 0) == Status("starting")
    progress.enter("loading the model")
    assert progress.status("cpu", 0, 0) == Status("loading the model", None, "cpu")
    progress.begin("A", embedded=10)
    progress.enter("embedding")
    assert progress.status("cpu", 12, 20) == Status("embedding", "A", "cpu", 12, 10, 20)
    progress.rest()
    assert progress.status("cpu", 20, 20) == Status("waiting", None, "cpu", 20, 0, 0)


def test_a_beacon_tells_what_has_changed_and_now_and_then_that_it_lives() -> None:
    now, told, twice = [Status("starting")], list[Status](), threading.Event()

    def tell(text: str) -> None:
        told.append(Status.loads(text))
        if len(told) == 2:
            now[0] = Status("waiting")
        if told.count(Status("waiting")) == 3:
            twice.set()

    beacon = Beacon(lambda: now[0], tell, pause=0.01, sign_of_life=0.2)
    started = time.monotonic()
    beacon.start()
    assert twice.wait(20)
    beacon.stop()
    assert told == [Status("starting")] * 2 + [Status("waiting")] * 3
    assert time.monotonic() - started > 0.6  # one sign of life before the change, two after it


def test_a_beacon_ends_where_nobody_listens() -> None:
    asked = []

    def tell(text: str) -> None:
        asked.append(text)
        raise OSError("cannot send (already closed?)")

    beacon = Beacon(Status, tell, pause=0.01, sign_of_life=0.02)
    beacon.start()
    time.sleep(0.3)
    beacon.stop()
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("device", "environment", "expected"),
    [
        ("", {}, ""),
        ("cpu", {"CUDA_VISIBLE_DEVICES": "3"}, "cpu"),
        ("cuda:1", {}, "cuda:1"),
        ("cuda", {"CUDA_VISIBLE_DEVICES": "3"}, "cuda:3"),  # of a worker with a GPU of its own
        ("cuda:1", {"CUDA_VISIBLE_DEVICES": "2, 5"}, "cuda:5"),
        ("cuda:1", {"CUDA_VISIBLE_DEVICES": "2"}, "cuda:1"),  # set after torch had looked
    ],
)
def test_a_gpu_is_shown_by_its_number_on_the_machine(device: str, environment: dict[str, str], expected: str) -> None:
    assert shown(device, environment) == expected
