"""From ids and judgements to a `Collection`; shared by the layouts of retrieval and multiple choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.rows import Collection, Qrels


def letters(modalities: str) -> set[str]:
    """`it` to {'i', 't'}."""
    return set(modalities)


def collection(
    *,
    queries: Inputs,
    query_ids: Sequence[str],
    documents: Inputs,
    document_ids: Sequence[str],
    judgements: Mapping[str, Mapping[str, int]],
    error: Callable[[str], DatasetError],
    candidates_from_qrels: bool = False,
) -> Collection:
    """The collection, without queries that nothing is known of and without repeated ids (the first counts)."""
    kept_queries = [row for query, row in _first_rows(query_ids).items() if query in judgements]
    if not kept_queries:
        raise error("no query of the qrels is among the queries")
    first_documents = _first_rows(document_ids)
    kept_documents = list(first_documents.values())
    place = {document: place for place, document in enumerate(first_documents)}
    rows: list[int] = []
    columns: list[int] = []
    gains: list[int] = []
    candidates = []
    for row, query in enumerate(query_ids[index] for index in kept_queries):
        judged = judgements[query]
        places = [place.get(document, -1) for document in judged]
        rows += [row] * len(judged)
        columns += places
        gains += judged.values()
        candidates.append(np.array([place for place in places if place >= 0], dtype=np.int64))
    if candidates_from_qrels:
        empty = next((row for row, pool in enumerate(candidates) if not len(pool)), None)
        if empty is not None:
            raise error(f"query {query_ids[kept_queries[empty]]!r} has no candidate in the corpus")
    return Collection(
        queries=queries if len(kept_queries) == len(queries) else queries.take(kept_queries),
        documents=documents if len(kept_documents) == len(documents) else documents.take(kept_documents),
        document_ids=list(first_documents),
        qrels=Qrels(np.array(rows, np.int64), np.array(columns, np.int64), np.array(gains, np.int64)),
        n_rows=sum(query in judgements for query in query_ids) + len(document_ids),
        candidates=candidates if candidates_from_qrels else None,
    )


def _first_rows(ids: Sequence[str]) -> dict[str, int]:
    first: dict[str, int] = {}
    for row, name in enumerate(ids):
        first.setdefault(name, row)
    return first
