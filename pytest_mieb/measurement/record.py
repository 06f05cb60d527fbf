"""What is known of a task after it ran, small enough to cross processes: the report's and the gate's currency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_mieb.measurement.baseline import Estimate, Measurement
from pytest_mieb.measurement.result import TaskResult
from pytest_mieb.support.seconds import Seconds


@dataclass(frozen=True)
class TaskRecord:
    """A task as it was measured, how many embeddings stand behind it, and what of its data does not fit."""

    task: str
    metric: str
    measured: Measurement
    embedded: int
    reused: int
    seconds: Seconds
    findings: tuple[str, ...] = ()
    taken_over: bool = False

    @property
    def score(self) -> float:
        """0..1."""
        return self.measured.score

    @property
    def subsets(self) -> Mapping[str, Estimate]:
        return self.measured.subsets

    @classmethod
    def of(cls, result: TaskResult, measured: Measurement) -> TaskRecord:
        return cls(
            task=result.task.name,
            metric=result.task.metric,
            measured=measured,
            embedded=result.embedded,
            reused=result.reused,
            seconds=result.seconds,
            findings=tuple(finding.sentence for finding in result.findings),
            taken_over=result.taken_over,
        )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> TaskRecord:
        """What `dataclasses.asdict` and JSON made of one."""
        measured = dict(content["measured"])
        measured["subsets"] = {name: Estimate(**estimate) for name, estimate in measured["subsets"].items()}
        found = {
            "measured": Measurement(**measured),
            "seconds": Seconds(**content["seconds"]),
            "findings": tuple(content["findings"]),
        }
        return cls(**{**content, **found})
