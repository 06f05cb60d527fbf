"""Power: how often the gate finds a drop of a known size, beside a fixed threshold of half a point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

import numpy as np

from benchmarks.gate_calibration.deciding import DEFAULT, SUITES, Found, below_threshold, compared, decided, suite
from benchmarks.gate_calibration.releases import Base, release
from benchmarks.gate_calibration.tables import markdown, share
from pytest_mieb.gate.comparison import Comparison
from pytest_mieb.suite import CATEGORIES, Task
from pytest_mieb.suite.means import group_of

DROPS = (0.0025, 0.005, 0.01, 0.02, 0.05)
RATE = 0.1
# How many tasks of a release lose by themselves in turn, each in a release of its own.
SINGLE = 10
SIZES = {"up to 500 examples": 500, "501 to 2,000": 2000, "more": 10**9}
WHERE = ("one task", "one category", "all tasks")


class Power:
    """Counts over releases that lose nothing but what is planted.

    A drop is found where a task that lost, a subset of one, or a mean over one regresses; the fixed threshold finds it
    where a task that lost is more than half a point down.
    """

    def __init__(self, tasks: Mapping[str, Task], bases: Mapping[str, Base], seed: int = 1) -> None:
        self._tasks, self._bases, self._seed = tasks, bases, seed
        self._suites = {name: suite(name, tasks) for name in SUITES}
        self.counts: Counter[object] = Counter()

    def run(self, releases: int) -> Iterator[int]:
        """Simulate; yields how many releases are done."""
        for number in range(releases):
            generator = np.random.default_rng([self._seed, number])
            same = self._comparisons(generator, 0.0)
            for name, selected in self._suites.items():
                self.counts[name, "no change"] += 1
                self.counts[name, "no change", "gate"] += bool(decided(same, selected, self._tasks, DEFAULT))
                below = below_threshold(same, selected)
                self.counts[name, "no change", "threshold"] += bool(below)
                self.counts[name, "no change", "tasks"] += len(below)
            for drop in DROPS:
                self._plant(drop, same, self._comparisons(generator, drop), generator)
            yield number + 1

    def _comparisons(self, generator: np.random.Generator, drop: float) -> dict[str, Comparison]:
        return {
            name: compared(task, release(task.protocol, self._bases[name], RATE, generator, drop))
            for name, task in self._tasks.items()
        }

    def _plant(
        self,
        drop: float,
        same: Mapping[str, Comparison],
        worse: Mapping[str, Comparison],
        generator: np.random.Generator,
    ) -> None:
        for name, selected in self._suites.items():
            for task in generator.choice(selected, min(SINGLE, len(selected)), replace=False).tolist():
                hit, below = self._try(name, drop, "one task", [task], same, worse)
                size = next(label for label, most in SIZES.items() if worse[task].difference.examples <= most)
                self.counts[name, drop, size] += 1
                self.counts[name, drop, size, "gate"] += hit
                self.counts[name, drop, size, "threshold"] += below
            for category in CATEGORIES:
                lost = [task for task in selected if self._tasks[task].category == category]
                self._try(name, drop, "one category", lost, same, worse)
            self._try(name, drop, "all tasks", selected, same, worse)

    def _try(
        self,
        name: str,
        drop: float,
        where: str,
        lost: Collection[str],
        same: Mapping[str, Comparison],
        worse: Mapping[str, Comparison],
    ) -> tuple[bool, bool]:
        if not lost:
            return False, False
        comparisons = {**same, **{task: worse[task] for task in lost}}
        found = decided(comparisons, self._suites[name], self._tasks, DEFAULT)
        hit, below = self._rightly(found, lost), bool(below_threshold(comparisons, lost))
        self.counts[name, drop, where] += 1
        self.counts[name, drop, where, "gate"] += hit
        self.counts[name, drop, where, "threshold"] += below
        return hit, below

    def _rightly(self, found: Found, lost: Collection[str]) -> bool:
        groups = {group_of(self._tasks[task]) for task in lost}
        overall = {mean for mean in found.means if mean.startswith("Mean (")}
        return bool((found.tasks | found.subsets) & set(lost) or found.means & groups or overall)

    def table(self) -> str:
        """A row a suite and place; in each cell the gate's share and the threshold's."""
        rows = [[name, where, *(self._cell(name, drop, where) for drop in DROPS)] for name in SUITES for where in WHERE]
        rows += [
            [name, f"one task, {size}", *(self._cell(name, drop, size) for drop in DROPS)]
            for name in SUITES
            for size in SIZES
        ]
        return markdown(["suite", "drop on", *(f"{100 * drop:g} points" for drop in DROPS)], rows)

    def _cell(self, name: str, drop: float, where: str) -> str:
        of = self.counts[name, drop, where]
        if not of:
            return "none"
        hits = (self.counts[name, drop, where, kind] for kind in ("gate", "threshold"))
        return " / ".join(f"{100 * each / of:.0f} %" for each in hits)

    def false_alarms(self) -> str:
        """What both say of the releases that lost nothing."""
        rows = []
        for name in SUITES:
            of = self.counts[name, "no change"]
            gate, threshold = (self.counts[name, "no change", kind] for kind in ("gate", "threshold"))
            tasks = self.counts[name, "no change", "tasks"] / of
            rows.append([name, of, share(gate, of), share(threshold, of), f"{tasks:.1f}"])
        return markdown(["suite", "releases", "gate fails", "threshold fails", "tasks below it a release"], rows)
