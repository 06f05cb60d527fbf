"""A stored baseline: reading, checking, merging and writing its YAML."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeGuard

from pytest_mieb.measurement.context import Context
from pytest_mieb.support.atomic import beside
from pytest_mieb.support.strict_yaml import YamlError, load
from pytest_mieb.support.wording import key as key_of
from pytest_mieb.support.wording import shown

NAME = re.compile(r"[\w.-]+")
_TOP = ("model", "data", "revision", "date", "runs", "tasks")
_TASK = (
    "score",
    "error",
    "tolerance",
    "accepted",
    "noise",
    "spread",  # what older files call it
    "dataset",
    "part",
    "examples",
    "outcomes",
    "run",
    "subsets",
)
# A share of the score: beyond it, points were meant.
LARGEST_TOLERANCE = 0.2
_ACCEPTED = ("until", "reason")
_SUBSET = ("score", "error")
_REMEDY = "or remove the file and record the baseline anew with --mieb-update"


class BaselineError(Exception):
    """A baseline that is not there or cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Estimate:
    """A recorded score and its sampling error (one standard error), both 0..1; the error is 0 where it is unknown."""

    score: float
    error: float = 0.0


@dataclass(frozen=True)
class Acceptance:
    """A regression that a person knows of: it fails no run up to the day `until` and on it, and every one after it.

    It is for a task and all of its subsets. `ended` as seen on the day of a comparison.
    """

    until: date
    reason: str
    ended: bool = False

    def on(self, day: date) -> Acceptance:
        return replace(self, ended=day > self.until)


@dataclass(frozen=True)
class Measurement(Estimate):
    """One task as one run measured it.

    `subsets` are there where the task has several. `tolerance` is the smallest drop that matters, where a person set
    it, and `noise` how far the score moved under changes that must not matter. `dataset` is the head of the dataset's
    revision, `examples` a hash of what was embedded and of the truth, `outcomes` one of the file with the outcomes
    (empty: there is none), `run_id` names the context in `Baseline.runs`. `drift` is by how much a score of others may
    lie too high, for known reasons of data and protocol. `accepted`: it may regress for a while. `part` says how many
    rows there were where the card expects others ("30 of 8000 rows"); empty where it is the whole.
    """

    subsets: Mapping[str, Estimate] = field(default_factory=dict)
    tolerance: float | None = None
    accepted: Acceptance | None = None
    noise: float = 0.0
    dataset: str = ""
    examples: str = ""
    outcomes: str = ""
    run_id: str = ""
    drift: float = 0.0
    part: str = ""


@dataclass(frozen=True)
class Baseline:
    """Scores of an earlier run, or of several: an update leaves the tasks that it did not run.

    `data` is what it ran on: hub or miniature. `folder` holds the outcomes, one file a task; None where there are none.
    `indicative`: measured by others, perhaps on other revisions of the datasets; `unusable` then names the tasks whose
    scores cannot be compared at all, with the reason.
    """

    model: str
    data: str
    revision: str = ""
    date: str = ""
    runs: Mapping[str, Context] = field(default_factory=dict)
    tasks: Mapping[str, Measurement] = field(default_factory=dict)
    folder: Path | None = None
    indicative: bool = False
    unusable: Mapping[str, str] = field(default_factory=dict)

    def context(self, task: str) -> Context | None:
        """What the task was measured with, where that is known."""
        return self.runs.get(self.tasks[task].run_id)

    def updated(self, newer: Baseline) -> Baseline:
        """With the tasks of `newer` over this one's; a tolerance that a person set, and a measured noise, stay.

        What was accepted does not: the new score holds the drop.
        """
        tasks = {**self.tasks}
        for name, task in newer.tasks.items():
            old = self.tasks.get(name)
            tasks[name] = replace(task, tolerance=old.tolerance, noise=task.noise or old.noise) if old else task
        used = {task.run_id for task in tasks.values()}
        runs = {name: run for name, run in {**self.runs, **newer.runs}.items() if name in used}
        return replace(newer, tasks=tasks, runs=runs)


def read(path: Path) -> Baseline:
    """Read and check a baseline.

    Raises:
        BaselineError: naming the file, the key and the remedy.
    """
    try:
        content = load(path)
    except YamlError as error:
        raise BaselineError(f"{path}: {error}, {_REMEDY}") from error
    return _Reader(path).baseline(content)


