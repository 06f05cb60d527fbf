"""What a protocol is: the rows that it takes, what of them it needs embedded, and how embeddings become a score."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.rows import Rows, RowsKind
from pytest_mieb.protocols.scored import Scored
from pytest_mieb.suite import Task
from pytest_mieb.suite.schema import Key

# How a score comes from the outcomes of its examples; `gate.statistics.influence` has a function for each.
Estimator = Literal["mean", "spearman", "mutual_information"]
Embeddings = Mapping[str, NDArray[np.float32]]


class ScoringError(ValueError):
    """A key of a card's `scoring` that the protocol cannot use, and why."""

    def __init__(self, key: str, sentence: str) -> None:
        super().__init__(sentence)
        self.key, self.sentence = key, sentence


def nothing_to_check(scoring: Mapping[str, Any], notes: str) -> None:
    """Of a protocol whose keys need no more than their types."""


@dataclass(frozen=True)
class ProtocolSpec:
    """One protocol.

    Args:
        name: as cards name it.
        takes: the kind of rows that it scores.
        metrics: what a card may choose as its metric, each with the way in which the score comes from the outcomes;
            None where it does not come from them.
        inputs: what of the rows is to be embedded, by role. `query` and `document` are the two sides of a search.
        score: from a task, its rows, the embeddings of all roles, shape (n, d) each in the order of the inputs, and
            the device for similarities, to the score.
        keys: what a card's `scoring` section holds.
        check: raises `ScoringError` where the values there make no sense; it also gets the card's notes.
        layout_needs: keys that the card's `dataset` section must hold though the layout could do without.
        modalities: what a model must embed to do it; None where the card's own modalities say so.
        single_fit: whether a score is one fit of many that might have been.
        such_as: metrics to name to somebody who chose another; by default all.
    """

    name: str
    takes: RowsKind
    metrics: Mapping[str, Estimator | None]
    inputs: Callable[[Task, Rows], Mapping[str, Inputs]]
    score: Callable[[Task, Rows, Embeddings, str], Scored]
    keys: Mapping[str, Key] = field(default_factory=dict)
    check: Callable[[Mapping[str, Any], str], None] = nothing_to_check
    layout_needs: tuple[str, ...] = ()
    modalities: frozenset[str] | None = None
    single_fit: bool = False
    such_as: str = ""
