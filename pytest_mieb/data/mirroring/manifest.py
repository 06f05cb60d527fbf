"""A mirror's record of one dataset: its commit, its files with their hashes, and how the hub describes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_mieb.data.digest import Digest
from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.repository import Repository
from pytest_mieb.support.atomic import written

# Beside the datasets, so that theirs are the hub's files and nothing else.
RECORDS = ".pytest-mieb"
_FORMAT = 1


@dataclass(frozen=True)
class FileRecord:
    """A file as the hub lists it; `checked` is its time of change when it was last found to be just that."""

    size: int
    digest: Digest
    checked: int | None = None

    def found_whole(self, file: Path) -> bool:
        """Whether it was, and is of the same size and time as then."""
        try:
            status = file.stat()
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (self.size, self.checked)

    def stamped(self, file: Path) -> FileRecord:
        """The record of a file that was just found to be whole. Raises OSError."""
        return replace(self, checked=file.stat().st_mtime_ns)

    def problem(self, file: Path, read: Callable[[int], None] = lambda n_bytes: None) -> str:
        """What is wrong with the file; empty where nothing is. `read` hears of every piece that is read."""
        try:
            if not file.is_file():
                return "missing"
            size = file.stat().st_size
            if size != self.size:
                return f"damaged: {size:,} bytes where the hub has {self.size:,}"
            if self.digest.of(file, size, read) != self.digest:
                return f"damaged: its {self.digest.kind} is another than the hub's"
        except OSError as error:
            return f"cannot be read ({error.strerror})"
        return ""


@dataclass(frozen=True)
class Manifest:
    """One dataset of a mirror.

    Args:
        path: org/name.
        revision: as cards name it.
        commit: what that was.
        files: all that belong into the mirror, by their path in the repository.
        repository: configs and splits of the whole repository, of whose files the mirror may hold some only.
        part: how it was cut down, where it was; such a one cannot be fetched into.
    """

    path: str
    revision: str
    commit: str
    files: Mapping[str, FileRecord]
    repository: Repository
    part: str = ""

    def write(self, mirror: Path) -> None:
        """Keep it in a mirror. Raises OSError."""
        file = record_of(mirror, self.path)
        file.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "format": _FORMAT,
            "path": self.path,
            "revision": self.revision,
            "commit": self.commit,
            "part": self.part,
            "files": {
                name: {"size": each.size, each.digest.kind: each.digest.value, "checked": each.checked}
                for name, each in sorted(self.files.items())
            },
            "repository": self.repository.content(),
        }
        with written(file) as temporary:
            temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")


def record_of(mirror: Path, path: str) -> Path:
    """Where a mirror keeps the record of a dataset."""
    return mirror / RECORDS / f"{path}.json"


def read(mirror: Path, path: str) -> Manifest | None:
    """The record of a dataset; None where the mirror has none, for it was made by other means.

    Raises:
        DatasetError: it cannot be read.
    """
    file = record_of(mirror, path)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise ValueError(f"it has format {content['format']}, not {_FORMAT}")
        files = {name: _file(each) for name, each in content["files"].items()}
        repository = Repository.of_content(content["repository"])
        own = (content["path"], content["revision"], content["commit"])
        return Manifest(*own, files, repository, content["part"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"dataset {path}: {file} cannot be read ({type(error).__name__}: {error}); remove it, and fetch the "
            "dataset again: files that are whole are kept"
        ) from error


def _file(content: Mapping[str, Any]) -> FileRecord:
    kind = "sha256" if "sha256" in content else "git"
    return FileRecord(int(content["size"]), Digest(kind, str(content[kind])), content["checked"])


def recorded(mirror: Path) -> list[str]:
    """The datasets, org/name, of which a mirror has a record."""
    below = mirror / RECORDS
    return sorted(file.relative_to(below).as_posix().removesuffix(".json") for file in below.glob("*/*.json"))