@dataclass(frozen=True)
class _Reader:
    """Checks what a file says, key by key."""

    path: Path

    def refuse(self, key: str, sentence: str) -> BaselineError:
        return BaselineError(f"{self.path}: {key}: {sentence}; correct it, {_REMEDY}")

    def baseline(self, content: Any) -> Baseline:
        if not isinstance(content, dict) or not isinstance(content.get("tasks"), dict):
            raise self.refuse("tasks", "missing")
        self.known(content, _TOP, "")
        runs = {name: self.run(name, entry) for name, entry in self.mapping(content, "runs", "runs").items()}
        tasks = {
            name: self.task(f"tasks.{name}", entry) for name, entry in self.mapping(content, "tasks", "tasks").items()
        }
        lost = next((name for name, task in tasks.items() if task.run_id and task.run_id not in runs), None)
        if lost:
            raise self.refuse(f"tasks.{lost}.run", f"{shown(tasks[lost].run_id)} is not among the runs")
        return Baseline(
            model=self.text(content, "model", "model") or self.path.stem,
            data=self.text(content, "data", "data") or "hub",
            revision=self.text(content, "revision", "revision"),
            date=self.text(content, "date", "date"),
            runs=runs,
            tasks=tasks,
            folder=self.path.with_suffix(""),
        )

    def run(self, name: str, entry: Any) -> Context:
        try:
            return Context.from_json(entry)
        except TypeError as error:
            raise self.refuse(f"runs.{name}", "not a context as --mieb-update writes it") from error

    def task(self, key: str, entry: Any) -> Measurement:
        own = self.estimate(key, entry)
        self.known(entry, _TASK, f"{key}.")
        for name in ("tolerance", "noise", "spread"):
            value = entry.get(name)
            if value is not None and (not _is_number(value) or not 0 <= value <= 1):
                raise self.refuse(f"{key}.{name}", f"{shown(value)} is not a number from 0 to 1; half a point is 0.005")
        if (entry.get("tolerance") or 0) > LARGEST_TOLERANCE:
            raise self.refuse(
                f"{key}.tolerance",
                f"{entry['tolerance']} would let it lose {100 * entry['tolerance']:g} points; half a point is 0.005",
            )
        return Measurement(
            own.score,
            own.error,
            subsets={
                name: self.subset(f"{key}.subsets.{name}", each)
                for name, each in self.mapping(entry, "subsets", f"{key}.subsets").items()
            },
            tolerance=entry.get("tolerance"),
            accepted=self.accepted(f"{key}.accepted", entry["accepted"]) if "accepted" in entry else None,
            noise=float(entry.get("noise", entry.get("spread")) or 0.0),
            dataset=self.text(entry, "dataset", f"{key}.dataset"),
            part=self.text(entry, "part", f"{key}.part"),
            examples=self.text(entry, "examples", f"{key}.examples"),
            outcomes=self.text(entry, "outcomes", f"{key}.outcomes"),
            run_id=self.text(entry, "run", f"{key}.run"),
        )

    def accepted(self, key: str, entry: Any) -> Acceptance:
        if not isinstance(entry, dict):
            raise self.refuse(key, f"{shown(entry)} is not a mapping such as {{until: 2027-03-01, reason: why}}")
        self.known(entry, _ACCEPTED, f"{key}.")
        until, reason = entry.get("until"), entry.get("reason")
        if not isinstance(until, date) or isinstance(until, datetime):
            raise self.refuse(f"{key}.until", f"{shown(until)} is not a day such as 2027-03-01, without quotes")
        if not isinstance(reason, str) or not reason.strip():
            raise self.refuse(f"{key}.reason", f"{shown(reason)} is not text; say why the drop is accepted")
        return Acceptance(until, " ".join(reason.split()))

    def subset(self, key: str, entry: Any) -> Estimate:
        own = self.estimate(key, entry)
        self.known(entry, _SUBSET, f"{key}.")
        return own

    def estimate(self, key: str, entry: Any) -> Estimate:
        if not isinstance(entry, dict):
            raise self.refuse(key, "not a mapping with a score")
        score, error = entry.get("score"), entry.get("error", 0.0)
        if not _is_number(score) or not -1 <= score <= 1:
            raise self.refuse(
                f"{key}.score", f"{shown(score)} is not a number from 0 to 1, or for a correlation from -1 to 1"
            )
        if not _is_number(error) or not 0 <= error <= 1:
            raise self.refuse(f"{key}.error", f"{shown(error)} is not a number from 0 to 1")
        return Estimate(float(score), float(error))

    def text(self, entry: Mapping[str, Any], name: str, key: str) -> str:
        """A text, empty where it is left out; a whole number is one too, for a hash may look like it, and a day."""
        value = entry.get(name)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | date):
            raise self.refuse(key, f"{shown(value)} is not text; put it in quotes")
        return str(value)

    def mapping(self, entry: Mapping[str, Any], name: str, key: str) -> Mapping[str, Any]:
        """Whole numbers are names too: a hash may look like one."""
        value = entry.get(name)
        if not isinstance(value, dict | None):
            raise self.refuse(key, "not a mapping")
        odd = [each for each in value or {} if not isinstance(each, str | int) or isinstance(each, bool)]
        if odd:
            raise self.refuse(key, f"the name {shown(odd[0])} is not text; put it in quotes")
        return {str(each): content for each, content in (value or {}).items()}

    def known(self, entry: Mapping[str, Any], legal: tuple[str, ...], key: str) -> None:
        unknown = sorted(map(key_of, set(entry) - set(legal)))
        if unknown:
            raise self.refuse(f"{key}{unknown[0]}", f"unknown key; the legal ones are {', '.join(legal)}")


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def write(baseline: Baseline, path: Path, still: Callable[[], bool] = lambda: True) -> bool:
    """Write a baseline whole or not at all; not where `still` says no just before, and then False."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with beside(path) as temporary:
        temporary.write_text(_text(baseline), encoding="utf-8")
        allowed = still()
        if allowed:
            os.replace(temporary, path)
        return allowed


def _text(baseline: Baseline) -> str:
    import yaml

    def flow(value: Any) -> str:
        return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True).strip()

    def scalar(text: str) -> str:
        return yaml.safe_dump(text, allow_unicode=True, width=10_000).removesuffix("...\n").strip()

    lines = [
        "# Scores from 0 to 1, each with its sampling error. Add `tolerance: 0.01` to a task to let it lose a point,",
        "# or `accepted: {until: 2027-03-01, reason: ...}` to let it regress until that day.",
        f"model: {scalar(baseline.model)}",
        f"revision: {scalar(baseline.revision)}",
        f"data: {scalar(baseline.data)}",
        f"date: {scalar(baseline.date)}",
        "runs:" if baseline.runs else "runs: {}",
        *(f"  {scalar(name)}: {flow(_plain(run.to_json()))}" for name, run in sorted(baseline.runs.items())),
        "tasks:" if baseline.tasks else "tasks: {}",
    ]
    for name in sorted(baseline.tasks, key=str.lower):
        task = baseline.tasks[name]
        entry = _entry(task)
        if not task.subsets:
            lines.append(f"  {scalar(name)}: {flow(entry)}")
            continue
        lines += [f"  {scalar(name)}:", *(f"    {key}: {flow(value)}" for key, value in entry.items())]
        lines.append("    subsets:")
        lines += [f"      {scalar(subset)}: {flow(_numbers(estimate))}" for subset, estimate in task.subsets.items()]
    return "\n".join(line.removesuffix("\n...") for line in lines) + "\n"


def _entry(task: Measurement) -> dict[str, Any]:
    by_hand: dict[str, Any] = {} if task.tolerance is None else {"tolerance": task.tolerance}
    if task.accepted:
        by_hand["accepted"] = {"until": task.accepted.until, "reason": task.accepted.reason}
    others = {name: getattr(task, name) for name in ("dataset", "part", "examples", "outcomes")}
    others["run"] = task.run_id
    others["noise"] = round(task.noise, 6)
    return _numbers(task) | by_hand | {name: value for name, value in others.items() if value}


def _numbers(estimate: Estimate) -> dict[str, float]:
    return {"score": round(estimate.score, 6), "error": round(estimate.error, 6)}


def _plain(value: Any) -> Any:
    """What YAML can hold without tags."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
