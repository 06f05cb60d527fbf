"""Ranking documents by cosine, exactly: equal float32 scores are ordered by rule, memory is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.protocols.scored import Floats
from pytest_mieb.protocols.similarity import normalised

QUERIES_AT_ONCE = 512
DOCUMENTS_AT_ONCE = 16384


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
    product depend on the shapes that are multiplied.
    """
    import torch

    order = descending(document_ids)
    left = torch.from_numpy(normalised(queries))
    right = torch.from_numpy(normalised(documents))
    total = len(order)
    best = np.empty((len(left), min(depth, total)), dtype=np.int64)
    columns_by_rank = torch.from_numpy(order)
    tie = torch.empty(total, dtype=torch.int64)
    tie[columns_by_rank] = torch.arange(total - 1, -1, -1)
    tie = tie.to(device)
    for start in range(0, len(left), QUERIES_AT_ONCE):
        some = left[start : start + QUERIES_AT_ONCE].to(device)
        leaders = torch.empty((len(some), 0), dtype=torch.int64, device=device)
        for first in range(0, total, DOCUMENTS_AT_ONCE):
            block = slice(first, first + DOCUMENTS_AT_ONCE)
            keys = _sortable(some @ right[block].to(device).T) + tie[block]
            leaders = torch.cat([leaders, keys], dim=1)
            leaders = leaders.topk(min(depth, leaders.shape[1]), dim=1).values
        rank_from_end = leaders & 0xFFFFFFFF
        best[start : start + len(some)] = order[(total - 1 - rank_from_end).cpu().numpy()]
    return best


def _sortable(scores: Any) -> Any:
    """Float32 scores as int64 in the same order, the lower 32 bits zero; -0.0 equals 0.0."""
    import torch

    bits = (scores + 0.0).view(torch.int32)
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    return ordered.to(torch.int64) << 32


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
        scores = right[pool] @ left[row]
        ranked[row, : len(pool)] = pool[np.lexsort((rank_of[pool], -scores))]
    return ranked
