"""Shared places for tests: file systems that note what they are asked, that fail, or that are slow to be written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from pytest_mieb.embedding.shared import Patience, Shared

AT_ONCE = Patience(between_lists=0, asleep=0, at_end=20)
ASKED = ("ls", "find", "exists", "cat_file", "get_file", "put_file", "mv", "makedirs", "rm_file")


class WatchedFileSystem(LocalFileSystem):
    """`asked`: what was asked, and of which file; `fails`: what fails, and how; `cuts`: what breaks off once."""

    protocol: str | tuple[str, ...] = "watched"
    cachable = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.asked: list[tuple[str, str]] = []
        self.n_bytes = 0
        self.fails: dict[str, Exception] = {}
        self.cuts: set[str] = set()

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in ASKED:
            return found

        def noted(path: str, *rest: Any, **options: Any) -> Any:
            about = rest[0] if name in ("put_file", "mv") else path
            self.asked.append((name, str(about).rpartition("/")[2]))
            if name in self.fails:
                raise self.fails[name]
            result = found(path, *rest, **options)
            if name == "cat_file":
                self.n_bytes += len(result)
            if name in self.cuts:
                self.cuts.remove(name)
                if name == "get_file":
                    os.truncate(rest[0], 9)
                return result and result[:9]
            return result

        return noted

    def count(self, *names: str) -> int:
        return sum(name in names for name, _ in self.asked)


class BucketFileSystem(WatchedFileSystem):
    """A folder in the guise of a bucket: an object is whole or not there, and a prefix need not be made."""

    protocol = ("bucket", "s3")

    def put_file(self, path1: str, path2: str, **options: Any) -> None:
        Path(self._strip_protocol(path2)).parent.mkdir(parents=True, exist_ok=True)
        super().put_file(path1, path2, **options)


@contextmanager
def registered() -> Iterator[None]:
    for kind in (WatchedFileSystem, BucketFileSystem):
        name = kind.protocol if isinstance(kind.protocol, str) else kind.protocol[0]
        fsspec.register_implementation(name, kind, clobber=True)
    yield


def opened(url: str, warn: Any = print, patience: Patience = AT_ONCE) -> Shared:
    shared = Shared.opened(url, warn, patience)
    shared.reach()
    return shared
