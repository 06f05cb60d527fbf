"""Result files: `<model>/<task>.json` for people and machines, `<task>.npz` with the outcomes beside it."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pytest_mieb.evaluation import TaskResult
    from pytest_mieb.models import Embedder
    from pytest_mieb.settings import Settings

LIBRARIES = (
    "pytest-mieb",
    "torch",
    "torchvision",
    "transformers",
    "open_clip_torch",
    "timm",
    "datasets",
    "scikit-learn",
    "numpy",
)


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


def write_result(result: TaskResult, settings: Settings, embedder: Embedder) -> Path:
    """Write both files, each whole or not at all; the JSON last, so that where it is the outcomes are too.

    The .npz holds, for each subset, `<subset>.outcomes` and, where the score needs it, `<subset>.truth`; no pickle.
    """
    folder = settings.results / settings.model.name
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {}
    for name, subset in result.subsets.items():
        arrays[f"{name}.outcomes"] = subset.scored.outcomes
        if subset.scored.truth is not None:
            arrays[f"{name}.truth"] = subset.scored.truth
    _whole(folder / f"{result.task.name}.npz", "wb", lambda file: np.savez_compressed(file, **arrays))
    path = folder / f"{result.task.name}.json"
    text = json.dumps(_content(result, settings, embedder), indent=1, ensure_ascii=False) + "\n"
    _whole(path, "w", lambda file: file.write(text))
    return path


def _content(result: TaskResult, settings: Settings, embedder: Embedder) -> dict[str, Any]:
    """All but `work` and `seconds` is the same however a run was spread over workers."""
    task, description = result.task, embedder.description
    return {
        "task": task.name,
        "category": task.category,
        "metric": task.metric,
        "score": result.score,
        "model": settings.model.text,
        "model_revision": settings.revision,
        "fingerprint": embedder.fingerprint,
        "loaded": description.to_json() if description else None,
        "data": settings.data,
        "dataset": task.dataset.path,
        "dataset_revision": task.dataset.revision,
        "subsets": {name: subset.score for name, subset in result.subsets.items()},
        "metrics": {name: _finite(subset.scored.metrics) for name, subset in result.subsets.items()},
        "details": {name: dict(subset.scored.details) for name, subset in result.subsets.items()},
        "counts": {
            "examples": {name: subset.n_examples for name, subset in result.subsets.items()},
            "rows": {name: dict(subset.sizes) for name, subset in result.subsets.items()},
            "inputs": result.embedded + result.reused,
        },
        "work": {"embedded": result.embedded, "reused": result.reused},
        "seconds": {name: round(seconds, 3) for name, seconds in result.seconds.items()},
        "versions": versions(),
    }


def _finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """A metric that is not a number as null: JSON knows no NaN."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


def _whole(path: Path, mode: str, write: Callable[[IO[Any]], Any]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open(temporary, mode, encoding=None if "b" in mode else "utf-8") as file:
        write(file)
    os.replace(temporary, path)
