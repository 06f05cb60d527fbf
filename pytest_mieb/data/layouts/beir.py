"""`beir`: configs corpus, queries and qrels, as most retrieval datasets of the hub have them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.layouts.ranked import Judgement, collection, letters, part_of_search
from pytest_mieb.data.layouts.spec import LayoutSpec
from pytest_mieb.data.parts import Draw, Part, Ranked
from pytest_mieb.data.rows import Collection
from pytest_mieb.data.table import Asked, Opener, Table
from pytest_mieb.suite import Task


def splits(task: Task, subset: str, opener: Opener) -> list[Asked]:
    """Those of the corpus, the queries and the qrels."""
    configs = opener.configs()

    def asked(*names: str) -> Asked:
        config = next((name for name in names if name in configs), names[0])
        return Asked(opener.only_or_test_split(config), config)

    return [asked("corpus"), asked("query", "queries"), asked("default", "qrels")]


def read(task: Task, subset: str, opener: Opener) -> Collection:
    """Every query against every document; a query without judgements is dropped."""
    return _read(task, subset, opener, candidates_from_qrels=False)


def read_with_candidates(task: Task, subset: str, opener: Opener) -> Collection:
    """Every query against the documents of its own qrels, those with score 0 too."""
    return _read(task, subset, opener, candidates_from_qrels=True)


def _read(task: Task, subset: str, opener: Opener, *, candidates_from_qrels: bool) -> Collection:
    corpus, queries, qrels = (opener.table(*asked) for asked in splits(task, subset, opener))
    return collection(
        queries=inputs(queries, task.modalities.split("2")[0], document=False),
        query_ids=ids(queries),
        documents=inputs(corpus, task.modalities.split("2")[1], document=True),
        document_ids=ids(corpus),
        judgements=judgements(qrels),
        candidates_from_qrels=candidates_from_qrels,
        error=qrels.error,
    )


def part(task: Task, subset: str, opener: Opener, draw: Draw) -> Part:
    return _part(task, subset, opener, draw, all_judged=False)


def part_with_candidates(task: Task, subset: str, opener: Opener, draw: Draw) -> Part:
    return _part(task, subset, opener, draw, all_judged=True)


def _part(task: Task, subset: str, opener: Opener, draw: Draw, *, all_judged: bool) -> Part:
    asked = splits(task, subset, opener)
    corpus, queries, qrels = (opener.table(*each) for each in asked)
    ranked = Ranked(ids(queries), ids(corpus), list(judgements(qrels)))
    same = (corpus, queries) if task.scoring.get("skip_first_result") else None
    return part_of_search(asked, ranked, draw, all_judged=all_judged, same=same)


def ids(table: Table) -> list[str]:
    return table.ids("_id" if "_id" in table.columns else "id")


def inputs(table: Table, modalities: str, *, document: bool) -> Inputs:
    """The columns of the modalities that the task uses on this side; others are ignored."""
    wanted = letters(modalities)
    return Inputs(
        images=table.images("image") if "i" in wanted else None,
        texts=(document_texts(table) if document else table.texts("text")) if "t" in wanted else None,
    )


def document_texts(table: Table) -> list[str]:
    """Title, a space and text where there is a title, else the text; stripped."""
    texts: Sequence[str] = table.texts("text")
    titles = table.values("title") if "title" in table.columns else [None] * len(texts)
    return [f"{title} {text}".strip() if title else text.strip() for title, text in zip(titles, texts, strict=True)]


def judgements(table: Table) -> Iterator[Judgement]:
    """The rows of a qrels table."""
    scores = table.values("score")
    if not all(isinstance(score, int | float) and float(score).is_integer() for score in scores):
        raise table.error("column 'score' holds something that is not an integer")
    for query, document, score in zip(table.ids("query-id"), table.ids("corpus-id"), scores, strict=True):
        yield Judgement(query, document, int(score))


LAYOUT = LayoutSpec(name="beir", gives="collection", read=read, splits=splits, part=part)
WITH_CANDIDATES = LayoutSpec(
    name="beir_candidates_from_qrels",
    gives="choices",
    read=read_with_candidates,
    splits=splits,
    part=part_with_candidates,
)
