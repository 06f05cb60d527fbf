"""What counts as the same score."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytest_mieb.suite.cards import load_tasks
from tests.parity.comparison import Mode, Scores, agrees, difference
from tests.parity.embeddings import Agreement, Table, agreement
from tests.parity.run import shares
from tests.parity.table import judge
from tests.parity.worker import Measurement

REFERENCE = Scores(0.5, {"default": {"accuracy": 0.5, "f1": 0.4, "main_score": 0.5, "of_theirs": 1.0}})


@pytest.mark.parametrize(
    ("accuracy", "f1", "mode", "protocol", "expected"),
    [
        (0.5, 0.4, "same", "zero_shot", True),
        (0.5 + 1e-8, 0.4, "same", "zero_shot", False),
        (0.5 + 5e-6, 0.4, "same", "retrieval", True),
        (0.5 + 2e-5, 0.4, "same", "retrieval", False),
        (0.5, 0.4 + 5e-8, "same", "pair_classification", True),
        (0.50005, 0.4005, "own", "zero_shot", True),
        (0.5002, 0.4, "own", "zero_shot", False),
        (0.5, 0.402, "own", "zero_shot", False),
        (math.nan, 0.4, "own", "zero_shot", False),
        (0.5, math.nan, "same", "retrieval", False),
    ],
)
def test_tolerances(accuracy: float, f1: float, mode: Mode, protocol: str, expected: bool) -> None:
    ours = Scores(accuracy, {"default": {"accuracy": accuracy, "f1": f1, "of_ours": 2.0}})
    assert agrees(difference(REFERENCE, ours), mode, protocol) is expected


def test_the_largest_difference_is_named() -> None:
    ours = Scores(0.5, {"de": {"f1": 0.1}, "fr": {"f1": 0.5}})
    theirs = Scores(0.5, {"de": {"f1": 0.2}, "fr": {"f1": 0.2}})
    found = difference(theirs, ours)
    assert (round(found.other, 9), found.where, found.shared) == (0.3, "fr f1", 2)


def test_a_subset_of_one_side_is_no_agreement() -> None:
    found = difference(REFERENCE, Scores(0.5, {"en": {"accuracy": 0.5}}))
    assert not agrees(found, "own", "zero_shot")
    assert found.where == "subsets of one side only: default, en"


def test_known_differences_are_left_out() -> None:
    theirs, ours = (Scores(0.5, {"default": {"accuracy": 0.5, "ap": ap}}) for ap in (0.1, 0.9))
    assert agrees(difference(theirs, ours, "PatchCamelyonZeroShot"), "same", "zero_shot")
    assert not agrees(difference(theirs, ours, "RenderedSST2"), "same", "zero_shot")


@pytest.mark.parametrize(
    ("rescored", "noise", "fine"),
    [(0.5, 1e-7, True), (0.4, 1e-7, False), (0.5, 1e-2, False), (None, 1e-7, False)],
)
def test_noise_explains_only_what_vanishes_on_the_same_embeddings(
    rescored: float | None, noise: float, fine: bool
) -> None:
    task = load_tasks()["MNIST"]
    measurement = Measurement(
        task.name,
        "any",
        ours=Scores(0.4, {"default": {"accuracy": 0.4}}),
        own=Scores(0.5, {"default": {"accuracy": 0.5}}),
        rescored=None if rescored is None else Scores(rescored, {"default": {"accuracy": rescored}}),
        agreement=Agreement(items=1, only_reference=0, only_ours=0, noise=noise, identical=False),
    )
    judgement = judge(Measurement.from_json(measurement.to_json()), "own", task)
    assert judgement is not None
    assert (judgement.agrees, judgement.fine) == (False, fine)


def test_agreement_sees_noise_missing_items_and_repeats() -> None:
    one, other = np.array([[1, 0], [1, 1e-3]], dtype=np.float32)
    ours, theirs = Table(), Table()
    ours.add([b"a", b"b"], np.stack([one, one]))
    theirs.add([b"a", b"b"], np.stack([one, one]))
    assert agreement(theirs, ours) == Agreement(2, 0, 0, 0.0, identical=True)
    theirs.add([b"b"], other[None])
    assert agreement(theirs, ours) == Agreement(2, 0, 0, 0.0, identical=False)
    theirs.forget_task()
    ours.forget_task()
    theirs.add([b"c"], other[None])
    ours.add([b"c", b"d"], np.stack([one, one]))
    found = agreement(theirs, ours)
    assert (found.items, found.only_reference, found.only_ours, round(found.noise, 6)) == (1, 0, 1, 1e-3)


def test_a_dataset_goes_to_one_worker() -> None:
    tasks = load_tasks()
    split = shares(tasks.values(), 3)
    assert sorted(name for names in split for name in names) == sorted(tasks)
    datasets = [{tasks[name].dataset.path for name in names} for names in split]
    assert not datasets[0] & datasets[1] and not datasets[0] & datasets[2] and not datasets[1] & datasets[2]
