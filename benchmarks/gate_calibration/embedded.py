"""Embeddings that releases are simulated on: those of the miniature, and synthetic ones of MIEB's true sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate_calibration.sizes import CLASSES, size_of
from pytest_mieb.data import Source
from pytest_mieb.data.examples import clusters
from pytest_mieb.data.rows import Qrels
from pytest_mieb.embedding import Pipeline
from pytest_mieb.protocols import Scored, protocol_of
from pytest_mieb.runtime.evaluation import Prepared, prepare
from pytest_mieb.suite import Task

Arrays = Sequence[NDArray[np.float32]]
Blocks = Sequence[NDArray[np.float32] | NDArray[np.float64]]
Floats = NDArray[np.float32]
Generator = np.random.Generator
# Of the synthetic embeddings; of the classes of a probe; of the candidates of a question.
DIMENSION, PROBED, CANDIDATES = 24, 20, 4


@dataclass(frozen=True)
class Case:
    """One subset of a task, ready to be scored again and again.

    `rows` holds the rows of the table of embeddings that each call for embeddings gives, in the order of the calls.
    """

    task: Task
    subset: str
    rows: tuple[NDArray[np.int64], ...]
    score: Callable[[Arrays], Scored]
    clusters: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Bench:
    """The embeddings of all distinct items, shape (items, d), and the cases that are scored on them."""

    embeddings: NDArray[np.float32]
    cases: Sequence[Case]


@dataclass
class _Table:
    """Embeddings as they are collected, in blocks."""

    blocks: list[Floats] = field(default_factory=list)
    size: int = 0

    def add(self, block: Floats | NDArray[np.float64]) -> NDArray[np.int64]:
        """The rows that it takes."""
        self.blocks.append(block.astype(np.float32))
        self.size += len(block)
        return np.arange(self.size - len(block), self.size)


def miniature(tasks: Mapping[str, Task], source: Source, pipeline: Pipeline) -> Bench:
    """The miniature's data and model."""
    places: dict[tuple[bytes, str], int] = {}
    table: list[NDArray[np.float32]] = []
    cases = []
    for task in tasks.values():
        for subset in task.subsets:
            prepared = prepare(task, subset, source)
            parts: list[NDArray[np.int64]] = []
            for role, inputs in prepared.inputs.items():
                found = pipeline.embed(inputs, prepared.purpose(role))
                for key, vector in zip(inputs.keys, found, strict=True):
                    if places.setdefault((key, inputs.modality), len(table)) == len(table):
                        table.append(vector)
                parts.append(np.array([places[key, inputs.modality] for key in inputs.keys]))

            def score(arrays: Arrays, prepared: Prepared = prepared) -> Scored:
                task, embeddings = prepared.task, dict(zip(prepared.inputs, arrays, strict=True))
                return protocol_of(task).score(task, prepared.rows, embeddings, "cpu")

            cases.append(Case(task, subset, tuple(parts), score, clusters(prepared.rows, len(task.subsets))))
    return Bench(np.stack(table), cases)


def miniature_of_the_package(tasks: Mapping[str, Task], cache: Path) -> Bench:
    """`miniature` with the package's own model, embedded once and kept in `cache`."""
    from pytest_mieb.data import open_source
    from pytest_mieb.embedding import Store
    from pytest_mieb.models import load_embedder

    embedder = load_embedder("miniature")
    store = Store(cache / "embeddings" / f"{embedder.fingerprint}-64")
    return miniature(tasks, open_source("miniature", cache), Pipeline(embedder, store, 64))


# By how much more than others a protocol's subsets may have.
_CAPS = {"clustering": 10**9, "linear_probe": 10, "multilabel_linear_probe": 10}


def synthetic(tasks: Mapping[str, Task], cap: int, seed: int = 0) -> Bench:
    """Embeddings as a middling model gives them.

    Clusterings have their true sizes, all others up to `cap` examples a subset, of probes ten times as many. Classes
    are mixtures of three that overlap, so that k-means has many places to settle and a probe's fit is not done after
    its 100 iterations; a probe has 20 classes. A query is its document and noise, a caption its picture and noise.
    """
    table = _Table()
    cases = []
    for number, task in enumerate(tasks.values()):
        generator = np.random.default_rng([seed, number])
        size = size_of(task, _CAPS.get(task.protocol, 1) * cap)
        shared: NDArray[np.int64] | None = None
        if size.clusters:
            shared = generator.integers(size.clusters, size=max(size.examples.values()))
        for subset, count in size.examples.items():
            blocks, score = _MAKERS[task.protocol](task, count, generator)
            rows = tuple(table.add(block) for block in blocks)
            cases.append(Case(task, subset, rows, score, None if shared is None else shared[:count]))
    return Bench(np.concatenate(table.blocks), cases)


def _mixture(k: int, count: int, apart: float, generator: Generator) -> tuple[Floats, NDArray[np.int64]]:
    """Images of `k` classes in turn, shape (count, DIMENSION), and their classes."""
    spectrum = np.arange(1, DIMENSION + 1) ** -0.5
    means = apart * spectrum * generator.normal(size=(k, DIMENSION))
    parts = apart / 2 * spectrum * generator.normal(size=(k, 3, DIMENSION))
    labels = np.arange(count) % k
    strewn = 0.75 * spectrum * generator.normal(size=(count, DIMENSION))
    return (means[labels] + parts[labels, generator.integers(3, size=count)] + strewn).astype(np.float32), labels


