"""What is known of a task after it ran, small enough to cross processes: the report's and the gate's currency."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mieb.evaluation import TaskResult


@dataclass(frozen=True)
class TaskRecord:
    """Scores 0..1, and how many examples and embeddings stand behind them."""

    task: str
    metric: str
    score: float
    subsets: Mapping[str, float]
    n_examples: Mapping[str, int]
    embedded: int
    reused: int
    seconds: float

    @classmethod
    def of(cls, result: TaskResult) -> TaskRecord:
        return cls(
            task=result.task.name,
            metric=result.task.metric,
            score=result.score,
            subsets={name: subset.score for name, subset in result.subsets.items()},
            n_examples={name: subset.n_examples for name, subset in result.subsets.items()},
            embedded=result.embedded,
            reused=result.reused,
            seconds=result.seconds["total"],
        )

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> TaskRecord:
        return cls(**json.loads(text))
