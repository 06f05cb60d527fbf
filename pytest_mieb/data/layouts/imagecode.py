"""`imagecode`: a text and ten candidate images a row, given as corpus, query and qrels."""

from __future__ import annotations

from collections import defaultdict

from pytest_mieb.data.findings import partly
from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.layouts.beir import judgements
from pytest_mieb.data.layouts.ranked import first_rows, part_of_search, repeated
from pytest_mieb.data.layouts.spec import LayoutSpec
from pytest_mieb.data.parts import Draw, Part, Ranked
from pytest_mieb.data.rows import CaptionedImages
from pytest_mieb.data.table import Asked, Opener
from pytest_mieb.suite import Task
from pytest_mieb.suite.schema import OPTIONAL_FLAG, TEXT


def splits(task: Task, subset: str, opener: Opener) -> list[Asked]:
    """Those of the corpus, the queries and the qrels."""
    split = task.dataset.options["split"]
    return [Asked("corpus", "corpus"), Asked(split, "query"), Asked(split, "qrels")]


def read(task: Task, subset: str, opener: Opener) -> CaptionedImages:
    """The correct image goes first, then the others in the order of the qrels.

    Of repeated ids and of several correct images the last counts, as in the reference.
    """
    options = task.dataset.options
    corpus, queries, qrels = (opener.table(*asked) for asked in splits(task, subset, opener))
    document_ids, query_ids = corpus.ids("id"), queries.ids("id")
    first_rows(document_ids, "documents", corpus.error)
    asked = first_rows(query_ids, "queries", queries.error)
    rows = {document: row for row, document in enumerate(document_ids)}
    correct: dict[str, list[str]] = defaultdict(list)
    pools: dict[str, list[str]] = defaultdict(list)
    for query, document, grade in judgements(qrels):
        pools[query].append(document)
        if grade == 1:
            correct[query].append(document)
    candidates = []
    for query in query_ids:
        if query not in correct:
            raise qrels.error(f"no document with score 1 for query {query!r}")
        right = correct[query][-1]
        ordered = [right, *(document for document in pools[query] if document != right)]
        unknown = [document for document in ordered if document not in rows]
        if unknown:
            raise corpus.error(f"no document {unknown[0]!r}, which the qrels name")
        candidates.append([rows[document] for document in ordered])
    sizes = sorted(set(map(len, candidates)))
    if len(sizes) > 1:
        raise qrels.error(f"queries have between {sizes[0]} and {sizes[-1]} candidates where all should have as many")
    images = corpus.images("image", reencode=options.get("reencode", False), in_rgb=True)
    return CaptionedImages(
        images=tuple(Inputs(images=images.take(list(column))) for column in zip(*candidates, strict=True)),
        texts=(Inputs(texts=queries.texts("text")),),
        findings=(
            *repeated(document_ids, "documents", "the last counts"),
            *repeated(query_ids, "queries", "each counts"),
            *partly(
                "judged queries are not among the queries",
                [query for query in pools if query not in asked],
                len(pools),
                none="none of the judged queries is among the queries",
                error=qrels.error,
            ),
            *partly(
                "queries have several documents with score 1, of which the last counts",
                [query for query in asked if len(set(correct[query])) > 1],
                len(asked),
                none="every query has several documents with score 1",
                error=qrels.error,
            ),
        ),
    )


def part(task: Task, subset: str, opener: Opener, draw: Draw) -> Part:
    asked = splits(task, subset, opener)
    corpus, queries, qrels = (opener.table(*each) for each in asked)
    ranked = Ranked(queries.ids("id"), corpus.ids("id"), list(judgements(qrels)))
    return part_of_search(asked, ranked, draw, all_judged=True)


LAYOUT = LayoutSpec(
    name="imagecode",
    gives="captioned images",
    read=read,
    splits=splits,
    part=part,
    keys={"split": TEXT, "reencode": OPTIONAL_FLAG},
)
