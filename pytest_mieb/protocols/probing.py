"""What the two probes share: a classifier is fitted to a few images of every class, several times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.rows import Labelled, Rows
from pytest_mieb.protocols.scored import Scored
from pytest_mieb.protocols.spec import Embeddings, ScoringError
from pytest_mieb.suite import Task
from pytest_mieb.suite.schema import COUNT, Key

KEYS: Mapping[str, Key] = {"n_experiments": COUNT, "samples_per_label": COUNT}
Draw = Callable[[Sequence[Any], int, int], list[list[int]]]


class Drawn(NamedTuple):
    """The training rows that some experiment learns from: their numbers, and each experiment's places among them."""

    rows: list[int]
    experiments: list[list[int]]


def drawn(task: Task, labels: Sequence[Any], draw: Draw) -> Drawn:
    draws = draw(labels, task.scoring["n_experiments"], task.scoring["samples_per_label"])
    rows = sorted(set().union(*draws))
    place = {row: place for place, row in enumerate(rows)}
    return Drawn(rows, [[place[row] for row in own] for own in draws])


def inputs_of(task: Task, rows: Rows, draw: Draw) -> Mapping[str, Inputs]:
    """Only the training rows that some experiment draws, and the evaluation split."""
    assert isinstance(rows, Labelled) and rows.train is not None
    learned = drawn(task, rows.train.labels, draw).rows
    return {"train": rows.train.inputs.take(learned), "test": rows.test.inputs}


def score_of(task: Task, rows: Rows, embeddings: Embeddings, draw: Draw, probe: Callable[..., Scored]) -> Scored:
    assert isinstance(rows, Labelled) and rows.train is not None
    learned = drawn(task, rows.train.labels, draw)
    return probe(
        embeddings["train"],
        [rows.train.labels[row] for row in learned.rows],
        learned.experiments,
        embeddings["test"],
        rows.test.labels,
        task.scoring["samples_per_label"],
    )


def check(scoring: Mapping[str, Any], notes: str) -> None:
    for key in KEYS:
        if scoring[key] < 1:
            raise ScoringError(key, f"{scoring[key]} is below 1; write a whole number above 0")
