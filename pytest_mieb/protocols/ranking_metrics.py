"""Metrics of ranked documents, all queries at once.

Definitions as in trec_eval, which the reference uses; nDCG after Järvelin and Kekäläinen, 2002, with the grade itself
as gain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CUTOFFS = (1, 3, 5, 10, 20, 100)
DEPTH = max(CUTOFFS)
METRICS = ("ndcg", "map", "recall", "precision", "mrr", "hit_rate")


@dataclass(frozen=True)
class Judged:
    """Ranked documents with what is known of them.

    `gains`: the grade of the document at each rank, 0 where it is not judged; shape (q, ranks).
    `ideal`: the grades above 0 of every query, best first, filled up with 0; shape (q, most).
    `relevant`: how many documents are relevant to each query, shape (q,).
    """

    gains: NDArray[np.int64]
    ideal: NDArray[np.int64]
    relevant: NDArray[np.int64]


def judge(
    ranked: NDArray[np.int64],
    queries: NDArray[np.int64],
    documents: NDArray[np.int64],
    gains: NDArray[np.int64],
    n_documents: int,
) -> Judged:
    """Look up the grades of ranked documents.

    Args:
        ranked: document indices by rank, -1 where there is none; shape (q, ranks).
        queries, documents, gains: the judgements as parallel arrays; a document of -1 is not in the corpus, and
            counts as relevant all the same.
        n_documents: size of the corpus.
    """
    positive = gains > 0
    n_queries = len(ranked)
    relevant = np.bincount(queries[positive], minlength=n_queries).astype(np.int64)

    order = np.lexsort((-gains[positive], queries[positive]))
    rows = queries[positive][order]
    ideal = np.zeros((n_queries, max(int(relevant.max(initial=0)), 1)), dtype=np.int64)
    starts = np.cumsum(relevant) - relevant
    ideal[rows, np.arange(len(rows)) - starts[rows]] = gains[positive][order]

    inside = positive & (documents >= 0)
    known = queries[inside] * n_documents + documents[inside]
    sorting = np.argsort(known)
    known, grades = known[sorting], gains[inside][sorting]
    wanted = np.arange(n_queries)[:, None] * n_documents + ranked
    place = np.searchsorted(known, wanted).clip(max=max(len(known) - 1, 0))
    hit = (known[place] == wanted) & (ranked >= 0) if len(known) else np.zeros(ranked.shape, dtype=bool)
    found = np.where(hit, grades[place] if len(known) else 0, 0)
    return Judged(found, ideal, relevant)


def per_query(judged: Judged, cutoffs: tuple[int, ...] = CUTOFFS) -> dict[str, NDArray[np.float64]]:
    """ndcg, map, recall, precision, mrr and hit_rate at every cut-off: `<metric>_at_<k>` to shape (q,).

    map_at_k divides by *all* relevant documents of the query, precision_at_k by k. A query with no relevant document
    is 0 in all of them.
    """
    depth = max(cutoffs)
    gains = _to_depth(judged.gains, depth)
    hits = gains > 0
    ranks = np.arange(1, depth + 1)
    discount = 1 / np.log2(ranks + 1)
    gained = np.cumsum(gains * discount, axis=1)
    best = np.cumsum(_to_depth(judged.ideal, depth) * discount, axis=1)
    seen = np.cumsum(hits, axis=1)
    precision_sum = np.cumsum(hits * seen / ranks, axis=1)
    reciprocal = np.maximum.accumulate(hits / ranks, axis=1)
    relevant = np.maximum(judged.relevant, 1)
    metrics = {}
    for k in cutoffs:
        at = k - 1
        metrics[f"ndcg_at_{k}"] = np.divide(gained[:, at], best[:, at], out=np.zeros(len(gains)), where=best[:, at] > 0)
        metrics[f"map_at_{k}"] = precision_sum[:, at] / relevant
        metrics[f"recall_at_{k}"] = seen[:, at] / relevant
        metrics[f"precision_at_{k}"] = seen[:, at] / k
        metrics[f"mrr_at_{k}"] = reciprocal[:, at]
        metrics[f"hit_rate_at_{k}"] = (seen[:, at] > 0).astype(np.float64)
    return metrics


def _to_depth(values: NDArray[np.int64], depth: int) -> NDArray[np.int64]:
    return np.pad(values[:, :depth], ((0, 0), (0, max(depth - values.shape[1], 0))))