def _clustering(task: Task, count: int, generator: Generator) -> tuple[Blocks, Callable[[Arrays], Scored]]:
    from pytest_mieb.protocols import clustering

    images, labels = _mixture(CLASSES[task.name], count, generator.uniform(0.8, 1.2), generator)
    return [images], lambda arrays: clustering.cluster(arrays[0], labels.tolist(), task.metric)


def _linear_probe(task: Task, count: int, generator: Generator) -> tuple[Blocks, Callable[[Arrays], Scored]]:
    from pytest_mieb.protocols import linear_probe

    shots, trained = task.scoring["samples_per_label"], 40 * PROBED
    images, labels = _mixture(PROBED, trained + count, generator.uniform(0.4, 0.8), generator)
    images *= 20
    learnt, truth = labels[:trained].tolist(), labels[trained:].tolist()
    draws = linear_probe.draw(learnt, task.scoring["n_experiments"], shots)

    def score(arrays: Arrays) -> Scored:
        return linear_probe.probe(arrays[0], learnt, draws, arrays[1], truth, shots)

    return [images[:trained], images[trained:]], score


def _multilabel(task: Task, count: int, generator: Generator) -> tuple[Blocks, Callable[[Arrays], Scored]]:
    from pytest_mieb.protocols import multilabel_linear_probe

    shots, trained = task.scoring["samples_per_label"], 40 * PROBED
    images, first = _mixture(PROBED, trained + count, 0.6, generator)
    more = np.where(generator.random(len(first)) < 0.3, generator.integers(PROBED, size=len(first)), first)
    labels = [sorted({int(one), int(other)}) for one, other in zip(first, more, strict=True)]
    draws = multilabel_linear_probe.draw(labels[:trained], task.scoring["n_experiments"], shots)

    def score(arrays: Arrays) -> Scored:
        return multilabel_linear_probe.probe(arrays[0], labels[:trained], draws, arrays[1], labels[trained:], shots)

    return [images[:trained], images[trained:]], score


def _zero_shot(task: Task, count: int, generator: Generator) -> tuple[Blocks, Callable[[Arrays], Scored]]:
    from pytest_mieb.protocols import zero_shot

    others = 5 * PROBED
    images, labels = _mixture(PROBED, others + count, generator.uniform(0.4, 0.8), generator)
    prompts = np.stack([images[:others][labels[:others] == label].mean(axis=0) for label in range(PROBED)])
    truth = labels[others:].tolist()
    return [images[others:], prompts], lambda arrays: zero_shot.classify(arrays[0], arrays[1], truth)


def _pairs(task: Task, count: int, generator: Generator) -> tuple[Blocks, Callable[[Arrays], Scored]]:
    from pytest_mieb.protocols import pair_classification

    images = generator.normal(size=(count, DIMENSION))
    right = images + 0.8 * generator.normal(size=images.shape)
    wrong = right + 0.6 * generator.normal(size=images.shape)

    def score(arrays: Arrays) -> Scored:
        both = np.stack(arrays[1:3], axis=1)
        pictures = np.stack([arrays[0]] if task.metric == "text_acc" else [arrays[0], arrays[3]], axis=1)
        return pair_classification.match(pictures, both, task.metric)

    other = wrong + 0.8 * generator.normal(size=images.shape)
    return [images, right, wrong, other], score


def _sts(task: Task, count: int, generator: Generator) -> tuple[Blocks, Callable[[Arrays], Scored]]:
    from pytest_mieb.protocols import sts

    human = np.round(generator.uniform(0, 5, count) * 4) / 4
    first = generator.normal(size=(count, DIMENSION))
    alike = np.clip(human / 5 + 0.2 * generator.normal(size=count), 0, 1)[:, None]
    second = alike * first + np.sqrt(1 - alike**2) * generator.normal(size=first.shape)
    return [first, second], lambda arrays: sts.correlate(arrays[0], arrays[1], human)


def _retrieval(task: Task, count: int, generator: Generator) -> tuple[Blocks, Callable[[Arrays], Scored]]:
    from pytest_mieb.protocols import retrieval

    documents = generator.normal(size=(count, DIMENSION))
    queries = documents + generator.uniform(0.7, 1.1) * generator.normal(size=documents.shape)
    ids = [f"{number:06}" for number in range(count)]
    own = np.arange(count)
    qrels = Qrels(own, own, np.ones(count, np.int64))
    candidates: Any = None
    if task.protocol == "multiple_choice":
        candidates = [
            np.unique(np.append(generator.integers(count, size=CANDIDATES - 1), number)) for number in range(count)
        ]

    def score(arrays: Arrays) -> Scored:
        return retrieval.retrieve(arrays[0], arrays[1], ids, qrels, task.metric, candidates=candidates)

    return [queries, documents], score


_MAKERS: Mapping[str, Callable[[Task, int, Generator], tuple[Blocks, Callable[[Arrays], Scored]]]] = {
    "clustering": _clustering,
    "linear_probe": _linear_probe,
    "multilabel_linear_probe": _multilabel,
    "zero_shot": _zero_shot,
    "pair_classification": _pairs,
    "sts": _sts,
    "retrieval": _retrieval,
    "multiple_choice": _retrieval,
}
