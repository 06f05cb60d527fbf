"""Results folders as a run leaves them, without any having run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pytest_mieb.gate.statistics.influence import Examples
from pytest_mieb.gate.statistics.significance import sampling_error
from pytest_mieb.measurement import outcomes
from pytest_mieb.measurement.context import Context

SIZE = 400


def hits(share: float, size: int = SIZE) -> Examples:
    """0/1 outcomes of which the first `share` are hits: a lower share is a subset of a higher one."""
    return Examples((np.arange(size) < round(share * size)).astype(np.float32))


def a_run(
    folder: Path, scores: Mapping[str, float | Mapping[str, float]], fingerprint: str = "f1f1", **facts: Any
) -> Path:
    """The results of a run with these scores, of tasks that are scored by the mean of hits; a mapping is by subset."""
    folder.mkdir(parents=True, exist_ok=True)
    context = facts.pop("context", Context(fingerprint, device="cpu", dtype="float32", batch_size=64))
    for task, score in scores.items():
        by_subset = score if isinstance(score, Mapping) else {"default": score}
        examples = {subset: hits(each) for subset, each in by_subset.items()}
        content = {
            "task": task,
            "score": float(np.mean([each.outcomes.mean() for each in examples.values()])),
            "error": sampling_error("mean", examples),
            "model": folder.name,
            "model_revision": None,
            "data": "miniature",
            "dataset_revision": "0123456789abcdef",
            "examples": "e1e1",
            "subsets": {name: float(each.outcomes.mean()) for name, each in examples.items()},
            "errors": {name: sampling_error("mean", {name: each}) for name, each in examples.items()},
            "context": context.to_json(),
        }
        outcomes.write(folder / f"{task}.npz", examples)
        (folder / f"{task}.json").write_text(json.dumps(content | facts), encoding="utf-8")
    return folder


def a_verdict(folder: Path, incomplete: Mapping[str, str]) -> None:
    """The verdict on the run, as far as it says which tasks have none."""
    (folder / "verdict.json").write_text(json.dumps({"incomplete": dict(incomplete)}), encoding="utf-8")
