"""False alarms where everything is computed again: releases whose embeddings differ by noise alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from benchmarks.gate_calibration.deciding import DEFAULT, SUITES, below_threshold, decided, suite
from benchmarks.gate_calibration.embedded import Bench
from benchmarks.gate_calibration.tables import markdown, share
from pytest_mieb.evaluation import SubsetResult, TaskResult
from pytest_mieb.gate.comparison import Side, compare
from pytest_mieb.gate.measuring import examples_of, measured
from pytest_mieb.suite import Task

# Relative to the root-mean-square of an embedding's own numbers: rounding, bfloat16, and a change that can be seen.
NOISES = (1e-3, 4e-3, 1e-1)
LEVELS = (0.05, 0.01, 0.001)


def measure(bench: Bench, noise: float, generator: np.random.Generator) -> dict[str, Side]:
    """Every task on embeddings that carry noise, scored anew."""
    spread = noise * np.sqrt(np.mean(np.square(bench.embeddings), axis=1, keepdims=True))
    moved = bench.embeddings + spread * generator.standard_normal(bench.embeddings.shape, dtype=np.float32)
    subsets: dict[str, dict[str, SubsetResult]] = {}
    for case in bench.cases:
        scored = case.score([moved[rows] for rows in case.rows])
        score = scored.metrics[case.task.metric]
        subsets.setdefault(case.task.name, {})[case.subset] = SubsetResult(score, scored, {}, case.clusters)
    tasks = {case.task.name: case.task for case in bench.cases}
    return {name: _side(tasks[name], own) for name, own in subsets.items()}


def _side(task: Task, subsets: Mapping[str, SubsetResult]) -> Side:
    score = float(np.mean([each.score for each in subsets.values()]))
    result = TaskResult(task, score, subsets, 0, 0, {})
    return Side(replace(measured(result), examples=""), None, examples_of(result))


class Refits:
    """Counts over releases; each is compared with the one before it, which differs from it by its own noise alone."""

    def __init__(self, tasks: Mapping[str, Task], bench: Bench, seed: int = 2) -> None:
        self._tasks, self._bench, self._seed = tasks, bench, seed
        self.counts: dict[float, Counter[object]] = {noise: Counter() for noise in NOISES}
        self.compared: Counter[tuple[float, str]] = Counter()
        self.chances: Counter[tuple[float, str, float]] = Counter()

    def run(self, releases: int) -> Iterator[int]:
        """Simulate; yields how many releases of each noise are done."""
        before = {noise: self._measure(noise, 0) for noise in NOISES}
        for number in range(1, releases + 1):
            for noise in NOISES:
                now = self._measure(noise, number)
                self._count(noise, before[noise], now)
                before[noise] = now
            yield number

    def _measure(self, noise: float, number: int) -> dict[str, Side]:
        return measure(self._bench, noise, np.random.default_rng([self._seed, NOISES.index(noise), number]))

    def _count(self, noise: float, old: Mapping[str, Side], new: Mapping[str, Side]) -> None:
        comparisons = {name: compare(self._tasks[name], old[name], new[name], DEFAULT) for name in old}
        counts = self.counts[noise]
        counts["releases"] += 1
        for name in SUITES:
            selected = [each for each in suite(name, self._tasks) if each in comparisons]
            found = decided(comparisons, selected, self._tasks, DEFAULT)
            counts[name, "any"] += bool(found)
            counts.update((name, kind) for kind, each in vars(found).items() if each)
            counts[name, "threshold"] += bool(below_threshold(comparisons, selected))
        for name, comparison in comparisons.items():
            kind = self._tasks[name].protocol
            self.compared[noise, kind] += 1
            self.chances.update((noise, kind, p) for p in LEVELS if comparison.difference.p_drop <= p)

    def table(self) -> str:
        """A row a suite and noise."""
        kinds = ("tasks", "subsets", "means")
        rows = []
        for name in SUITES:
            for noise, counts in self.counts.items():
                of = counts["releases"]
                shares = [share(counts[name, kind], of) for kind in ("any", *kinds)]
                rows.append([name, f"{noise:g}", of, *shares, f"{100 * counts[name, 'threshold'] / max(of, 1):.0f} %"])
        return markdown(["suite", "noise", "releases", "any regressed (95 %)", *kinds, "fixed 0.5 points"], rows)

    def levels(self) -> str:
        """How often the p-value of one task is at or below a level that it should not reach more often than that."""
        rows = [
            [f"{noise:g}", kind, of, *(f"{100 * self.chances[noise, kind, p] / of:.3g} %" for p in LEVELS)]
            for (noise, kind), of in sorted(self.compared.items())
        ]
        return markdown(["noise", "protocol", "comparisons", *(f"p <= {100 * p:g} %" for p in LEVELS)], rows)
