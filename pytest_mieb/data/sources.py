"""The ways to get a dataset: the hub, a mirror of it in a folder, or the miniature."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from hashlib import blake2b
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from pytest_mieb.data.columns import ArrowColumns, Columns, ParquetColumns
from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.repository import ABOUT, MOST_FILES, Config, Repository, in_folder, of_listing
from pytest_mieb.suite import DatasetRef
from pytest_mieb.support.atomic import written
from pytest_mieb.support.hub import Line, fault_in

if TYPE_CHECKING:
    from datasets import Dataset, Features

_COMMIT = re.compile("[0-9a-f]{40}")
_NOT_REACHED = "the hub was not reached and the dataset is not cached; go online once, or give a --mieb-data mirror"
_DOWNLOADS_AT_ONCE = 4


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
class Hub:
    """Datasets of the Hugging Face hub at their pinned revision, through its own cache.

    Of a config that is plain parquet the files of the asked split are fetched and read as they are; all else is left to
    `datasets`, which prepares a copy of it. What a commit holds never changes, so it is asked for once and kept beside
    the hub's own cache: whoever carries that to a machine without a network carries it too.

    Keys of pictures are kept in `cache`, where that is given.
    """

    name: str = "hub"
    checks_sizes: bool = True
    any_size: bool = False
    line: Line = field(default_factory=lambda: Line(print))
    cache: Path | None = None
    _known: dict[tuple[str, str], tuple[str, Repository]] = field(default_factory=dict, repr=False)

    @property
    def memory(self) -> Path | None:
        return self.cache / "keys" if self.cache else None

    def state(self, ref: DatasetRef) -> str | None:
        """A commit; a branch may have moved."""
        return ref.revision if _COMMIT.fullmatch(ref.revision) else None

    def configs(self, ref: DatasetRef) -> list[str]:
        import datasets

        def ask() -> list[str]:
            found = self._listed(ref)
            if found:
                return list(found[1].configs)
            return datasets.get_dataset_config_names(ref.path, revision=ref.revision)

        return self._try(ref, ask)

    def splits(self, ref: DatasetRef, config: str | None) -> list[str]:
        import datasets

        def ask() -> list[str]:
            found = self._listed(ref)
            if found:
                return list(found[1].config(config).splits)
            return datasets.get_dataset_split_names(ref.path, config_name=config, revision=ref.revision)

        return self._try(ref, ask)

    def columns(self, ref: DatasetRef, config: str | None, split: str) -> Columns:
        def open_it() -> Columns:
            found = self._listed(ref)
            if found and found[1].config(config).parquet:
                return self._parquet(ref, *found, config, split)
            return ArrowColumns(_by_itself_if_need_be(lambda: self._prepared(ref, config, split), list, split))

        return self._try(ref, open_it)

    def _listed(self, ref: DatasetRef) -> tuple[str, Repository] | None:
        """The commit of a revision and what it holds; None where that is not known, or `datasets` is to list it."""
        key = ref.path, ref.revision
        if key not in self._known:
            pinned = _COMMIT.fullmatch(ref.revision)
            kept = Repository.read(_record(ref.path, ref.revision)) if pinned else None
            found = (ref.revision, kept) if kept else self._asked(ref)
            if found is None:
                return None
            self._known[key] = found
        commit, repository = self._known[key]
        return (commit, repository) if repository.configs else None

    def _asked(self, ref: DatasetRef) -> tuple[str, Repository] | None:
        from datasets.exceptions import DatasetNotFoundError
        from huggingface_hub import HfApi
        from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled, RepositoryNotFoundError

        try:
            about = HfApi().dataset_info(ref.path, revision=ref.revision)
        except OfflineModeIsEnabled:
            return _as_it_was(ref)
        except GatedRepoError:
            raise
        except RepositoryNotFoundError as error:  # its own words speak of gates as well
            raise DatasetNotFoundError(f"Dataset {ref.path!r} doesn't exist on the Hub") from error
        except Exception as error:
            fault, found = fault_in(error), _as_it_was(ref)
            if found is None or fault is None or fault.kind != "unreached":
                raise
            self.line.warn(f"dataset {ref.path}: the hub was not reached; {ref.revision} is read as it was last seen")
            return found
        commit, files = str(about.sha), [each.rfilename for each in about.siblings or ()]
        if len(files) > MOST_FILES:
            return commit, Repository({}, None)
        told = [name for name in ABOUT if name in files]
        repository = of_listing(files, {name: self._file(ref.path, commit, name) for name in told})
        _keep(ref, commit, repository)
        return commit, repository

    def _parquet(
        self, ref: DatasetRef, commit: str, repository: Repository, config: str | None, split: str
    ) -> ParquetColumns:
        chosen, own = repository.config(config), repository.split(config, split)
        parts = self._files(ref.path, commit, own.files)
        first = next(split.files[0] for split in chosen.splits.values() if split.files)
        features = _declared(chosen)
        if features is None:
            local = dict(zip(own.files, parts, strict=True)).get(first)
            features = _features_in(local) if local else self._features_on_the_hub(ref.path, commit, first)
            configs = {
                name: replace(each, features=features.to_dict()) if each is chosen else each
                for name, each in repository.configs.items()
            }
            self._known[ref.path, ref.revision] = commit, replace(repository, configs=configs)
            _keep(ref, commit, self._known[ref.path, ref.revision][1])
        return _whole(ParquetColumns(parts, features), split, own.rows)

    def _features_on_the_hub(self, path: str, commit: str, name: str) -> Features:
        """Of a file that need not be fetched: the last of it says what is in it."""
        import datasets
        import pyarrow.parquet as pq
        from huggingface_hub import HfFileSystem, try_to_load_from_cache

        cached = try_to_load_from_cache(path, name, revision=commit, repo_type="dataset")
        if isinstance(cached, str):
            return _features_in(Path(cached))
        with HfFileSystem().open(f"datasets/{path}@{commit}/{name}", "rb") as file:
            return datasets.Features.from_arrow_schema(pq.read_schema(file))

    def _files(self, path: str, commit: str, names: Sequence[str]) -> list[Path]:
        """Several at once, by threads that keep no process from ending: a hub may feed them a byte a minute."""
        if len(names) == 1:
            return [self._file(path, commit, names[0])]
        with ThreadPool(min(_DOWNLOADS_AT_ONCE, len(names))) as pool:
            return pool.map(lambda name: self._file(path, commit, name), names)

    def _file(self, path: str, commit: str, name: str) -> Path:
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(path, name, repo_type="dataset", revision=commit))

    def _prepared(self, ref: DatasetRef, config: str | None, split: str) -> Dataset:
        """The split at the pinned revision; offline, `datasets` would take whatever revision is in its cache."""
        import datasets

        dataset = datasets.load_dataset(ref.path, config, split=split, revision=ref.revision)
        prepared = [Path(file["filename"]) for file in dataset.cache_files]
        if _COMMIT.fullmatch(ref.revision) and not all(ref.revision in path.parts for path in prepared):
            raise DatasetError(
                f"dataset {ref.path} (revision {ref.revision}) is not in the cache, only another revision of it; "
                "go online once"
            )
        return dataset

    def _try(self, ref: DatasetRef, action: Callable[[], Any]) -> Any:
        return _translated(
            ref, "hub", lambda: self.line.ask(f"dataset {ref.path}", action, lambda: _growing(ref)), self.line
        )


@dataclass(frozen=True)
class Mirror:
    """Datasets in a folder, `<folder>/<org>/<name>/` each as a snapshot download of the hub lays it.

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
        return _state(self._folder(ref))

    def configs(self, ref: DatasetRef) -> list[str]:
        return self._try(ref, lambda: list(self._repository(ref).configs))

    def splits(self, ref: DatasetRef, config: str | None) -> list[str]:
        return self._try(ref, lambda: list(self._repository(ref).config(config).splits))

    def columns(self, ref: DatasetRef, config: str | None, split: str) -> Columns:
        import datasets

        folder = Path(self._folder(ref))

        def load() -> Dataset:
            return datasets.load_dataset(str(folder), config, split=split, cache_dir=self._prepared(folder))

        def open_it() -> Columns:
            repository = self._repository(ref)
            chosen, own = repository.config(config), repository.split(config, split)
            parts = [folder / name for name in own.files]
            if not chosen.parquet:
                return ArrowColumns(_by_itself_if_need_be(load, lambda: parts, split, self._prepared(folder)))
            first = folder / next(split.files[0] for split in chosen.splits.values() if split.files)
            return _whole(ParquetColumns(parts, _declared(chosen) or _features_in(first)), split, own.rows)

        return self._try(ref, open_it)

    def _prepared(self, folder: Path) -> str:
        return str(self.cache / _state(str(folder)))

    def _repository(self, ref: DatasetRef) -> Repository:
        folder = self._folder(ref)
        return _in_folder(folder, _state(folder))

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


