"""The code that a score depends on, as a hash: a result is not taken over from another one."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from pathlib import Path

from pytest_mieb.data import layouts
from pytest_mieb.protocols import protocol_of
from pytest_mieb.suite import Task

_PACKAGE = Path(__file__).parents[1]
_FOLDERS = ("data", "embedding", "protocols")
_FILES = (_PACKAGE / "runtime" / "evaluation.py", _PACKAGE / "measurement" / "result.py")


def digest(task: Task) -> str:
    """The hash of what reads, embeds and scores a task, another package's protocol or layout included."""
    others = (protocol_of(task).score, layouts.known()[task.dataset.layout].read)
    files = {Path(file) for each in others if (file := inspect.getsourcefile(each))}
    return _digest(tuple(sorted(file for file in files if _PACKAGE not in file.parents)))


@cache
def _digest(others: tuple[Path, ...]) -> str:
    own = sorted(file for folder in _FOLDERS for file in (_PACKAGE / folder).rglob("*.py"))
    return _hash((*own, *_FILES, *others))


def _hash(files: Iterable[Path]) -> str:
    found = blake2b(digest_size=8)
    for file in files:
        content = file.read_bytes()
        found.update(f"{file.name} {len(content)}\n".encode() + content)
    return found.hexdigest()
