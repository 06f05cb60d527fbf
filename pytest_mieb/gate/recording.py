"""Recording a run as the baseline of the next: what `--mieb-update` does on the controller."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from pytest_mieb.gate.baseline import Baseline, Mark, TaskBaseline, read, subset_threshold, threshold, write
from pytest_mieb.gate.verdict import percent, points
from pytest_mieb.record import TaskRecord


def record(
    path: Path,
    records: Collection[TaskRecord],
    *,
    model: str,
    revision: str | None,
    data: str,
    versions: Mapping[str, str],
    today: date | None = None,
) -> list[str]:
    """Write the scores of `records` into the baseline at `path`, keeping its other tasks; the lines say what changed.

    Raises:
        BaselineError: there is a file that cannot be read; it is left as it is.
    """
    old = read(path) if path.is_file() else None
    new = Baseline(
        model=model,
        data=data,
        revision=revision or "",
        date=(today or date.today()).isoformat(),
        versions=versions,
        tasks={each.task: _task_baseline(each) for each in records},
    )
    write(old.updated(new) if old else new, path)
    return [*_changes(old or replace(new, tasks={}), new), f"recorded {len(records)} tasks in {path}"]


def _task_baseline(record: TaskRecord) -> TaskBaseline:
    subsets = {}
    if len(record.subsets) > 1:
        subsets = {
            name: Mark(score, subset_threshold(score, record.n_examples[name]))
            for name, score in record.subsets.items()
        }
    return TaskBaseline(record.score, threshold(record.score, sum(record.n_examples.values())), subsets)


def _changes(old: Baseline, new: Baseline) -> list[str]:
    lines = []
    for name, task in new.tasks.items():
        before = old.tasks.get(name)
        if before is None:
            lines.append(f"  {name}: new, {percent(task.score)}")
        elif abs(before.score - task.score) >= 5e-7:
            lines.append(
                f"  {name}: {percent(before.score)} -> {percent(task.score)} ({points(task.score - before.score)})"
            )
    return lines or ["  no score changed"]
