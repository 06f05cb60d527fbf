"""The view of a run, and of two stored measurements."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from statistics import median
from typing import Any, TypeVar

from pytest_mieb.gate.comparison import Comparison
from pytest_mieb.gate.decision import Decision, MeanVerdict
from pytest_mieb.gate.policy import Policy, judged_means
from pytest_mieb.gate.standing import Standing, standing
from pytest_mieb.gate.stored import StoredDecision
from pytest_mieb.gate.verdict import Status, Verdict, acceptance_of, blame, other_than_scores
from pytest_mieb.measurement.baseline import Baseline, Estimate, Measurement
from pytest_mieb.report.next_command import next_command
from pytest_mieb.report.run import Run
from pytest_mieb.report.view.rows import Compared, MeanRow, Row, TaskRow, Unjudged
from pytest_mieb.report.view.view import Basis, Detectable, MeasurementFacts, MeasurementKind, RunFacts, View
from pytest_mieb.suite import Task
from pytest_mieb.suite.means import GROUPS, OVERALL, group_of, means

Fact = TypeVar("Fact")


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What is known alike of a run and of a stored comparison.

    `tasks` is the suite, `named` those to speak of, in its order, and `selected` those that were asked for. `before`
    are the baseline's measurements of tasks that compare with them. `reasons` say why tasks have no verdict.
    """

    tasks: Mapping[str, Task]
    named: Sequence[str]
    selected: Collection[str]
    measured: Mapping[str, Measurement]
    before: Mapping[str, Measurement]
    comparisons: Mapping[str, Comparison]
    policy: Policy
    decision: Decision | None
    reasons: Mapping[Unjudged, Mapping[str, str]]

    @property
    def verdicts(self) -> Mapping[str, Verdict]:
        return self.decision.verdicts if self.decision else {}

    @property
    def means(self) -> Mapping[str, MeanVerdict]:
        return {mean.name: mean for mean in self.decision.means} if self.decision else {}

    def lack(self, task: str) -> tuple[Status | Unjudged, str]:
        """What a task without a verdict is instead, and why."""
        lacks = ((status, reasons[task]) for status, reasons in self.reasons.items() if task in reasons)
        return next(lacks, ("measured", ""))


def of_run(run: Run) -> View:
    """What a run has to say once all reports are in and it has been decided."""
    baseline, records = run.baseline, _in_order(run.tasks, run.records)
    comparisons, skipped = _in_order(run.tasks, run.comparisons), _in_order(run.tasks, run.skipped)
    unusable = _in_order(records, baseline.unusable if baseline else {})
    incomplete = run.decision.incomplete if run.decision else run.incomplete
    named = {*run.selected, *records, *comparisons, *incomplete, *skipped}
    known = _Known(
        tasks=run.tasks,
        named=[name for name in run.tasks if name in named],
        selected=run.selected or set(records),
        measured={name: record.measured for name, record in records.items()},
        before={name: each for name, each in (baseline.tasks if baseline else {}).items() if name not in run.errors},
        comparisons=comparisons,
        policy=run.policy,
        decision=run.decision,
        reasons={"incomplete": incomplete, "not applicable": skipped, "not comparable": unusable},
    )
    return _view(
        known,
        new=MeasurementFacts(
            run.model_name, "run", run.model_name, len(records), data=baseline.data if baseline else ""
        ),
        old=baseline and _facts_of(baseline.model, "published" if baseline.indicative else "recorded", baseline),
        notes=tuple(run.notes),
        run=_run_facts(run),
    )


