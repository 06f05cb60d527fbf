"""From a task, a source of data and a model to a score: every station in order, without pytest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pytest_mieb.data import Inputs, Rows, Source, load_rows, other_sizes
from pytest_mieb.data.examples import Digest, clusters
from pytest_mieb.embedding import Counts, Pipeline, Wanted
from pytest_mieb.measurement.result import SubsetResult, TaskResult
from pytest_mieb.models.embedder import Purpose, Role
from pytest_mieb.protocols import Embeddings, protocol_of
from pytest_mieb.suite import Task
from pytest_mieb.support.seconds import Seconds, Watch


class ScoreError(Exception):
    """A task that cannot be scored; the message says why."""


@dataclass(frozen=True)
class Prepared:
    """One subset of a task before it is scored: its rows, and what of them is to be embedded, by role.

    The keys of the inputs are computed. `seconds` is what all of it took.
    """

    task: Task
    subset: str
    rows: Rows
    inputs: Mapping[str, Inputs]
    seconds: float = 0.0

    @property
    def wanted(self) -> Mapping[str, Wanted]:
        """The inputs of each role, with what they are embedded for."""
        return {role: Wanted(inputs, self.purpose(role)) for role, inputs in self.inputs.items()}

    def purpose(self, role: str) -> Purpose:
        """What the inputs of a role are embedded for, as models are told that are told."""
        task = self.task
        side: Role | None = "query" if role == "query" else "document" if role == "document" else None
        return Purpose(task.name, task.protocol, side, None if side == "document" else task.instruction)


def prepare(task: Task, subset: str, source: Source) -> Prepared:
    """Read a subset's rows, and the keys of its inputs. Raises DatasetError where they cannot be used."""
    watch = Watch()
    with watch.running():
        rows = load_rows(task, subset, source)
        inputs = protocol_of(task).inputs(task, rows)
        for each in inputs.values():
            each.keys  # noqa: B018 - computed here
    return Prepared(task, subset, rows, inputs, watch.seconds)


def score(prepared: Prepared, embeddings: Embeddings, device: str, *, any_size: bool) -> SubsetResult:
    """Score a subset from the embeddings of its inputs.

    Raises:
        ScoreError: the score is not a number.
    """
    task, subset, rows = prepared.task, prepared.subset, prepared.rows
    scored = protocol_of(task).score(task, rows, embeddings, device)
    value = scored.metrics[task.metric]
    if not math.isfinite(value):
        raise ScoreError(
            f"{task.name}, {subset}: {task.metric} is not a number, because all similarities or all human scores "
            "are equal; check the model's outputs and the dataset"
        )
    digest = Digest()
    for inputs in prepared.inputs.values():
        digest.add_keys(inputs.keys)
    digest.add_truth(rows)
    return SubsetResult(
        value,
        scored,
        rows.sizes,
        clusters(rows, len(task.subsets)),
        digest.hexdigest(),
        rows.findings,
        other_sizes(task, subset, rows) if any_size else {},
    )


def evaluate(task: Task, source: Source, pipeline: Pipeline, device: str = "cpu") -> TaskResult:
    """Score one task, subset by subset.

    Args:
        device: where similarities of retrieval are computed, in float32.

    Raises:
        DatasetError: the data cannot be used.
        EmbeddingError: the model gave something that is no embedding.
        ScoreError: the score is not a number.
    """
    total, loading = Watch(), Watch()
    with total.running():
        with loading.running():
            prepared = [prepare(task, subset, source) for subset in task.subsets]
        before = pipeline.counts
        pipeline.fill(wanted_by(prepared))
        subsets, scoring = score_all(prepared, pipeline, device, any_size=source.any_size)
    clock = Seconds(waited_load=loading.seconds, score=scoring, total=total.seconds)
    return result_of(prepared, subsets, before, pipeline.counts, clock)


def wanted_by(prepared: Iterable[Prepared]) -> list[Wanted]:
    """All that the subsets need embedded."""
    return [wanted for each in prepared for wanted in each.wanted.values()]


def taken(prepared: Prepared, pipeline: Pipeline) -> Embeddings:
    """The embeddings of a subset that was filled, by role."""
    return {role: pipeline.take(wanted) for role, wanted in prepared.wanted.items()}


def score_all(
    prepared: Iterable[Prepared], pipeline: Pipeline, device: str, *, any_size: bool
) -> tuple[dict[str, SubsetResult], float]:
    """Each subset's result from what the store holds, and the seconds that took. Raises ScoreError."""
    watch = Watch()
    with watch.running():
        found = {each.subset: score(each, taken(each, pipeline), device, any_size=any_size) for each in prepared}
    return found, watch.seconds


def result_of(
    prepared: Sequence[Prepared], subsets: Mapping[str, SubsetResult], before: Counts, after: Counts, clock: Seconds
) -> TaskResult:
    """The result of a task: the plain mean of its subsets, and what was done for it.

    That is what was done between two counts, preparing its subsets, and what `clock` says beside.
    """
    done = after - before
    return TaskResult(
        task=prepared[0].task,
        score=float(np.mean([subset.score for subset in subsets.values()])),
        subsets=subsets,
        embedded=done.embedded,
        reused=done.reused,
        seconds=done.seconds + Seconds(load=sum(each.seconds for each in prepared)) + clock,
    )
