"""What the controller gathers of a run, report by report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_mieb.gate.baseline import Baseline
from pytest_mieb.gate.verdict import Verdict, judge
from pytest_mieb.keys import MODEL, RECORD, TASK, task_in
from pytest_mieb.models.description import Description
from pytest_mieb.record import TaskRecord
from pytest_mieb.suite import Task

if TYPE_CHECKING:
    import pytest


@dataclass
class Run:
    """What is known of a run so far: scores, and the tasks that have none, each with the reason.

    `args` is the command line, `selected` the tasks that were collected, `notes` lines for the summary, `model` what
    was loaded, in whatever process.
    """

    args: Sequence[str]
    tasks: Mapping[str, Task]
    baseline: Baseline | None
    records: dict[str, TaskRecord] = field(default_factory=dict)
    selected: set[str] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    model: Description | None = None

    @property
    def ordered(self) -> list[TaskRecord]:
        """The records in the order of the suite; workers send them in any."""
        return [self.records[name] for name in self.tasks if name in self.records]

    @property
    def verdicts(self) -> dict[str, Verdict]:
        return {record.task: judge(record, self.baseline) for record in self.ordered}

    @property
    def not_run(self) -> list[str]:
        gone = self.selected - set(self.records) - set(self.skipped) - set(self.errors)
        return [name for name in self.tasks if name in gone]

    def note(self, report: pytest.TestReport) -> None:
        """Take what a report says of a task; it may come from another process."""
        properties = {key: str(value) for key, value in report.user_properties}
        name = properties.get(TASK) or task_in(report.nodeid, self.tasks)
        if not name:
            return
        if MODEL in properties:
            self.model = Description.loads(properties[MODEL])
        if RECORD in properties:
            self.records[name] = TaskRecord.from_json(properties[RECORD])
        elif report.skipped and report.when == "setup":
            self.skipped[name] = _reason(report)
        elif report.failed and report.when in ("setup", "???"):
            self.errors[name] = report.longreprtext.strip()


def _reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return report.longreprtext
