"""From ids and judgements to a `Collection`; shared by the layouts of retrieval and multiple choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.rows import Collection, Qrels


def letters(modalities: str) -> set[str]:
    """`it` to {'i', 't'}."""
    return set(modalities)


class Judgement(NamedTuple):
    """How relevant a document is to a query; 0 is not."""

    query: str
    document: str
    grade: int


def collection(
    *,
    queries: Inputs,
    query_ids: Sequence[str],
    documents: Inputs,
    document_ids: Sequence[str],
    judgements: Iterable[Judgement],
    error: Callable[[str], DatasetError],
    candidates_from_qrels: bool = False,
) -> Collection:
    """The collection, without queries that nothing is known of.

    Of repeated ids the first counts, of repeated judgements the last.
    """
    grades = {(query, document): grade for query, document, grade in judgements}
    known = {query for query, _ in grades}
    kept_queries = [row for query, row in _first_rows(query_ids).items() if query in known]
    if not kept_queries:
        raise error("no query of the qrels is among the queries")
    place_of_query = {query_ids[row]: place for place, row in enumerate(kept_queries)}
    first_documents = _first_rows(document_ids)
    place_of_document = {document: place for place, document in enumerate(first_documents)}
    judged = np.array(
        [
            (place_of_query[query], place_of_document.get(document, -1), grade)
            for (query, document), grade in grades.items()
            if query in place_of_query
        ],
        dtype=np.int64,
    )
    qrels = Qrels(*judged[np.argsort(judged[:, 0], kind="stable")].T)
    candidates = None
    if candidates_from_qrels:
        ends = np.searchsorted(qrels.queries, np.arange(1, len(kept_queries)))
        candidates = [pool[pool >= 0] for pool in np.split(qrels.documents, ends)]
        empty = next((place for place, pool in enumerate(candidates) if not len(pool)), None)
        if empty is not None:
            raise error(f"query {query_ids[kept_queries[empty]]!r} has no candidate in the corpus")
    kept_documents = list(first_documents.values())
    return Collection(
        queries=queries if len(kept_queries) == len(queries) else queries.take(kept_queries),
        documents=documents if len(kept_documents) == len(documents) else documents.take(kept_documents),
        document_ids=list(first_documents),
        qrels=qrels,
        n_rows=sum(query in known for query in query_ids) + len(document_ids),
        candidates=candidates,
    )


def _first_rows(ids: Sequence[str]) -> dict[str, int]:
    first: dict[str, int] = {}
    for row, name in enumerate(ids):
        first.setdefault(name, row)
    return first
