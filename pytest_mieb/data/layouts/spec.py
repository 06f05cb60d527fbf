"""What a layout is: how a dataset lies on the hub, and how its rows are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pytest_mieb.data.rows import Rows, RowsKind
from pytest_mieb.data.table import Opener
from pytest_mieb.suite import Task
from pytest_mieb.suite.schema import Key

Reader = Callable[[Task, str, Opener], Rows]


@dataclass(frozen=True)
class LayoutSpec:
    """One layout.

    Args:
        name: as cards name it.
        gives: the kind of rows that it reads.
        read: from a task, one of its subsets and the opened dataset to the rows; raises DatasetError.
        keys: what a card's `dataset` section holds beside path, revision and layout.
    """

    name: str
    gives: RowsKind
    read: Reader
    keys: Mapping[str, Key] = field(default_factory=dict)
