"""What a layout's reader hands to a protocol: inputs to embed, the truth about them, and what of it does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.findings import Finding
from pytest_mieb.data.inputs import Inputs

# What a layout gives and a protocol takes.
RowsKind = Literal["labelled", "scored pairs", "captioned images", "collection", "choices"]


@dataclass(frozen=True)
class LabelledSplit:
    """Images and one label each: an integer, a text, or (multilabel) a list of integers."""

    inputs: Inputs
    labels: Sequence[Any]


@dataclass(frozen=True)
class Labelled:
    """`class_names` are those of the dataset's ClassLabel column, where it has one, but not of lists of labels."""

    test: LabelledSplit
    train: LabelledSplit | None = None
    class_names: tuple[str, ...] | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def sizes(self) -> dict[str, int]:
        train = {} if self.train is None else {"train": len(self.train.inputs)}
        return {"test": len(self.test.inputs), **train}


@dataclass(frozen=True)
class ScoredPairs:
    """Pairs of images with a human similarity score each, shape (n,)."""

    first: Inputs
    second: Inputs
    scores: NDArray[np.float64]
    findings: tuple[Finding, ...] = ()

    @property
    def sizes(self) -> dict[str, int]:
        return {"test": len(self.first)}


@dataclass(frozen=True)
class CaptionedImages:
    """Rows of several images and several texts: one `Inputs` a column, all of the same length."""

    images: tuple[Inputs, ...]
    texts: tuple[Inputs, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def sizes(self) -> dict[str, int]:
        return {"test": len(self.images[0])}


@dataclass(frozen=True)
class Qrels:
    """Relevance judgements as three parallel arrays, shape (n,).

    `queries` indexes the queries, `documents` the corpus (-1: judged, but not in the corpus), `gains` is the grade.
    """

    queries: NDArray[np.int64]
    documents: NDArray[np.int64]
    gains: NDArray[np.int64]


@dataclass(frozen=True)
class Collection:
    """Queries, the documents they search, and which are relevant.

    With `candidates`, query i is compared with the documents `candidates[i]` only. `n_rows` counts queries and
    documents as the dataset has them, repeated ids too.
    """

    queries: Inputs
    documents: Inputs
    document_ids: Sequence[str]
    qrels: Qrels
    n_rows: int
    candidates: Sequence[NDArray[np.int64]] | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def sizes(self) -> dict[str, int]:
        return {"test": self.n_rows}


Rows = Labelled | ScoredPairs | CaptionedImages | Collection
