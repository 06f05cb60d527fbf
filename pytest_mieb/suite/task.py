"""A task, as its card says, and the names that there are of categories, suites and modalities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CATEGORIES = (
    "retrieval",
    "document_understanding",
    "linear_probing",
    "clustering",
    "zero_shot_classification",
    "compositionality",
    "vision_centric_qa",
    "visual_sts",
)
SUITES = {
    "lite": "the 51 tasks of MIEB-lite",
    "eng": "the 125 English tasks",
    "multilingual": "the 5 multilingual tasks",
}
MODALITIES = ("i2c", "i2i", "i2t", "it2i", "it2it", "it2t", "t2i", "t2it", "t2t")
DEFAULT_SUBSET = "default"


@dataclass(frozen=True)
class DatasetRef:
    """Where a task's rows lie: a dataset repository, its pinned revision, and how to read it."""

    path: str
    revision: str
    layout: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """One MIEB task, as its card says.

    `modalities` is query side to document side (`it2t`: image with text to text; `i2c`: image to class).
    `subsets` maps each subset (a language or a language pair) to its languages; a task without subsets has
    the one subset `default`. `expected` maps a subset, or a split where there are no subsets, to its number of rows
    (of queries and documents together in retrieval); it may be empty. `seconds` is how long published models took for
    the task, on the median. `download` is about how many bytes the whole dataset has on the hub, as it was measured
    once; 0 where it was not.
    """

    name: str
    category: str
    suites: tuple[str, ...]
    modalities: str
    protocol: str
    metric: str
    dataset: DatasetRef
    subsets: Mapping[str, tuple[str, ...]]
    scoring: Mapping[str, Any] = field(default_factory=dict)
    instruction: str | None = None
    expected: Mapping[str, int] = field(default_factory=dict)
    seconds: float | None = None
    download: float = 0.0
    license: str = ""
    reference: str = ""
    notes: str = ""
    file: Path = Path()

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(sorted({language for languages in self.subsets.values() for language in languages}))

    @property
    def markers(self) -> tuple[str, ...]:
        """The pytest markers of the task: its category and its suites."""
        return (self.category, *self.suites)
