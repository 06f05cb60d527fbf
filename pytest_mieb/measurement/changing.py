"""Changing a baseline that others may be changing at the same time, so that nobody's change is lost."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from pytest_mieb.measurement.baseline import Baseline, BaselineError, write

Lock = Callable[[Path], AbstractContextManager[object]]
# In seconds: how long to wait for a lock, which is held for a tenth; how long a change has to hold; and how long at
# most before another try, twice as long after each, so that those who try at the same time meet less and less.
PATIENCE = 60.0
PAUSE, LONGEST_PAUSE = 0.03, 1.0
TRIES = 20


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock on a file: nobody else who asks for it gets it meanwhile.

    It is a file beside the other one, made where there is none and removed at the end. So it lies on the same file
    system, where other hosts see it; making a file is atomic also where flock is not, as on NFS; and nothing is left to
    be committed. What a process left that died on this host is taken over.

    Raises:
        BaselineError: somebody held it all the time.
    """
    from filelock import SoftFileLock, Timeout

    file = path.with_name(f".{path.name}.lock")
    lock = SoftFileLock(file, timeout=PATIENCE)
    try:
        lock.acquire()
    except Timeout as error:
        raise BaselineError(
            f"{path}: another --mieb-update has been writing it for {PATIENCE:g} seconds; wait for it, or where there "
            f"is none remove {file}, and record again"
        ) from error
    try:
        yield
    finally:
        lock.release()


def change(path: Path, edit: Callable[[], Baseline], held: Callable[[], bool], lock: Lock = exclusive) -> None:
    """Replace a baseline by what `edit` makes of the one that stands there, whole or not at all.

    A lock may be weak. So the file is replaced only if it still is what it was before `edit` read it, and afterwards
    `held` has to say that the change is in it; otherwise `edit` is called again.

    Raises:
        BaselineError: others changed it each time, or held the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with lock(path):
        for turn in range(TRIES):
            unchanged = partial(_holds, path, _content(path))
            if write(edit(), path, unchanged):
                time.sleep(PAUSE)  # for who looked before this and is about to write over it
                if held():
                    return
            time.sleep(random.uniform(0, min(PAUSE * 2**turn, LONGEST_PAUSE)))
    raise BaselineError(
        f"{path}: others changed it while it was being written, {TRIES} times in a row; record again when they are done"
    )


def _holds(path: Path, content: bytes | None) -> bool:
    return _content(path) == content


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
