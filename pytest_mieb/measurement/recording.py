"""Recording a run as the baseline of the next: what `--mieb-update` does on the controller."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from pytest_mieb.measurement.baseline import Baseline, BaselineError, Measurement, read
from pytest_mieb.measurement.changing import Lock, change, exclusive
from pytest_mieb.measurement.context import Context
from pytest_mieb.measurement.outcomes import digest
from pytest_mieb.support.atomic import written
from pytest_mieb.support.numbers import counted, percent, points


def record(
    path: Path,
    tasks: Mapping[str, Measurement],
    context: Context,
    outcomes: Path,
    *,
    model: str,
    revision: str | None,
    data: str,
    today: date | None = None,
    lock: Lock = exclusive,
) -> list[str]:
    """Write `tasks` into the baseline at `path`, keeping its other tasks; the lines say what changed.

    The outcomes are copied from the folder `outcomes`, `<task>.npz` each, into the folder of the baseline's name beside
    it, before the YAML that names their hashes; nobody else records meanwhile.

    Raises:
        BaselineError: there is a file that cannot be read; it is left as it is. Or the baseline's outcomes would lie
            among the results, or others write it all the time.
    """
    folder = path.with_suffix("")
    if folder.resolve() == outcomes.resolve():
        raise BaselineError(
            f"{path}: its outcomes would lie among the results in {folder}, which the next run writes over; choose "
            "another --mieb-baseline"
        )
    sources = {name: outcomes / f"{name}.npz" for name in tasks}
    new = Baseline(
        model=model,
        data=data,
        revision=revision or "",
        date=(today or date.today()).isoformat(),
        runs={context.name: context},
        tasks={
            name: replace(task, outcomes=digest(sources[name]), run_id=context.name) for name, task in tasks.items()
        },
    )
    old = replace(new, tasks={})

    def edit() -> Baseline:
        nonlocal old
        old = read(path) if path.is_file() else replace(new, tasks={})
        folder.mkdir(parents=True, exist_ok=True)
        for name, source in sources.items():
            _copy(source, folder / f"{name}.npz")
        return old.updated(new)

    change(path, edit, lambda: _held(old, new, path), lock)
    return [*_changes(old, new), f"recorded {counted(len(tasks), 'task')} in {path}"]


def _copy(source: Path, target: Path) -> None:
    with written(target) as temporary:
        shutil.copyfile(source, temporary)


def _held(old: Baseline, new: Baseline, path: Path) -> bool:
    """Whether what was written is there, each task with its outcomes, or what somebody recorded of it afterwards."""
    found, folder = read(path).tasks, path.with_suffix("")
    for name, task in new.tasks.items():
        entry = found.get(name)
        own = entry is not None and (entry.outcomes, entry.run_id) == (task.outcomes, task.run_id)
        if entry is None or (entry == old.tasks.get(name) and not own):
            return False
        if digest(folder / f"{name}.npz") != entry.outcomes:
            return False
    return True


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
