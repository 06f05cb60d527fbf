"""Comparing a mirror with its own records, without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import NamedTuple

from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.mirroring import manifest
from pytest_mieb.data.mirroring.manifest import FileRecord, Manifest
from pytest_mieb.data.mirroring.needs import split_files_of
from pytest_mieb.suite import Task


class Problem(NamedTuple):
    """What is wrong with a dataset of a mirror, or with one of its files."""

    path: str
    name: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}{'/' if self.name else ''}{self.name}: {self.what}"


class Verified(NamedTuple):
    """How much was compared, and what of it is wrong."""

    datasets: int
    files: int
    n_bytes: int
    problems: Sequence[Problem]


def verify(
    mirror: Path,
    datasets: Iterable[str],
    tasks: Mapping[str, Sequence[Task]],
    *,
    all_needed: bool,
    jobs: int,
    moved: Callable[[int], None],
    starting: Callable[[int, int], None],
) -> Verified:
    """Compare every file of datasets with its hash, and every revision with that of the cards.

    What is damaged is forgotten to have been whole, so that the next fetch replaces it.

    Args:
        datasets: org/name each.
        tasks: by the dataset that they read.
        all_needed: whether what tasks read must be there; else only what was fetched once.
        jobs: how many files at once.
        moved: told how many bytes more were read.
        starting: told how many files and bytes will be.
    """
    problems: list[Problem] = []
    records: list[Manifest] = []
    for path in datasets:
        try:
            record = manifest.read(mirror, path)
            if record is None:
                problems.append(Problem(path, "", "missing, it was not fetched"))
                continue
            records.append(record)
            problems += _of_the_whole(record, tasks.get(path, ()), all_needed=all_needed)
        except DatasetError as error:
            problems.append(Problem(path, "", str(error)))
    files = [(record, name, each) for record in records for name, each in record.files.items()]
    n_bytes = sum(each.size for _, _, each in files)
    starting(len(files), n_bytes)

    def compared(job: tuple[Manifest, str, FileRecord]) -> Problem | None:
        record, name, each = job
        what = each.problem(mirror / record.path / name, moved)
        return Problem(record.path, name, what) if what else None

    with ThreadPool(jobs) as pool:
        found = [problem for problem in pool.imap(compared, files) if problem]
    _forget(mirror, records, found)
    return Verified(len(records), len(files), n_bytes, [*problems, *found])


def _of_the_whole(record: Manifest, tasks: Sequence[Task], *, all_needed: bool) -> list[Problem]:
    """Raises DatasetError where a task reads what the dataset does not have."""
    for task in tasks:
        if task.dataset.revision not in (record.revision, record.commit):
            what = f"its revision is {record.revision}, where the card of {task.name} has {task.dataset.revision}"
            return [Problem(record.path, "", what)]
    if not all_needed or record.part:
        return []
    missing = [name for name in split_files_of(tasks, record.repository) if name not in record.files]
    return [Problem(record.path, name, "missing, it was not fetched") for name in missing]


def _forget(mirror: Path, records: Sequence[Manifest], found: Sequence[Problem]) -> None:
    for record in records:
        wrong = {problem.name for problem in found if problem.path == record.path}
        if wrong:
            files = {
                name: replace(each, checked=None) if name in wrong else each for name, each in record.files.items()
            }
            with suppress(OSError):  # a mirror that cannot be written cannot be fetched into either
                replace(record, files=files).write(mirror)
