"""What a run can be compared with, by name: a recorded baseline, published scores, or the results of another run."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_mieb.gate.statistics.influence import Examples
from pytest_mieb.measurement import outcomes, published
from pytest_mieb.measurement.baseline import Baseline, BaselineError, Estimate, Measurement, read
from pytest_mieb.measurement.context import Context
from pytest_mieb.measurement.drift import drift
from pytest_mieb.measurement.soundness import contradiction, impossible
from pytest_mieb.suite import DEFAULT_SUBSET, Task
from pytest_mieb.support.packaged import packaged

YAML = (".yaml", ".yml")


def find(name: str, folder: Path) -> Path:
    """Where a baseline lies: `name` is a path, or a name in `folder` (the user's), in the package, or published.

    Raises:
        BaselineError: there is none; the message names near ones and how to record it.
    """
    path = Path(name).expanduser()
    if path.suffix in YAML:
        if path.is_file():
            return path
        raise BaselineError(
            f"no baseline file {name}; record it with --mieb-update, or measure with --mieb-baseline=none"
        )
    if "/" in name and path.is_dir():
        return path
    for place in (folder, packaged("baselines")):
        candidate = place / f"{name}.yaml"
        if candidate.is_file():
            return candidate
    known = published.find(name)
    if known:
        return published.folder() / published.file_name(known)
    if path.is_dir():
        return path
    there = available(folder)
    near = difflib.get_close_matches(name, [*there, *published.names()], n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else f" There are: {', '.join(there) or 'none'}, and"
    hint += "" if near else f" {len(published.names())} published ones (`pytest-mieb show` lists them)."
    raise BaselineError(
        f"no baseline {name!r} in {folder} or in the package.{hint} Record it by running the model to compare with "
        f"and adding --mieb-update, name another with --mieb-baseline=NAME, or only measure with --mieb-baseline=none"
    )


def available(folder: Path) -> list[str]:
    """The names of the user's and the package's recorded baselines."""
    return sorted({path.stem for place in (folder, packaged("baselines")) for path in place.glob("*.yaml")})


def open_baseline(path: Path, tasks: Mapping[str, Task]) -> Baseline:
    """Read what `find` found; `tasks` is the suite that it is for.

    Raises:
        BaselineError: it cannot be used; the message says why.
    """
    baseline = _opened(path, tasks)
    for name, measured in baseline.tasks.items():
        problem = impossible(tasks[name], measured) if name in tasks else None
        if problem:
            raise BaselineError(
                f"{path}: tasks.{name}.{problem}; correct it, or remove the task there and measure it again"
            )
    return baseline


def _opened(path: Path, tasks: Mapping[str, Task]) -> Baseline:
    if path.is_dir():
        return _results(path)
    return read(path) if path.suffix in YAML else _published(path.stem, tasks)


def examples_of(baseline: Baseline, task: str) -> Mapping[str, Examples] | None:
    """The outcomes of a task's examples; None where the baseline has none.

    Raises:
        BaselineError: they are missing, or not those that the baseline was recorded with.
    """
    expected = baseline.tasks[task].outcomes
    if baseline.folder is None:
        return None
    path = baseline.folder / f"{task}.npz"
    if not expected and path.is_file():
        raise BaselineError(
            f"{task}: the baseline does not say that {path} holds its outcomes; restore the task's `outcomes` in it, "
            f"record the task anew with --mieb-update -k {task}, or remove the file"
        )
    if not expected:
        return None
    remedy = f"restore the file, or record the task anew with --mieb-update -k {task}"
    if not path.is_file():
        raise BaselineError(f"{task}: the outcomes of the baseline are missing ({path}); {remedy}")
    if outcomes.digest(path) != expected:
        raise BaselineError(f"{task}: {path} does not hold the outcomes that belong to the baseline's score; {remedy}")
    try:
        return outcomes.read(path)
    except outcomes.OutcomesError as error:
        raise BaselineError(f"{task}: {error}; {remedy}") from error


def examples_behind(baseline: Baseline, task: Task) -> Mapping[str, Examples] | None:
    """The same, after checking that they make up the score.

    Raises:
        BaselineError: also where they do not.
    """
    examples = examples_of(baseline, task.name)
    problem = contradiction(task, baseline.tasks[task.name], examples) if examples else None
    if problem:
        raise BaselineError(
            f"{problem} ({baseline.folder}); correct the score, or record the task anew with --mieb-update -k "
            f"{task.name}"
        )
    return examples


def _published(name: str, tasks: Mapping[str, Task]) -> Baseline:
    """Scores without sampling error or examples, each with its allowance for drift."""
    model = published.read(name)
    usable, unusable = {}, {}
    for task, score in model.tasks.items():
        if task not in tasks:
            continue
        moved = drift(tasks[task], score)
        if not moved.comparable:
            unusable[task] = moved.reason
        subsets = {subset: Estimate(each) for subset, each in score.subsets.items() if subset != DEFAULT_SUBSET}
        usable[task] = Measurement(score.score, subsets=subsets, drift=moved.allowance)
    return Baseline(model.model, "hub", model.revision, tasks=usable, indicative=True, unusable=unusable)


def _results(folder: Path) -> Baseline:
    """The results of a run, as `pytest_mieb.measurement.results` writes them."""
    tasks: dict[str, Measurement] = {}
    runs: dict[str, Context] = {}
    model, data, revision = "", "", ""
    for path in sorted(folder.glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if "task" not in content:
                continue
            context = Context.from_json(content["context"])
            tasks[content["task"]] = _task(content, outcomes.digest(path.with_suffix(".npz")), context.name)
            model, data, revision = content["model"], content["data"], content["model_revision"] or ""
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise BaselineError(
                f"{path}: not the result of a task as this version writes it ({type(error).__name__}: {error}); "
                "run the task again, or remove the file"
            ) from error
        runs[context.name] = context
    if not tasks:
        raise BaselineError(f"{folder}: no results there (<task>.json); give mieb-results/<model> of a run")
    kind = "miniature" if data == "miniature" else "hub"
    return Baseline(model, kind, revision, runs=runs, tasks=tasks, folder=folder)


def _task(content: Mapping[str, Any], digest: str, run_id: str) -> Measurement:
    scores, errors = content["subsets"], content["errors"]
    several = scores.items() if len(scores) > 1 else ()
    return Measurement(
        float(content["score"]),
        float(content["error"]),
        subsets={name: Estimate(float(score), float(errors[name])) for name, score in several},
        dataset=content["dataset_revision"][:12],
        examples=content["examples"],
        outcomes=digest,
        run_id=run_id,
        part=content.get("part", ""),
    )
