"""False alarms where everything is computed again: releases whose embeddings differ by noise alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.gate_calibration.deciding import DEFAULT, SUITES, below_threshold, decided, suite
from benchmarks.gate_calibration.embedded import Bench, miniature_of_the_package, synthetic
from benchmarks.gate_calibration.tables import markdown, share
from pytest_mieb.gate.comparison import Measured, compare
from pytest_mieb.measurement.measuring import examples_of, measured
from pytest_mieb.measurement.result import SubsetResult, TaskResult
from pytest_mieb.runtime.settings import default_cache
from pytest_mieb.suite import Task
from pytest_mieb.suite.cards import load_tasks
from pytest_mieb.support.seconds import Seconds

# Relative to the root-mean-square of an embedding's own numbers: rounding, bfloat16, and a change that can be seen.
NOISES = (1e-3, 4e-3, 1e-1)
LEVELS = (0.05, 0.01, 0.001)
# Releases that a process simulates at once; it measures one more, with which it begins.
STEP = 20

_refits: Refits


def measure(bench: Bench, noise: float, generator: np.random.Generator) -> dict[str, Measured]:
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


def _side(task: Task, subsets: Mapping[str, SubsetResult]) -> Measured:
    score = float(np.mean([each.score for each in subsets.values()]))
    result = TaskResult(task, score, subsets, 0, 0, Seconds())
    return Measured(replace(measured(result), examples=""), None, examples_of(result))


class Tally:
    """Counts over releases, by noise."""

    def __init__(self) -> None:
        self.counts: dict[float, Counter[object]] = {noise: Counter() for noise in NOISES}
        self.compared: Counter[tuple[float, str]] = Counter()
        self.chances: Counter[tuple[float, str, float]] = Counter()

    @property
    def releases(self) -> int:
        """Of each noise."""
        return min(counts["releases"] for counts in self.counts.values())

    def add(self, other: Tally) -> None:
        for noise, counts in other.counts.items():
            self.counts[noise].update(counts)
        self.compared.update(other.compared)
        self.chances.update(other.chances)

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


class Refits:
    """Releases of each noise; each is compared with the one before it, which differs from it by its own noise alone."""

    def __init__(self, tasks: Mapping[str, Task], bench: Bench, seed: int = 2) -> None:
        self._tasks, self._bench, self._seed = tasks, bench, seed

    def run(self, numbers: range) -> Iterator[Tally]:
        """What the gate says of the releases of these numbers, counted from 1, one by one."""
        before = {noise: self._measure(noise, numbers.start - 1) for noise in NOISES}
        for number in numbers:
            tally = Tally()
            for noise in NOISES:
                now = self._measure(noise, number)
                self._count(tally, noise, before[noise], now)
                before[noise] = now
            yield tally

    def _measure(self, noise: float, number: int) -> dict[str, Measured]:
        return measure(self._bench, noise, np.random.default_rng([self._seed, NOISES.index(noise), number]))

    def _count(self, tally: Tally, noise: float, old: Mapping[str, Measured], new: Mapping[str, Measured]) -> None:
        comparisons = {name: compare(self._tasks[name], old[name], new[name], DEFAULT) for name in old}
        counts = tally.counts[noise]
        counts["releases"] += 1
        for name in SUITES:
            selected = [each for each in suite(name, self._tasks) if each in comparisons]
            found = decided(comparisons, selected, self._tasks, DEFAULT)
            counts[name, "any"] += bool(found)
            counts.update((name, kind) for kind, each in vars(found).items() if each)
            counts[name, "threshold"] += bool(below_threshold(comparisons, selected))
        for name, comparison in comparisons.items():
            kind = self._tasks[name].protocol
            tally.compared[noise, kind] += 1
            tally.chances.update((noise, kind, p) for p in LEVELS if comparison.difference.p_drop <= p)


def run(kind: str, cap: int, releases: int, workers: int) -> Iterator[Tally]:
    """Simulate releases in that many processes, each of which makes the embeddings for itself."""
    step = min(-(-releases // workers), STEP)
    parts = [range(first, min(first + step, releases + 1)) for first in range(1, releases + 1, step)]
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_open, initargs=(kind, cap)) as pool:
        for done in as_completed([pool.submit(_part, part) for part in parts]):
            yield done.result()


def _open(kind: str, cap: int) -> None:
    import torch

    global _refits
    torch.set_num_threads(1)  # the matrices are small
    threadpool_limits(1)
    tasks = load_tasks()
    bench = miniature_of_the_package(tasks, default_cache()) if kind == "miniature" else synthetic(tasks, cap)
    _refits = Refits(tasks, bench)


def _part(numbers: range) -> Tally:
    total = Tally()
    for tally in _refits.run(numbers):
        total.add(tally)
    return total