def _in_order(names: Iterable[str], facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """In the order of the suite: workers report in any."""
    return {name: facts[name] for name in names if name in facts}


def of_stored(found: StoredDecision) -> View:
    """What the decision on two stored measurements has to say."""
    old, new, incomplete = found.old, found.new, found.decision.incomplete
    known = _Known(
        tasks=found.tasks,
        named=found.selected,
        selected=found.selected,
        measured={name: each for name, each in new.baseline.tasks.items() if name in found.selected},
        before={name: each for name, each in old.baseline.tasks.items() if name not in incomplete},
        comparisons=found.comparisons,
        policy=found.policy,
        decision=found.decision,
        reasons={"incomplete": incomplete, "not applicable": {}, "not comparable": found.unusable},
    )
    sides = {"new": _facts_of(new.name, new.kind, new.baseline), "old": _facts_of(old.name, old.kind, old.baseline)}
    return _view(known, **sides, left_out=found.left_out)


def _view(known: _Known, **facts: Any) -> View:
    tasks = tuple(_task(known, name) for name in known.named)
    groups, overall = _groups(known, tasks), _overall(known)
    rows = {row.name: row for row in (*groups, *overall)}
    changes = (each.preprocessing for each in known.comparisons.values())
    return View(
        state=known.decision.state if known.decision else None,
        tasks=tasks,
        groups=groups,
        overall=overall,
        judged=tuple(rows[name] for name in known.means),
        basis=_basis(known, known.decision, tasks) if known.decision else None,
        preprocessing=tuple(dict.fromkeys(filter(None, changes))),
        incomplete=known.reasons["incomplete"],
        not_applicable=known.reasons["not applicable"],
        unusable=known.reasons["not comparable"],
        **facts,
    )


def _facts_of(name: str, kind: MeasurementKind, baseline: Baseline) -> MeasurementFacts:
    facts = (baseline.revision, baseline.data, baseline.date, baseline.indicative)
    return MeasurementFacts(name, kind, baseline.model, len(baseline.tasks), *facts)


def _task(known: _Known, name: str) -> TaskRow:
    task, verdict, comparison = known.tasks[name], known.verdicts.get(name), known.comparisons.get(name)
    status, reason = known.lack(name)
    row = TaskRow(
        **_scores(known.measured.get(name), known.before.get(name)),
        name=name,
        title=name,
        status=status,
        reason=reason,
        category=task.category,
        group=group_of(task),
        subsets=_subsets(known, name),
    )
    if verdict is None or comparison is None or known.decision is None:
        return row
    return replace(
        row,
        **_judged(verdict, known.policy),
        regressed_by_holm=name in known.decision.regressed_by_holm,
        paired=comparison.paired,
        drift=comparison.drift,
        preprocessing=comparison.preprocessing,
        warnings=comparison.warnings,
        languages=verdict.languages,
        blame=blame(verdict),
        acceptance=verdict.accepted,
        acceptance_note=acceptance_of(verdict),
        recovered=verdict.recovered,
    )


def _subsets(known: _Known, task: str) -> tuple[Row, ...]:
    """Those that were measured, the verdict with each that has one."""
    verdicts = known.verdicts[task].subsets if task in known.verdicts else {}
    now, before = (side[task].subsets if task in side else {} for side in (known.measured, known.before))
    rows = []
    for name in dict.fromkeys((*now, *verdicts)):
        row = Row(**_scores(now.get(name), before.get(name)), name=name, title=f"{task} [{name}]", status="measured")
        rows.append(replace(row, **_judged(verdicts[name], known.policy)) if name in verdicts else row)
    return tuple(rows)


def _scores(now: Estimate | None, before: Estimate | None) -> dict[str, Any]:
    return {"score": now.score if now else None, "baseline": before.score if before else None}


def _judged(verdict: Verdict | MeanVerdict, policy: Policy) -> dict[str, Any]:
    drop = verdict.detectable
    return {
        "status": verdict.status,
        "compared": Compared.of(verdict.pair, policy),
        "tolerance": verdict.tolerance,
        "detectable": drop if drop is not None and isfinite(drop) else None,
        "failure": verdict.failure,
    }


def _groups(known: _Known, tasks: Sequence[TaskRow]) -> tuple[MeanRow, ...]:
    """A row for each group that has tasks, in the order of groups: its tasks with a score count."""
    scored = [known.tasks[row.name] for row in tasks if row.score is not None]
    now, before = (means(scored, _by_task(side)) for side in (known.measured, known.before))
    rows = []
    for group in GROUPS:
        members = [row for row in tasks if row.group == group]
        own = [row for row in members if row.score is not None]
        old = None if any(each.baseline is None for each in own) else before.get(group)
        row = _mean(known, group, [each.name for each in members], now.get(group), old)
        if row.detectable is None and len(own) == 1:
            row = replace(row, detectable=own[0].detectable)
        rows += [row] if members else []
    return tuple(rows)


def _overall(known: _Known) -> tuple[MeanRow, ...]:
    """Mean (en) and Mean (m) over the whole suite, or over MIEB-lite where not all of it was selected."""
    if not any(known.tasks[name].suites for name in known.selected):
        return ()
    lite = [name for name, task in known.tasks.items() if "lite" in task.suites]
    whole = judged_means(known.selected, known.tasks)
    rows = []
    for title, groups in OVERALL.items():
        tasks = [known.tasks[name] for name in whole.get(title, lite)]
        own = [task.name for task in tasks if group_of(task) in groups]
        now, before = (means(tasks, _by_task(side)) for side in (known.measured, known.before))
        row = _mean(known, title, own, now.get(title), before.get(title))
        rows.append(replace(row, suite="MIEB-lite" if all("lite" in task.suites for task in tasks) else "MIEB"))
    return tuple(rows)


def _mean(known: _Known, name: str, members: Sequence[str], score: float | None, baseline: float | None) -> MeanRow:
    """With the verdict on it, where there is one."""
    size, scored = len(members), sum(task in known.measured for task in members)
    row = MeanRow(name=name, title=name, status="measured", score=score, baseline=baseline, tasks=size, scored=scored)
    if name not in known.means:
        return row
    mean = known.means[name]
    return replace(
        row,
        **_judged(mean, known.policy),
        title=f"{name}, {mean.tasks} tasks",
        tasks=mean.tasks,
        missing=mean.missing,
        accepted=mean.accepted,
        acceptance_note=mean.acceptance_note,
    )


def _by_task(side: Mapping[str, Measurement]) -> dict[str, float]:
    return {name: each.score for name, each in side.items()}


def _basis(known: _Known, decision: Decision, tasks: Sequence[TaskRow]) -> Basis:
    compared = [row.compared for row in tasks if row.compared]
    drops = [row.detectable for row in tasks if row.detectable is not None]
    return Basis(
        policy=known.policy,
        family=decision.family,
        compared=len(compared),
        detectable=Detectable(min(drops), max(drops), median(drops)) if drops else None,
        error_unknown=sum(each.error_unknown for each in compared),
        by_fits=tuple(other_than_scores(known.comparisons)),
        warnings=tuple(dict.fromkeys(each for own in known.comparisons.values() for each in own.warnings)),
    )


def _run_facts(run: Run) -> RunFacts:
    records = run.ordered
    noise = {record.task: record.measured.noise for record in records if record.measured.noise}
    return RunFacts(
        errors=tuple(name for name in run.tasks if name in run.errors),
        not_run=tuple(run.not_run),
        no_longer_applicable=tuple(name for name in run.incomplete if name in run.skipped) if run.decision else (),
        noise=dict(sorted(noise.items(), key=lambda each: -each[1])),
        partial=tuple(each.task for each in records if each.measured.part),
        unfit=tuple(each.task for each in records if each.findings),
        standing=_standing(run),
        model=tuple(run.model.lines) if run.model and records else (),
        canary=run.context.canary if run.context else (),
        embedded=sum(record.embedded for record in records) + run.helped,
        reused=sum(record.reused for record in records) - run.helped,
        taken_over=sum(record.taken_over for record in records),
        died=tuple(run.died),
        seconds={
            record.task: record.seconds
            for record in sorted(records, key=lambda record: -record.seconds.total)
            if not record.taken_over
        },
        spent=[sum(amounts) for amounts in zip(*run.spent.values(), strict=True)],
        next_command=next_command(run),
    )


def _standing(run: Run) -> Standing | None:
    """Ranks among the published models; scores on the miniature, or on a part of the data, have none."""
    own = [task for task in run.tasks.values() if task.suites and task.name in run.selected]
    if not (run.records and run.published_data and own):
        return None
    scores = {name: record.score for name, record in run.records.items() if not record.measured.part}
    return standing(scores, own, leave_out=run.model_name)
