"""The view: the rows, what stands beside them, and which of them belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, TypeVar

from pytest_mieb.gate.decision import State
from pytest_mieb.gate.policy import ComparisonFamily, Policy
from pytest_mieb.gate.standing import Standing
from pytest_mieb.report.view.rows import MeanRow, Row, TaskRow
from pytest_mieb.suite.means import GROUPS
from pytest_mieb.support.numbers import counted
from pytest_mieb.support.seconds import Seconds

_ORDER = ("regressed", "accepted", "suspect", "improved", "incomplete", "passed")
MeasurementKind = Literal["run", "results", "recorded", "published"]
AnyRow = TypeVar("AnyRow", bound=Row)


@dataclass(frozen=True)
class MeasurementFacts:
    """One of the two measurements that are compared, as it was asked for by `name`; `tasks` counts what it has.

    `data` is hub or miniature. `revision`, `data` and `date` are empty where they are not known. `indicative`: measured
    by others.
    """

    name: str
    kind: MeasurementKind
    model: str
    tasks: int
    revision: str = ""
    data: str = ""
    date: str = ""
    indicative: bool = False


class Detectable(NamedTuple):
    """The smallest drop that would be found in a task: of all tasks the least, the largest, and the median; 0..1."""

    least: float
    largest: float
    median: float


@dataclass(frozen=True)
class Basis:
    """What the verdicts rest on, and what is to be known of them.

    `compared` counts the tasks with a verdict, `error_unknown` those that changed without a known
    sampling error. `by_fits`
    says which clusterings moved otherwise than their scores, `warnings` what differs between the two sides.
    """

    policy: Policy
    family: ComparisonFamily
    compared: int
    detectable: Detectable | None
    error_unknown: int
    by_fits: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What only a run knows.

    The first three name the tasks that ended in an error, those that did not run, and those that are not applicable now
    though the baseline has them. `noise` is by how much (0..1) a score moved under changes that must not matter, the
    largest first. `partial` were measured on a part of their data; some data of `unfit` does not fit. `canary` are the
    stations at which the environment moved. `embedded` and `reused` count items, `taken_over` tasks. `died` says
    which workers did, and what became of their tasks. `seconds` is the time of every task that was scored now, the
    slowest first. `spent` is US dollars, for what an API answered and at most for the rest; empty where nothing is paid
    for.
    """

    errors: tuple[str, ...]
    not_run: tuple[str, ...]
    no_longer_applicable: tuple[str, ...]
    noise: Mapping[str, float]
    partial: tuple[str, ...]
    unfit: tuple[str, ...]
    standing: Standing | None
    model: tuple[str, ...]
    canary: tuple[str, ...]
    embedded: int
    reused: int
    taken_over: int
    died: tuple[str, ...]
    seconds: Mapping[str, Seconds]
    spent: Sequence[float]
    next_command: str | None


@dataclass(frozen=True, kw_only=True)
class View:
    """All that there is to say. Compared with nothing, there is no `old` side, no `state` and no `basis`.

    `tasks` are in the order of the suite, `groups` and `overall` are the means, and `judged` those of them that have a
    verdict, in the order in which they were judged. `preprocessing` says how inputs are prepared otherwise.
    `incomplete`, `not_applicable` and `unusable` give the reason for each task without a verdict: one that should have
    it, one that the model cannot do, one whose published score tells nothing. `left_out` are tasks that only the old
    side has and that were not asked for.
    """

    new: MeasurementFacts
    old: MeasurementFacts | None
    state: State | None
    tasks: tuple[TaskRow, ...]
    groups: tuple[MeanRow, ...]
    overall: tuple[MeanRow, ...]
    judged: tuple[MeanRow, ...]
    basis: Basis | None
    preprocessing: tuple[str, ...] = ()
    incomplete: Mapping[str, str] = field(default_factory=dict)
    not_applicable: Mapping[str, str] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    run: RunFacts | None = None

    @property
    def headline(self) -> str:
        """The state in a sentence; empty without one."""
        compared = counted(sum(row.compared is not None for row in self.tasks), "task")
        missing = f"{len(self.incomplete)} of {counted(len(self.tasks), 'task')} have no verdict"
        if self.state == "regressed":
            means = len(with_status(self.judged, "regressed"))
            of_means = f" and {means} of {counted(len(self.judged), 'mean')}" if self.judged else ""
            return f"regressed: {len(self.failed)} of {compared}{of_means}{f'; {missing}' if self.incomplete else ''}"
        if self.state == "incomplete":
            return f"incomplete: no regression was seen, but {missing}"
        accepted = len(self.accepted)
        but = f", except {accepted} that {'is' if accepted == 1 else 'are'} accepted" if accepted else ""
        return f"passed: no regression in {compared}{but}" if self.state else ""

    @property
    def scored(self) -> int:
        """How many tasks have a score."""
        return sum(row.score is not None for row in self.tasks)

    @property
    def failed(self) -> list[TaskRow]:
        """The tasks that regressed, by themselves or in a language."""
        return [row for row in self.tasks if row.failure]

    @property
    def accepted(self) -> list[TaskRow]:
        """The tasks that regressed, which the baseline accepts for a while."""
        return [row for row in self.tasks if row.acceptance_note and not row.recovered]

    @property
    def recovered(self) -> list[TaskRow]:
        """The tasks of which a regression is accepted that is gone."""
        return [row for row in self.tasks if row.recovered]

    def changes(self, *, everything: bool) -> list[Row]:
        """The tasks that changed: regressed, accepted, suspect, improved, the largest change first; with `everything`
        all tasks, those that did not change last. Subsets that changed stand among them, suspect ones only with
        `everything`.
        """
        rows: list[Row] = []
        silent = ("passed",) if everything else ("passed", "suspect")
        for task in self.tasks:
            if task.compared:
                rows += [task] if everything or task.status != "passed" else []
                rows += [each for each in task.subsets if each.compared and each.status not in silent]
        return sorted(rows, key=lambda row: (_ORDER.index(row.status), _rise(row)))

    @property
    def verdicts_by_group(self) -> list[Row]:
        """The judged means, the groups in their order; a group of a single task is that task."""
        rows: dict[str, Row] = {row.name: row for row in self.judged}
        for group, task in {row.group: row for row in self.tasks}.items():
            if group not in rows and task.compared:
                rows[group] = replace(task, title=f"{group}, 1 task")
        return [rows[name] for name in dict.fromkeys((*GROUPS, *rows)) if name in rows]


def with_status(rows: Iterable[AnyRow], status: str) -> list[AnyRow]:
    """Those with this verdict."""
    return [row for row in rows if row.status == status and row.compared]


def _rise(row: Row) -> float:
    """Large drops sort first, among what improved large gains; what passed keeps its place."""
    if row.compared is None or row.status == "passed":
        return 0.0
    return row.compared.drop if row.status == "improved" else -row.compared.drop
