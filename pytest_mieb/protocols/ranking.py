"""Ranking documents by cosine, exactly: equal float32 scores are ordered by rule, memory is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.protocols.scored import Floats
from pytest_mieb.protocols.similarity import ENOUGH_ROWS, normalised, normalised_on, with_enough_rows

# A product has this shape, and with it its last digits; a GPU is kept busy by larger ones.
QUERIES_AT_ONCE = 512
DOCUMENTS_AT_ONCE = 16384
_TIMES_ON_GPU = 4
# How many queries are ranked while the documents pass by once.
_QUERIES_A_PASS = 65536


def descending(document_ids: Sequence[str]) -> NDArray[np.int64]:
    """The documents in the order in which equal scores rank them: by id as a string, descending; shape (n,)."""
    return np.array(sorted(range(len(document_ids)), key=document_ids.__getitem__, reverse=True), dtype=np.int64)


def rank_all(
    queries: Floats, documents: Floats, document_ids: Sequence[str], depth: int, device: str = "cpu"
) -> NDArray[np.int64]:
    """The `depth` best documents of every query, best first: shape (q, min(depth, n)).

    Args:
        queries: shape (q, d).
        documents: shape (n, d).
        document_ids: n of them; among equal float32 scores the larger string ranks first.
        device: where the similarities are computed, always in float32.

    A score and the rank of its document's id are packed into one int64, so that ties are settled inside the top-k
    itself, whatever the order of the documents. The chunks have fixed sizes, because the last digits of a float32
    product depend on the shapes that are multiplied. Beside its arguments it holds little: chunks are normalised as
    they are needed.
    """
    import torch

    order = descending(document_ids)
    total = len(order)
    best = np.empty((len(queries), min(depth, total)), dtype=np.int64)
    columns_by_rank = torch.from_numpy(order)
    tie = torch.empty(total, dtype=torch.int64)
    tie[columns_by_rank] = torch.arange(total - 1, -1, -1)
    tie = tie.to(device)
    times = _TIMES_ON_GPU if device.startswith("cuda") else 1
    high, wide = times * QUERIES_AT_ONCE, times * DOCUMENTS_AT_ONCE
    for start in range(0, len(queries), _QUERIES_A_PASS):
        some = normalised_on(device, queries[start : start + _QUERIES_A_PASS])
        room = some.new_empty(max(high, ENOUGH_ROWS), min(wide, total))
        leaders = [_Leaders(chunk, depth, room) for chunk in some.split(high)]
        for first in range(0, total, wide):
            block = slice(first, first + wide)
            right = normalised_on(device, documents[block])
            for each in leaders:
                each.meet(right, tie[block])
        keys = torch.cat([each.keys for each in leaders])
        rank_from_end = keys & 0xFFFFFFFF
        best[start : start + len(some)] = order[(total - 1 - rank_from_end).cpu().numpy()]
    return best


class _Leaders:
    """The best documents of some queries among those that they have met so far.

    `keys`, shape (q, at most depth), are scores and ranks of ids packed into int64, the best first. `room` is where
    scores are computed, one after the other: to ask for new memory each time takes a fifth of the time.
    """

    def __init__(self, queries: Any, depth: int, room: Any) -> None:
        import torch

        self._queries = with_enough_rows(queries)
        self._depth, self._room = depth, room
        self.keys = torch.empty((len(queries), 0), dtype=torch.int64, device=queries.device)

    def meet(self, documents: Any, tie: Any) -> None:
        """Compare with documents, shape (n, d), of which `tie` has the ranks of ids, the last one's being 0."""
        import torch

        room = self._room[: len(self._queries), : len(documents)]
        scores = torch.mm(self._queries, documents.T, out=room)[: len(self.keys)]
        if self.keys.shape[1] == self._depth:
            least = _score_of(self.keys[:, -1:])
        else:
            least = scores.topk(min(self._depth, scores.shape[1]), dim=1).values[:, -1:]
        keys = torch.cat([self.keys, _at_least(least, scores, tie)], dim=1)
        self.keys = keys.topk(min(self._depth, self.keys.shape[1] + scores.shape[1]), dim=1).values


def _at_least(least: Any, scores: Any, tie: Any) -> Any:
    """The keys of what scores at least so much, a row a query, filled up with what comes behind all others."""
    import torch

    rows, columns = (scores >= least).nonzero(as_tuple=True)
    counts = rows.bincount(minlength=len(scores))
    place = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows]
    keys = torch.full((len(scores), int(counts.max())), torch.iinfo(torch.int64).min, device=scores.device)
    keys[rows, place] = _sortable(scores[rows, columns]) + tie[columns]
    return keys


def _sortable(scores: Any) -> Any:
    """Float32 scores as int64 in the same order, the lower 32 bits zero; -0.0 equals 0.0."""
    import torch

    bits = (scores + 0.0).view(torch.int32)
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    return ordered.to(torch.int64) << 32


def _score_of(keys: Any) -> Any:
    """The float32 scores that keys were made of."""
    import torch

    bits = (keys >> 32).to(torch.int32)
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).view(torch.float32)


def rank_candidates(
    queries: Floats,
    documents: Floats,
    document_ids: Sequence[str],
    candidates: Sequence[NDArray[np.int64]],
) -> NDArray[np.int64]:
    """Every query's own candidates, best first: shape (q, most candidates), filled up with -1.

    Ties as in `rank_all`. `candidates[i]` indexes the documents that query i is compared with.
    """
    left, right = normalised(queries), normalised(documents)
    rank_of = np.empty(len(document_ids), dtype=np.int64)
    rank_of[descending(document_ids)] = np.arange(len(document_ids))
    ranked = np.full((len(left), max(map(len, candidates))), -1, dtype=np.int64)
    for row, pool in enumerate(candidates):
        scores = np.einsum("nd,d->n", right[pool], left[row])
        ranked[row, : len(pool)] = pool[np.lexsort((rank_of[pool], -scores))]
    return ranked
