"""Class names: which ones the numbers of a label column count, and which ones go into prompts."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.findings import Finding
from pytest_mieb.suite import Task
from pytest_mieb.suite.schema import CLASS_NAMES, SCENE_NAMES


def names_of(feature: Any) -> tuple[str, ...] | None:
    """The names of a ClassLabel, or of a list of them; None where the column is of another type."""
    return tuple(getattr(getattr(feature, "feature", feature), "names", None) or ()) or None


def names_in(files: Iterable[Path], column: str) -> list[tuple[str, ...]]:
    """The distinct lists of class names that parquet files carry for a column, each as its writer knew them.

    `datasets` gives every split the names of the first file that it reads.
    """
    import datasets
    import pyarrow.parquet as pq

    found: dict[tuple[str, ...], None] = {}
    for file in files:
        metadata = (pq.read_schema(file).metadata or {}).get(b"huggingface")
        declared = json.loads(metadata).get("info", {}).get("features", {}) if metadata else {}
        if column in declared:
            names = names_of(datasets.Features.from_dict({column: declared[column]})[column])
            if names:
                found[names] = None
    return list(found)


def misplaced(own: Sequence[str], others: Sequence[str]) -> tuple[str, int, int] | None:
    """The first name that both lists hold and nowhere at the same place, with its two places.

    Case, spaces, underscores and hyphens do not count.
    """
    places: dict[str, list[int]] = {}
    for place, name in enumerate(others):
        places.setdefault(_plain(name), []).append(place)
    first: dict[str, list[int]] = {}
    for place, name in enumerate(own):
        first.setdefault(_plain(name), []).append(place)
    for name, mine in first.items():
        theirs = places.get(name, mine)
        if name and not set(mine) & set(theirs):
            return own[mine[0]], mine[0], theirs[0]
    return None


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name.casefold())


def prompted(task: Task, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The names that go into a zero-shot task's prompts, in class order: the card's, or made of the column's `names`.

    None where the card takes the column's, and it has none.
    """
    labels = task.scoring["labels"]
    if isinstance(labels, tuple):
        return labels
    return names and {CLASS_NAMES: names, SCENE_NAMES: tuple(map(scene_name, names))}[labels]


def scene_name(class_name: str) -> str:
    """`/c/church/outdoor` to `church outdoor`."""
    return " ".join(class_name.split("/")[2:]).replace("_", " ")


def refuse_other_classes(
    task: Task, column: str, names: Sequence[str], error: Callable[[str, str], DatasetError]
) -> None:
    """Raises DatasetError where the card lists other classes than the column's `names`, and does not say that it does.

    Those are another number of classes, or the same name at another place. Other wordings are what a list is for.
    """
    labels = task.scoring["labels"]
    if not isinstance(labels, tuple) or task.scoring.get("labels_differ"):
        return
    remedy = f"list the classes of the dataset in its order under `labels` in {task.file.name}, or take {CLASS_NAMES!r}"
    if len(labels) != len(names):
        raise error(f"column {column!r} has {len(names)} classes where the card lists {len(labels)}", remedy)
    moved = misplaced(labels, names)
    if moved:
        name, listed, counted = moved
        raise error(
            f"column {column!r} has its classes in another order than the card: {name!r} is class {counted} of the "
            f"column and class {listed} of the card",
            remedy,
        )


def repeated(names: Sequence[str]) -> tuple[Finding, ...]:
    """A finding where two classes have one name, and so one prompt: of equally near ones the first is predicted."""
    again = [name for name, count in Counter(names).items() if count > 1]
    if not again:
        return ()
    count = len(names) - len(set(names))
    return (
        Finding("classes have the name of an earlier one, and so are never found", count, len(names), repr(again[0])),
    )
