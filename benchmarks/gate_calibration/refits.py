"""False alarms where everything is computed again: releases whose embeddings differ by noise alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate_calibration.deciding import DEFAULT, SUITES, below_threshold, decided, suite
from benchmarks.gate_calibration.tables import markdown, share
from pytest_mieb.data import Inputs, Source, load_rows
from pytest_mieb.data.examples import clusters
from pytest_mieb.embedding import Pipeline
from pytest_mieb.evaluation import PROTOCOLS, SubsetResult, TaskResult
from pytest_mieb.gate.comparison import Side, compare
from pytest_mieb.gate.measuring import examples_of, measured
from pytest_mieb.models.embedder import Purpose, Role
from pytest_mieb.protocols import Scored
from pytest_mieb.suite import Task

# Relative to the root-mean-square of an embedding's own numbers: rounding, bfloat16, and a change that can be seen.
NOISES = (1e-3, 4e-3, 1e-1)
LEVELS = (0.05, 0.01, 0.001)
Arrays = Sequence[NDArray[np.float32]]


@dataclass(frozen=True)
class Case:
    """One subset of a task, ready to be scored again and again.

    `rows` holds the rows of the table of embeddings that each call for embeddings gives, in the order of the calls.
    """

    task: Task
    subset: str
    rows: tuple[NDArray[np.int64], ...]
    score: Callable[[Arrays], Scored]
    clusters: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Bench:
    """The embeddings of all distinct items, shape (items, d), and the cases that are scored on them."""

    embeddings: NDArray[np.float32]
    cases: Sequence[Case]


def miniature(tasks: Mapping[str, Task], source: Source, pipeline: Pipeline) -> Bench:
    """The miniature's data and model."""
    places: dict[tuple[bytes, str], int] = {}
    table: list[NDArray[np.float32]] = []
    cases = []
    for task in tasks.values():
        for subset in task.subsets:
            rows = load_rows(task, subset, source)
            calls: list[NDArray[np.int64]] = []

            def embed(
                inputs: Inputs, role: Role | None = None, task: Task = task, calls: list[NDArray[np.int64]] = calls
            ) -> NDArray[np.float32]:
                found = pipeline.embed(inputs, Purpose(task.name, task.protocol, role, None))
                for key, vector in zip(inputs.keys, found, strict=True):
                    if places.setdefault((key, inputs.modality), len(table)) == len(table):
                        table.append(vector)
                calls.append(np.array([places[key, inputs.modality] for key in inputs.keys]))
                return found

            PROTOCOLS[task.protocol](task, rows, embed, "cpu")

            def score(arrays: Arrays, task: Task = task, rows: object = rows) -> Scored:
                turn = iter(arrays)
                return PROTOCOLS[task.protocol](task, rows, lambda inputs, role=None: next(turn), "cpu")  # type: ignore[arg-type]

            cases.append(Case(task, subset, tuple(calls), score, clusters(rows, len(task.subsets))))
    return Bench(np.stack(table), cases)


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


def miniature_bench(tasks: Mapping[str, Task], cache: Path) -> Bench:
    """`miniature` with the package's own model, embedded once and kept in `cache`."""
    from pytest_mieb.data import open_source
    from pytest_mieb.embedding import Store
    from pytest_mieb.models import load_embedder

    embedder = load_embedder("miniature")
    store = Store(cache / "embeddings" / f"{embedder.fingerprint}-64")
    return miniature(tasks, open_source("miniature", cache), Pipeline(embedder, store, 64))
