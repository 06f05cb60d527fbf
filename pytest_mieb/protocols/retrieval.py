"""Retrieval and multiple choice: rank documents for every query, and score the ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.rows import Collection, Qrels, Rows
from pytest_mieb.protocols.ranking import rank_all, rank_candidates
from pytest_mieb.protocols.ranking_metrics import CUTOFFS, DEPTH, METRICS, judge, per_query
from pytest_mieb.protocols.scored import Floats, Scored
from pytest_mieb.protocols.spec import Embeddings, ProtocolSpec
from pytest_mieb.suite import Task
from pytest_mieb.suite.schema import OPTIONAL_FLAG


def inputs(task: Task, rows: Rows) -> Mapping[str, Inputs]:
    assert isinstance(rows, Collection)
    return {"query": rows.queries, "document": rows.documents}


def score(task: Task, rows: Rows, embeddings: Embeddings, device: str) -> Scored:
    assert isinstance(rows, Collection)
    return retrieve(
        embeddings["query"],
        embeddings["document"],
        rows.document_ids,
        rows.qrels,
        task.metric,
        candidates=rows.candidates,
        skip_first_result=task.scoring.get("skip_first_result", False),
        device=device,
    )


def retrieve(
    queries: Floats,
    documents: Floats,
    document_ids: Sequence[str],
    qrels: Qrels,
    metric: str,
    *,
    candidates: Sequence[NDArray[np.int64]] | None = None,
    skip_first_result: bool = False,
    device: str = "cpu",
) -> Scored:
    """Mean of the per-query metrics of the documents ranked by cosine.

    Args:
        queries: shape (q, d).
        documents: shape (n, d).
        document_ids: n of them; they settle ties.
        qrels: which documents are relevant.
        metric: whose values the outcomes are, one a query.
        candidates: for multiple choice, the documents that each query is compared with.
        skip_first_result: drop the best document first, where the query's own image is in the corpus.
    """
    if candidates is None:
        ranked = rank_all(queries, documents, document_ids, DEPTH + skip_first_result, device)
    else:
        ranked = rank_candidates(queries, documents, document_ids, candidates)
    if skip_first_result:
        ranked = ranked[:, 1:]
    judged = judge(ranked, qrels.queries, qrels.documents, qrels.gains, len(document_ids))
    values = per_query(judged)
    values["accuracy"] = values["recall_at_1"]
    return Scored(
        metrics={name: float(value.mean()) for name, value in values.items()},
        outcomes=values[metric],
    )


RETRIEVAL = ProtocolSpec(
    name="retrieval",
    takes="collection",
    metrics={f"{metric}_at_{cutoff}": "mean" for metric in METRICS for cutoff in CUTOFFS},
    inputs=inputs,
    score=score,
    keys={"skip_first_result": OPTIONAL_FLAG},
    such_as="a retrieval metric; write one like ndcg_at_10 or hit_rate_at_1",
)
MULTIPLE_CHOICE = ProtocolSpec(
    name="multiple_choice",
    takes="choices",
    metrics={"accuracy": "mean"},
    inputs=inputs,
    score=score,
)
