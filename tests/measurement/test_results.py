"""Result files: whole or not at all, without pickle, and JSON that any reader takes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from pytest_mieb.data.findings import Finding
from pytest_mieb.measurement.baseline import Estimate, Measurement
from pytest_mieb.measurement.context import PROTOCOL_VERSION, Context
from pytest_mieb.measurement.result import SubsetResult, TaskResult
from pytest_mieb.measurement.results import LIBRARIES, Provenance, versions, write_result, write_verdict
from pytest_mieb.protocols import Scored
from pytest_mieb.support.seconds import Seconds
from tests.builders import a_task


def a_result(metrics: Mapping[str, float] | None = None) -> TaskResult:
    english = Scored(
        metrics or {"nmi": 0.5, "ari": 0.25},
        np.array([1, 0, 1], np.uint8),
        np.array([0.5, 1.5, 2.5]),
        details={"samples_per_label": 16},
    )
    norwegian = Scored({"nmi": 0.25}, np.array([0.25, 1 / 3]))
    return TaskResult(
        task=a_task(subsets={"en": ("eng-Latn",), "no": ("nob-Latn",)}),
        score=0.375,
        subsets={
            "en": SubsetResult(0.5, english, {"test": 3}),
            "no": SubsetResult(0.25, norwegian, {"test": 2}, findings=(Finding("keys fit no lock", 1, 2, "'a'"),)),
        },
        embedded=7,
        reused=1,
        seconds=Seconds(embed=0.12345, total=1.0),
    )


MEASURED = Measurement(
    0.375, 0.125, {"en": Estimate(0.5, 0.25), "no": Estimate(0.25, 0.125)}, examples="e4a3", part="5 of 9 rows"
)


PROVENANCE = Provenance("org/model", "v2", None, "hub")


def write(folder: Path, result: TaskResult | None = None, fingerprint: str = "f00d", **facts: Any) -> Path:
    context = Context(fingerprint, {"size": 224}, device="cpu", dtype="float32", batch_size=64, versions=versions())
    return write_result(folder / "results" / "org__model", result or a_result(), MEASURED, PROVENANCE, context, **facts)


def strictly(path: Path) -> dict[str, Any]:
    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is no JSON")

    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    return content


def test_the_json_says_what_was_measured_on_what_with_what(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert path == tmp_path / "results" / "org__model" / "Some.json"
    assert strictly(path) == {
        "task": "Some",
        "category": "clustering",
        "metric": "nmi",
        "score": 0.375,
        "error": 0.125,
        "calibration": {},
        "model": "org/model",
        "model_revision": "v2",
        "loaded": None,
        "data": "hub",
        "dataset": "org/some-dataset",
        "dataset_revision": "0123456789abcdef",
        "part": "5 of 9 rows",
        "examples": "e4a3",
        "findings": {"no": [{"what": "keys fit no lock", "count": 1, "of": 2, "example": "'a'"}]},
        "subsets": {"en": 0.5, "no": 0.25},
        "errors": {"en": 0.25, "no": 0.125},
        "metrics": {"en": {"nmi": 0.5, "ari": 0.25}, "no": {"nmi": 0.25}},
        "details": {"en": {"samples_per_label": 16}, "no": {}},
        "counts": {
            "examples": {"en": 3, "no": 2},
            "rows": {"en": {"test": 3}, "no": {"test": 2}},
            "inputs": 8,
        },
        "work": {"embedded": 7, "reused": 1},
        "seconds": {
            **dict.fromkeys(("load", "decode", "preprocess", "score", "waited_load", "waited_read"), 0.0),
            "embed": 0.123,
            "total": 1.0,
        },
        "context": {
            "fingerprint": "f00d",
            "preprocessing": {"size": 224},
            "protocol": PROTOCOL_VERSION,
            "device": "cpu",
            "dtype": "float32",
            "batch_size": 64,
            "canary": [],
            "versions": versions(),
        },
    }


def test_the_outcomes_lie_beside_it_as_plain_arrays(tmp_path: Path) -> None:
    path = write(tmp_path)
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
        found = {name: arrays[name].tolist() for name in arrays.files}
        assert arrays["en.outcomes"].dtype == np.uint8
        assert arrays["no.outcomes"].dtype == np.float32
    third = float(np.float32(1 / 3))
    assert found == {"en.outcomes": [1, 0, 1], "en.truth": [0.5, 1.5, 2.5], "no.outcomes": [0.25, third]}


def test_a_metric_that_is_no_number_is_null(tmp_path: Path) -> None:
    path = write(tmp_path, a_result({"nmi": 0.5, "ari": float("nan")}))
    assert strictly(path)["metrics"]["en"] == {"nmi": 0.5, "ari": None}


def test_what_the_score_was_under_changes_that_must_not_matter_stands_there(tmp_path: Path) -> None:
    assert strictly(write(tmp_path, calibration={"batches of 16": 0.37}))["calibration"] == {"batches of 16": 0.37}


def test_a_later_result_replaces_an_earlier_one(tmp_path: Path) -> None:
    write(tmp_path, fingerprint="old")
    path = write(tmp_path, fingerprint="new")
    assert strictly(path)["context"]["fingerprint"] == "new"
    assert sorted(file.name for file in path.parent.iterdir()) == ["Some.json", "Some.npz"]


def test_the_verdict_lies_beside_the_results(tmp_path: Path) -> None:
    folder = tmp_path / "org__model"
    path = write_verdict(folder, {"state": "passed"})
    assert path == folder / "verdict.json"
    assert strictly(path) == {"state": "passed"}
    assert [file.name for file in folder.iterdir()] == ["verdict.json"]
    with pytest.raises(ValueError, match="JSON"):
        write_verdict(folder, {"score": float("nan")})
    assert strictly(path) == {"state": "passed"}


@pytest.mark.parametrize("files_in_place", [0, 1])
def test_a_file_is_there_whole_or_not_at_all_and_the_json_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files_in_place: int
) -> None:
    replace, placed = os.replace, list[str]()

    def interrupted(source: Path, target: Path) -> None:
        if len(placed) == files_in_place:
            raise KeyboardInterrupt
        placed.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path)
    folder = tmp_path / "results" / "org__model"
    assert placed == ["Some.npz"][:files_in_place]
    assert sorted(file.name for file in folder.iterdir() if not file.name.endswith(".tmp")) == placed


def test_versions_are_those_of_python_and_of_what_scores_depend_on() -> None:
    found = versions()
    assert set(found) == {"python", *LIBRARIES}
    assert found["numpy"] == np.__version__
