"""The classes of the labelled datasets: their look's domain and their names, in label order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

from pytest_mieb.suite.cards import load_tasks
from pytest_mieb.suite.schema import CLASS_NAMES, SCENE_NAMES


@dataclass(frozen=True)
class Classes:
    """`names` are what the dataset's labels count; `shown` those of them of which there are pictures."""

    domain: str
    names: tuple[str, ...]
    shown: tuple[int, ...]
    listed: bool
    """Whether a task card lists the names, so that the labels on the hub are bare numbers."""


@cache
def classes() -> dict[str, Classes]:
    """Classes by dataset repository (and of the two landmark cities)."""
    text = (resources.files(__package__) / "classes.yaml").read_text(encoding="utf-8")
    lists = {
        task.dataset.path: tuple(task.scoring["labels"])
        for task in load_tasks().values()
        if task.protocol == "zero_shot" and task.scoring["labels"] not in (CLASS_NAMES, SCENE_NAMES)
    }
    found: dict[str, Classes] = {}
    for path, entry in yaml.safe_load(text).items():
        listed = "names" not in entry
        names = tuple(lists[path] if listed else entry["names"])
        n = len(names)
        shown = range(n) if n <= 50 else (i * n // 30 for i in range(30))
        found[path] = Classes(entry["domain"], names, tuple(shown), listed)
    return found


def prompts() -> dict[str, tuple[str, ...]]:
    """What each class is called in a zero-shot task, by dataset and in label order."""
    said: dict[str, tuple[str, ...]] = {}
    for task in load_tasks().values():
        if task.protocol != "zero_shot" or task.dataset.path not in classes():
            continue
        labels = task.scoring["labels"]
        names = classes()[task.dataset.path].names if labels == CLASS_NAMES else labels
        if labels == SCENE_NAMES:
            names = tuple(scene_name(name) for name in classes()[task.dataset.path].names)
        said[task.dataset.path] = tuple(task.scoring["template"].replace("{label}", name) for name in names)
    return said


def scene_name(name: str) -> str:
    """/c/church/outdoor -> church outdoor"""
    return " ".join(name.split("/")[2:]).replace("_", " ")
