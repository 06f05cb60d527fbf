"""Result files: `<model>/<task>.json` for people and machines, `<task>.npz` with the outcomes beside it."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pytest_mieb.measurement import outcomes
from pytest_mieb.measurement.baseline import Measurement
from pytest_mieb.measurement.context import Context
from pytest_mieb.measurement.measuring import examples_of
from pytest_mieb.measurement.result import TaskResult
from pytest_mieb.models.description import Description
from pytest_mieb.support.atomic import written

LIBRARIES = (
    "pytest-mieb",
    "torch",
    "torchvision",
    "transformers",
    "open_clip_torch",
    "timm",
    "datasets",
    "pillow",
    "scikit-learn",
    "numpy",
)


_VERDICT = "verdict.json"


@dataclass(frozen=True)
class Provenance:
    """Where a run's results come from: the model as it was asked for and as it was loaded, and the source of data."""

    model: str
    revision: str | None
    loaded: Description | None
    data: str


@cache
def versions() -> dict[str, str]:
    """The versions of Python and of the libraries that a score may depend on."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed"
    return found


def write_result(
    folder: Path,
    result: TaskResult,
    measured: Measurement,
    provenance: Provenance,
    context: Context,
    calibration: Mapping[str, float] | None = None,
) -> Path:
    """Write both files into `folder`, each whole or not at all; the JSON last: where it is, the outcomes are too.

    `calibration` holds the task's score under each change that must not matter, where those were tried.

    Raises:
        OSError: they cannot be written; those of an earlier run are gone, since they would be taken for this one's.
    """
    content = _content(result, measured, provenance, context, calibration or {})
    arrays, about = (folder / f"{result.task.name}{kind}" for kind in (".npz", ".json"))
    try:
        arrays.parent.mkdir(parents=True, exist_ok=True)
        outcomes.write(arrays, examples_of(result))
        return _json(about, content)
    except OSError:
        for file in (about, arrays):
            with suppress(OSError):
                file.unlink(missing_ok=True)
        raise


def write_verdict(folder: Path, content: Mapping[str, Any]) -> Path:
    """Write `verdict.json`, whole or not at all; where that fails, that of an earlier run is gone.

    Raises:
        OSError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _json(folder / _VERDICT, content)
    except OSError:
        with suppress(OSError):
            remove_verdict(folder)
        raise


def remove_verdict(folder: Path) -> None:
    """Remove the verdict of an earlier run, which would be taken for one on the results of this one."""
    (folder / _VERDICT).unlink(missing_ok=True)


def _json(path: Path, content: Mapping[str, Any]) -> Path:
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    with written(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return path


def _content(
    result: TaskResult,
    measured: Measurement,
    provenance: Provenance,
    context: Context,
    calibration: Mapping[str, float],
) -> dict[str, Any]:
    """All but `work` and `seconds` is the same however a run was spread over workers.

    `findings` counts what of the data does not fit; `part` says how many rows there were where the card expects others.
    """
    task = result.task
    return {
        "task": task.name,
        "category": task.category,
        "metric": task.metric,
        "score": result.score,
        "error": measured.error,
        "calibration": dict(calibration),
        "model": provenance.model,
        "model_revision": provenance.revision,
        "loaded": provenance.loaded.to_json() if provenance.loaded else None,
        "data": provenance.data,
        "dataset": task.dataset.path,
        "dataset_revision": task.dataset.revision,
        "part": measured.part,
        "examples": measured.examples,
        "findings": {
            name: [asdict(finding) for finding in subset.findings]
            for name, subset in result.subsets.items()
            if subset.findings
        },
        "subsets": {name: subset.score for name, subset in result.subsets.items()},
        "errors": {name: estimate.error for name, estimate in measured.subsets.items()},
        "metrics": {name: _finite(subset.scored.metrics) for name, subset in result.subsets.items()},
        "details": {name: dict(subset.scored.details) for name, subset in result.subsets.items()},
        "counts": {
            "examples": {name: subset.n_examples for name, subset in result.subsets.items()},
            "rows": {name: dict(subset.sizes) for name, subset in result.subsets.items()},
            "inputs": result.embedded + result.reused,
        },
        "work": {"embedded": result.embedded, "reused": result.reused},
        "seconds": {name: round(seconds, 3) for name, seconds in asdict(result.seconds).items()},
        "context": context.to_json(),
    }


def _finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """A metric that is not a number as null: JSON knows no NaN."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}
