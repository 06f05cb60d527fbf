"""The ways to get a dataset: the hub, a mirror of it in a folder, or the miniature."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

from pytest_mieb.data.errors import DatasetError
from pytest_mieb.suite import DatasetRef
from pytest_mieb.support.hub import Line, fault_in

if TYPE_CHECKING:
    from datasets import Dataset

_COMMIT = re.compile("[0-9a-f]{40}")
_NOT_REACHED = "the hub was not reached and the dataset is not cached; go online once, or give a --mieb-data mirror"


class Source(Protocol):
    """Where datasets come from.

    `name` is shown to people. `checks_sizes` says whether a dataset has the number of rows that its card expects;
    where `any_size`, another number is noted, not refused.
    """

    @property
    def name(self) -> str: ...
    @property
    def checks_sizes(self) -> bool: ...
    @property
    def any_size(self) -> bool: ...
    def configs(self, ref: DatasetRef) -> list[str]: ...
    def splits(self, ref: DatasetRef, config: str | None) -> list[str]: ...
    def load(self, ref: DatasetRef, config: str | None, split: str) -> Dataset: ...
    def files(self, ref: DatasetRef, config: str | None, split: str) -> list[Path]:
        """The parquet files that a loaded split was read from; none where it has another format, or they are gone."""
        ...


@dataclass(frozen=True)
class Hub:
    """Datasets of the Hugging Face hub at their pinned revision, through its own cache."""

    name: str = "hub"
    checks_sizes: bool = True
    any_size: bool = False
    line: Line = field(default_factory=lambda: Line(print))

    def configs(self, ref: DatasetRef) -> list[str]:
        import datasets

        declared = self._declared(ref)
        if declared:
            return list(declared)
        return self._try(ref, lambda: datasets.get_dataset_config_names(ref.path, revision=ref.revision))

    def splits(self, ref: DatasetRef, config: str | None) -> list[str]:
        import datasets

        declared = _splits_of(self._declared(ref), config)
        if declared:
            return declared
        return self._try(
            ref, lambda: datasets.get_dataset_split_names(ref.path, config_name=config, revision=ref.revision)
        )

    def load(self, ref: DatasetRef, config: str | None, split: str) -> Dataset:
        """The split at the pinned revision; offline, `datasets` would take whatever revision is in its cache."""
        import datasets

        def load() -> Dataset:
            dataset = datasets.load_dataset(ref.path, config, split=split, revision=ref.revision)
            prepared = [Path(file["filename"]) for file in dataset.cache_files]
            if _COMMIT.fullmatch(ref.revision) and not all(ref.revision in path.parts for path in prepared):
                raise DatasetError(
                    f"dataset {ref.path} (revision {ref.revision}) is not in the cache, only another revision of it; "
                    "go online once"
                )
            return dataset

        return self._try(ref, lambda: _by_itself_if_need_be(load, lambda: self.files(ref, config, split), split))

    def files(self, ref: DatasetRef, config: str | None, split: str) -> list[Path]:
        """In the hub's cache, which may have been cleared of them while what was prepared from them is there."""
        from huggingface_hub import snapshot_download

        def cached() -> list[Path]:
            try:
                folder = snapshot_download(ref.path, repo_type="dataset", revision=ref.revision, local_files_only=True)
                return _parquet_files(folder, config, split)
            except FileNotFoundError:
                return []

        return list(self._try(ref, cached))

    def _declared(self, ref: DatasetRef) -> dict[str, list[str]]:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        def readme() -> Path | None:
            try:
                return Path(hf_hub_download(ref.path, "README.md", repo_type="dataset", revision=ref.revision))
            except EntryNotFoundError as error:
                if isinstance(error, LocalEntryNotFoundError):
                    raise
                return None

        return declared_configs(self._try(ref, readme))

    def _try(self, ref: DatasetRef, action: Callable[[], Any]) -> Any:
        return _translated(
            ref, "hub", lambda: self.line.ask(f"dataset {ref.path}", action, lambda: _growing(ref)), self.line
        )


