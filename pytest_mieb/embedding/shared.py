"""The store's folders in a place that several machines reach: a bucket, or a folder on a network, opened by fsspec."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import sample
from typing import Any, NamedTuple, TypeVar

from pytest_mieb.embedding.sending import Sender
from pytest_mieb.models.errors import first_line
from pytest_mieb.support import arrays
from pytest_mieb.support.atomic import written
from pytest_mieb.support.retrying import wait_before

SHARD = arrays.SUFFIX
DAMAGED = ".damaged"
# Where an object is there whole or not at all; elsewhere a file is put under another name and renamed.
_OBJECTS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "oci"})
# Requests that are under way at the same time, as each waits for its answer.
_AT_ONCE = 8
# What is read of a shard at first: the header, and the keys of as many items as are mostly written at once.
_HEAD = 1024 + 16 * 4096
_TEMPORARY = re.compile(r"\..+\.(?P<since>\d+)-[0-9a-f]{16}\.tmp")
_FORGOTTEN = 24 * 3600
_BROKE_OFF = "it broke off in the middle of a file"
Given = TypeVar("Given")
Result = TypeVar("Result")


class SharedError(Exception):
    """The shared place cannot be used; the message says why, and what to do."""


@dataclass(frozen=True)
class Patience:
    """How often a folder is listed at most, how often a request is sent that fails, and for how long, in seconds, a
    place that failed is let alone, and one that files are still sent to is waited for at the end.
    """

    between_lists: float = 60.0
    tries: int = 3
    asleep: float = 300.0
    at_end: float = 120.0


class Place(NamedTuple):
    """A URL as it is shown, the path that it has in its file system, and that."""

    url: str
    path: str
    fs: Any


def located(url: str) -> Place:
    """Where a URL or the path of a folder leads; nothing is asked of it. Raises SharedError."""
    from fsspec.core import url_to_fs

    shown = re.sub(r"//[^/@]*@", "//", url)  # without a password
    try:
        fs, path = url_to_fs(url)
    except ImportError as error:
        raise SharedError(f"{shown}: {_remedy(url, error)}") from error
    except Exception as error:
        raise SharedError(
            f"{shown}: {first_line(error)}; give a folder, or a URL that fsspec opens, such as s3://bucket/mieb"
        ) from error
    return Place(shown.rstrip("/"), path.rstrip("/"), fs)


def asked(action: Callable[[], Result], tries: int = Patience.tries) -> Result:
    """The result of a request, which is sent again where its error may pass. Raises FileNotFoundError, SharedError."""
    for attempt in range(1, tries + 1):
        try:
            return action()
        except FileNotFoundError:
            raise
        except Exception as error:  # every file system has errors of its own
            if attempt == tries or isinstance(error, PermissionError | NotADirectoryError):
                raise SharedError(first_line(error)) from error
        time.sleep(wait_before(attempt - 1, {}))
    raise AssertionError("unreachable")


def side_by_side(action: Callable[[Given], Result], over: Iterable[Given]) -> Iterator[Result]:
    """The results in order; the first error ends it, and what has not begun by then is not done."""
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="mieb-shared")
    try:
        yield from pool.map(action, over)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class Head(NamedTuple):
    """The first bytes of a shard of `size` bytes, its keys among them."""

    name: str
    size: int
    content: bytes


@dataclass
class _Line:
    """The way to a shared place; `told`: somebody was warned that nothing can be read."""

    warn: Callable[[str], None]
    patience: Patience
    told: bool = False
    asleep_until: float = 0.0

    @property
    def asleep(self) -> bool:
        return time.monotonic() < self.asleep_until


@dataclass(eq=False)
class Shared:
    """A folder of the shared place, with the same files under the same names as the local one beside it.

    Files never change once they are there, and no lock is taken. Trouble never stops a run: where nothing can be read,
    that is told once, and the place is let alone for a while; what cannot be sent is told by `close`.
    """

    url: str
    path: str
    fs: Any
    line: _Line
    sender: Sender = field(default_factory=Sender)
    _listed_next: float = 0.0

    @classmethod
    def opened(cls, url: str, warn: Callable[[str], None] = print, patience: Patience | None = None) -> Shared:
        """The place itself; nothing is asked of it yet. Raises SharedError: its package lacks, or the URL is wrong."""
        return cls(*located(url), _Line(warn, patience or Patience()))

    def part(self, *names: str) -> Shared:
        """A folder inside this one."""
        below = "/".join(names)
        return Shared(f"{self.url}/{below}", f"{self.path}/{below}", self.fs, self.line, self.sender)

    def reach(self) -> None:
        """Look whether it is there, and make it where the folder it lies in is. Raises SharedError."""
        try:
            found = self.fs.ls(self.path, detail=True)
            if [(each["name"], each["type"]) for each in found] == [(self.path, "file")]:
                raise NotADirectoryError("it is a file")
        except FileNotFoundError as error:
            try:
                self.fs.mkdir(self.path, create_parents=False)
            except FileExistsError:  # a worker beside this one was faster
                pass
            except Exception as refused:
                raise SharedError(
                    f"{self.url}: it is not there, nor can it be made ({first_line(refused)}); make it, or mend the URL"
                ) from error
        except Exception as error:
            raise SharedError(
                f"{self.url}: it cannot be reached ({first_line(error)}); correct the URL or what gives access to it, "
                "or leave it out"
            ) from error

    def news(self, known: Collection[str]) -> Iterator[Head]:
        """The beginning of every shard that is not known; nothing where the folder was listed a moment ago."""
        if self.line.asleep or time.monotonic() < self._listed_next:
            return
        self._listed_next = time.monotonic() + self.line.patience.between_lists
        with self._telling():
            sizes = self._sizes()
            new = sorted(sizes.keys() - known)
            yield from filter(None, side_by_side(lambda name: self._head(name, sizes[name]), new))

    def fetch(self, sizes: Mapping[str, int], folder: Path) -> None:
        """Bring shards of these sizes into a local folder, but for those that are gone or cannot be fetched now."""
        if not self.line.asleep:
            with self._telling():
                list(side_by_side(lambda name: self._fetch(name, sizes[name], folder / name), sizes))

    def bring(self, name: str, folder: Path) -> None:
        """Bring the small file of this name from every subfolder that has one, where the local one lacks it."""
        if self.line.asleep:
            return
        with self._telling():
            for below in self._subfolders():
                file = folder / below / name
                if not file.exists():
                    with suppress(FileNotFoundError):
                        content = self._ask(partial(self.fs.cat_file, f"{self.path}/{below}/{name}"))
                        file.parent.mkdir(parents=True, exist_ok=True)
                        with written(file) as temporary:
                            temporary.write_bytes(content)

    def set_aside(self, name: str) -> None:
        """Rename a damaged shard, where that is allowed."""
        with suppress(Exception):  # then whoever comes to it next finds it damaged too
            self.fs.mv(f"{self.path}/{name}", f"{self.path}/{name}{DAMAGED}")

    def send(self, file: Path) -> None:
        """Put a local file here, in the background."""
        self.sender.add(partial(self._put, file, f"{self.path}/{file.name}"))

    def renew(self, file: Path) -> None:
        """Put a small local file in the place of that here, in the background; it may be torn for a moment."""
        self.sender.add(partial(self._copy, file, f"{self.path}/{file.name}"))

    def catch_up(self, folder: Path, files: Sequence[Path]) -> None:
        """Put here, in the background, those of a local folder's files that lack: a run was killed, or cut off."""
        self.sender.add(partial(self._catch_up, folder, files))

    def close(self) -> None:
        """Wait, but not without end, for what is still being sent."""
        left = self.sender.close(self.line.patience.at_end)
        if left:
            why = self.sender.trouble or f"it takes longer than {self.line.patience.at_end:.0f} seconds"
            self.line.warn(
                f"{left} {'files' if left > 1 else 'file'} of embeddings could not be sent to {self.url} ({why}): "
                "nothing is lost, and the next run with this --mieb-cache sends what lacks there"
            )

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (SharedError, OSError) as error:
            self.line.asleep_until = time.monotonic() + self.line.patience.asleep
            if not self.line.told:
                self.line.told = True
                self.line.warn(
                    f"shared embeddings cannot be read from {self.url} ({first_line(error)}): the run goes on, and "
                    "embeds again what this machine has not stored"
                )

    def _ask(self, action: Callable[[], Result]) -> Result:
        return asked(action, self.line.patience.tries)

    def _list(self) -> list[dict[str, Any]]:
        self.fs.invalidate_cache(self.path)
        try:
            found: list[dict[str, Any]] = self._ask(partial(self.fs.ls, self.path, detail=True))
        except FileNotFoundError:  # nobody has stored anything yet
            return []
        return found

    def _sizes(self) -> dict[str, int]:
        files = ((_name(each["name"]), each) for each in self._list() if each["type"] == "file")
        return {name: each["size"] for name, each in files if name.endswith(SHARD) and not name.startswith(".")}

    def _subfolders(self) -> list[str]:
        return sorted(_name(each["name"]) for each in self._list() if each["type"] == "directory")

    def _head(self, name: str, size: int) -> Head | None:
        """None where it was removed meanwhile."""
        read = partial(self._read, f"{self.path}/{name}")
        try:
            content = self._ask(partial(read, 0, min(_HEAD, size)))
            with suppress(arrays.DamagedError, KeyError):  # said by whoever looks for the keys
                end = arrays.header(content, size).extents["keys"].stop
                if end > len(content):
                    content += self._ask(partial(read, len(content), end))
        except FileNotFoundError:
            return None
        return Head(name, size, content)

    def _read(self, path: str, start: int, end: int) -> bytes:
        content: bytes = self.fs.cat_file(path, start=start, end=end)
        if len(content) != end - start:
            raise OSError(_BROKE_OFF)
        return content

    def _fetch(self, name: str, size: int, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError), written(file) as temporary:
            self._ask(partial(self._get, f"{self.path}/{name}", size, temporary))

    def _get(self, path: str, size: int, file: Path) -> None:
        self.fs.get_file(path, str(file))
        if file.stat().st_size != size:
            raise OSError(_BROKE_OFF)

    def _put(self, file: Path, path: str) -> None:
        """Nothing that is damaged or gone is put anywhere: the run that comes to it embeds again."""
        try:
            if file.name.endswith(SHARD):
                arrays.check(file)
        except (arrays.DamagedError, FileNotFoundError):
            return
        protocols = self.fs.protocol if isinstance(self.fs.protocol, tuple | list) else (self.fs.protocol,)
        if _OBJECTS.intersection(protocols):
            self._copy(file, path)
            return
        folder, _, name = path.rpartition("/")
        temporary = f"{folder}/.{name}.{int(time.time())}-{secrets.token_hex(8)}.tmp"
        self._copy(file, temporary)
        self.fs.mv(temporary, path)

    def _copy(self, file: Path, path: str) -> None:
        try:
            self.fs.put_file(str(file), path)
        except FileNotFoundError:  # only some places have folders that must be made
            if file.exists():
                self.fs.makedirs(path.rpartition("/")[0], exist_ok=True)
                self.fs.put_file(str(file), path)

    def _catch_up(self, folder: Path, files: Sequence[Path]) -> None:
        self.fs.invalidate_cache(self.path)
        there = {path.removeprefix(self.path).lstrip("/"): path for path in self.fs.find(self.path)}
        for name, path in there.items():
            match = _TEMPORARY.fullmatch(_name(name))
            if match and time.time() - int(match["since"]) > _FORGOTTEN:
                with suppress(Exception):
                    self.fs.rm_file(path)
        lacking = [file for file in files if file.relative_to(folder).as_posix() not in there]
        # What says whose they are goes first; workers that start together then begin with different ones.
        for file in sorted(sample(lacking, len(lacking)), key=lambda file: file.suffix == SHARD):
            self.sender.add(partial(self._put_unless_there, file, f"{self.path}/{file.relative_to(folder).as_posix()}"))

    def _put_unless_there(self, file: Path, path: str) -> None:
        if not self.fs.exists(path):
            self._put(file, path)


def _name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _remedy(url: str, error: ImportError) -> str:
    from fsspec.registry import known_implementations

    about = known_implementations.get(url.partition(":")[0], {})
    package = about.get("class", "").partition(".")[0]
    return f"{first_line(error)}{f' (pip install {package})' if package not in ('', 'fsspec') else ''}"
