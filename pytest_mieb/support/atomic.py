"""Files that are there whole or not at all, and what processes left behind that died while they wrote."""

from __future__ import annotations

import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# `.<name>.<host>-<process>-<random>.tmp`: no other process has that name, on whatever host.
_TEMPORARY = re.compile(r"\..+\.(?P<host>[\w-]+)-(?P<process>\d+)-[0-9a-f]{16}\.tmp")
# After how long a file is nobody's whose process cannot be asked, because it ran on another host.
_FORGOTTEN = 24 * 3600.0


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A file to write in and to put in the place of `path`, which is gone after the block where that was not done."""
    temporary = path.with_name(f".{path.name}.{_host()}-{os.getpid()}-{secrets.token_hex(8)}.tmp")
    try:
        yield temporary
    finally:
        with suppress(OSError):  # an error of the block says more
            temporary.unlink(missing_ok=True)


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A file to write in, which takes the place of `path` at the end of the block; where that raises, nothing changes.

    Raises:
        OSError: it cannot be put there.
    """
    with beside(path) as temporary:
        yield temporary
        os.replace(temporary, path)


def sweep(folder: Path) -> None:
    """Remove what processes left in `folder` that were killed while they wrote a file there."""
    try:
        left = [(entry, match) for entry in os.scandir(folder) if (match := _TEMPORARY.fullmatch(entry.name))]
    except OSError:
        return
    for entry, match in left:
        with suppress(OSError):
            here = match["host"] == _host()
            if not _alive(int(match["process"])) if here else time.time() - entry.stat().st_mtime > _FORGOTTEN:
                os.unlink(entry.path)


def _host() -> str:
    return re.sub(r"[^\w-]+", "-", socket.gethostname())[:40] or "host"


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # another user's
    return True
