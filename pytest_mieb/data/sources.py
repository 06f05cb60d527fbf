"""The ways to get a dataset: the hub, a mirror of it in a folder, or the miniature."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pytest_mieb.data.columns import ArrowColumns, Columns, ParquetColumns
from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.hub import Hub
from pytest_mieb.data.mirroring import manifest
from pytest_mieb.data.mirroring.manifest import Manifest
from pytest_mieb.data.opening import by_itself_if_need_be, declared_features, features_in, whole
from pytest_mieb.data.remedies import translated
from pytest_mieb.data.repository import Config, Repository, in_folder
from pytest_mieb.suite import DatasetRef
from pytest_mieb.support.hub import Line

if TYPE_CHECKING:
    from datasets import Dataset, Features


class Source(Protocol):
    """Where datasets come from.

    `name` is shown to people. `checks_sizes` says whether a dataset has the number of rows that its card expects;
    where `any_size`, another number is noted, not refused. `memory` is a folder where the keys of pictures are kept
    from run to run; None: they are computed each time.
    """

    @property
    def name(self) -> str: ...
    @property
    def memory(self) -> Path | None: ...
    @property
    def checks_sizes(self) -> bool: ...
    @property
    def any_size(self) -> bool: ...
    def state(self, ref: DatasetRef) -> str | None:
        """What names the dataset's content, the same in every process; None where that is not known at once."""
        ...

    def configs(self, ref: DatasetRef) -> list[str]: ...
    def splits(self, ref: DatasetRef, config: str | None) -> list[str]: ...
    def columns(self, ref: DatasetRef, config: str | None, split: str) -> Columns: ...


@dataclass(frozen=True)
class Mirror:
    """Datasets in a folder, `<folder>/<org>/<name>/` each as a snapshot download of the hub lays it.

    The mirror's record of a dataset that `pytest-mieb data` put there says how the hub describes it: then files that
    no task reads may be missing.

    `cache` is where `datasets` keeps what it prepares of those that are not plain parquet, apart for every state of
    every folder: by itself it tells neither two folders of one name apart, nor a folder from what it was before its
    files were replaced.
    """

    folder: Path
    cache: Path
    checks_sizes: bool = True
    any_size: bool = False

    @property
    def name(self) -> str:
        return str(self.folder)

    @property
    def memory(self) -> Path | None:
        return self.cache / "keys"

    def state(self, ref: DatasetRef) -> str | None:
        return self._state_of(Path(self._folder(ref)), self._record(ref))

    def configs(self, ref: DatasetRef) -> list[str]:
        return self._try(ref, lambda: list(self._repository(ref).configs))

    def splits(self, ref: DatasetRef, config: str | None) -> list[str]:
        return self._try(ref, lambda: list(self._repository(ref).config(config).splits))

    def columns(self, ref: DatasetRef, config: str | None, split: str) -> Columns:
        import datasets

        folder = Path(self._folder(ref))
        prepared = str(self.cache / _state(str(folder)))

        def load() -> Dataset:
            return datasets.load_dataset(str(folder), config, split=split, cache_dir=prepared)

        def open_it() -> Columns:
            repository = self._repository(ref)
            chosen, own = repository.config(config), repository.split(config, split)
            self._refuse_unfetched(ref, own.files)
            parts = [folder / name for name in own.files]
            if not chosen.parquet:
                return ArrowColumns(by_itself_if_need_be(load, lambda: parts, split, prepared))
            return whole(ParquetColumns(parts, self._typed(ref, chosen)), split, own.rows)

        return self._try(ref, open_it)

    def default_config(self, ref: DatasetRef) -> str | None:
        """The config that is meant where none is named."""
        return self._try(ref, lambda: self._repository(ref).default)

    def features(self, ref: DatasetRef, config: str | None, split: str) -> dict[str, Any]:
        """How `datasets` types the columns of a split, as JSON has it."""
        import datasets

        chosen = self._repository(ref).config(config)
        if chosen.parquet:
            return self._typed(ref, chosen).to_dict()
        columns = self.columns(ref, config, split)
        return datasets.Features({name: columns.feature(name) for name in columns.names}).to_dict()

    def _typed(self, ref: DatasetRef, config: Config) -> Features:
        first = next(split.files[0] for split in config.splits.values() if split.files)
        return declared_features(config) or features_in(Path(self._folder(ref)) / first)

    def commit(self, ref: DatasetRef) -> str:
        """What the hub has the dataset as; the revision itself where the mirror has no record."""
        record = self._record(ref)
        return record.commit if record else ref.revision

    def _repository(self, ref: DatasetRef) -> Repository:
        folder, record = self._folder(ref), self._record(ref)
        if record and record.repository.configs:
            return record.repository
        return _in_folder(folder, _state(folder))

    def _record(self, ref: DatasetRef) -> Manifest | None:
        record = _recorded(str(self.folder), ref.path)
        if record and ref.revision not in (record.revision, record.commit):
            raise DatasetError(
                f"dataset {ref.path}: the mirror {self.folder} holds revision {record.revision} of it, and the card "
                f"reads {ref.revision}; fetch it again with `pytest-mieb data fetch`"
            )
        return record

    def _refuse_unfetched(self, ref: DatasetRef, names: Sequence[str]) -> None:
        """Raises DatasetError where a file is not as the record has it, as far as that is seen at once."""
        record = self._record(ref)
        if record is None:
            return
        for name in names:
            expected, file = record.files.get(name), self.folder / ref.path / name
            if expected and file.is_file() and file.stat().st_size == expected.size:
                continue
            what = "is missing or has another size than the hub's" if expected else "was not fetched"
            raise DatasetError(
                f"dataset {ref.path} (revision {ref.revision}): {name} {what} in the mirror {self.folder}; fetch it "
                "with `pytest-mieb data fetch`"
            )

    def _state_of(self, folder: Path, record: Manifest | None) -> str:
        """Of the files, and of the types that the record gives them."""
        files = _state(str(folder))
        if record is None:
            return files
        about = json.dumps(record.repository.content(), sort_keys=True)
        return f"{files}-{blake2b(about.encode(), digest_size=8).hexdigest()}"

    def _folder(self, ref: DatasetRef) -> str:
        folder = self.folder / ref.path
        if not folder.is_dir():
            raise DatasetError(
                f"dataset {ref.path} (revision {ref.revision}) is not in the mirror {self.folder}: "
                f"fetch it with `pytest-mieb data fetch`, or download a snapshot of it to {folder}"
            )
        return str(folder)

    def _try(self, ref: DatasetRef, action: Callable[[], Any]) -> Any:
        return translated(ref, f"mirror {self.folder}", action)


