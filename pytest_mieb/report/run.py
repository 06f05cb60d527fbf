"""What the controller gathers of a run, report by report."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_mieb.gate.comparison import Comparison
from pytest_mieb.gate.decision import Decision, decide
from pytest_mieb.gate.policy import Policy
from pytest_mieb.measurement.baseline import Baseline
from pytest_mieb.measurement.context import Context
from pytest_mieb.measurement.record import TaskRecord
from pytest_mieb.models.description import Description
from pytest_mieb.report.message import Message, Notice
from pytest_mieb.suite import Task

# Ids of the suite's tests hold the first; those of what only the whole run shows begin with the second.
SUITE_TEST = "test_mieb.py::test_mieb["
MEANS_OF_RUN = "mieb::"


def task_in(nodeid: str, tasks: Container[str]) -> str | None:
    """The task that a test's id names, where it is one: `.../test_mieb.py::test_mieb[CIFAR10]`."""
    name = nodeid.rpartition("[")[2].removesuffix("]")
    return name if name in tasks else None


@dataclass
class Run:
    """What is known of a run so far: scores, comparisons, and the tasks that have none, each with the reason.

    `args` is the command line, `selected` the tasks that were collected, `notes` lines for the summary, `model` what
    was loaded and `context` what it was measured with, in whatever process. `published_data`: on the data that the
    published models were measured on. `foreign_failures` counts those of tests that are none of the suite's.
    `unrecorded` says why what was to be recorded was not. `spent` has for each item the US dollars that an API took:
    for what it answered, and at most for the rest. `helped` counts items that a process embedded beside those of the
    task that it ran: a record takes them for items of the store. `died` says which workers did, and of what.
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
    foreign_failures: int = 0
    unrecorded: str | None = None
    spent: dict[str, tuple[float, float]] = field(default_factory=dict)
    helped: int = 0
    died: list[str] = field(default_factory=list)
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
        if self.foreign_failures or self.unrecorded or (self.decision and self.decision.state == "regressed"):
            return False
        return bool(self.decision.incomplete if self.decision else self.errors or self.not_run)

    def note(self, notice: Notice) -> None:
        """Take what became of a test; it may have run in another process, or have died there."""
        message = notice.message
        of_suite = SUITE_TEST in notice.nodeid
        if notice.outcome == "failed" and not of_suite and not notice.nodeid.startswith(MEANS_OF_RUN):
            self.foreign_failures += 1
        name = message.task if message else task_in(notice.nodeid, self.tasks)
        if not name:
            return
        if message:
            self._take(notice.nodeid, message)
        if message and message.comparison:
            return
        if not (of_suite or (message and message.judged)):
            return  # a test of the user's own, which says nothing of the task's verdict
        if notice.outcome == "skipped" and notice.phase == "setup":
            self.skipped[name] = notice.said
        elif notice.outcome == "failed" and notice.phase in ("setup", "???"):
            self.errors[name] = notice.said

    def _take(self, nodeid: str, message: Message) -> None:
        self.model = message.model or self.model
        self.context = self.context or message.context
        if message.spent:
            self.spent[nodeid] = message.spent
        if message.record:
            self.records[message.task] = message.record
        if message.comparison:
            self.comparisons[message.task] = message.comparison

    def decide(self) -> Decision | None:
        """The verdict on the whole run, once all reports are in; None where it is compared with nothing."""
        if self.baseline is not None and self.selected:
            self.decision = decide(self.comparisons, self.incomplete, self.selected, self.tasks, self.policy)
        return self.decision
