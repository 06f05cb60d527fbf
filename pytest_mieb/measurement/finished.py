"""Results of finished tasks, kept whole, so that a task is not scored again while nothing about it has changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.findings import Finding
from pytest_mieb.measurement.result import SubsetResult, TaskResult
from pytest_mieb.protocols import Scored
from pytest_mieb.protocols.scored import Repeats
from pytest_mieb.suite import Task
from pytest_mieb.support.atomic import written
from pytest_mieb.support.seconds import Seconds

# Beside the embeddings that they were scored from, and gone with them.
FOLDER = "finished"
_ABOUT = "about"
_REPEATS = ("fits", "scores", "restarts")
# What of a card changes no result.
_NOTHING_TO_IT = ("download", "file", "seconds", "license", "reference", "notes")
_PARTS = ("outcomes", "truth", "clusters", *_REPEATS)


def key_of(task: Task, **facts: Any) -> str:
    """A digest of all that a result depends on: the card, and `facts`, which JSON can hold."""
    card = {name: value for name, value in vars(task).items() if name not in _NOTHING_TO_IT}
    content = json.dumps([card, facts], sort_keys=True, default=_plain)
    return blake2b(content.encode(), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return vars(value) if hasattr(value, "__dict__") else list(value)


def write(file: Path, result: TaskResult) -> None:
    """Keep a result, whole or not at all. Raises OSError."""
    about: dict[str, Any] = {"score": result.score, "items": result.embedded + result.reused, "subsets": {}}
    arrays: dict[str, NDArray[Any]] = {}
    for number, (name, subset) in enumerate(result.subsets.items()):
        scored = subset.scored
        about["subsets"][name] = {
            "score": subset.score,
            "metrics": dict(scored.metrics),
            "details": dict(scored.details),
            "sizes": dict(subset.sizes),
            "digest": subset.digest,
            "findings": [asdict(finding) for finding in subset.findings],
            "other_sizes": {key: list(pair) for key, pair in subset.other_sizes.items()},
        }
        parts = {"outcomes": scored.outcomes, "truth": scored.truth, "clusters": subset.clusters}
        if scored.repeats:
            parts |= {name: getattr(scored.repeats, name) for name in _REPEATS}
        arrays |= {f"{number}.{part}": array for part, array in parts.items() if array is not None}
    file.parent.mkdir(parents=True, exist_ok=True)
    with written(file) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, **{_ABOUT: np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)}, **arrays)  # type: ignore[arg-type]


def read(file: Path, task: Task) -> TaskResult | None:
    """The result of the task as it was kept; None where there is none, or it cannot be read."""
    try:
        with open(file, "rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        about = json.loads(arrays.pop(_ABOUT).tobytes())
        subsets = {
            name: _subset(own, {key: array for key in _PARTS if (array := arrays.get(f"{number}.{key}")) is not None})
            for number, (name, own) in enumerate(about["subsets"].items())
        }
        if subsets.keys() != task.subsets.keys():
            return None
        return TaskResult(task, about["score"], subsets, 0, about["items"], Seconds(), taken_over=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile):
        return None


def _subset(about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> SubsetResult:
    repeats = Repeats(*(arrays[name] for name in _REPEATS)) if "fits" in arrays else None
    return SubsetResult(
        about["score"],
        Scored(about["metrics"], arrays["outcomes"], arrays.get("truth"), repeats, about["details"]),
        about["sizes"],
        arrays.get("clusters"),
        about["digest"],
        tuple(Finding(**finding) for finding in about["findings"]),
        {key: (there, expected) for key, (there, expected) in about["other_sizes"].items()},
    )
