"""A stored baseline: reading, checking, merging and writing its YAML."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_mieb.suite import packaged

# The smallest drop that matters, and how many examples' worth of noise a threshold always allows.
TOLERANCE = 0.005
EXAMPLES = 2
NAME = re.compile(r"[\w.-]+")


class BaselineError(Exception):
    """A baseline that is not there or cannot be used; the message says what to do."""


@dataclass(frozen=True)
class Mark:
    """A recorded score and the threshold below which a new one fails, both 0..1."""

    score: float
    threshold: float


@dataclass(frozen=True)
class TaskBaseline(Mark):
    """The mark of a task, and of each subset where it has several."""

    subsets: Mapping[str, Mark] = field(default_factory=dict)


@dataclass(frozen=True)
class Baseline:
    """Scores of an earlier run. `data` is what it ran on: hub or miniature."""

    model: str
    data: str
    revision: str = ""
    date: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, TaskBaseline] = field(default_factory=dict)

    def updated(self, newer: Baseline) -> Baseline:
        """With the tasks of `newer` over this one's, which otherwise stay."""
        return replace(newer, tasks={**self.tasks, **newer.tasks})


def threshold(score: float, n_examples: int) -> float:
    """Half a point below the score, or two examples' worth of it where that is more.

    Never below -1, the least that a correlation can be.
    """
    return max(-1.0, score - max(TOLERANCE, EXAMPLES / max(n_examples, 1)))


def subset_threshold(score: float, n_examples: int) -> float:
    """Twice as far below: subsets are many and small, and one of them alone is weaker evidence."""
    return max(-1.0, score - 2 * max(TOLERANCE, EXAMPLES / max(n_examples, 1)))


def find(name: str, folder: Path) -> Path:
    """The file of a baseline: `name` is a path, or a name in `folder` (the user's) or in the package.

    Raises:
        BaselineError: there is none; the message names near ones and how to record it.
    """
    path = Path(name).expanduser()
    if path.suffix in (".yaml", ".yml"):
        if path.is_file():
            return path
        raise BaselineError(
            f"no baseline file {name}; record it with --mieb-update, or measure with --mieb-baseline=none"
        )
    for place in (folder, packaged("baselines")):
        candidate = place / f"{name}.yaml"
        if candidate.is_file():
            return candidate
    known = available(folder)
    near = difflib.get_close_matches(name, known, n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else f" There are: {', '.join(known) or 'none'}."
    raise BaselineError(
        f"no baseline {name!r} in {folder} or in the package.{hint} Record it by running the model to compare with "
        f"and adding --mieb-update, name another with --mieb-baseline=NAME, or only measure with --mieb-baseline=none"
    )


def available(folder: Path) -> list[str]:
    """The names of the user's and the package's baselines."""
    return sorted({path.stem for place in (folder, packaged("baselines")) for path in place.glob("*.yaml")})


def read(path: Path) -> Baseline:
    """Read and check a baseline.

    Raises:
        BaselineError: naming the file, the key and the remedy.
    """
    import yaml

    def refuse(key: str, sentence: str) -> BaselineError:
        return BaselineError(f"{path}: {key}: {sentence}; correct it, or record the baseline anew with --mieb-update")

    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise BaselineError(
            f"{path}: cannot be read as YAML; correct it, or record it anew with --mieb-update"
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("tasks"), dict):
        raise refuse("tasks", "missing")
    unknown = set(content) - {"model", "data", "revision", "date", "versions", "tasks"}
    if unknown:
        raise refuse(str(min(unknown)), "unknown key; the legal ones are model, data, revision, date, versions, tasks")

    def mark(key: str, entry: Any) -> Mark:
        if not isinstance(entry, dict):
            raise refuse(key, "not a mapping with score and threshold")
        numbers = []
        for name in ("score", "threshold"):
            value = entry.get(name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not -1 <= value <= 1:
                raise refuse(f"{key}.{name}", f"{value!r} is not a number from 0 to 1")
            numbers.append(float(value))
        return Mark(*numbers)

    if not isinstance(content.get("versions") or {}, dict):
        raise refuse("versions", "not a mapping of libraries to versions")
    tasks = {}
    for name, entry in content["tasks"].items():
        own = mark(f"tasks.{name}", entry)
        strange = set(entry) - {"score", "threshold", "subsets"}
        if strange:
            raise refuse(f"tasks.{name}.{min(strange)}", "unknown key; the legal ones are score, threshold, subsets")
        if not isinstance(entry.get("subsets") or {}, dict):
            raise refuse(f"tasks.{name}.subsets", "not a mapping of subsets to score and threshold")
        subsets = {
            subset: mark(f"tasks.{name}.subsets.{subset}", each)
            for subset, each in (entry.get("subsets") or {}).items()
        }
        tasks[str(name)] = TaskBaseline(own.score, own.threshold, subsets)
    return Baseline(
        model=str(content.get("model", path.stem)),
        data=str(content.get("data", "hub")),
        revision=str(content.get("revision") or ""),
        date=str(content.get("date") or ""),
        versions={str(name): str(version) for name, version in (content.get("versions") or {}).items()},
        tasks=tasks,
    )


def write(baseline: Baseline, path: Path) -> None:
    """Write a baseline whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(_text(baseline), encoding="utf-8")
    os.replace(temporary, path)


def _text(baseline: Baseline) -> str:
    import yaml

    def flow(value: Any) -> str:
        return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True).strip()

    def numbers(mark: Mark) -> str:
        return flow({"score": round(mark.score, 6), "threshold": round(mark.threshold, 6)})

    def scalar(text: str) -> str:
        return yaml.safe_dump(text, allow_unicode=True, width=10_000).removesuffix("...\n").strip()

    lines = [
        "# Scores from 0 to 1. A run fails a task that scores below its threshold: edit a threshold to move that line.",
        f"model: {scalar(baseline.model)}",
        f"revision: {scalar(baseline.revision)}",
        f"data: {scalar(baseline.data)}",
        f"date: {scalar(baseline.date)}",
        f"versions: {flow(dict(baseline.versions))}",
        "tasks:" if baseline.tasks else "tasks: {}",
    ]
    for name in sorted(baseline.tasks, key=str.lower):
        task = baseline.tasks[name]
        if not task.subsets:
            lines.append(f"  {scalar(name)}: {numbers(task)}")
            continue
        lines += [
            f"  {scalar(name)}:",
            f"    score: {round(task.score, 6)}",
            f"    threshold: {round(task.threshold, 6)}",
        ]
        lines.append("    subsets:")
        lines += [f"      {scalar(subset)}: {numbers(mark)}" for subset, mark in task.subsets.items()]
    return "\n".join(lines) + "\n"