@dataclass(frozen=True)
class Mirror:
    """Datasets in a folder, `<folder>/<org>/<name>/` each as a snapshot download of the hub lays it.

    `cache` is where `datasets` keeps what it prepares from them, apart for every state of every folder: by itself it
    tells neither two folders of one name apart, nor a folder from what it was before its files were replaced.
    """

    folder: Path
    cache: Path
    checks_sizes: bool = True
    any_size: bool = False

    @property
    def name(self) -> str:
        return str(self.folder)

    def configs(self, ref: DatasetRef) -> list[str]:
        import datasets

        declared = declared_configs(Path(self._folder(ref)) / "README.md")
        return list(declared) or self._try(ref, lambda: datasets.get_dataset_config_names(self._folder(ref)))

    def splits(self, ref: DatasetRef, config: str | None) -> list[str]:
        import datasets

        declared = _splits_of(declared_configs(Path(self._folder(ref)) / "README.md"), config)
        return declared or self._try(
            ref, lambda: datasets.get_dataset_split_names(self._folder(ref), config_name=config)
        )

    def load(self, ref: DatasetRef, config: str | None, split: str) -> Dataset:
        import datasets

        folder = self._folder(ref)
        cache = str(self.cache / _state(folder))

        def load() -> Dataset:
            return datasets.load_dataset(folder, config, split=split, cache_dir=cache)

        return self._try(ref, lambda: _by_itself_if_need_be(load, lambda: self.files(ref, config, split), split, cache))

    def files(self, ref: DatasetRef, config: str | None, split: str) -> list[Path]:
        return self._try(ref, lambda: _parquet_files(self._folder(ref), config, split))

    def _folder(self, ref: DatasetRef) -> str:
        folder = self.folder / ref.path
        if not folder.is_dir():
            raise DatasetError(
                f"dataset {ref.path} (revision {ref.revision}) is not in the mirror {self.folder}: "
                f"download a snapshot of it to {folder}"
            )
        return str(folder)

    def _try(self, ref: DatasetRef, action: Callable[[], Any]) -> Any:
        return _translated(ref, f"mirror {self.folder}", action)


@dataclass(frozen=True)
class Miniature:
    """The package's own small stand-ins, written to `cache` once."""

    cache: Path
    warn: Callable[[str], None]
    name: str = "miniature"
    checks_sizes: bool = False
    any_size: bool = False

    @cached_property
    def _mirror(self) -> Mirror:
        from pytest_mieb.miniature import mirror

        return Mirror(mirror(self.cache, self.warn), self.cache / "datasets")

    def configs(self, ref: DatasetRef) -> list[str]:
        return self._mirror.configs(ref)

    def splits(self, ref: DatasetRef, config: str | None) -> list[str]:
        return self._mirror.splits(ref, config)

    def load(self, ref: DatasetRef, config: str | None, split: str) -> Dataset:
        return self._mirror.load(ref, config, split)

    def files(self, ref: DatasetRef, config: str | None, split: str) -> list[Path]:
        return self._mirror.files(ref, config, split)


def open_source(name: str, cache: Path, warn: Callable[[str], None] = print, *, any_size: bool = False) -> Source:
    """The source called `name`: hub, miniature, or a folder that holds a mirror; `any_size` as in `Source`."""
    if name == "hub":
        return Hub(any_size=any_size, line=Line(warn))
    if name == "miniature":
        return Miniature(cache, warn)
    return Mirror(Path(name).resolve(), cache / "datasets", any_size=any_size)


def declared_configs(readme: Path | None) -> dict[str, list[str]]:
    """Config names with their splits as the YAML head of a dataset's README.md declares them; empty where it does not.

    A config whose files are not given split by split has an empty list.
    """
    from huggingface_hub import metadata_load

    if readme is None or not readme.is_file():
        return {}
    declared = {}
    for config in (metadata_load(readme) or {}).get("configs") or ():
        name, files = config.get("config_name", "default"), config.get("data_files")
        if not isinstance(name, str | int):  # never printed: a few aliases can stand for more than fits into memory
            continue
        listed = isinstance(files, list) and all(
            isinstance(entry, dict) and isinstance(entry.get("split"), str) for entry in files
        )
        declared[str(name)] = [entry["split"] for entry in files] if listed else []
    return declared


