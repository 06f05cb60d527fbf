"""Results of finished tasks: whole when they are read again, and not read where anything is otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pytest_mieb.data.findings import Finding
from pytest_mieb.measurement import finished
from pytest_mieb.measurement.measuring import examples_of, measured
from pytest_mieb.measurement.result import SubsetResult, TaskResult
from pytest_mieb.protocols import Scored
from pytest_mieb.protocols.scored import Repeats
from pytest_mieb.suite import DatasetRef
from pytest_mieb.support.seconds import Seconds
from tests.builders import a_task

TASK = a_task(subsets={"en": ("eng-Latn",), "no": ("nob-Latn",)})


def a_result() -> TaskResult:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 40).astype(np.int32)
    repeats = Repeats(rng.integers(0, 3, (40, 4)).astype(np.int32), rng.random(4), rng.random(8))
    clustered = Scored({"nmi": 1 / 3, "ari": float("nan")}, labels, labels[::-1].copy(), repeats, {"restarts": [0.1]})
    plain = Scored({"nmi": 0.25}, rng.integers(0, 3, 40).astype(np.int32), labels)
    subsets = {
        "en": SubsetResult(
            1 / 3, clustered, {"test": 40}, np.arange(40), "d1", (Finding("keys fit", 1, 2, "'a'"),), {"test": (40, 41)}
        ),
        "no": SubsetResult(0.25, plain, {"test": 40}),
    }
    return TaskResult(TASK, (1 / 3 + 0.25) / 2, subsets, 7, 2, Seconds(embed=0.5, total=1.0))


def test_a_result_is_whole_when_it_is_read_again(tmp_path: Path) -> None:
    result = a_result()
    finished.write(tmp_path / "some" / "key.npz", result)
    back = finished.read(tmp_path / "some" / "key.npz", TASK)
    assert back is not None and back.taken_over
    assert (back.score, back.embedded, back.reused, back.findings) == (result.score, 0, 9, result.findings)
    assert measured(back) == measured(result)
    for name, own in examples_of(result).items():
        found = examples_of(back)[name]
        for part in ("outcomes", "truth", "clusters", "fits", "restarts"):
            assert np.array_equal(getattr(own, part), getattr(found, part)), (name, part)
    for name, subset in result.subsets.items():
        assert repr(back.subsets[name].scored.metrics) == repr(subset.scored.metrics)
        assert back.subsets[name].repeatable == subset.repeatable
        assert (back.subsets[name].sizes, back.subsets[name].digest) == (subset.sizes, subset.digest)
        assert back.subsets[name].other_sizes == subset.other_sizes


@pytest.mark.parametrize("damage", [b"", b"PK", None])
def test_what_cannot_be_read_is_scored_again(tmp_path: Path, damage: bytes | None) -> None:
    file = tmp_path / "key.npz"
    finished.write(file, a_result())
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2] if damage is None else damage)
    assert finished.read(file, TASK) is None
    assert finished.read(tmp_path / "gone.npz", TASK) is None


def test_a_result_of_other_subsets_is_not_taken(tmp_path: Path) -> None:
    finished.write(tmp_path / "key.npz", a_result())
    assert finished.read(tmp_path / "key.npz", a_task()) is None


CHANGES = {
    "metric": {"metric": "v_measure"},
    "scoring": {"scoring": {"n_experiments": 3}},
    "dataset": {"dataset": DatasetRef("org/other", "0" * 40, "labelled")},
    "options": {"dataset": replace(TASK.dataset, options={"split": "train"})},
    "instruction": {"instruction": "Find it."},
    "expected": {"expected": {"test": 5}},
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_card_has_another_key(change: str) -> None:
    assert finished.key_of(replace(TASK, **CHANGES[change])) != finished.key_of(TASK)  # type: ignore[arg-type]


def test_where_a_card_lies_and_what_it_notes_does_not_matter_and_every_fact_does() -> None:
    assert finished.key_of(replace(TASK, file=Path("x.yaml"), notes="why")) == finished.key_of(TASK)
    keys = {finished.key_of(TASK, **facts) for facts in ({}, {"data": "a"}, {"data": "b"}, {"store": "a"})}
    assert len(keys) == 4
