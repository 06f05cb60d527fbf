"""What layouts say that they read, and what of it makes a part, against what they do read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pytest_mieb.data import load_rows, other_sizes
from pytest_mieb.data.columns import Columns
from pytest_mieb.data.mirroring.needs import files_of, splits_of
from pytest_mieb.data.mirroring.packing import pack
from pytest_mieb.data.parts import Draw
from pytest_mieb.data.repository import in_folder
from pytest_mieb.data.sources import Mirror
from pytest_mieb.data.table import Asked
from pytest_mieb.miniature import mirror
from pytest_mieb.suite import DatasetRef, Task
from pytest_mieb.suite.cards import load_tasks

TASKS = load_tasks()


@dataclass(frozen=True)
class Watched(Mirror):
    """A mirror that notes what is opened."""

    opened: list[Asked] = field(default_factory=list)

    def columns(self, ref: DatasetRef, config: str | None, split: str) -> Columns:
        self.opened.append(Asked(split, config))
        return super().columns(ref, config, split)


@pytest.fixture(scope="module")
def whole(miniature_cache: Path) -> Path:
    return mirror(miniature_cache, print)


@pytest.fixture(scope="module")
def part(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A part of all datasets of the miniature."""
    out = tmp_path_factory.mktemp("part")
    tasks: dict[str, list[Task]] = {}
    for task in TASKS.values():
        tasks.setdefault(task.dataset.path, []).append(task)
    packed = pack(Mirror(whole, out / "cache"), out / "mirror", tasks, lambda path: Draw(0, path), lambda path: None)
    assert packed.problems == {} and packed.rows.keys() == tasks.keys()
    yield out / "mirror"


@pytest.mark.parametrize("name", TASKS)
def test_a_task_opens_what_its_layout_says(whole: Path, tmp_path: Path, name: str) -> None:
    task, source = TASKS[name], Watched(whole, tmp_path, checks_sizes=False)
    for subset in task.subsets:
        load_rows(task, subset, source)
    folder = whole / task.dataset.path
    repository = in_folder(folder)
    asked = splits_of(task, repository)
    assert asked is not None and {*source.opened} == {*asked}
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    opened = {file for each in asked for file in repository.split(each.config, each.split).files}
    assert {*files_of([task], repository, files)} == opened | {"README.md"}


@pytest.mark.parametrize("name", TASKS)
def test_a_part_is_read_like_the_whole(whole: Path, part: Path, tmp_path: Path, name: str) -> None:
    """With fewer rows, known to be so, and nothing that does not fit beyond what did not fit before."""
    task = TASKS[name]
    of_whole, of_part = Mirror(whole, tmp_path, any_size=True), Mirror(part, tmp_path, any_size=True)
    for subset in task.subsets:
        before, rows = load_rows(task, subset, of_whole), load_rows(task, subset, of_part)
        assert all(0 < rows.sizes[split] <= before.sizes[split] for split in before.sizes)
        assert other_sizes(task, subset, rows)
        assert {finding.what for finding in rows.findings} <= {finding.what for finding in before.findings}