def _splits_of(declared: Mapping[str, list[str]], config: str | None) -> list[str]:
    """The declared splits of a config, or of the only one."""
    if config is None and len(declared) == 1:
        return next(iter(declared.values()))
    return declared.get(config or "default", [])


def _by_itself_if_need_be(
    load: Callable[[], Dataset], files: Callable[[], list[Path]], split: str, cache: str | None = None
) -> Dataset:
    """What `load` gives; where it fails, for `datasets` reads all splits as it reads the first, the split by itself."""
    import datasets
    from datasets.exceptions import DatasetGenerationError

    try:
        return load()
    except DatasetGenerationError as error:
        if fault_in(error):
            raise
        own = list(map(str, files()))
        try:
            return datasets.load_dataset("parquet", data_files={split: own}, split=split, cache_dir=cache)
        except (DatasetGenerationError, FileNotFoundError, ValueError):
            raise error from error.__cause__


def _parquet_files(folder: str, config: str | None, split: str) -> list[Path]:
    import datasets

    with TemporaryDirectory() as nowhere:
        builder = datasets.load_dataset_builder(folder, config, cache_dir=nowhere)
    files = map(Path, (builder.config.data_files or {}).get(split, ()))
    return [file for file in files if file.suffix == ".parquet" and file.is_file()]


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


def _growing(ref: DatasetRef) -> list[Path]:
    """The folders of the caches in which a dataset appears while it is fetched and prepared."""
    import datasets
    from huggingface_hub import constants

    return [
        Path(constants.HF_HUB_CACHE) / f"datasets--{ref.path.replace('/', '--')}",
        Path(datasets.config.HF_DATASETS_CACHE) / ref.path.replace("/", "___"),
    ]


def _translated(ref: DatasetRef, where: str, action: Callable[[], Any], line: Line | None = None) -> Any:
    """The result of `action`, whose failures become a DatasetError with a remedy."""
    try:
        return action()
    except DatasetError:
        raise
    except Exception as error:  # clients of HTTP raise what they like
        cause = " ".join(str(error).split()) or type(error).__name__
        fault = fault_in(error) if line else None
        if line and line.asleep and line.last:
            remedy = f"it is not cached, and {line.last.sentence} (asked in vain before, and not again for a while)"
        elif fault and fault.kind == "unreached":
            remedy = _NOT_REACHED
        elif fault and not (fault.status == 404 or "gated" in cause.lower()):
            remedy = fault.sentence
        else:
            remedy = _remedy(cause, error)
        raise DatasetError(
            f"dataset {ref.path} (revision {ref.revision}) cannot be read from the {where}: {remedy}"
            f" [{type(error).__name__}: {cause[:300]}]"
        ) from error


def _of_no_rows(error: BaseException | None) -> bool:
    """Of a file without rows `datasets` asks pyarrow for batches of none, which it refuses."""
    while error is not None:
        if "BatchSize must be greater than 0" in str(error):
            return True
        error = error.__cause__
    return False


def _remedy(cause: str, error: Exception) -> str:
    from pyarrow import ArrowInvalid

    damaged = "a file is missing, truncated or damaged; delete it from the cache and download it again"
    lowered = cause.lower()
    if isinstance(error, ArrowInvalid):  # before the words below: "magic bytes not found in footer"
        return damaged
    if "corresponds to no data" in lowered or _of_no_rows(error):
        return "a split that the card names has no rows; check the card, then download it again"
    if "gated" in lowered:
        return "it is gated; accept its terms on the hub and log in with `hf auth login` (or set HF_TOKEN)"
    if "offline" in lowered or "couldn't reach" in lowered or isinstance(error, ConnectionError):
        return _NOT_REACHED
    if "config" in lowered and "not found" in lowered:
        return "it lacks a config that the card's layout needs; check the card's layout and revision"
    if "split" in lowered:
        return "it lacks a split that the card names, or a split is incomplete; check the card, then download it again"
    if "doesn't exist" in lowered or "not found" in lowered or "404" in lowered:
        return "it or its revision does not exist there, or you may not see it; check path and revision, or log in"
    return damaged
