"""What the controller gathers of a run, report by report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_mieb.gate.policy import Policy
from pytest_mieb.measurement.baseline import Baseline
from pytest_mieb.measurement.context import Context
from pytest_mieb.measurement.record import TaskRecord
from pytest_mieb.models.description import Description
from pytest_mieb.plugin.keys import (
    COMPARISON,
    CONTEXT,
    MEANS_OF_RUN,
    MODEL,
    RECORD,
    SPENT,
    SUITE_TEST,
    TASK,
    VERDICT,
    task_in,
)
from pytest_mieb.suite import Task

if TYPE_CHECKING:
    import pytest

    from pytest_mieb.gate.comparison import Comparison
    from pytest_mieb.gate.decision import Decision


@dataclass
class Run:
    """What is known of a run so far: scores, comparisons, and the tasks that have none, each with the reason.

    `args` is the command line, `selected` the tasks that were collected, `notes` lines for the summary, `model` what
    was loaded and `context` what it was measured with, in whatever process. `published_data`: on the data that the
    published models were measured on. `strangers` counts failures that are none of the suite's. `unrecorded` says why
    what was to be recorded was not. `spent` has for each item the US dollars that an API took: for what it answered,
    and at most for the rest.
    """

    args: Sequence[str]
    tasks: Mapping[str, Task]
    baseline: Baseline | None
    policy: Policy = field(default_factory=Policy)
    published_data: bool = False
    model_name: str = ""
    records: dict[str, TaskRecord] = field(default_factory=dict)
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    selected: set[str] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    model: Description | None = None
    context: Context | None = None
    strangers: int = 0
    unrecorded: str | None = None
    spent: dict[str, tuple[float, float]] = field(default_factory=dict)
    decision: Decision | None = None

    @property
    def ordered(self) -> list[TaskRecord]:
        """The records in the order of the suite; workers send them in any."""
        return [self.records[name] for name in self.tasks if name in self.records]

    @property
    def not_run(self) -> list[str]:
        gone = self.selected - set(self.records) - set(self.skipped) - set(self.errors)
        return [name for name in self.tasks if name in gone]

    @property
    def incomplete(self) -> dict[str, str]:
        """Why each selected task has no verdict though it should; a task that neither side can do needs none."""
        known = self.baseline.tasks if self.baseline else {}
        lost = {name: f"not applicable now: {reason}" for name, reason in self.skipped.items() if name in known}
        gone = {**lost, **self.errors, **dict.fromkeys(self.not_run, "did not run")}
        return {name: gone[name] for name in self.tasks if name in gone}

    @property
    def only_incomplete(self) -> bool:
        """No regression was seen, and nothing else failed, but some task or mean has no verdict."""
        if self.strangers or self.unrecorded or (self.decision and self.decision.state == "regressed"):
            return False
        return bool(self.decision.incomplete if self.decision else self.errors or self.not_run)

    def note(self, report: pytest.TestReport) -> None:
        """Take what a report says of a task; it may come from another process."""
        properties = {key: str(value) for key, value in report.user_properties}
        bills = [json.loads(str(value)) for key, value in report.user_properties if key == SPENT]
        if bills:  # several where the item was run again
            self.spent[report.nodeid] = sum(bill[0] for bill in bills), sum(bill[1] for bill in bills)
        name = properties.get(TASK) or task_in(report.nodeid, self.tasks)
        if report.failed and SUITE_TEST not in report.nodeid and not report.nodeid.startswith(MEANS_OF_RUN):
            self.strangers += 1
        if not name:
            return
        if MODEL in properties:
            self.model = Description.loads(properties[MODEL])
        if CONTEXT in properties and not self.context:
            self.context = Context.from_json(json.loads(properties[CONTEXT]))
        if RECORD in properties:
            self.records[name] = TaskRecord.from_json(properties[RECORD])
        if COMPARISON in properties:
            from pytest_mieb.gate.comparison import Comparison

            self.comparisons[name] = Comparison.from_json(properties[COMPARISON])
        elif VERDICT not in properties and SUITE_TEST not in report.nodeid:
            return  # a test of the user's own, which says nothing of the task's verdict
        elif report.skipped and report.when == "setup":
            self.skipped[name] = _reason(report)
        elif report.failed and report.when in ("setup", "???"):
            self.errors[name] = report.longreprtext.strip()

    def decide(self) -> Decision | None:
        """The verdict on the whole run, once all reports are in; None where it is compared with nothing."""
        if self.baseline is not None and self.selected:
            from pytest_mieb.gate.decision import decide

            self.decision = decide(self.comparisons, self.incomplete, self.selected, self.tasks, self.policy)
        return self.decision


def _reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return report.longreprtext
