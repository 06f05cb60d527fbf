"""`imagecode`: a text and ten candidate images a row, given as corpus, query and qrels."""

from __future__ import annotations

from collections import defaultdict

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.rows import CaptionedImages
from pytest_mieb.data.table import Opener
from pytest_mieb.suite import Task


def read(task: Task, subset: str, opener: Opener) -> CaptionedImages:
    """The correct image goes first, then the others in the order of the qrels."""
    options = task.dataset.options
    corpus = opener.table("corpus", "corpus")
    queries = opener.table(options["split"], "query")
    qrels = opener.table(options["split"], "qrels")
    rows = {document: row for row, document in enumerate(corpus.values("id"))}
    correct: dict[object, object] = {}
    pools: dict[object, list[object]] = defaultdict(list)
    for query, document, score in zip(*map(qrels.values, ("query-id", "corpus-id", "score")), strict=True):
        pools[query].append(document)
        if score == 1:
            correct[query] = document
    candidates = []
    for query in queries.values("id"):
        if query not in correct:
            raise qrels.error(f"no document with score 1 for query {query!r}")
        ordered = [correct[query], *(document for document in pools[query] if document != correct[query])]
        unknown = [document for document in ordered if document not in rows]
        if unknown:
            raise corpus.error(f"no document {unknown[0]!r}, which the qrels name")
        candidates.append([rows[document] for document in ordered])
    sizes = sorted(set(map(len, candidates)))
    if len(sizes) > 1:
        raise qrels.error(f"queries have between {sizes[0]} and {sizes[-1]} candidates where all should have as many")
    images = corpus.images("image", reencode=options.get("reencode", False))
    return CaptionedImages(
        images=tuple(Inputs(images=images.take(list(column))) for column in zip(*candidates, strict=True)),
        texts=(Inputs(texts=queries.texts("text")),),
    )
