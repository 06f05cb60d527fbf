"""What tasks need of each dataset: bytes to download and on disk, and how much of it is there already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.pool import ThreadPool
from pathlib import Path

from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.hub import remembered
from pytest_mieb.data.mirroring import manifest
from pytest_mieb.data.mirroring.listing import cached, listed
from pytest_mieb.data.mirroring.needs import files_of, parquet_of, split_files_of
from pytest_mieb.suite import DatasetRef, Task
from pytest_mieb.support.hub import Patience, fault_in

_ASKED_AT_ONCE = 8
PATIENCE = Patience(tries=2, longest_wait=60.0, stall=60.0)


@dataclass(frozen=True)
class Need:
    """What tasks need of one dataset; None is what is not known.

    Args:
        ref: the dataset.
        tasks: that read it.
        gated: whether terms must be accepted before the hub gives it.
        download: bytes of the files that are read.
        on_disk: bytes of these, and of the copy that `datasets` prepares of what is not parquet.
        there: bytes of these files that need not be downloaded.
        about: whether the sizes are a measurement of the whole dataset, or of all that may be read of it.
        problem: why the hub says nothing of it; empty where it does.
    """

    ref: DatasetRef
    tasks: Sequence[Task]
    gated: bool | None = None
    download: int | None = None
    on_disk: int | None = None
    there: int | None = None
    about: bool = False
    problem: str = ""

    @property
    def licences(self) -> list[str]:
        """As the cards of its tasks have them."""
        return sorted({task.license for task in self.tasks if task.license})


def needs(
    tasks: Mapping[str, Sequence[Task]],
    mirror: Path | None,
    warn: Callable[[str], None],
    *,
    offline: bool,
    patience: Patience = PATIENCE,
) -> list[Need]:
    """What tasks, given by dataset, need: as the hub says, or, where it says nothing, as far as it is known here.

    Args:
        mirror: the folder in which to look for what is there; None for the hub's own cache.
        offline: whether the hub is not to be asked.
    """
    silent: list[DatasetError] = [DatasetError("")] if offline else []

    def need(own: Sequence[Task]) -> Need:
        ref = own[0].dataset
        if silent:
            return replace(_known_here(ref, own, mirror), problem=str(silent[0]))
        try:
            return _as_listed(ref, own, mirror, patience, warn)
        except DatasetError as error:
            fault = fault_in(error)
            if fault and fault.kind == "unreached":
                silent.append(error)
            return replace(_known_here(ref, own, mirror), problem=str(error))

    with ThreadPool(_ASKED_AT_ONCE) as pool:
        return pool.map(need, tasks.values(), chunksize=1)


def _as_listed(
    ref: DatasetRef, tasks: Sequence[Task], mirror: Path | None, patience: Patience, warn: Callable[[str], None]
) -> Need:
    """Raises DatasetError where the hub does not list it."""
    listing = listed(ref, tasks, patience, warn)
    copies = 1 if listing.parquet else 2
    there = 0
    record = manifest.read(mirror, ref.path) if mirror else None
    for name in listing.needed:
        size = listing.files[name].size
        if mirror is None:
            there += size if cached(ref.path, listing.commit, name, size) else 0
        elif record is None or record.commit == listing.commit:
            there += size if _has(mirror / ref.path / name, size) else 0
    return Need(ref, tasks, listing.gated, listing.n_bytes, copies * listing.n_bytes, there, about=not listing.exact)


def _known_here(ref: DatasetRef, tasks: Sequence[Task], mirror: Path | None) -> Need:
    """What a mirror's record, the hub's own cache or a card says."""
    found = _in_mirror(ref, tasks, mirror) if mirror else _in_cache(ref, tasks)
    if found:
        return found
    measured = round(max(task.download for task in tasks))
    if measured:
        return Need(ref, tasks, download=measured, on_disk=measured, about=True)
    return Need(ref, tasks)


def _in_mirror(ref: DatasetRef, tasks: Sequence[Task], mirror: Path) -> Need | None:
    """None where the mirror does not know all that is needed of it."""
    record = manifest.read(mirror, ref.path)
    if record is None or ref.revision not in (record.revision, record.commit):
        return None
    needed = files_of(tasks, record.repository, record.files)
    if not {*needed} >= {*split_files_of(tasks, record.repository)}:
        return None
    sizes = {name: record.files[name].size for name in needed}
    there = sum(size for name, size in sizes.items() if _has(mirror / ref.path / name, size))
    download = sum(sizes.values())
    copies = 1 if parquet_of(tasks, record.repository) else 2
    return Need(ref, tasks, None, download, copies * download, there)


def _in_cache(ref: DatasetRef, tasks: Sequence[Task]) -> Need | None:
    """None where it is not whole in the hub's own cache."""
    found = remembered(ref)
    if found is None or not found[1].configs:
        return None
    commit, repository = found
    try:
        needed = split_files_of(tasks, repository)
        files = [cached(ref.path, commit, name) for name in needed]
        copies = 1 if parquet_of(tasks, repository) else 2
    except DatasetError:
        return None
    there = [file.stat().st_size for file in files if file]
    if len(there) < len(needed):
        return None
    return Need(ref, tasks, None, sum(there), copies * sum(there), sum(there))


def _has(file: Path, size: int) -> bool:
    return file.is_file() and file.stat().st_size == size
