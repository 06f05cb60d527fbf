"""Planted accidents: what the gate makes of them on the miniature, task by task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate_calibration.accidents import Accident
from benchmarks.gate_calibration.deciding import DEFAULT, SUITES, Found, below_threshold, decided, suite
from benchmarks.gate_calibration.tables import markdown
from pytest_mieb.data import Inputs, Source
from pytest_mieb.embedding import Pipeline, Store
from pytest_mieb.gate.comparison import Comparison, Measured, compare
from pytest_mieb.measurement.baseline import Baseline
from pytest_mieb.measurement.measuring import examples_of as examples_of_result
from pytest_mieb.measurement.measuring import measured
from pytest_mieb.measurement.opening import examples_of
from pytest_mieb.models.embedder import Purpose
from pytest_mieb.protocols import needs
from pytest_mieb.runtime.evaluation import evaluate
from pytest_mieb.suite import Task

BATCH = 64


class Effect(NamedTuple):
    """What an accident did: comparisons by task, and what regressed in each suite."""

    accident: Accident
    comparisons: Mapping[str, Comparison]
    found: Mapping[str, Found]
    seconds: float


class Spoilt(Pipeline):
    """Embeds what an accident touches with the spoilt model, all else with the sound one, once for all accidents."""

    def __init__(self, accident: Accident, folder: Path) -> None:
        super().__init__(accident.embedder(), Store(folder / accident.key), BATCH)
        self._touches = accident.touches
        self._sound = Pipeline(Accident("sound").embedder(), Store(folder / "sound"), BATCH)

    def embed(self, inputs: Inputs, purpose: Purpose | None = None) -> NDArray[np.float32]:
        if inputs.modality in ("image", "text") and inputs.modality not in self._touches:
            return self._sound.embed(inputs, purpose)
        return super().embed(inputs, purpose)


def effect(accident: Accident, tasks: Mapping[str, Task], source: Source, baseline: Baseline, folder: Path) -> Effect:
    """Score all tasks with the accident and compare with the baseline; what it cannot touch keeps its outcomes.

    Embeddings are kept in `folder`.
    """
    started = perf_counter()
    pipeline = Spoilt(accident, folder)
    comparisons = {}
    for name, task in tasks.items():
        old = Measured(baseline.tasks[name], None, examples_of(baseline, name))
        new = old
        if needs(task) & accident.touches:
            result = evaluate(task, source, pipeline)
            new = Measured(measured(result), None, examples_of_result(result))
        comparisons[name] = compare(task, old, new, DEFAULT)
    suites = {name: suite(name, tasks) for name in SUITES}
    found = {name: decided(comparisons, own, tasks, DEFAULT) for name, own in suites.items() if own}
    return Effect(accident, comparisons, found, perf_counter() - started)


def table(effects: list[Effect], tasks: Mapping[str, Task]) -> str:
    rows = []
    for each in effects:
        drops = {name: comparison.difference.drop for name, comparison in each.comparisons.items()}
        worst = max(drops, key=drops.__getitem__)
        rows.append(
            [
                each.accident.name,
                *(_in_words(each.found.get(name)) for name in SUITES),
                _categories(each, tasks),
                f"{100 * drops[worst]:.1f} ({worst})",
                len(below_threshold(each.comparisons, tasks)),
            ]
        )
    head = ["accident", *(f"{name}: tasks + means" for name in SUITES), "categories with a regressed task (full)"]
    return markdown([*head, "largest drop, points", "tasks 0.5 points down"], rows)


def _in_words(found: Found | None) -> str:
    if not found:
        return "passed"
    return f"regressed: {len(found.tasks | found.subsets)} + {len(found.means)}"


def _categories(each: Effect, tasks: Mapping[str, Task]) -> str:
    found = each.found.get("full")
    names = found.tasks | found.subsets if found else ()
    counts = Counter(tasks[name].category for name in names)
    return ", ".join(f"{category} {count}" for category, count in counts.most_common()) or "none"


def details(each: Effect) -> Iterator[str]:
    """Every task by name that regressed, and the means."""
    for name, found in each.found.items():
        parts = [f"{kind}: {', '.join(sorted(own)) or 'none'}" for kind, own in vars(found).items()]
        yield f"- {each.accident.name}, {name}: {'; '.join(parts)} ({each.seconds:.0f} s)"
