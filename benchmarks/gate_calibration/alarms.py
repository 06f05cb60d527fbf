"""False alarms: how often the gate fails a release that is as good as the one before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from benchmarks.gate_calibration.deciding import DEFAULT, EXACTING, SUITES, below_threshold, compared, decided, suite
from benchmarks.gate_calibration.releases import Base, release
from benchmarks.gate_calibration.tables import markdown, share
from pytest_mieb.gate.comparison import Comparison
from pytest_mieb.suite import Task

RATES = (0.02, 0.1, 0.3)
POLICIES = {"0.5 points": DEFAULT, "none": EXACTING}
LEVELS = (0.05, 0.01, 0.001)


class Alarms:
    """Counts over releases; `counts` of each rate hold what failed, `chances` how often p was at or below a
    level, of the `compared` tasks of a protocol."""

    def __init__(self, tasks: Mapping[str, Task], bases: Mapping[str, Base], seed: int = 0) -> None:
        self._tasks, self._bases, self._seed = tasks, bases, seed
        self.counts: dict[float, Counter[object]] = {rate: Counter() for rate in RATES}
        self.compared: Counter[str] = Counter()
        self.chances: Counter[tuple[str, float]] = Counter()

    def run(self, releases: int) -> Iterator[int]:
        """Simulate; yields how many releases are done. The rates take turns."""
        for number in range(releases):
            rate = RATES[number % len(RATES)]
            generator = np.random.default_rng([self._seed, number])
            self._count(
                self.counts[rate],
                {
                    name: compared(task, release(task.protocol, self._bases[name], rate, generator))
                    for name, task in self._tasks.items()
                },
            )
            yield number + 1

    def _count(self, counts: Counter[object], comparisons: Mapping[str, Comparison]) -> None:
        counts["releases"] += 1
        for name in SUITES:
            selected = suite(name, self._tasks)
            for tolerance, policy in POLICIES.items():
                found = decided(comparisons, selected, self._tasks, policy)
                counts[name, tolerance, "any"] += bool(found)
                for kind in ("tasks", "subsets", "means"):
                    counts[name, tolerance, kind] += bool(getattr(found, kind))
                counts.update((name, tolerance, each) for kind in vars(found).values() for each in kind)
            counts[name, "threshold"] += bool(below_threshold(comparisons, selected))
        for name, comparison in comparisons.items():
            protocol = self._tasks[name].protocol
            self.compared[protocol] += 1
            self.chances.update((protocol, level) for level in LEVELS if comparison.difference.p_drop <= level)

    def table(self) -> str:
        """A row a suite, tolerance and rate, and one for all rates."""
        shown = {f"{100 * rate:g} %": counts for rate, counts in self.counts.items()}
        shown["all"] = sum(self.counts.values(), Counter[object]())
        rows = []
        for name in SUITES:
            for tolerance in POLICIES:
                for rate, counts in shown.items():
                    of = counts["releases"]
                    found = [share(counts[name, tolerance, "any"], of)]
                    found += [f"{100 * counts[name, tolerance, kind] / max(of, 1):.1f} %" for kind in KINDS]
                    rows.append([name, tolerance, rate, of, *found, f"{100 * counts[name, 'threshold'] / of:.0f} %"])
        head = ["suite", "tolerance", "examples that differ", "releases", "any regressed (95 %)", *KINDS]
        return markdown([*head, "fixed 0.5 points"], rows)

    def levels(self) -> str:
        """How often the p-value of one task is at or below a level that it should not reach more often than that."""
        rows = [
            [protocol, of, *(f"{100 * self.chances[protocol, level] / of:.3g} %" for level in LEVELS)]
            for protocol, of in self.compared.items()
        ]
        return markdown(["protocol", "comparisons", *(f"p <= {100 * level:g} %" for level in LEVELS)], rows)


KINDS = ("tasks", "subsets", "means")
