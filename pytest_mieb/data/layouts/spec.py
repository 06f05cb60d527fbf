"""What a layout is: how a dataset lies on the hub, and how its rows are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_mieb.data.parts import Draw, Part, any_rows
from pytest_mieb.data.rows import Rows, RowsKind
from pytest_mieb.data.table import Asked, Opener
from pytest_mieb.suite import Task
from pytest_mieb.suite.schema import Key

Reader = Callable[[Task, str, Opener], Rows]
Parting = Callable[[Task, str, Opener, Draw], Part]
Reads = Callable[[Task, str, Opener], Sequence[Asked]]


@dataclass(frozen=True)
class LayoutSpec:
    """One layout.

    Args:
        name: as cards name it.
        gives: the kind of rows that it reads.
        read: from a task, one of its subsets and the opened dataset to the rows; raises DatasetError.
        splits: what of the dataset `read` opens, found by the names of configs and splits alone; without it all of
            the dataset is taken to be needed.
        part: rows of these splits on which `read` and the protocols still work; without it they are taken whole.
        keys: what a card's `dataset` section holds beside path, revision and layout.
    """

    name: str
    gives: RowsKind
    read: Reader
    splits: Reads | None = None
    part: Parting | None = None
    keys: Mapping[str, Key] = field(default_factory=dict)


def each_by_itself(splits: Reads) -> Parting:
    """The parting of a layout whose splits are rows of which each stands for itself."""

    def part(task: Task, subset: str, opener: Opener, draw: Draw) -> Part:
        asked = splits(task, subset, opener)
        return any_rows(asked, [opener.table(*each) for each in asked], draw)

    return part
