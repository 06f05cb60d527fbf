"""Datasets of the Hugging Face hub, and what is kept of its answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pytest_mieb.data.columns import ArrowColumns, Columns, ParquetColumns
from pytest_mieb.data.digest import digest_called
from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.opening import by_itself_if_need_be, declared_features, features_in, whole
from pytest_mieb.data.remedies import translated
from pytest_mieb.data.repository import ABOUT, MOST_FILES, UNLISTED, Repository, of_listing
from pytest_mieb.suite import DatasetRef
from pytest_mieb.support.atomic import written
from pytest_mieb.support.hub import DamagedError, Line, fault_in

if TYPE_CHECKING:
    from datasets import Dataset, Features

_COMMIT = re.compile("[0-9a-f]{40}")
_DOWNLOADS_AT_ONCE = 4


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
            return ArrowColumns(by_itself_if_need_be(lambda: self._prepared(ref, config, split), list, split))

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
            return commit, UNLISTED
        repository = described(ref.path, commit, files)
        _keep(ref, commit, repository)
        return commit, repository

    def _parquet(
        self, ref: DatasetRef, commit: str, repository: Repository, config: str | None, split: str
    ) -> ParquetColumns:
        chosen, own = repository.config(config), repository.split(config, split)
        parts = self._files(ref.path, commit, own.files)
        first = next(split.files[0] for split in chosen.splits.values() if split.files)
        features = declared_features(chosen)
        if features is None:
            local = dict(zip(own.files, parts, strict=True)).get(first)
            features = features_in(local) if local else features_on_the_hub(ref.path, commit, first)
            configs = {
                name: replace(each, features=features.to_dict()) if each is chosen else each
                for name, each in repository.configs.items()
            }
            self._known[ref.path, ref.revision] = commit, replace(repository, configs=configs)
            _keep(ref, commit, self._known[ref.path, ref.revision][1])
        return whole(ParquetColumns(parts, features), split, own.rows)

    def _files(self, path: str, commit: str, names: Sequence[str]) -> list[Path]:
        """Several at once, by threads that keep no process from ending: a hub may feed them a byte a minute."""
        if len(names) == 1:
            return [file_of(path, commit, names[0])]
        with ThreadPool(min(_DOWNLOADS_AT_ONCE, len(names))) as pool:
            return pool.map(lambda name: file_of(path, commit, name), names)

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
        return translated(
            ref, "hub", lambda: self.line.ask(f"dataset {ref.path}", action, lambda: _growing(ref)), self.line
        )


def file_of(path: str, commit: str, name: str) -> Path:
    """A file of a dataset's repository in the hub's own cache, fetched where it is not there.

    The hub's own client compares sizes only; so what it just fetched is compared with the hash that names it.

    Raises:
        DamagedError: another content came than the hub says.
        Exception: what its client raises.
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    before = try_to_load_from_cache(path, name, revision=commit, repo_type="dataset")
    file = Path(hf_hub_download(path, name, repo_type="dataset", revision=commit))
    content = file.resolve()
    digest = digest_called(content.name)
    if digest and not isinstance(before, str) and digest.of(content, content.stat().st_size) != digest:
        content.unlink(missing_ok=True)
        file.unlink(missing_ok=True)
        raise DamagedError(f"{name} has another {digest.kind}")
    return file


def described(path: str, commit: str, files: Sequence[str]) -> Repository:
    """The repository that holds `files`, by what it says of itself and by their names."""
    return of_listing(files, {name: file_of(path, commit, name) for name in ABOUT if name in files})


def features_on_the_hub(path: str, commit: str, name: str) -> Features:
    """Of a file that need not be fetched: the last of it says what is in it."""
    import datasets
    import pyarrow.parquet as pq
    from huggingface_hub import HfFileSystem, try_to_load_from_cache

    cached = try_to_load_from_cache(path, name, revision=commit, repo_type="dataset")
    if isinstance(cached, str):
        return features_in(Path(cached))
    with HfFileSystem().open(f"datasets/{path}@{commit}/{name}", "rb") as file:
        return datasets.Features.from_arrow_schema(pq.read_schema(file))


def remembered(ref: DatasetRef) -> tuple[str, Repository] | None:
    """The commit of a revision and what it holds, as the hub said once; None where that is not known."""
    if not _COMMIT.fullmatch(ref.revision):
        return _as_it_was(ref)
    found = Repository.read(_record(ref.path, ref.revision))
    return (ref.revision, found) if found else None


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


def _growing(ref: DatasetRef) -> list[Path]:
    """The folders of the caches in which a dataset appears while it is fetched and prepared."""
    import datasets
    from huggingface_hub import constants

    return [
        Path(constants.HF_HUB_CACHE) / f"datasets--{ref.path.replace('/', '--')}",
        Path(datasets.config.HF_DATASETS_CACHE) / ref.path.replace("/", "___"),
    ]
