"""Folders among the machine's temporary files that are good for one run, and those of runs that died."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

PREFIX = "pytest-mieb-run-"
_LOCK = "alive.lock"
_MEMORY = Path("/dev/shm")
# A folder may be this old, in seconds, before whoever made it holds a lock in it.
_NEW = 60.0


class Scratch:
    """A folder for one process; those of processes that were killed are removed as it is made.

    `in_memory`: what is written in it takes memory and no disk, where the system has such a place.
    """

    def __init__(self, *, in_memory: bool = False) -> None:
        from filelock import FileLock

        sweep()
        place = _MEMORY if in_memory and os.access(_MEMORY, os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        self._lock = FileLock(self.folder / _LOCK)
        self._lock.acquire()

    def remove(self) -> None:
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)


def sweep(now: float | None = None) -> None:
    """Remove the folders of runs that died: the system freed the locks that they held.

    One without a lock goes only if it is empty: its process was killed before it took one, or it is somebody else's.
    """
    now = time.time() if now is None else now
    for folder in (folder for place in (Path(tempfile.gettempdir()), _MEMORY) for folder in place.glob(f"{PREFIX}*")):
        with suppress(OSError):
            if folder.is_symlink() or not folder.is_dir() or now - folder.stat().st_mtime < _NEW:
                continue
            locks = list(folder.glob("*.lock"))
            if not locks:
                folder.rmdir()
            elif all(map(_free, locks)):
                shutil.rmtree(folder, ignore_errors=True)


def _free(lock: Path) -> bool:
    from filelock import FileLock, Timeout

    try:
        with FileLock(lock, timeout=0):
            return True
    except Timeout:
        return False