@cache
def _quietly() -> None:
    """No progress bars and no notes of caches: they are noise in the log of a test run."""
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()


def open_source(name: str, cache: Path, warn: Callable[[str], None] = print, *, any_size: bool = False) -> Source:
    """The source called `name`: hub, miniature, or a folder that holds a mirror; `any_size` as in `Source`."""
    if name == "hub":
        return Hub(any_size=any_size, line=Line(warn), cache=cache)
    if name == "miniature":
        return Miniature(cache, warn)
    return Mirror(Path(name).resolve(), cache / "datasets", any_size=any_size)


def _records(path: str) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "pytest-mieb" / path


def _record(path: str, commit: str) -> Path:
    return _records(path) / f"{commit}.json"


def _head(ref: DatasetRef) -> Path:
    """Where the commit of a branch or tag is noted."""
    return _records(ref.path) / f"{quote(ref.revision, safe='')}.head"


def _keep(ref: DatasetRef, commit: str, repository: Repository) -> None:
    with suppress(OSError):  # then it is asked for again
        repository.write(_record(ref.path, commit))
        if ref.revision != commit:
            with written(_head(ref)) as temporary:
                temporary.write_text(commit, encoding="utf-8")


def _as_it_was(ref: DatasetRef) -> tuple[str, Repository] | None:
    """What a branch or tag was when the hub was last asked; None where that is not known."""
    try:
        commit = _head(ref).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    found = Repository.read(_record(ref.path, commit)) if _COMMIT.fullmatch(commit) else None
    return (commit, found) if found else None


