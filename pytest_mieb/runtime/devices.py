"""The device and the processors of one process, also where several share a machine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pytest_mieb.models.errors import ModelError
from pytest_mieb.support.scratch import PREFIX

# So many threads decode pictures as fast as as many processes; each of these takes half a gigabyte.
_FEW, _MANY = 3, 32
_held: list[IO[str]] = []


@dataclass(frozen=True)
class Worker:
    """This process as one of `count` that share a run and a machine."""

    run_id: str
    count: int


def choose_devices(asked: str, worker: Worker | None) -> tuple[str, ...]:
    """The torch devices of this process, one or, as `cuda:0,cuda:1`, several; a worker takes one of several.

    Must be called before torch is imported: it may narrow CUDA_VISIBLE_DEVICES to the leased GPU.

    Raises:
        ModelError: there is no such device, or they are of different kinds, so that scores would depend on which of
            them embeds what.
    """
    several = asked.split(",")
    if len(several) == 1:
        return (choose_device(asked, worker),)
    if worker:
        return (choose_device(lease(several, _leases(worker)), worker),)
    found = tuple(choose_device(each, None) for each in several)
    kinds = {device: device_class(device) for device in found}
    if len(set(kinds.values())) > 1:
        named = ", ".join(f"{device} is {kind}" for device, kind in kinds.items())
        raise ModelError(f"--mieb-device={asked}: embeddings of different devices differ ({named}); name equal ones")
    return found


def choose_device(asked: str, worker: Worker | None) -> str:
    """The torch device of this process; a worker takes a GPU of its own where there are several.

    Raises:
        ModelError: there is no such device.
    """
    if worker and asked in ("auto", "cuda"):
        gpus = visible_gpus(os.environ)
        if len(gpus) > 1:
            os.environ["CUDA_VISIBLE_DEVICES"] = lease(gpus, _leases(worker))
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


def _leases(worker: Worker) -> Path:
    """The folder in which the workers of a run lease devices."""
    return Path(tempfile.gettempdir()) / f"{PREFIX}{worker.run_id}"


def device_class(device: str) -> str:
    """What a score may depend on: cpu, mps, or the name of the GPU."""
    if not device.startswith("cuda"):
        return device
    import torch

    return torch.cuda.get_device_name(device)


def shown(device: str, environment: Mapping[str, str]) -> str:
    """A device as people know it: a GPU by its entry in CUDA_VISIBLE_DEVICES, of which a worker sees its own only."""
    kind, _, number = device.partition(":")
    entries = visible_gpus(environment) if "CUDA_VISIBLE_DEVICES" in environment else ()
    place = int(number or 0)
    return f"cuda:{entries[place]}" if kind == "cuda" and place < len(entries) else device


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


def processors(worker: Worker | None) -> int:
    """How many processors this process may keep busy."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, own // (worker.count if worker else 1))


def processes(worker: Worker | None) -> int:
    """How many more processes are worth starting: threads alone keep a few processors busy as well."""
    own = processors(worker)
    return min(own, _MANY) if own > _FEW else 0


def share_processors(worker: Worker | None) -> None:
    """Give each worker its part of the processors: by default every one would start a thread for each of them."""
    if worker:
        import torch

        torch.set_num_threads(max(1, (os.cpu_count() or 1) // worker.count))
