"""The files of a repository that tasks read, found by names alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pytest_mieb.data import layouts
from pytest_mieb.data.columns import Columns
from pytest_mieb.data.remedies import translated
from pytest_mieb.data.repository import ABOUT, Config, Repository
from pytest_mieb.data.table import Asked, Opener
from pytest_mieb.suite import DatasetRef, Task


def splits_of(task: Task, repository: Repository) -> list[Asked] | None:
    """What a task reads of its dataset; None where it may be anything: its layout or the repository does not say.

    Raises:
        DatasetError: a config or a split that it reads is not there.
    """
    splits = layouts.known()[task.dataset.layout].splits
    if splits is None or not repository.configs:
        return None
    opener = Opener(_Described(repository), task.dataset)

    def ask() -> list[Asked]:
        asked = [each for subset in task.subsets for each in splits(task, subset, opener)]
        for each in asked:
            repository.split(each.config, each.split)
        return list(dict.fromkeys(asked))

    return translated(task.dataset, "hub", ask)


def files_of(tasks: Iterable[Task], repository: Repository, listing: Iterable[str]) -> list[str]:
    """The files that tasks on one dataset need of it, sorted; what it says of itself is always among them.

    Of a config that is plain parquet they are those of the splits that are read. All others `datasets` prepares as a
    whole, perhaps with files that are no data: then all that belongs to no other config is needed.

    Raises:
        DatasetError: a config or a split that a task reads is not there.
    """
    everything = sorted(listing)
    needed = {name for name in everything if name in ABOUT}
    for task in tasks:
        asked = splits_of(task, repository)
        if asked is None:
            return everything
        for each in asked:
            config = repository.config(each.config)
            if config.parquet:
                needed |= {*config.splits[each.split].files}
            else:
                needed |= {*everything} - (_data_of(repository.configs.values()) - _data_of([config]))
    return [name for name in everything if name in needed]


def split_files_of(tasks: Iterable[Task], repository: Repository) -> list[str]:
    """The files of the splits that tasks read, sorted; all data files where a layout does not say what it reads.

    Raises:
        DatasetError: a config or a split that a task reads is not there.
    """
    needed: set[str] = set()
    for task in tasks:
        asked = splits_of(task, repository)
        if asked is None:
            return sorted(_data_of(repository.configs.values()))
        needed.update(name for each in asked for name in repository.split(each.config, each.split).files)
    return sorted(needed)


def parquet_of(tasks: Iterable[Task], repository: Repository) -> bool:
    """Whether all that tasks read of a dataset is plain parquet, of which no copy is prepared.

    Raises:
        DatasetError: a config or a split that a task reads is not there.
    """
    for task in tasks:
        asked = splits_of(task, repository)
        if asked is None or not all(repository.config(each.config).parquet for each in asked):
            return False
    return True


def _data_of(configs: Iterable[Config]) -> set[str]:
    return {name for config in configs for split in config.splits.values() for name in split.files}


@dataclass(frozen=True)
class _Described:
    """A source of which only the names of configs and splits are known."""

    repository: Repository
    name: str = "hub"
    memory: Path | None = None
    checks_sizes: bool = False
    any_size: bool = False

    def state(self, ref: DatasetRef) -> str | None:
        return None

    def configs(self, ref: DatasetRef) -> list[str]:
        return list(self.repository.configs)

    def splits(self, ref: DatasetRef, config: str | None) -> list[str]:
        return list(self.repository.config(config).splits)

    def columns(self, ref: DatasetRef, config: str | None, split: str) -> Columns:
        self._refuse(split)

    def _refuse(self, split: str) -> NoReturn:
        raise AssertionError(f"the names alone say what is read, not the rows of {split}")
