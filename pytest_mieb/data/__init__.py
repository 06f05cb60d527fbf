"""From a task card to rows: images and texts to embed, and the truth about them."""

from __future__ import annotations

from pytest_mieb.data import layouts
from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.inputs import Images, Inputs
from pytest_mieb.data.rows import Rows
from pytest_mieb.data.sources import Source, open_source
from pytest_mieb.data.table import Opener
from pytest_mieb.suite import DEFAULT_SUBSET, Task

__all__ = ["DatasetError", "Images", "Inputs", "Rows", "Source", "load_rows", "open_source", "other_sizes"]


def load_rows(task: Task, subset: str, source: Source) -> Rows:
    """The rows of one subset of a task.

    Raises:
        DatasetError: the dataset is missing, gated or damaged, lacks a column, or has more or fewer rows than expected.
    """
    rows = layouts.known()[task.dataset.layout].read(task, subset, Opener(source, task.dataset))
    if source.checks_sizes and not source.any_size:
        for name, (count, expected) in other_sizes(task, subset, rows).items():
            raise DatasetError(
                f"dataset {task.dataset.path} (revision {task.dataset.revision}), {name}: {count} rows where the "
                f"card expects {expected}; download it again, correct `expected` in {task.file.name}, or measure what "
                "is there with --mieb-sizes=any"
            )
    return rows


def other_sizes(task: Task, subset: str, rows: Rows) -> dict[str, tuple[int, int]]:
    """Each split or subset that has another number of rows than its card expects, with both numbers."""
    other = {}
    for split, count in rows.sizes.items():
        name = _expected_name(task, subset, split)
        expected = task.expected.get(name, count)
        dropped = len(task.dataset.options.get("drop_train_rows", ())) if split == "train" else 0
        if count not in (expected, expected - dropped):
            other[name] = count, expected
    return other


def _expected_name(task: Task, subset: str, split: str) -> str:
    if subset != DEFAULT_SUBSET:
        return subset
    option = "train_split" if split == "train" else "split"
    name: str = task.dataset.options.get(option, split)
    return name
