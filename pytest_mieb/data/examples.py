"""What must be the same for two runs to be comparable example by example, and which examples depend on each other."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.keys import Keys
from pytest_mieb.data.rows import Collection, Labelled, Rows, ScoredPairs


class Digest:
    """A hash of a subset's examples: of what is embedded, in order, and of the truth about it."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)

    def add_keys(self, keys: Keys) -> None:
        self._add(keys.tobytes())

    def add_truth(self, rows: Rows) -> None:
        """Labels, human scores, or relevance; of pairs the order alone is the truth."""
        for part in _truth(rows):
            self._add(part)

    def _add(self, part: bytes) -> None:
        """With its length before it, so that what moves from one part to the next changes the hash."""
        self._hash.update(len(part).to_bytes(8, "big") + part)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def _truth(rows: Rows) -> Iterable[bytes]:
    if isinstance(rows, Labelled):
        for split in (rows.test, rows.train):
            yield b"\n".join(str(label).encode() for label in split.labels) if split else b""
        yield repr(rows.class_names).encode()
    elif isinstance(rows, ScoredPairs):
        yield rows.scores.tobytes()
    elif isinstance(rows, Collection):
        for array in (rows.qrels.queries, rows.qrels.documents, rows.qrels.gains, *(rows.candidates or ())):
            yield array.tobytes()
        yield "\n".join(rows.document_ids).encode()


def clusters(rows: Rows, subsets: int) -> NDArray[np.int64] | None:
    """For each example a number that it shares with those it is not independent of; None where all are independent.

    Captions of one picture belong together, also in several languages: their ids name the picture. So do the
    translations of one pair of sentences, which stand in the same row of every one of several `subsets`.
    """
    if isinstance(rows, ScoredPairs):
        return np.arange(len(rows.scores), dtype=np.int64) if subsets > 1 else None
    if not isinstance(rows, Collection) or rows.documents.images is None or rows.candidates is not None:
        return None
    relevant = rows.qrels.gains > 0
    queries, documents = rows.qrels.queries[relevant], rows.qrels.documents[relevant]
    counts = np.bincount(queries, minlength=len(rows.queries))
    numbers = -1 - np.arange(len(rows.queries), dtype=np.int64)
    for query, document in zip(queries.tolist(), documents.tolist(), strict=True):
        if counts[query] == 1 and document >= 0:
            numbers[query] = _number(rows.document_ids[document])
    return numbers


def _number(text: str) -> Any:
    """A number from 0, the same for the same text in every process."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
