"""Runs as the controller knows them once all reports are in, without any having run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from pytest_mieb.gate.comparison import Comparison, Pair
from pytest_mieb.gate.statistics.significance import Difference
from pytest_mieb.measurement.baseline import Acceptance, Baseline, Estimate, Measurement
from pytest_mieb.measurement.record import TaskRecord
from pytest_mieb.report.run import Run
from pytest_mieb.support.seconds import Seconds
from tests.builders import a_task

TASKS = {
    name: a_task(name=name, category=category, suites=suites)
    for name, category, suites in (
        ("Fashion", "retrieval", ("lite", "eng")),
        ("CIFAR10Clustering", "clustering", ("lite", "eng")),
        ("CIFAR100Clustering", "clustering", ("eng",)),
    )
} | {
    "XFlickr": a_task(
        name="XFlickr",
        category="retrieval",
        suites=("lite", "multilingual"),
        subsets={"en": ("eng-Latn",), "no": ("nob-Latn",)},
    )
}
LITE = [name for name, task in TASKS.items() if "lite" in task.suites]
BASELINE = Baseline(
    "exp6",
    "hub",
    tasks={
        "Fashion": Measurement(0.5),
        "CIFAR10Clustering": Measurement(0.4),
        "CIFAR100Clustering": Measurement(0.2),
        "XFlickr": Measurement(0.3, subsets={"en": Estimate(0.4), "no": Estimate(0.2)}),
    },
)
UNTIL = Acceptance(date(2027, 3, 1), "a new tokenizer")


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
    known: Mapping[str, Any] = {
        "metric": "nmi",
        "embedded": 1000,
        "reused": 200,
        "seconds": Seconds(embed=0.3, total=0.5),
    }
    return TaskRecord(task=task, measured=Measurement(score, 0.01, noise=noise), **{**known, **facts})


def a_run(
    scores: Mapping[str, float],
    baseline: Baseline | None = BASELINE,
    args: Sequence[str] = ("--mieb-model=exp7", "-m", "lite"),
    *,
    p: Mapping[str, float] | None = None,
    comparisons: Mapping[str, Any] | None = None,
    **facts: Any,
) -> Run:
    """A run after its last item; a changed score is beyond chance unless `p` says how likely it is."""
    facts.setdefault("selected", set(scores))
    run = Run(args, TASKS, baseline, records={name: a_record(name, score) for name, score in scores.items()}, **facts)
    if baseline:
        run.comparisons = {
            name: a_comparison(name, score, baseline.tasks[name].score, (p or {}).get(name, 1e-9))
            for name, score in scores.items()
            if name in baseline.tasks
        } | dict(comparisons or {})
    run.decide()
    return run
