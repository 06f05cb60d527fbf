"""Runs as the controller knows them once all reports are in, without any having run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_mieb.gate.comparison import Comparison, Pair
from pytest_mieb.gate.statistics.significance import Difference
from pytest_mieb.measurement.baseline import Measurement
from pytest_mieb.measurement.record import TaskRecord


def a_pair(score: float, baseline: float, p: float = 1e-9, error: float = 0.01) -> Pair:
    """`p` is the chance of a change as large, in the direction that it took."""
    drop = baseline - score
    p_drop, p_gain = (p, 1 - p) if drop > 0 else (1 - p, p) if drop < 0 else (1.0, 1.0)
    return Pair(score, baseline, Difference(drop, error if drop else 0.0, p_drop, p_gain, 100, 0.01))


def a_comparison(task: str, score: float, baseline: float, p: float = 1e-9, **facts: Any) -> Comparison:
    """A paired comparison on 100 examples, with a tolerance of half a point."""
    pair = a_pair(score, baseline, p)
    known: dict[str, Any] = {"task": task, "metric": "nmi", "paired": True, "tolerance": 0.005}
    return Comparison(pair.score, pair.baseline, pair.difference, **known | facts)


def a_record(task: str, score: float, noise: float = 0.0, **facts: Any) -> TaskRecord:
    known: Mapping[str, Any] = {"metric": "nmi", "embedded": 1000, "reused": 200, "seconds": 0.5}
    return TaskRecord(task=task, measured=Measurement(score, 0.01, noise=noise), **{**known, **facts})
