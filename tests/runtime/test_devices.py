"""Devices, and who shares them: without starting workers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_mieb.models import ModelError
from pytest_mieb.runtime import devices
from pytest_mieb.runtime.devices import Worker, choose_device, choose_devices, visible_gpus


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
from pytest_mieb.runtime.devices import lease
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
    monkeypatch.setattr(devices, "_held", [])
    import os

    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("auto", Worker("run", 2)) == "cuda"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4"
    for lock in devices._held:
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


def test_several_devices_are_one_processs_and_one_of_them_a_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    see(monkeypatch, 2, False)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(devices, "_held", [])
    monkeypatch.setattr(devices, "device_class", lambda device: "H100")
    assert choose_devices("cuda:0,cuda:1", None) == ("cuda:0", "cuda:1")
    assert choose_devices("cuda:1", None) == ("cuda:1",)
    assert [choose_devices("cuda:0,cuda:1", Worker("run", 2)) for _ in range(3)] == [
        ("cuda:0",),
        ("cuda:1",),
        ("cuda:0",),
    ]
    for lock in devices._held:
        lock.close()


def test_devices_of_different_kinds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    see(monkeypatch, 2, False)
    monkeypatch.setattr(devices, "device_class", lambda device: {"cuda:0": "H100", "cuda:1": "A100"}[device])
    with pytest.raises(ModelError) as refusal:
        choose_devices("cuda:0,cuda:1", None)
    assert str(refusal.value) == (
        "--mieb-device=cuda:0,cuda:1: embeddings of different devices differ (cuda:0 is H100, cuda:1 is A100); "
        "name equal ones"
    )


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


@pytest.mark.parametrize(
    ("own", "workers", "expected"), [(2, 0, 0), (3, 0, 0), (4, 0, 4), (16, 8, 0), (16, 2, 8), (128, 0, 32)]
)
def test_processes_are_started_where_threads_do_not_keep_all_processors_busy(
    monkeypatch: pytest.MonkeyPatch, own: int, workers: int, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(own), raising=False)
    worker = devices.Worker("run", workers) if workers else None
    assert devices.processes(worker) == expected
