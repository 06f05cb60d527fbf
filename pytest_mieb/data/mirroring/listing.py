"""A dataset as the hub lists it: its files with sizes and hashes, and what of them tasks need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from pytest_mieb.data.digest import Digest
from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.hub import described, features_on_the_hub
from pytest_mieb.data.mirroring.manifest import FileRecord
from pytest_mieb.data.mirroring.needs import files_of, parquet_of
from pytest_mieb.data.remedies import translated
from pytest_mieb.data.repository import MOST_FILES, UNLISTED, Repository
from pytest_mieb.suite import DatasetRef, Task
from pytest_mieb.support.hub import Patience, insisting, watching


@dataclass(frozen=True)
class Listing:
    """A dataset on the hub.

    Args:
        commit: what the revision is.
        gated: whether terms must be accepted before its files are given.
        files: all of its files.
        repository: its configs and splits.
        needed: the files that tasks read, sorted.
        exact: whether that is known, or whether it may be less, for what the repository says of itself is not given.
        parquet: whether all of that is plain parquet, of which `datasets` prepares no copy.
    """

    commit: str
    gated: bool
    files: Mapping[str, FileRecord]
    repository: Repository
    needed: Sequence[str]
    exact: bool = True
    parquet: bool = True

    @property
    def n_bytes(self) -> int:
        """How much is downloaded."""
        return sum(self.files[name].size for name in self.needed)


def listed(ref: DatasetRef, tasks: Sequence[Task], patience: Patience, warn: Callable[[str], None]) -> Listing:
    """Ask the hub for a dataset, as far as it lets a stranger see it.

    Raises:
        DatasetError: it is not there, it lacks what a task reads, or the hub does not answer.
    """

    def ask() -> Listing:
        return watching(lambda: _asked(ref, tasks), lambda: 0.0, patience.stall)

    return translated(ref, "hub", lambda: insisting(f"dataset {ref.path}", ask, patience, warn))


def with_features(ref: DatasetRef, listing: Listing, patience: Patience, warn: Callable[[str], None]) -> Repository:
    """The repository, with the types of its columns where they stand in a file that is not needed otherwise.

    Raises:
        DatasetError: the hub does not give that file.
    """
    needed = {*listing.needed}

    def known(config: Any) -> Any:
        files = [split.files[0] for split in config.splits.values() if split.files]
        read = any(name in needed for split in config.splits.values() for name in split.files)
        if not config.parquet or config.features or not read or files[0] in needed:
            return config
        found = watching(lambda: features_on_the_hub(ref.path, listing.commit, files[0]), lambda: 0.0, patience.stall)
        return replace(config, features=found.to_dict())

    def ask() -> Repository:
        configs = {name: known(config) for name, config in listing.repository.configs.items()}
        return replace(listing.repository, configs=configs)

    return translated(ref, "hub", lambda: insisting(f"dataset {ref.path}", ask, patience, warn))


def _asked(ref: DatasetRef, tasks: Sequence[Task]) -> Listing:
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        about = HfApi().dataset_info(ref.path, revision=ref.revision, files_metadata=True)
    except GatedRepoError:
        raise
    except RepositoryNotFoundError as error:  # its own words speak of gates as well
        raise DatasetNotFoundError(f"Dataset {ref.path!r} doesn't exist on the Hub") from error
    commit, gated = str(about.sha), bool(about.gated)
    files = {each.rfilename: _record(ref, each) for each in about.siblings or ()}
    for name in files:
        _refuse_outside(ref, name)
    if len(files) > MOST_FILES:
        return Listing(commit, gated, files, UNLISTED, sorted(files), parquet=False)
    try:
        repository = described(ref.path, commit, list(files))
    except GatedRepoError:
        return Listing(commit, True, files, UNLISTED, sorted(files), exact=False)
    needed = files_of(tasks, repository, files)
    return Listing(commit, gated, files, repository, needed, parquet=parquet_of(tasks, repository))


def _record(ref: DatasetRef, sibling: Any) -> FileRecord:
    if sibling.lfs is not None:
        return FileRecord(sibling.lfs.size, Digest("sha256", sibling.lfs.sha256))
    if sibling.size is None or sibling.blob_id is None:
        raise DatasetError(f"dataset {ref.path}: the hub lists {sibling.rfilename} without its size or hash")
    return FileRecord(sibling.size, Digest("git", sibling.blob_id))


def _refuse_outside(ref: DatasetRef, name: str) -> None:
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or PurePosixPath(name).is_absolute() or "\\" in name:
        raise DatasetError(f"dataset {ref.path}: the hub lists the file {name!r}, which would lie outside its folder")


def cached(path: str, commit: str, name: str, size: int | None = None) -> Path | None:
    """A file in the hub's own cache; None where it is not there, or is of another size than `size`."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(path, name, revision=commit, repo_type="dataset")
    if not isinstance(found, str):
        return None
    file = Path(found)
    return file if file.is_file() and size in (None, file.stat().st_size) else None


def by_dataset(tasks: Iterable[Task]) -> dict[str, list[Task]]:
    """Tasks by the dataset, org/name, that they read.

    Raises:
        DatasetError: two of them want different revisions, of which a mirror can hold one only.
    """
    found: dict[str, list[Task]] = {}
    for task in tasks:
        found.setdefault(task.dataset.path, []).append(task)
    for path, own in found.items():
        for task in own[1:]:
            if task.dataset.revision != own[0].dataset.revision:
                raise DatasetError(
                    f"dataset {path}: {own[0].name} reads revision {own[0].dataset.revision}, and {task.name} "
                    f"{task.dataset.revision}; a mirror holds one of them: select one of the tasks"
                )
    return found
