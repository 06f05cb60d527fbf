"""Releases whose embeddings carry noise are scored anew, at tiny sizes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from benchmarks.gate_calibration.embedded import Bench, synthetic
from benchmarks.gate_calibration.refits import NOISES, Refits, Tally, measure
from pytest_mieb.suite import Task
from pytest_mieb.suite.cards import load_tasks

NAMES = (
    "CIFAR10ZeroShot",
    "DTD",
    "ImageNetDog15Clustering",
    "CVBenchDepth",
    "STS13VisualSTS",
    "VOC2007",
    "WITT2IRetrieval",
    "Winoground",
)


@pytest.fixture(scope="module")
def tasks() -> Mapping[str, Task]:
    every = load_tasks()
    return {name: every[name] for name in NAMES}


@pytest.fixture(scope="module")
def bench(tasks: Mapping[str, Task]) -> Bench:
    return synthetic(tasks, 20)


def test_every_protocol_is_scored_as_a_task_is(tasks: Mapping[str, Task], bench: Bench) -> None:
    sides = measure(bench, 0.0, np.random.default_rng(0))
    assert list(sides) == list(NAMES)
    for name, side in sides.items():
        assert 0.1 < side.measured.score < 0.999, name
        assert side.examples is not None and side.examples.keys() == tasks[name].subsets.keys()
        assert side.measured.error > 0
    assert {case.task.protocol for case in bench.cases} == {task.protocol for task in tasks.values()}
    again = measure(bench, 0.0, np.random.default_rng(1))
    assert {name: side.measured for name, side in sides.items()} == {
        name: side.measured for name, side in again.items()
    }


def test_clusterings_have_their_true_sizes_and_all_others_at_most_the_cap(bench: Bench) -> None:
    sizes = {case.task.name: len(case.rows[0]) for case in bench.cases}
    assert sizes["ImageNetDog15Clustering"] == 1076
    assert sizes["CIFAR10ZeroShot"] == sizes["WITT2IRetrieval"] == 20


def test_releases_are_counted(tasks: Mapping[str, Task], bench: Bench) -> None:
    refits = Refits(tasks, bench)
    total = Tally()
    for tally in refits.run(range(1, 3)):
        assert tally.releases == 1
        total.add(tally)
    assert [total.counts[noise]["releases"] for noise in NOISES] == [2, 2, 2]
    assert total.compared[NOISES[0], "clustering"] == 2
    assert "| full | 0.001 | 2 |" in total.table()
    assert "| 0.1 | clustering | 2 |" in total.levels()


def test_a_release_is_the_same_in_whatever_process_it_is_simulated(tasks: Mapping[str, Task], bench: Bench) -> None:
    refits = Refits(tasks, bench)
    (alone,) = refits.run(range(2, 3))
    _, second = refits.run(range(1, 3))
    assert alone.counts == second.counts and alone.chances == second.chances


def test_noise_moves_as_much_as_it_says(bench: Bench) -> None:
    """The scores of the smallest noise are closer to those of none than the scores of the largest."""
    sound, little, much = (measure(bench, noise, np.random.default_rng(0)) for noise in (0.0, NOISES[0], 3.0))
    moved = [
        np.mean([abs(side[name].measured.score - sound[name].measured.score) for name in NAMES])
        for side in (little, much)
    ]
    assert moved[0] < 0.02 and moved[1] > 0.1
