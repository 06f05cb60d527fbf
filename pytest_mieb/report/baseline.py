"""A stored measurement as lines to read, and the list of all there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from pytest_mieb.gate.stored import Stored
from pytest_mieb.measurement import published
from pytest_mieb.measurement.baseline import Baseline, BaselineError, Estimate, read
from pytest_mieb.measurement.drift import NOT_COMPARABLE
from pytest_mieb.measurement.opening import examples_behind, examples_of
from pytest_mieb.report.table import aligned
from pytest_mieb.suite import Task
from pytest_mieb.suite.means import GROUPS, group_of, means
from pytest_mieb.support.numbers import percent
from pytest_mieb.support.packaged import packaged


def page(stored: Stored, tasks: Mapping[str, Task]) -> tuple[list[str], list[str]]:
    """All of a measurement, and what is wrong with the outcomes of its examples, a sentence a task."""
    baseline, problems = stored.baseline, problems_of(stored.baseline, tasks)
    known = [tasks[name] for name in tasks if name in baseline.tasks]
    scores = {name: task.score for name, task in baseline.tasks.items()}
    found, sizes = means(known, scores), Counter(map(group_of, known))
    categories = [(group, str(sizes[group]), percent(found[group])) for group in GROUPS if group in found]
    names = [*(task.name for task in known), *sorted(name for name in baseline.tasks if name not in tasks)]
    rows = _published_rows(baseline, names) if stored.kind == "published" else _rows(baseline, names, problems)
    lines = [*_head(stored), "", *aligned([("category", "tasks", "mean"), *categories])]
    lines += ["", *aligned(rows)]
    for more in (_accepted(baseline), list(problems.values())):
        lines += ["", *more] if more else []
    return lines, list(problems.values())


def _accepted(baseline: Baseline) -> list[str]:
    known = {name: task.accepted for name, task in baseline.tasks.items()}
    return [f"{name}: may regress until {each.until}: {each.reason}" for name, each in known.items() if each]


def problems_of(baseline: Baseline, tasks: Mapping[str, Task]) -> dict[str, str]:
    """What is wrong with the outcomes that a measurement names, by task: also that the score is not theirs."""
    problems = {}
    for name in baseline.tasks:
        try:
            if name in tasks:
                examples_behind(baseline, tasks[name])
            else:
                examples_of(baseline, name)
        except BaselineError as error:
            problems[name] = str(error)
    return problems


def catalogue(folder: Path) -> list[str]:
    """All that a run can be compared with by name: recorded ones in `folder` and in the package, and published ones."""
    lines = []
    places = {place.resolve(): place for place in (folder, packaged("baselines"))}
    for place in places.values():
        found = sorted(place.glob("*.yaml"), key=lambda path: path.name.lower())
        title = "recorded here" if place == folder else "recorded, in the package"
        lines += [f"{title} ({place}): {len(found) or 'none'}"]
        if found:
            rows = [("name", "model", "data", "date", "tasks"), *map(_entry, found)]
            lines += [f"  {line}" for line in aligned(rows, left=4)]
        lines.append("")
    models = published.read_all()
    rows = [("name", "revision", "tasks"), *((each.model, each.revision[:12], str(len(each.tasks))) for each in models)]
    return [*lines, f"published: {len(models)}", *(f"  {line}" for line in aligned(rows, left=2))]


def _entry(path: Path) -> tuple[str, ...]:
    try:
        baseline = read(path)
    except BaselineError:
        return path.stem, "cannot be read", "-", "-", "-"
    return path.stem, baseline.model, baseline.data, baseline.date or "-", str(len(baseline.tasks))


def _head(stored: Stored) -> list[str]:
    baseline = stored.baseline
    facts = {
        "model": baseline.model,
        "revision": baseline.revision,
        "kind": {
            "results": f"results of a run, in {stored.path}",
            "recorded": f"recorded, in {stored.path}",
            "published": "published scores, without outcomes: comparing with them is indicative",
        }[stored.kind],
        "data": baseline.data,
        "date": baseline.date,
        "tasks": str(len(baseline.tasks)),
        "not finished": ", ".join(stored.unfinished),
    }
    lines = [f"{name:<12}  {value}" for name, value in facts.items() if value]
    for name, run in baseline.runs.items():
        own = sum(task.run_id == name for task in baseline.tasks.values())
        place = ", ".join(
            filter(None, (run.device, run.dtype, f"batches of {run.batch_size}" if run.batch_size else ""))
        )
        lines.append(f"measured      {own} tasks by hash {run.fingerprint[:12] or 'unknown'} on {place or 'unknown'}")
        prepared = ", ".join(f"{key} {_shown(value)}" for key, value in run.preprocessing.items())
        versions = ", ".join(f"{library} {version}" for library, version in run.versions.items())
        lines += [
            f"              {title}: {each}" for title, each in (("inputs", prepared), ("with", versions)) if each
        ]
        if run.canary:
            lines.append(f"              the environment had moved at {', '.join(run.canary)}")
    return lines


def _rows(baseline: Baseline, names: list[str], problems: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Scores and errors in percent; `noise` is how far the score moved under changes that must not matter."""
    rows: list[tuple[str, ...]] = [("task", "score", "error", "tolerance", "noise", "dataset", "outcomes")]
    for name in names:
        task = baseline.tasks[name]
        there = "none" if not task.outcomes or baseline.folder is None else "damaged" if name in problems else "checked"
        rows.append(
            (
                name,
                percent(task.score),
                _error(task),
                "-" if task.tolerance is None else percent(task.tolerance),
                percent(task.noise) if task.noise else "-",
                ", ".join(filter(None, (task.dataset, task.part))) or "-",
                there,
            )
        )
        rows += [
            (f"  {subset}", percent(estimate.score), _error(estimate), "", "", "", "")
            for subset, estimate in task.subsets.items()
        ]
    return rows


def _error(estimate: Estimate) -> str:
    return percent(estimate.error) if estimate.error else "-"


def _published_rows(baseline: Baseline, names: list[str]) -> list[tuple[str, ...]]:
    """With provenance: the version of mteb, the dataset's revision, and what is allowed for known drift."""
    measured = published.read(baseline.model).tasks
    rows: list[tuple[str, ...]] = [("task", "score", "mteb", "dataset", "drift")]
    for name in names:
        task, source = baseline.tasks[name], measured[name]
        drift = "not comparable" if task.drift >= NOT_COMPARABLE else percent(task.drift)
        rows.append((name, percent(task.score), source.mteb, source.dataset_revision[:12], drift))
        rows += [(f"  {subset}", percent(estimate.score), "", "", "") for subset, estimate in task.subsets.items()]
    return rows


def _shown(value: object) -> str:
    return "/".join(map(_shown, value)) if isinstance(value, list | tuple) else str(value)
