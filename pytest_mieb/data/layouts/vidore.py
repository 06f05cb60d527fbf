"""`vidore`: pages of documents, each an image, searched by a question."""

from __future__ import annotations

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.layouts.beir import judgements
from pytest_mieb.data.layouts.ranked import Judgement, collection, part_of_search
from pytest_mieb.data.layouts.spec import LayoutSpec
from pytest_mieb.data.parts import Draw, Part, Ranked
from pytest_mieb.data.rows import Collection
from pytest_mieb.data.table import Asked, Opener
from pytest_mieb.suite import Task


def splits(task: Task, subset: str, opener: Opener) -> list[Asked]:
    """Those of the corpus, the queries and the qrels."""
    return [Asked(opener.only_or_test_split(config), config) for config in ("corpus", "queries", "qrels")]


def read(task: Task, subset: str, opener: Opener) -> Collection:
    corpus, queries, qrels = (opener.table(*asked) for asked in splits(task, subset, opener))
    return collection(
        queries=Inputs(texts=queries.texts("query")),
        query_ids=[f"query-test-{number}" for number in queries.ids("query-id")],
        documents=Inputs(images=corpus.images("image")),
        document_ids=[f"corpus-test-{number}" for number in corpus.ids("corpus-id")],
        judgements=(
            Judgement(f"query-test-{query}", f"corpus-test-{document}", grade)
            for query, document, grade in judgements(qrels)
        ),
        error=qrels.error,
    )


def part(task: Task, subset: str, opener: Opener, draw: Draw) -> Part:
    asked = splits(task, subset, opener)
    corpus, queries, qrels = (opener.table(*each) for each in asked)
    ranked = Ranked(queries.ids("query-id"), corpus.ids("corpus-id"), list(judgements(qrels)))
    return part_of_search(asked, ranked, draw, all_judged=False)


LAYOUT = LayoutSpec(name="vidore", gives="collection", read=read, splits=splits, part=part)
