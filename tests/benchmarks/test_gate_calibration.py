"""The pieces of the gate's calibration do what they say, at tiny sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.gate_calibration import bases, tables
from benchmarks.gate_calibration.accidents import ACCIDENTS, Accident
from benchmarks.gate_calibration.alarms import RATES, Alarms
from benchmarks.gate_calibration.deciding import DEFAULT, below_threshold, compared, decided
from benchmarks.gate_calibration.power import DROPS, Power
from benchmarks.gate_calibration.releases import Release, release
from benchmarks.gate_calibration.sizes import size_of
from pytest_mieb.gate.statistics.influence import Examples
from pytest_mieb.models import Embedder
from pytest_mieb.suite import Task
from pytest_mieb.suite.cards import load_tasks

KINDS = {
    "hits": "CIFAR10ZeroShot",
    "nDCG": "NIGHTSI2IRetrieval",
    "captions of one picture": "Flickr30kT2IRetrieval",
    "languages": "WITT2IRetrieval",
    "probe": "DTD",
    "multilabel probe": "VOC2007",
    "sts": "STS13VisualSTS",
    "sts in languages": "VisualSTS17Multilingual",
    "clustering": "CIFAR10Clustering",
}


@pytest.fixture(scope="module")
def tasks() -> Mapping[str, Task]:
    return load_tasks()


@pytest.fixture(scope="module")
def synthetic(tasks: Mapping[str, Task]) -> Mapping[str, Mapping[str, Examples]]:
    return bases.synthetic({name: tasks[name] for name in KINDS.values()}, 150)


@pytest.mark.parametrize(
    ("name", "examples", "clusters"),
    [
        ("CIFAR10", 10_000, None),
        ("SugarCrepe", 7511, None),
        ("CVBenchDepth", 600, None),
        ("MSCOCOT2IRetrieval", 24_809, 5000),
        ("XFlickr30kCoT2IRetrieval", 16_000, 2000),
        ("VisualSTS17Multilingual", 5096, 2846),
    ],
)
def test_sizes(tasks: Mapping[str, Task], name: str, examples: int, clusters: int | None) -> None:
    size = size_of(tasks[name], 10**9)
    assert (sum(size.examples.values()), size.clusters) == (examples, clusters)


def test_what_is_trained_on_does_not_count(tasks: Mapping[str, Task]) -> None:
    task = replace(tasks["CIFAR10"], expected={"train": 50_000, "test": 10_000})
    assert dict(size_of(task, 10**9).examples) == {"default": 10_000}


def test_a_cap_shrinks_a_task_with_its_clusters(tasks: Mapping[str, Task]) -> None:
    size = size_of(tasks["MSCOCOT2IRetrieval"], 2481)
    assert (dict(size.examples), size.clusters) == ({"default": 2481}, 500)


def test_every_retrieval_task_has_fewer_queries_than_rows(tasks: Mapping[str, Task]) -> None:
    for task in tasks.values():
        if task.protocol in ("retrieval", "multiple_choice"):
            assert sum(size_of(task, 10**9).examples.values()) < sum(task.expected.values()), task.name


def test_synthetic_outcomes_have_the_form_of_recorded_ones(tasks: Mapping[str, Task]) -> None:
    recorded, made = bases.miniature(tasks), bases.synthetic(tasks, 30)
    for name in tasks:
        assert recorded[name].keys() == made[name].keys(), name
        for subset, real in recorded[name].items():
            own = made[name][subset]
            assert real.outcomes.shape[1:] == own.outcomes.shape[1:], name
            assert (real.truth is None) == (own.truth is None), name


def _drops(task: Task, base: Mapping[str, Examples], rate: float, drop: float, count: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    return np.array(
        [compared(task, release(task.protocol, base, rate, generator, drop)).difference.drop for _ in range(count)]
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("drop", [0.0, 0.05])
def test_releases_lose_what_they_should_on_average(
    tasks: Mapping[str, Task], synthetic: Mapping[str, Mapping[str, Examples]], kind: str, drop: float
) -> None:
    name = KINDS[kind]
    drops = _drops(tasks[name], synthetic[name], 0.2, drop, 24)
    assert drops.std() > 0
    allowed = 4 * drops.std() / np.sqrt(len(drops)) + (0.012 if drop and kind != "hits" else 0.0)
    assert abs(drops.mean() - drop) < allowed


def test_as_many_examples_differ_as_asked(
    tasks: Mapping[str, Task], synthetic: Mapping[str, Mapping[str, Examples]]
) -> None:
    base = synthetic["CIFAR10ZeroShot"]
    old, new = release("zero_shot", base, 0.25, np.random.default_rng(0))
    assert np.mean(old["default"].outcomes != new["default"].outcomes) == pytest.approx(0.25, abs=0.08)
    assert np.mean(old["default"].outcomes != base["default"].outcomes) == pytest.approx(0.125, abs=0.06)


def test_a_cluster_moves_as_one(synthetic: Mapping[str, Mapping[str, Examples]]) -> None:
    old, new = release("retrieval", synthetic["WITT2IRetrieval"], 0.5, np.random.default_rng(0))
    signs: dict[int, set[float]] = {}
    for subset, each in old.items():
        assert each.clusters is not None
        for cluster, sign in zip(each.clusters, np.sign(each.outcomes - new[subset].outcomes), strict=True):
            signs.setdefault(int(cluster), set()).add(float(sign))
    assert max(len(own) for own in signs.values()) > 1  # some of a cluster's examples stay as they are
    assert all(not own >= {-1.0, 1.0} for own in signs.values())


def test_the_gate_finds_a_large_drop_where_it_is(
    tasks: Mapping[str, Task], synthetic: Mapping[str, Mapping[str, Examples]]
) -> None:
    names = ["CIFAR10ZeroShot", "STS13VisualSTS", "DTD"]
    generator = np.random.default_rng(0)
    same = {name: compared(tasks[name], Release(synthetic[name], synthetic[name])) for name in names}
    assert not decided(same, names, tasks, DEFAULT)
    assert not below_threshold(same, names)
    worse = {**same, "DTD": compared(tasks["DTD"], release("linear_probe", synthetic["DTD"], 0.1, generator, 0.2))}
    found = decided(worse, names, tasks, DEFAULT)
    assert found.tasks == below_threshold(worse, names) == {"DTD"}
    assert not found.subsets


def test_alarms_count_every_release_once(
    tasks: Mapping[str, Task], synthetic: Mapping[str, Mapping[str, Examples]]
) -> None:
    few = {name: tasks[name] for name in ("DTD", "STS13VisualSTS", "CIFAR10ZeroShot")}
    alarms = Alarms(few, synthetic)
    assert list(alarms.run(6)) == [1, 2, 3, 4, 5, 6]
    assert [alarms.counts[rate]["releases"] for rate in RATES] == [2, 2, 2]
    assert alarms.compared == {"linear_probe": 6, "sts": 6, "zero_shot": 6}
    assert "| full | none | all | 6 |" in alarms.table()
    assert "| zero_shot | 6 |" in alarms.levels()


def test_power_rises_with_the_drop(tasks: Mapping[str, Task]) -> None:
    few = {name: tasks[name] for name in ("DTD", "STS13VisualSTS", "CIFAR10ZeroShot")}
    power = Power(few, bases.synthetic(few, 1500))
    list(power.run(4))
    found = [power.counts["full", drop, "all tasks", "gate"] for drop in DROPS]
    assert found == sorted(found)
    assert found[-1] == power.counts["full", DROPS[-1], "all tasks"] == 4
    assert power.counts["full", "no change"] == 4
    assert power.table().count("\n") == 2 + 6 + 6


@pytest.mark.parametrize(
    ("hits", "of", "text"),
    [(0, 0, "none"), (0, 100, "0.0 % (0.0 to 3.6)"), (5, 100, "5.0 % (1.6 to 11.3)")],
)
def test_share(hits: int, of: int, text: str) -> None:
    assert tables.share(hits, of) == text


@pytest.fixture(scope="module")
def sound() -> Embedder:
    return Accident("nothing").embedder()


@pytest.mark.parametrize(
    "accident", [each for each in ACCIDENTS if "nothing" not in each.name], ids=lambda accident: accident.name
)
def test_an_accident_changes_the_embeddings_that_it_says(sound: Embedder, accident: Accident) -> None:
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, size=(90, 120, 3), dtype=np.uint8)
    text = "a red square above a blue circle beside a green triangle under a yellow star in a small dark room at night"
    spoilt = accident.embedder()
    changed = set()
    for name, item in (("image", Image.fromarray(noise)), ("text", text)):
        before, after = (getattr(each, f"embed_{name}s")([item]) for each in (sound, spoilt))
        if not np.array_equal(before, after):
            changed.add(name)
    assert changed == accident.touches
