"""The verdict on a run for machines: `verdict.json`."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from pytest_mieb.gate.decision import EXIT_CODES
from pytest_mieb.report.view import MeanRow, Row, TaskRow, View

FORMAT = 3


def content(view: View) -> dict[str, Any]:
    """All of the verdict; scores, drops and tolerances 0..1, null where there is no number.

    `interval` is the 95 % confidence interval of the drop, [low, high]; it, the error and the p-values are null where
    no sampling error is known. `languages` are those that a task failed in, or
    where none did by itself those that most of its drop comes from, the largest drop first. `accepted` is what the
    baseline says of a regression of the task; of a mean, it names the tasks that count as unchanged in it.
    """
    assert view.state and view.old and view.basis
    policy = view.basis.policy
    return {
        "format": FORMAT,
        "state": view.state,
        "exit_code": EXIT_CODES[view.state],
        "baseline": {"model": view.old.model, "date": view.old.date, "indicative": view.old.indicative},
        "policy": asdict(policy) | {"named": dict(policy.named)},
        "family": asdict(view.basis.family),
        "tasks": {task.name: _task(task) for task in view.tasks if task.compared},
        "means": {mean.name: _mean(mean) for mean in view.judged},
        "incomplete": dict(view.incomplete),
        "regressed_by_holm": [task.name for task in view.tasks if task.regressed_by_holm],
    }


def _task(task: TaskRow) -> dict[str, Any]:
    subsets = {each.name: _verdict(each) for each in task.subsets if each.compared}
    return _verdict(task) | {
        "tolerance": task.tolerance,
        "paired": task.paired,
        "drift": task.drift,
        "preprocessing": task.preprocessing,
        "warnings": list(task.warnings),
        "accepted": _acceptance(task),
        "languages": [{"language": name} | subsets[name] for name in task.languages],
        "subsets": subsets,
    }


def _mean(mean: MeanRow) -> dict[str, Any]:
    return {
        "status": mean.status,
        "tasks": mean.tasks,
        "missing": list(mean.missing),
        **_numbers(mean),
        "tolerance": mean.tolerance,
        "detectable": mean.detectable if mean.compared else None,
        "accepted": list(mean.accepted),
    }


def _verdict(row: Row) -> dict[str, Any]:
    return {"status": row.status, **_numbers(row), "detectable": row.detectable}


def _acceptance(task: TaskRow) -> dict[str, Any] | None:
    if task.acceptance is None:
        return None
    return asdict(task.acceptance) | {"until": task.acceptance.until.isoformat(), "recovered": task.recovered}


def _numbers(row: Row) -> dict[str, Any]:
    found = row.compared
    if found is None:
        return {"score": None}
    return {
        "score": found.score,
        "baseline": found.baseline,
        "drop": _finite(found.drop),
        "standard_error": _finite(found.standard_error),
        "p_drop": _finite(found.p_drop),
        "p_gain": _finite(found.p_gain),
        "examples": found.examples,
        "fits": found.fits,
        "interval": found.interval and [_finite(bound) for bound in found.interval],
    }


def _finite(value: float | None) -> float | None:
    """JSON knows neither infinity nor NaN."""
    return value if value is not None and math.isfinite(value) else None
