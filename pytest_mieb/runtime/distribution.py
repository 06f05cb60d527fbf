"""What is different when pytest-xdist spreads a run: devices, processors, and which worker gets which task."""

from __future__ import annotations

import os
import tempfile
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pytest_mieb.models.errors import ModelError
from pytest_mieb.plugin.keys import task_in
from pytest_mieb.support.scratch import PREFIX

if TYPE_CHECKING:
    import pytest

    from pytest_mieb.suite import Task

_held: list[IO[str]] = []


@dataclass(frozen=True)
class Worker:
    """This process as a worker of pytest-xdist."""

    run: str
    count: int


def worker_of(config: pytest.Config) -> Worker | None:
    """The worker that this process is, or None outside of xdist's workers."""
    given: Mapping[str, Any] | None = getattr(config, "workerinput", None)
    return Worker(str(given["testrunuid"]), int(given["workercount"])) if given else None


def choose_device(asked: str, worker: Worker | None) -> str:
    """The torch device of this process; a worker takes a GPU of its own where there are several.

    Must be called before torch is imported: it narrows CUDA_VISIBLE_DEVICES to the leased GPU.

    Raises:
        ModelError: there is no such device.
    """
    if worker and asked in ("auto", "cuda"):
        gpus = visible_gpus(os.environ)
        if len(gpus) > 1:
            folder = Path(tempfile.gettempdir()) / f"{PREFIX}{worker.run}"
            os.environ["CUDA_VISIBLE_DEVICES"] = lease(gpus, folder)
    if asked == "cpu":
        return asked
    import torch

    there = [f"cuda:{number}" for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    there = [*(["cuda"] if there else []), *there, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]
    if asked == "auto":
        return there[0]
    if asked not in there:
        raise ModelError(
            f"--mieb-device={asked}: torch does not see it; on this machine there are auto, {', '.join(there)}"
        )
    return asked


def device_class(device: str) -> str:
    """What a score may depend on: cpu, mps, or the name of the GPU."""
    if not device.startswith("cuda"):
        return device
    import torch

    return torch.cuda.get_device_name(device)


def visible_gpus(environment: Mapping[str, str], listing: Path = Path("/proc/driver/nvidia/gpus")) -> Sequence[str]:
    """What may stand in CUDA_VISIBLE_DEVICES: the caller's own entries, or 0..n-1 for all GPUs of the machine."""
    given = environment.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [entry.strip() for entry in given.split(",") if entry.strip()]
    return [str(number) for number in range(len(list(listing.iterdir())))] if listing.is_dir() else []


def lease(gpus: Sequence[str], folder: Path) -> str:
    """The GPU with the fewest holders among the processes that share `folder`; held until this process ends.

    The operating system frees the lock of a process that dies, so a worker's replacement gets its GPU.
    """
    import fcntl

    turn = 0
    while True:
        for place, gpu in enumerate(gpus):
            folder.mkdir(parents=True, exist_ok=True)
            file = open(folder / f"{place}.{turn}.lock", "w")  # noqa: SIM115 - held open while the lease lasts
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                continue
            _held.append(file)
            return gpu
        turn += 1


def share_processors(worker: Worker | None) -> None:
    """Give each worker its part of the processors: by default every one would start a thread for each of them."""
    if worker:
        import torch

        torch.set_num_threads(max(1, (os.cpu_count() or 1) // worker.count))


def group_of(nodeid: str, tasks: Mapping[str, Task]) -> str:
    """What runs on one worker: the tasks of one dataset, whose inputs are then embedded once; else each test alone."""
    name = task_in(nodeid, tasks)
    return tasks[name].dataset.path if name else nodeid


def costs_of(tasks: Mapping[str, Task]) -> Mapping[str, int]:
    """How many rows each group reads, as the cards expect."""
    costs: Counter[str] = Counter()
    for task in tasks.values():
        costs[task.dataset.path] += sum(task.expected.values())
    return costs


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
