"""Comparisons and sides for the tests of the gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pytest_mieb.gate.comparison import Comparison, Pair
from pytest_mieb.gate.statistics.influence import Examples
from pytest_mieb.gate.statistics.significance import Difference
from pytest_mieb.suite import DatasetRef, Task
from tests.builders import REVISION, a_task


def hits(right: int, of: int = 100) -> Examples:
    """0/1 outcomes, the first ones right."""
    return Examples((np.arange(of) < right).astype(np.float32))


def zero_shot(name: str = "Some", **changes: Any) -> Task:
    """A task whose score is the mean of its outcomes, with a dataset of its own."""
    facts: dict[str, Any] = {
        "name": name,
        "category": "zero_shot_classification",
        "protocol": "zero_shot",
        "metric": "accuracy",
        "modalities": "i2t",
        "dataset": DatasetRef(f"org/{name}", REVISION, "labelled"),
    }
    return a_task(**facts | changes)


def difference(drop: float, p_drop: float = 0.5, error: float = 0.01, **others: Any) -> Difference:
    return Difference(drop, error, p_drop, **{"p_gain": 1 - p_drop, "examples": 1000} | others)


def pair(drop: float, p_drop: float = 0.5, error: float = 0.01, **others: Any) -> Pair:
    """A score of 0.7 before."""
    return Pair(0.7 - drop, 0.7, difference(drop, p_drop, error, **others))


def comparison(
    task: str = "Some",
    drop: float = 0.0,
    p_drop: float = 0.5,
    error: float = 0.01,
    *,
    subsets: Mapping[str, Pair] | None = None,
    **others: Any,
) -> Comparison:
    facts: dict[str, Any] = {"task": task, "metric": "accuracy", "paired": True, "tolerance": 0.005} | others
    return Comparison(0.7 - drop, 0.7, difference(drop, p_drop, error), subsets=subsets or {}, **facts)