def _by_itself_if_need_be(
    load: Callable[[], Dataset], files: Callable[[], Sequence[Path]], split: str, cache: str | None = None
) -> Dataset:
    """What `load` gives; where it fails, for `datasets` reads all splits as it reads the first, the split by itself."""
    import datasets
    from datasets.exceptions import DatasetGenerationError

    try:
        return load()
    except DatasetGenerationError as error:
        own = [str(file) for file in files() if file.suffix == ".parquet"]
        if fault_in(error) or not own:
            raise
        try:
            return datasets.load_dataset("parquet", data_files={split: own}, split=split, cache_dir=cache)
        except (DatasetGenerationError, FileNotFoundError, ValueError):
            raise error from error.__cause__


def _declared(config: Config) -> Features | None:
    import datasets

    return datasets.Features.from_dict(dict(config.features)) if config.features else None


def _features_in(file: Path) -> Features:
    import datasets
    import pyarrow.parquet as pq

    return datasets.Features.from_arrow_schema(pq.read_schema(file))


def _whole(columns: ParquetColumns, split: str, declared: int | None) -> ParquetColumns:
    """Raises ValueError, in the words of `datasets`, where a split has no rows, or not those that are declared."""
    if not len(columns):
        raise ValueError(f"the split {split!r} corresponds to no data")
    if declared is not None and len(columns) != declared:
        raise ValueError(f"the split {split!r} has {len(columns)} rows where the repository declares {declared}")
    return columns


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
    _quietly()
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
    if (
        "local cache" in lowered
        or "offline" in lowered
        or "couldn't reach" in lowered
        or isinstance(error, ConnectionError)
    ):
        return _NOT_REACHED
    if "config" in lowered and "not found" in lowered:
        return "it lacks a config that the card's layout needs; check the card's layout and revision"
    if "split" in lowered:
        return "it lacks a split that the card names, or a split is incomplete; check the card, then download it again"
    if "doesn't exist" in lowered or "not found" in lowered or "404" in lowered:
        return "it or its revision does not exist there, or you may not see it; check path and revision, or log in"
    return damaged
