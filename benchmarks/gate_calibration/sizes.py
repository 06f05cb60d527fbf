"""How many examples MIEB's tasks have: queries in retrieval, rows elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pytest_mieb.suite import DEFAULT_SUBSET, Task

# Classes of a clustering task, as many as k-means makes clusters.
CLASSES: Mapping[str, int] = {
    "CIFAR100Clustering": 100,
    "CIFAR10Clustering": 10,
    "ImageNet10Clustering": 10,
    "ImageNetDog15Clustering": 15,
    "TinyImageNetClustering": 200,
}


@dataclass(frozen=True)
class Size:
    """Examples by subset, and in how many clusters they lie (over all subsets); None where all are independent."""

    examples: Mapping[str, int]
    clusters: int | None = None


def size_of(task: Task, cap: int) -> Size:
    """The true size of a task, no subset larger than `cap`; clusters shrink with their task."""
    rows = {subset: _rows(task, subset) for subset in task.subsets}
    known = _queries().get(task.name, {})
    if known:
        asked = known["queries"] / sum(rows.values())
        rows = {subset: round(count * asked) for subset, count in rows.items()}
    capped = {subset: min(count, cap) for subset, count in rows.items()}
    clusters = known.get("pictures")
    if clusters:
        clusters = round(clusters * sum(capped.values()) / sum(rows.values()))
    elif task.protocol == "sts" and len(task.subsets) > 1:
        clusters = max(capped.values())
    return Size(capped, clusters)


@cache
def _queries() -> Mapping[str, Mapping[str, int]]:
    import yaml

    found: Mapping[str, Mapping[str, int]] = yaml.safe_load(Path(__file__).with_name("queries.yaml").read_text("utf-8"))
    return found


def _rows(task: Task, subset: str) -> int:
    if len(task.subsets) > 1 or subset != DEFAULT_SUBSET:
        return task.expected[subset]
    return next(count for split, count in task.expected.items() if split != "train" or len(task.expected) == 1)
