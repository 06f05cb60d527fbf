"""From a task, a source of data and a model to a score: every station in order, without pytest."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data import Inputs, Source, load_rows, other_sizes
from pytest_mieb.data.classes import prompted
from pytest_mieb.data.examples import Digest, clusters
from pytest_mieb.data.rows import CaptionedImages, Collection, Labelled, Rows, ScoredPairs
from pytest_mieb.embedding import Pipeline
from pytest_mieb.measurement.result import SubsetResult, TaskResult
from pytest_mieb.models.embedder import Purpose, Role
from pytest_mieb.protocols import Scored
from pytest_mieb.suite import Task


class Embed(Protocol):
    """How a protocol gets embeddings, shape (n, d): all it needs to know of the model."""

    def __call__(self, inputs: Inputs, role: Role | None = None) -> NDArray[np.float32]: ...


class ScoreError(Exception):
    """A task that cannot be scored; the message says why."""


def evaluate(task: Task, source: Source, pipeline: Pipeline, device: str = "cpu") -> TaskResult:
    """Score one task, subset by subset.

    Args:
        device: where similarities of retrieval are computed, in float32.

    Raises:
        DatasetError: the data cannot be used.
        EmbeddingError: the model gave something that is no embedding.
        ScoreError: the score is not a number.
    """

    def embed(inputs: Inputs, role: Role | None = None) -> NDArray[np.float32]:
        instruction = None if role == "document" else task.instruction
        digest.add_keys(inputs.keys)
        return pipeline.embed(inputs, Purpose(task.name, task.protocol, role, instruction))

    before = pipeline.counts
    started = perf_counter()
    subsets = {}
    for subset in task.subsets:
        digest = Digest()
        rows = load_rows(task, subset, source)
        scored = PROTOCOLS[task.protocol](task, rows, embed, device)
        score = scored.metrics[task.metric]
        if not math.isfinite(score):
            raise ScoreError(
                f"{task.name}, {subset}: {task.metric} is not a number, because all similarities or all human scores "
                "are equal; check the model's outputs and the dataset"
            )
        digest.add_truth(rows)
        subsets[subset] = SubsetResult(
            score,
            scored,
            rows.sizes,
            clusters(rows, len(task.subsets)),
            digest.hexdigest(),
            rows.findings,
            other_sizes(task, subset, rows) if source.any_size else {},
        )
    after = pipeline.counts
    return TaskResult(
        task=task,
        score=float(np.mean([subset.score for subset in subsets.values()])),
        subsets=subsets,
        embedded=after.embedded - before.embedded,
        reused=after.reused - before.reused,
        seconds={"embedding": after.seconds - before.seconds, "total": perf_counter() - started},
    )


def _probe(task: Task, rows: Rows, embed: Embed, module: Any) -> Scored:
    """Only the training rows that some experiment draws are embedded."""
    assert isinstance(rows, Labelled) and rows.train is not None
    labels = rows.train.labels
    draws = module.draw(labels, task.scoring["n_experiments"], task.scoring["samples_per_label"])
    drawn = sorted(set().union(*draws))
    place = {row: place for place, row in enumerate(drawn)}
    scored: Scored = module.score(
        embed(rows.train.inputs.take(drawn)),
        [labels[row] for row in drawn],
        [[place[row] for row in draw] for draw in draws],
        embed(rows.test.inputs),
        rows.test.labels,
        task.scoring["samples_per_label"],
    )
    return scored


def _linear_probe(task: Task, rows: Rows, embed: Embed, device: str) -> Scored:
    from pytest_mieb.protocols import linear_probe

    return _probe(task, rows, embed, linear_probe)


def _multilabel_linear_probe(task: Task, rows: Rows, embed: Embed, device: str) -> Scored:
    from pytest_mieb.protocols import multilabel_linear_probe

    return _probe(task, rows, embed, multilabel_linear_probe)


def _clustering(task: Task, rows: Rows, embed: Embed, device: str) -> Scored:
    from pytest_mieb.protocols import clustering

    assert isinstance(rows, Labelled)
    return clustering.score(embed(rows.test.inputs), rows.test.labels, task.metric)


def _zero_shot(task: Task, rows: Rows, embed: Embed, device: str) -> Scored:
    from pytest_mieb.protocols import zero_shot

    assert isinstance(rows, Labelled)
    names = prompted(task, rows.class_names)
    assert names is not None
    index = {name: place for place, name in enumerate(names)}
    labels = [index[label] if isinstance(label, str) else label for label in rows.test.labels]
    prompts = Inputs(texts=[task.scoring["template"].replace("{label}", name) for name in names])
    return zero_shot.score(embed(rows.test.inputs), embed(prompts), labels)


def _pair_classification(task: Task, rows: Rows, embed: Embed, device: str) -> Scored:
    from pytest_mieb.protocols import pair_classification

    assert isinstance(rows, CaptionedImages)
    images, texts = (np.stack([embed(column) for column in side], axis=1) for side in (rows.images, rows.texts))
    return pair_classification.score(images, texts, task.metric)


def _sts(task: Task, rows: Rows, embed: Embed, device: str) -> Scored:
    from pytest_mieb.protocols import sts

    assert isinstance(rows, ScoredPairs)
    return sts.score(embed(rows.first), embed(rows.second), rows.scores)


def _retrieval(task: Task, rows: Rows, embed: Embed, device: str) -> Scored:
    from pytest_mieb.protocols import retrieval

    assert isinstance(rows, Collection)
    return retrieval.score(
        embed(rows.queries, "query"),
        embed(rows.documents, "document"),
        rows.document_ids,
        rows.qrels,
        task.metric,
        candidates=rows.candidates,
        skip_first_result=task.scoring.get("skip_first_result", False),
        device=device,
    )


PROTOCOLS: Mapping[str, Callable[[Task, Rows, Embed, str], Scored]] = {
    "linear_probe": _linear_probe,
    "multilabel_linear_probe": _multilabel_linear_probe,
    "clustering": _clustering,
    "zero_shot": _zero_shot,
    "pair_classification": _pair_classification,
    "sts": _sts,
    "retrieval": _retrieval,
    "multiple_choice": _retrieval,
}
