"""What a task's score means against its baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pytest_mieb.gate.baseline import Baseline, Mark
from pytest_mieb.record import TaskRecord

Outcome = Literal["passed", "improved", "regressed", "no baseline", "measured"]


@dataclass(frozen=True)
class Verdict:
    """The outcome of one comparison; `failure` is the sentence to fail with, None where nothing is wrong.

    `improved` mirrors `regressed`: as far above the baseline as the threshold is below it. `measured` compares with
    nothing, as `--mieb-baseline=none` and `--mieb-update` ask for.
    """

    outcome: Outcome
    score: float
    baseline: Mark | None = None
    failure: str | None = None
    subsets: Mapping[str, Verdict] = field(default_factory=dict)


def judge(record: TaskRecord, baseline: Baseline | None) -> Verdict:
    """The verdict on a task and on each of its subsets; `baseline` None compares with nothing."""
    if baseline is None:
        return Verdict("measured", record.score)
    known = baseline.tasks.get(record.task)
    if known is None:
        return Verdict(
            "no baseline",
            record.score,
            failure=(
                f"{record.task}: no baseline in {baseline.model}, scored {percent(record.score)}\n"
                f"record it with --mieb-update -k {record.task}"
            ),
        )
    subsets = {}
    if len(record.subsets) > 1:
        for subset, score in record.subsets.items():
            if subset in known.subsets:
                subsets[subset] = _compared(f"{record.task} [{subset}]", record.metric, score, known.subsets[subset])
            else:
                subsets[subset] = Verdict(
                    "no baseline", score, failure=f"{record.task} [{subset}]: no baseline in {baseline.model}"
                )
    verdict = _compared(record.task, record.metric, record.score, known)
    return Verdict(verdict.outcome, verdict.score, known, verdict.failure, subsets)


def _compared(name: str, metric: str, score: float, mark: Mark) -> Verdict:
    if score < mark.threshold:
        failure = (
            f"{name} regressed: {metric} {percent(score)}, baseline {percent(mark.score)} "
            f"({points(score - mark.score)}), threshold {percent(mark.threshold)}\n"
            "if the drop is meant, record it with --mieb-update"
        )
        return Verdict("regressed", score, mark, failure)
    improved = score > mark.score + (mark.score - mark.threshold)
    return Verdict("improved" if improved else "passed", score, mark)


def percent(score: float) -> str:
    """A score as shown to people: times 100, two decimals."""
    return f"{100 * score:.2f}"


def points(difference: float) -> str:
    """A difference of scores as shown to people, with its sign; what rounds to nothing is 0.00."""
    shown = f"{100 * difference:+.2f}"
    return "0.00" if float(shown) == 0 else shown
