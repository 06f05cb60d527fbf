"""The decision on two measurements that lie on disk, as a run would have made it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Literal

from pytest_mieb.gate.comparison import Comparison, IncomparableError, Measured, compare
from pytest_mieb.gate.decision import Decision, decide
from pytest_mieb.gate.policy import Policy
from pytest_mieb.measurement import published
from pytest_mieb.measurement.baseline import Baseline, BaselineError
from pytest_mieb.measurement.opening import available, examples_behind, find, open_baseline
from pytest_mieb.suite import CATEGORIES, SUITES, Task

VERDICT = "verdict.json"


@dataclass(frozen=True)
class Stored:
    """A measurement as it was asked for by `name`.

    `unfinished` are tasks that the run behind a results folder was to score and did not, with the reason, as far as its
    own verdict says so.
    """

    name: str
    kind: Literal["results", "recorded", "published"]
    path: Path
    baseline: Baseline
    unfinished: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredDecision:
    """What the gate says of two stored measurements of `tasks`, the suite.

    `selected` are the tasks that are decided on together, in the order of the suite. `unusable` gives the reason for
    each task of which a published score tells nothing, so that it needs no verdict. `left_out` are tasks that only the
    old side has and that were not asked for.
    """

    old: Stored
    new: Stored
    tasks: Mapping[str, Task]
    selected: tuple[str, ...]
    comparisons: Mapping[str, Comparison]
    decision: Decision
    policy: Policy
    unusable: Mapping[str, str]
    left_out: tuple[str, ...]


def open_stored(name: str, folder: Path, tasks: Mapping[str, Task]) -> Stored:
    """Read a results folder, a recorded baseline (by name, in `folder` or in the package, or by path), or published
    scores.

    Raises:
        BaselineError: there is none, or it cannot be read; the message names near ones.
    """
    try:
        path = find(name, folder)
    except BaselineError as error:
        known = [*available(folder), *published.names()]
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`pytest-mieb show` lists the baselines"
        raise BaselineError(
            f"{name} is no results folder, no recorded baseline and no published model; {hint}"
        ) from error
    baseline = open_baseline(path, tasks)
    if path.is_dir():
        gone = {task: reason for task, reason in _unfinished(path / VERDICT).items() if task not in baseline.tasks}
        return Stored(name, "results", path, baseline, gone)
    return Stored(name, "published" if baseline.indicative else "recorded", path, baseline)


def select(expression: str | None, new: Stored, tasks: Mapping[str, Task]) -> list[str]:
    """The names of the tasks to decide on: those of the new side, or what `expression` says, in the suite's order.

    `expression` is one or several of suites, categories and tasks, with commas between.

    Raises:
        BaselineError: it names what there is not, or the new side has tasks without a card.
    """
    if expression is None:
        unknown = [name for name in (*new.baseline.tasks, *new.unfinished) if name not in tasks]
        if unknown:
            raise BaselineError(
                f"{new.name} has tasks without a card: {_listed(unknown)}; name the folder of their cards with "
                "--tasks, or choose others with --select"
            )
        return [name for name in tasks if name in new.baseline.tasks or name in new.unfinished]
    chosen: set[str] = set()
    for part in filter(None, map(str.strip, expression.split(","))):
        members = {name for name, task in tasks.items() if part == name or part in task.markers}
        if not members:
            legal = [*SUITES, *CATEGORIES, *tasks]
            near = difflib.get_close_matches(part, legal, n=3) or [*SUITES, *CATEGORIES]
            raise BaselineError(f"--select={part}: no suite, category or task of that name; near are {', '.join(near)}")
        chosen |= members
    if not chosen:
        raise BaselineError("--select is empty; give suites, categories or tasks, with commas between")
    return [name for name in tasks if name in chosen]


def decide_stored(
    old: Stored,
    new: Stored,
    tasks: Mapping[str, Task],
    policy: Policy,
    expression: str | None = None,
    today: date | None = None,
) -> StoredDecision:
    """Compare the selected tasks and decide, as `decision.decide` does at the end of a run.

    A selected task that a side lacks makes the verdict incomplete, and so does one whose scores do not compare.
    `today` is the day on which accepted regressions are looked at.

    Raises:
        BaselineError: the two were measured on different kinds of data, or one is of several models.
    """
    selected = select(expression, new, tasks)
    if old.baseline.data != new.baseline.data:
        raise BaselineError(
            f"{old.name} was measured on {old.baseline.data} data, {new.name} on {new.baseline.data} data; scores of "
            "different data cannot be compared"
        )
    sides = {"old": old.baseline.tasks, "new": new.baseline.tasks}
    if not any(name in side for name in selected for side in sides.values()):
        raise BaselineError(f"neither {old.name} nor {new.name} has any of the selected tasks; choose with --select")
    for stored in (old, new):
        _refuse_several_models(stored, selected)
    unusable = {**old.baseline.unusable, **new.baseline.unusable}
    comparisons: dict[str, Comparison] = {}
    incomplete: dict[str, str] = {}
    for name in selected:
        if name not in sides["new"]:
            lacking = f"{new.name} has no score of it" if name in sides["old"] else "neither side has a score of it"
            incomplete[name] = new.unfinished.get(name, lacking)
        elif name not in sides["old"]:
            incomplete[name] = f"no baseline: {old.name} has no score of it"
        elif name not in unusable:
            try:
                comparisons[name] = _compare(tasks[name], old.baseline, new.baseline, policy, today)
            except (IncomparableError, BaselineError) as error:
                incomplete[name] = str(error).removeprefix(f"{name}: ")
    return StoredDecision(
        old,
        new,
        tasks,
        tuple(selected),
        comparisons,
        decide(comparisons, incomplete, selected, tasks, policy),
        policy,
        {name: unusable[name] for name in selected if name in unusable and name not in incomplete},
        tuple(name for name in tasks if name in sides["old"] and name not in {*sides["new"], *selected}),
    )


def _compare(task: Task, old: Baseline, new: Baseline, policy: Policy, today: date | None) -> Comparison:
    """A published score drifted whichever side it is on, so that the larger allowance of the two holds."""
    before, now = old.tasks[task.name], new.tasks[task.name]
    return compare(
        task,
        Measured(
            replace(before, drift=max(before.drift, now.drift)), old.context(task.name), examples_behind(old, task)
        ),
        Measured(now, new.context(task.name), examples_behind(new, task)),
        policy,
        today,
    )


def _refuse_several_models(stored: Stored, selected: Iterable[str]) -> None:
    """A results folder keeps what earlier runs left, be it of weights that have been replaced since."""
    if stored.kind != "results":
        return
    by_model: dict[str, list[str]] = {}
    for name in selected:
        context = stored.baseline.context(name) if name in stored.baseline.tasks else None
        if context and context.fingerprint:
            by_model.setdefault(context.fingerprint, []).append(name)
    if len(by_model) > 1:
        shown = "; ".join(f"hash {fingerprint[:12]}: {_listed(names)}" for fingerprint, names in by_model.items())
        raise BaselineError(
            f"{stored.name} holds results of {len(by_model)} different models ({shown}); remove those of the older "
            "one, or --select the tasks of one"
        )


def _unfinished(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        return {str(task): str(reason) for task, reason in json.loads(path.read_text("utf-8"))["incomplete"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BaselineError(f"{path} is not the verdict on a run as this version writes it; remove the file") from error


def _listed(names: Collection[str], shown: int = 5) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(list(names)[:shown]) + more
