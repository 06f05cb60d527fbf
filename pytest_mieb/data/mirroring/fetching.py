"""Fetching datasets into a mirror: several files at once, each resumed where it broke off, and checked by its hash."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import NamedTuple, Protocol

from filelock import FileLock, Timeout

from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.mirroring import manifest
from pytest_mieb.data.mirroring.listing import cached
from pytest_mieb.data.mirroring.manifest import RECORDS, FileRecord, Manifest
from pytest_mieb.data.mirroring.planning import planned
from pytest_mieb.data.mirroring.receiving import StoppedError, receive
from pytest_mieb.data.remedies import unreadable
from pytest_mieb.suite import DatasetRef, Task
from pytest_mieb.support.hub import DamagedError, Patience, fault_in, insisting
from pytest_mieb.support.sizes import size_shown

PATIENCE = Patience(tries_of_stalled=2)
# Errors of the folder that the mirror lies in, after which no other file can be written either.
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# After how many files in a row that were asked for in vain the hub is not asked for others.
_IN_VAIN = 4
# After how many bytes more a file is asked for again as if for the first time.
_WORTH_A_TRY = 1 << 20
# Seconds between two times at which a dataset's record is written while its files come.
_KEPT_EVERY = 30.0


class Listener(Protocol):
    """Who is told how far a fetch is."""

    def warn(self, sentence: str) -> None: ...
    def listing(self, datasets: int) -> None:
        """So many datasets are asked for."""
        ...

    def listed(self, path: str) -> None: ...
    def starting(self, files: int, n_bytes: int) -> None:
        """So much lies ahead; what is there already counts too, for its hash is taken."""
        ...

    def moved(self, n_bytes: int) -> None:
        """So many bytes more have come, or were checked; below 0 where they were of no use."""
        ...

    def finished(self, path: str, name: str) -> None: ...


class MirrorError(Exception):
    """A mirror that nothing can be fetched into; the message says why, and what to do."""


@dataclass(frozen=True)
class Fetched:
    """What became of a fetch: its datasets, files and bytes that came over the network, and why datasets failed."""

    datasets: Sequence[str]
    files: int
    n_bytes: int
    problems: Mapping[str, str]


@dataclass
class _Plan:
    """The record of a dataset while its files come."""

    ref: DatasetRef
    record: Manifest
    files: dict[str, FileRecord]
    kept: float = 0.0

    def keep(self, mirror: Path) -> None:
        """Write the record as it stands; where that fails, files are checked again next time."""
        self.kept = time.monotonic()
        with suppress(OSError):
            replace(self.record, files=dict(self.files)).write(mirror)


class _Wanted(NamedTuple):
    """A file of a dataset, and where it goes."""

    plan: _Plan
    name: str
    record: FileRecord


@dataclass
class Fetch:
    """One fetch into a mirror.

    Args:
        mirror: its folder, made where it is not there.
        listener: told how far it is, by several threads.
        jobs: how many files at once.
        patience: with the hub.
    """

    mirror: Path
    listener: Listener
    jobs: int = 4
    patience: Patience = PATIENCE
    _stopped: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _problems: dict[str, str] = field(default_factory=dict)
    _hopeless: set[str] = field(default_factory=set)
    _in_vain: int = 0
    _gone: str = ""
    _files: int = 0
    _n_bytes: int = 0

    def run(self, tasks: Mapping[str, Sequence[Task]]) -> Fetched:
        """Fetch what tasks read; `tasks` are given by dataset.

        Datasets that fail do not stop the others. After an interruption of whatever kind the next fetch goes on from
        there.

        Raises:
            MirrorError: the disk has not enough room, and nothing is fetched; or another fetch is at work.
            OSError: the folder cannot be written.
        """
        records = self.mirror / RECORDS
        records.mkdir(parents=True, exist_ok=True)
        lock = FileLock(records / "fetch.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise MirrorError(f"another fetch into {self.mirror} is at work; wait for it") from None
        except (NotImplementedError, OSError):
            pass  # a file system without locks: of two at once the hashes find what went wrong
        try:
            return self._run(tasks)
        finally:
            lock.release()

    def _run(self, tasks: Mapping[str, Sequence[Task]]) -> Fetched:
        plans: list[_Plan] = []
        try:
            with ThreadPool(self.jobs) as pool:
                self.listener.listing(len(tasks))
                for plan in pool.imap(self._planned, tasks.values()):
                    plans += [plan] if plan else []
                wanted = [_Wanted(plan, name, record) for plan in plans for name, record in plan.files.items()]
                self._refuse_without_room(wanted)
                self.listener.starting(len(wanted), sum(each.record.size for each in wanted))
                for _ in pool.imap_unordered(self._get, wanted):
                    pass
        finally:
            self._stopped.set()  # for threads that are at work when the user has had enough
            for plan in plans:
                plan.keep(self.mirror)
        for plan in plans:
            self._end(plan)
        return Fetched(list(tasks), self._files, self._n_bytes, self._problems)

    def _planned(self, tasks: Sequence[Task]) -> _Plan | None:
        """A dataset's record as it will be, written at once: so whoever checks the mirror knows what is missing."""
        ref = tasks[0].dataset
        try:
            if self._gone:
                raise DatasetError(f"dataset {ref.path} was not asked for, as {self._gone}")
            before = manifest.read(self.mirror, ref.path)
            record = planned(ref, tasks, before, self.patience, self.listener.warn)
            for name, each in before.files.items() if before else ():
                if name not in record.files or record.files[name].digest != each.digest:  # of another revision
                    (self.mirror / ref.path / name).unlink(missing_ok=True)
            record.write(self.mirror)
            self._in_vain = 0
            return _Plan(ref, record, dict(record.files), time.monotonic())
        except (DatasetError, OSError) as error:
            self._fail(ref.path, error)
            return None
        finally:
            self.listener.listed(ref.path)

    def _refuse_without_room(self, wanted: Sequence[_Wanted]) -> None:
        needed = sum(each.record.size - self._there(each) for each in wanted)
        free = shutil.disk_usage(self.mirror).free
        if needed > free:
            raise MirrorError(
                f"{self.mirror} has {size_shown(free)} free where {size_shown(needed)} are to be fetched; make room, "
                "give a folder on another disk, or select fewer tasks"
            )

    def _there(self, wanted: _Wanted) -> int:
        """How many bytes of a file lie in the mirror."""
        for place in (self._place(wanted), self._partial(wanted)):
            with suppress(OSError):
                return min(place.stat().st_size, wanted.record.size)
        return 0

    def _place(self, wanted: _Wanted) -> Path:
        return self.mirror / wanted.plan.ref.path / wanted.name

    def _partial(self, wanted: _Wanted) -> Path:
        """Where a file lies while it comes: known by its hash, so that nothing else is ever appended to.

        And by its name, for a dataset may have two files of one content.
        """
        name = blake2b(wanted.name.encode(), digest_size=4).hexdigest()
        return self._staging(wanted.plan) / f"{wanted.record.digest.value}-{name}.part"

    def _staging(self, plan: _Plan) -> Path:
        return self.mirror / RECORDS / f"{plan.ref.path}.parts"

    def _get(self, wanted: _Wanted) -> None:
        path, place = wanted.plan.ref.path, self._place(wanted)
        if self._stopped.is_set() or path in self._hopeless:
            return
        meter = _Meter(self.listener.moved)
        try:
            if wanted.record.found_whole(place):
                meter.at(wanted.record.size)
            else:
                if not _is_right(wanted.record, place, meter):
                    place.unlink(missing_ok=True)
                    self._fetch(wanted, place, meter)
                wanted.plan.files[wanted.name] = wanted.record.stamped(place)
                if time.monotonic() - wanted.plan.kept > _KEPT_EVERY:
                    wanted.plan.keep(self.mirror)
            self.listener.finished(path, wanted.name)
        except StoppedError:
            return
        except (DatasetError, OSError) as error:
            self._fail(path, error)

    def _fetch(self, wanted: _Wanted, place: Path, meter: _Meter) -> None:
        """Put a file in its place, from the hub's own cache or over the network.

        Raises:
            DatasetError: the hub does not give it.
            OSError: it cannot be written.
        """
        plan, record, partial = wanted.plan, wanted.record, self._partial(wanted)
        path, commit = plan.ref.path, plan.record.commit

        def come() -> None:
            found = cached(path, commit, wanted.name, record.size)
            if found and not partial.exists() and not record.problem(found):
                shutil.copyfile(found, partial)
                meter.at(record.size)
            else:
                stall = self.patience.stall
                n_bytes = receive(
                    path, commit, wanted.name, partial, record.size, meter.at, self._refuse_to_go_on, stall
                )
                with self._lock:
                    self._files, self._n_bytes = self._files + 1, self._n_bytes + n_bytes
            if record.problem(partial):
                partial.unlink()
                meter.at(0)
                raise DamagedError(f"{wanted.name} has another {record.digest.kind}")
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(partial, place)

        if self._gone:
            raise DatasetError(f"dataset {path}: {wanted.name} was not asked for, as {self._gone}")
        partial.parent.mkdir(parents=True, exist_ok=True)
        what = f"dataset {path}, {wanted.name}"
        try:
            insisting(what, come, self.patience, self._warn, self._sleep, lambda: _size(partial) // _WORTH_A_TRY)
        except StoppedError:
            raise
        except Exception as error:  # clients of HTTP raise what they like
            if isinstance(error, OSError) and error.errno is not None and fault_in(error) is None:
                raise
            raise unreadable(plan.ref, "hub", error) from error
        self._in_vain = 0

    def _refuse_to_go_on(self) -> None:
        if self._stopped.is_set():
            raise StoppedError

    def _warn(self, sentence: str) -> None:
        if not self._stopped.is_set():
            self.listener.warn(sentence)

    def _sleep(self, seconds: float) -> None:
        self._stopped.wait(seconds)
        self._refuse_to_go_on()

    def _fail(self, path: str, error: DatasetError | OSError) -> None:
        if self._stopped.is_set():
            return
        fault = fault_in(error)
        with self._lock:
            self._problems.setdefault(path, _sentence(path, error))
            if fault is None or not fault.passes:
                self._hopeless.add(path)
            else:
                self._in_vain += 1
                if self._in_vain >= _IN_VAIN:
                    self._gone = fault.sentence
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            self._gone = f"the disk of {self.mirror} takes no more ({error.strerror}); make room and fetch again"
            self._stopped.set()

    def _end(self, plan: _Plan) -> None:
        """Whether a dataset is whole; what is left of its parts is removed then."""
        path = plan.ref.path
        missing = [name for name, record in plan.files.items() if not record.found_whole(self.mirror / path / name)]
        if missing:
            why = f"{len(missing)} of its {len(plan.files)} files were not fetched"
            self._problems.setdefault(path, f"dataset {path}: {why}" + (f", as {self._gone}" if self._gone else ""))
        elif path not in self._problems:
            shutil.rmtree(self._staging(plan), ignore_errors=True)


@dataclass
class _Meter:
    """How much of a file is there, told as what is more or less than before."""

    moved: Callable[[int], None]
    told: int = 0

    def at(self, n_bytes: int) -> None:
        self.moved(n_bytes - self.told)
        self.told = n_bytes


def _is_right(record: FileRecord, file: Path, meter: _Meter) -> bool:
    """Whether a file of which nothing is known, from another download perhaps, is what the hub has."""
    right = file.is_file() and not record.problem(file, lambda n_bytes: meter.at(meter.told + n_bytes))
    if not right:
        meter.at(0)
    return right


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _sentence(path: str, error: DatasetError | OSError) -> str:
    if isinstance(error, DatasetError):
        return str(error)
    return f"dataset {path}: {error.filename or 'a file'} cannot be written ({error.strerror or error})"