@dataclass(frozen=True)
class Miniature:
    """The package's own small stand-ins, written to `cache` once."""

    cache: Path
    warn: Callable[[str], None]
    name: str = "miniature"
    checks_sizes: bool = False
    any_size: bool = False

    @property
    def memory(self) -> Path | None:
        return self._mirror.memory

    def state(self, ref: DatasetRef) -> str | None:
        return self._mirror.state(ref)

    @cached_property
    def _mirror(self) -> Mirror:
        from pytest_mieb.miniature import mirror

        return Mirror(mirror(self.cache, self.warn), self.cache / "datasets")

    def configs(self, ref: DatasetRef) -> list[str]:
        return self._mirror.configs(ref)

    def splits(self, ref: DatasetRef, config: str | None) -> list[str]:
        return self._mirror.splits(ref, config)

    def columns(self, ref: DatasetRef, config: str | None, split: str) -> Columns:
        return self._mirror.columns(ref, config, split)


def open_source(name: str, cache: Path, warn: Callable[[str], None] = print, *, any_size: bool = False) -> Source:
    """The source called `name`: hub, miniature, or a folder that holds a mirror; `any_size` as in `Source`."""
    if name == "hub":
        return Hub(any_size=any_size, line=Line(warn), cache=cache)
    if name == "miniature":
        return Miniature(cache, warn)
    return Mirror(Path(name).resolve(), cache / "datasets", any_size=any_size)


@cache
def _recorded(mirror: str, path: str) -> Manifest | None:
    return manifest.read(Path(mirror), path)


@cache
def _in_folder(folder: str, state: str) -> Repository:
    return in_folder(Path(folder))


@cache
def _state(folder: str) -> str:
    """A digest of where a folder lies and of its files' names, sizes, times and numbers; taken once in a process.

    A file that is replaced by one of the same size and time has another number, or another time of its own change.
    """
    digest = blake2b(str(Path(folder).resolve()).encode(), digest_size=8)
    for file in sorted(Path(folder).rglob("*")):
        if file.is_file():
            status = file.stat()
            about = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
            digest.update(f"{file.relative_to(folder)} {about}\n".encode())
    return digest.hexdigest()
