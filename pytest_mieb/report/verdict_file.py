"""The verdict on a run for machines: `verdict.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pytest_mieb.gate.comparison import Comparison, Pair
from pytest_mieb.gate.decision import EXIT_CODES, Decision
from pytest_mieb.gate.policy import Policy
from pytest_mieb.gate.statistics.interval import interval
from pytest_mieb.gate.verdict import Verdict
from pytest_mieb.measurement.baseline import Baseline

FORMAT = 2


def content(
    decision: Decision, baseline: Baseline, comparisons: Mapping[str, Comparison], policy: Policy
) -> dict[str, Any]:
    """All of the decision; scores, drops and tolerances 0..1, null where there is no number.

    `interval` is the 95 % confidence interval of the drop, [low, high]. `languages` are those that a task failed in, or
    where none did by itself those that most of its drop comes from, the largest drop first. `accepted` is what the
    baseline says of a regression of the task; of a mean, it names the tasks that count as unchanged in it.
    """
    return {
        "format": FORMAT,
        "state": decision.state,
        "exit_code": EXIT_CODES[decision.state],
        "baseline": {"model": baseline.model, "date": baseline.date, "indicative": baseline.indicative},
        "policy": asdict(policy) | {"named": dict(policy.named)},
        "family": asdict(decision.family),
        "tasks": {
            name: _verdict(verdict)
            | {
                "tolerance": comparisons[name].tolerance,
                "paired": comparisons[name].paired,
                "drift": comparisons[name].drift,
                "preprocessing": comparisons[name].preprocessing,
                "warnings": list(comparisons[name].warnings),
                "accepted": _acceptance(verdict),
                "languages": [{"language": name} | _verdict(verdict.subsets[name]) for name in verdict.languages],
                "subsets": {subset: _verdict(each) for subset, each in verdict.subsets.items()},
            }
            for name, verdict in decision.verdicts.items()
        },
        "means": {
            mean.name: {"status": mean.status, "tasks": mean.tasks, "missing": list(mean.missing)}
            | _pair(mean.pair)
            | {"tolerance": mean.tolerance, "detectable": _finite(mean.detectable), "accepted": list(mean.accepted)}
            for mean in decision.means
        },
        "incomplete": dict(decision.incomplete),
        "beside_all_others": list(decision.regressed_by_holm),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {"status": verdict.status} | _pair(verdict.pair) | {"detectable": _finite(verdict.detectable)}


def _acceptance(verdict: Verdict) -> dict[str, Any] | None:
    if verdict.accepted is None:
        return None
    facts = asdict(verdict.accepted) | {"until": verdict.accepted.until.isoformat()}
    return facts | {"recovered": verdict.recovered}


def _pair(pair: Pair | None) -> dict[str, Any]:
    if pair is None:
        return {"score": None}
    difference = {
        name: _finite(value)
        for name, value in asdict(pair.difference).items()
        if name in ("drop", "standard_error", "p_drop", "p_gain", "examples", "fits")
    }
    found = interval(pair.difference)
    bounds = {"interval": [_finite(bound) for bound in found] if found else None}
    return {"score": pair.score, "baseline": pair.baseline} | difference | bounds


def _finite(value: float | None) -> float | None:
    """JSON knows neither infinity nor NaN."""
    return value if value is not None and math.isfinite(value) else None
