"""The outcomes that releases are simulated around: the miniature's own, and synthetic ones of MIEB's true sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate_calibration.sizes import CLASSES, size_of
from pytest_mieb.gate.statistics.influence import Examples
from pytest_mieb.measurement import outcomes
from pytest_mieb.protocols.clustering import FITS
from pytest_mieb.suite import Task
from pytest_mieb.support.packaged import packaged

Base = Mapping[str, Examples]
BINARY = ("accuracy", "text_acc", "image_acc", "hit_rate_at_1", "hit_rate_at_3")


def miniature(tasks: Mapping[str, Task]) -> dict[str, Base]:
    """The recorded outcomes of the miniature model."""
    folder = packaged("baselines") / "miniature"
    return {name: outcomes.read(folder / f"{name}.npz") for name in tasks}


def synthetic(tasks: Mapping[str, Task], cap: int, seed: int = 0) -> dict[str, Base]:
    """Outcomes as a middling model has them, of the tasks' true sizes up to `cap` a subset.

    Accuracies of 0.4 to 0.8. A query's relevant document has rank 1 so often, else a rank that falls off
    geometrically; where there are many relevant documents the outcome is anything from 0 to 1. Correlations of 0.75.
    Clusters hold 70 % of their class.
    """
    return {
        name: _synthetic(task, cap, np.random.default_rng([seed, number]))
        for number, (name, task) in enumerate(tasks.items())
    }


def _synthetic(task: Task, cap: int, generator: np.random.Generator) -> Base:
    size = size_of(task, cap)
    quality = generator.uniform(0.4, 0.8)
    base = {}
    for subset, n in size.examples.items():
        values, truth = _outcomes(task, n, quality, generator)
        clusters = None
        if size.clusters:
            whole = task.protocol == "sts"  # the same row in every language, not as many in each
            clusters = np.arange(n) if whole else generator.integers(size.clusters, size=n)
        fits = np.repeat(values[:, None], FITS, axis=1) if task.protocol == "clustering" else None
        base[subset] = Examples(values, truth, clusters, fits)
    return base


def _outcomes(
    task: Task, n: int, quality: float, generator: np.random.Generator
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    if task.protocol == "sts":
        human = generator.normal(size=n)
        cosines = 0.75 * human + np.sqrt(1 - 0.75**2) * generator.normal(size=n)
        return (0.1 * cosines).astype(np.float32), np.round(human * 4) / 4
    if task.protocol == "clustering":
        label = generator.integers(CLASSES[task.name], size=n).astype(np.int32)
        strayed = generator.random(n) > 0.7
        return np.where(strayed, generator.integers(CLASSES[task.name], size=n), label).astype(np.int32), label
    if "probe" in task.protocol:
        draws = int(task.scoring["n_experiments"])
        sure = np.clip(generator.beta(4 * quality, 4 * (1 - quality), size=(n, 1)), 0.02, 0.98)
        hits = generator.random((n, draws)) < sure
        if task.metric == "lrap":
            return np.where(hits, 1.0, generator.random((n, draws))).astype(np.float32), None
        return hits.astype(np.uint8), None
    if task.metric in BINARY:
        return (generator.random(n) < quality).astype(np.float32), None
    if task.metric.startswith("map"):
        return generator.beta(3 * quality, 3 * (1 - quality), size=n).astype(np.float32), None
    ranks = np.where(generator.random(n) < quality, 1, 1 + generator.geometric(0.15, size=n))
    depth = int(task.metric.rpartition("_")[2])
    return np.where(ranks > depth, 0.0, 1 / np.log2(1 + ranks)).astype(np.float32), None
