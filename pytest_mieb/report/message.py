"""The one message that a process sends of a task, to itself or to another: all that the report and the gate need."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from pytest_mieb.gate.comparison import Comparison
from pytest_mieb.measurement.context import Context
from pytest_mieb.measurement.record import TaskRecord
from pytest_mieb.models.description import Description


@dataclass
class Message:
    """What is known of the task of one test, as far as the test has come.

    Args:
        task: its name.
        judged: whether the test asks for the verdict on it.
        record: the task as it was measured.
        comparison: with the baseline's; None where nothing is compared, or it came to nothing.
        context, model: what it was measured with.
        spent: US dollars that an API took for what it answered, and at most for the rest.
    """

    task: str
    judged: bool = False
    record: TaskRecord | None = None
    comparison: Comparison | None = None
    context: Context | None = None
    model: Description | None = None
    spent: tuple[float, float] | None = None

    def spend(self, answered: float, unsure: float) -> None:
        """Add what was spent: a test may be run again."""
        before = self.spent or (0.0, 0.0)
        self.spent = before[0] + answered, before[1] + unsure

    def dumps(self) -> str:
        return json.dumps(asdict(self), default=date.isoformat)

    @classmethod
    def loads(cls, text: str) -> Message:
        content: dict[str, Any] = json.loads(text)
        kinds = {"record": TaskRecord, "comparison": Comparison, "context": Context, "model": Description}
        for name, kind in kinds.items():
            if content[name] is not None:
                content[name] = kind.from_json(content[name])  # type: ignore[attr-defined]
        content["spent"] = content["spent"] and tuple(content["spent"])
        return cls(**content)


@dataclass(frozen=True)
class Notice:
    """What became of one phase (setup, call, teardown, or `???` where a worker died) of one test.

    `said` is the reason of a skip, or the text of a failure.
    """

    nodeid: str
    phase: str
    outcome: str
    said: str = ""
    message: Message | None = None
