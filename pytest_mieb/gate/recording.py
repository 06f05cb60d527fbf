"""Recording a run as the baseline of the next: what `--mieb-update` does on the controller."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from pytest_mieb.gate.baseline import Baseline, BaselineError, TaskBaseline, read, write
from pytest_mieb.gate.context import Context
from pytest_mieb.gate.outcomes import digest
from pytest_mieb.gate.verdict import percent, points


def record(
    path: Path,
    tasks: Mapping[str, TaskBaseline],
    context: Context,
    outcomes: Path,
    *,
    model: str,
    revision: str | None,
    data: str,
    today: date | None = None,
) -> list[str]:
    """Write `tasks` into the baseline at `path`, keeping its other tasks; the lines say what changed.

    The outcomes are copied from the folder `outcomes`, `<task>.npz` each, into the folder of the baseline's name beside
    it, before the YAML that names their hashes.

    Raises:
        BaselineError: there is a file that cannot be read; it is left as it is. Or the baseline's outcomes would lie
            among the results.
    """
    old = read(path) if path.is_file() else None
    folder = path.with_suffix("")
    if folder.resolve() == outcomes.resolve():
        raise BaselineError(
            f"{path}: its outcomes would lie among the results in {folder}, which the next run writes over; choose "
            "another --mieb-baseline"
        )
    folder.mkdir(parents=True, exist_ok=True)
    stored = {}
    for name, task in tasks.items():
        kept = folder / f"{name}.npz"
        shutil.copyfile(outcomes / f"{name}.npz", kept)
        stored[name] = replace(task, outcomes=digest(kept), run=context.name)
    new = Baseline(
        model=model,
        data=data,
        revision=revision or "",
        date=(today or date.today()).isoformat(),
        runs={context.name: context},
        tasks=stored,
    )
    write(old.updated(new) if old else new, path)
    return [*_changes(old or replace(new, tasks={}), new), f"recorded {len(tasks)} tasks in {path}"]


def _changes(old: Baseline, new: Baseline) -> list[str]:
    lines = []
    for name, task in new.tasks.items():
        before = old.tasks.get(name)
        if before is None:
            lines.append(f"  {name}: new, {percent(task.score)}")
        elif before.part != task.part:
            now, then = task.part or "the whole", before.part or "the whole"
            lines.append(f"  {name}: {percent(task.score)} on {now}, before {percent(before.score)} on {then}")
        elif abs(before.score - task.score) >= 5e-7:
            lines.append(
                f"  {name}: {percent(before.score)} -> {percent(task.score)} ({points(task.score - before.score)})"
            )
    done = [
        f"  {name}: what was accepted until {accepted.until} is part of the baseline now, and `accepted` is removed"
        for name in new.tasks
        if name in old.tasks and (accepted := old.tasks[name].accepted)
    ]
    return [*(lines or ["  no score changed"]), *done]
