"""From ids and judgements to a `Collection`; shared by the layouts of retrieval and multiple choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.findings import Finding, partly
from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.parts import Draw, Part, Ranked, answered, rows_of_search
from pytest_mieb.data.rows import Collection, Qrels
from pytest_mieb.data.table import Asked, Table

Grades = Mapping[tuple[str, str], int]


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

    Of repeated ids the first counts, where the reference takes now one and now the other, as they lie in a heap; of
    repeated judgements the last. A judged document that is not in the corpus counts as one that is never found, a
    judged query that is not there does not count.

    Raises:
        DatasetError: no judged query or no judged document is there, nothing relevant is, or an id means nothing.
    """
    grades, contradicted = _graded(judgements)
    first_queries = first_rows(query_ids, "queries", error)
    first_documents = first_rows(document_ids, "documents", error)
    known = dict.fromkeys(query for query, _ in grades)
    findings = (
        *_there(known, query_ids, error),
        *repeated([query for query in query_ids if query in known], "queries", "the first counts"),
        *repeated(document_ids, "documents", "the first counts"),
        *_answerable({pair: grades[pair] for pair in grades if pair[0] in first_queries}, document_ids, error),
        *partly(
            "judgements are contradicted by a later one of the same query and document, which counts",
            contradicted,
            len(grades),
            none="every judgement is contradicted by a later one of the same query and document",
            error=error,
        ),
    )
    kept_queries = [row for query, row in first_queries.items() if query in known]
    kept_documents = list(first_documents.values())
    qrels = _indexed(grades, [query_ids[row] for row in kept_queries], list(first_documents))
    candidates = None
    if candidates_from_qrels:
        candidates, alone = _candidates(qrels, [query_ids[row] for row in kept_queries], error)
        findings += alone
    return Collection(
        queries=queries if len(kept_queries) == len(queries) else queries.take(kept_queries),
        documents=documents if len(kept_documents) == len(documents) else documents.take(kept_documents),
        document_ids=list(first_documents),
        qrels=qrels,
        n_rows=sum(query in known for query in query_ids) + len(document_ids),
        candidates=candidates,
        findings=findings,
    )


def part_of_search(
    asked: Sequence[Asked], ranked: Ranked, draw: Draw, *, all_judged: bool, same: tuple[Table, Table] | None = None
) -> Part:
    """Rows of the splits of the corpus, the queries and the qrels.

    Args:
        asked: these three.
        all_judged: whether a query's candidates are the documents that are judged for it.
        same: the tables of corpus and queries, where the pictures of the queries are in the corpus and must stay there.
    """
    queries = answered(ranked, draw)
    kept = _same_pictures(*same, ranked, queries) if same else ()
    return dict(
        zip(asked, rows_of_search(ranked, draw, all_judged=all_judged, kept=kept, queries=queries), strict=True)
    )


def _same_pictures(corpus: Table, queries: Table, ranked: Ranked, chosen: Sequence[str]) -> set[str]:
    """The documents that are one of the chosen queries, as their files have it."""
    rows = [row for row, name in enumerate(ranked.queries) if name in {*chosen}]
    wanted = {*picture_digests(queries.take(rows))}
    return {name for name, content in zip(ranked.documents, picture_digests(corpus), strict=True) if content in wanted}


def picture_digests(table: Table, at_once: int = 1000) -> Iterator[bytes | None]:
    """A digest of the picture of each row; None where the file is not in the table."""
    for part in table.parts:
        for start in range(0, len(part.rows), at_once):
            for picture in part.columns.pictures("image", part.rows[start : start + at_once]):
                content = (picture or {}).get("bytes")
                yield blake2b(content, digest_size=16).digest() if content else None


def first_rows(ids: Sequence[str], what: str, error: Callable[[str], DatasetError]) -> dict[str, int]:
    """The first row of each id.

    Raises:
        DatasetError: all rows, which are several, have the same.
    """
    first: dict[str, int] = {}
    for row, name in enumerate(ids):
        first.setdefault(name, row)
    if len(first) == 1 < len(ids):
        raise error(f"all {len(ids):,} {what} have the id {ids[0]!r}")
    return first


def repeated(ids: Sequence[str], what: str, remark: str) -> tuple[Finding, ...]:
    """A finding where rows have the id of an earlier one."""
    first: dict[str, int] = {}
    again = [name for row, name in enumerate(ids) if first.setdefault(name, row) != row]
    if not again:
        return ()
    return (Finding(f"{what} have the id of an earlier one, of which {remark}", len(again), len(ids), repr(again[0])),)


def _graded(judgements: Iterable[Judgement]) -> tuple[Grades, list[tuple[str, str]]]:
    """The grade of each pair of query and document, and the pairs that were given different ones."""
    grades: dict[tuple[str, str], int] = {}
    contradicted: dict[tuple[str, str], None] = {}
    for query, document, grade in judgements:
        if grades.get((query, document), grade) != grade:
            contradicted[query, document] = None
        grades[query, document] = grade
    return grades, list(contradicted)


def _there(
    known: Mapping[str, None], query_ids: Sequence[str], error: Callable[[str], DatasetError]
) -> tuple[Finding, ...]:
    """Whether the judged queries are there."""
    if not known:
        raise error("no query is judged")
    there = set(query_ids)
    return partly(
        "judged queries are not among the queries",
        [query for query in known if query not in there],
        len(known),
        none=f"none of the judged queries is among the queries, which begin with {query_ids[0]!r}",
        error=error,
    )


def _answerable(
    grades: Grades, document_ids: Sequence[str], error: Callable[[str], DatasetError]
) -> tuple[Finding, ...]:
    """Whether the judged documents are there, and whether each query has one that is relevant to it."""
    corpus = set(document_ids)
    documents = dict.fromkeys(document for _, document in grades)
    queries = dict.fromkeys(query for query, _ in grades)
    answered = {query for (query, document), grade in grades.items() if grade > 0 and document in corpus}
    return (
        *partly(
            "judged documents are not in the corpus",
            [document for document in documents if document not in corpus],
            len(documents),
            none=f"none of the judged documents is in the corpus, which begins with {document_ids[0]!r}",
            error=error,
        ),
        *partly(
            "queries have no relevant document in the corpus",
            [query for query in queries if query not in answered],
            len(queries),
            none="no query has a relevant document in the corpus",
            error=error,
        ),
    )


def _indexed(grades: Grades, queries: Sequence[str], documents: Sequence[str]) -> Qrels:
    """The judgements of these queries by place, in the order of the queries."""
    place_of_query = {query: place for place, query in enumerate(queries)}
    place_of_document = {document: place for place, document in enumerate(documents)}
    judged = np.array(
        [
            (place_of_query[query], place_of_document.get(document, -1), grade)
            for (query, document), grade in grades.items()
            if query in place_of_query
        ],
        dtype=np.int64,
    )
    return Qrels(*judged[np.argsort(judged[:, 0], kind="stable")].T)


def _candidates(
    qrels: Qrels, queries: Sequence[str], error: Callable[[str], DatasetError]
) -> tuple[list[NDArray[np.int64]], tuple[Finding, ...]]:
    """For each query the documents of its own judgements that are there, and whether it has a choice."""
    ends = np.searchsorted(qrels.queries, np.arange(1, len(queries)))
    candidates = [pool[pool >= 0] for pool in np.split(qrels.documents, ends)]
    empty = next((query for query, pool in zip(queries, candidates, strict=True) if not len(pool)), None)
    if empty is not None:
        raise error(f"query {empty!r} has no candidate in the corpus")
    return candidates, partly(
        "queries have a single candidate, which is always the best",
        [query for query, pool in zip(queries, candidates, strict=True) if len(pool) == 1],
        len(queries),
        none="every query has a single candidate, which is always the best",
        error=error,
    )
