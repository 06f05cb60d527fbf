"""`hateful_memes` and `memotion`: memes with the text on them; the documents are pooled from all splits."""

from __future__ import annotations

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.layouts.ranked import Judgement, collection
from pytest_mieb.data.layouts.spec import LayoutSpec, each_by_itself
from pytest_mieb.data.rows import Collection
from pytest_mieb.data.table import Asked, Opener, Table
from pytest_mieb.suite import Task
from pytest_mieb.suite.schema import TEXT

POOLED_SPLITS = ("test", "validation", "train")


def all_pooled(task: Task, subset: str, opener: Opener) -> list[Asked]:
    return [Asked(split) for split in dict.fromkeys((task.dataset.options["split"], *POOLED_SPLITS))]


def all_there_are(task: Task, subset: str, opener: Opener) -> list[Asked]:
    return [Asked(split) for split in opener.splits()]


def read_hateful_memes(task: Task, subset: str, opener: Opener) -> Collection:
    """Documents with a text seen before are dropped, in both directions; a query's document has the query's own id."""
    test = opener.table(task.dataset.options["split"])
    pool = Table.joined([opener.table(split) for split in POOLED_SPLITS], "all splits")
    first: dict[str, int] = {}
    for row, text in enumerate(pool.texts("text")):
        first.setdefault(text, row)
    pool = pool.take(list(first.values()))
    return _directed(task, test, pool, "text", test.ids("id"), pool.ids("id"))


def read_memotion(task: Task, subset: str, opener: Opener) -> Collection:
    """Rows without a corrected text are dropped first."""
    split = task.dataset.options["split"]
    tables = {name: _with_text(opener.table(name)) for name in opener.splits()}
    document_ids = [f"{name}-{row}" for name, table in tables.items() for row in range(len(table))]
    names = [f"{split}-{row}" for row in range(len(tables[split]))]
    pool = Table.joined(list(tables.values()), "all splits")
    return _directed(task, tables[split], pool, "text_corrected", names, document_ids)


def _with_text(table: Table) -> Table:
    return table.take([row for row, text in enumerate(table.values("text_corrected")) if text is not None])


def _directed(
    task: Task,
    test: Table,
    pool: Table,
    text: str,
    names: list[str],
    pool_names: list[str],
) -> Collection:
    """Images search texts (i2t) or texts search images (t2i); what has a query's own name is relevant to it."""
    query_side, _, document_side = task.modalities.partition("2")
    return collection(
        queries=_side(test, query_side, text, document=False),
        query_ids=[f"query-{name}" for name in names],
        documents=_side(pool, document_side, text, document=True),
        document_ids=[f"corpus-{name}" for name in pool_names],
        judgements=(Judgement(f"query-{name}", f"corpus-{name}", 1) for name in names),
        error=test.error,
    )


def _side(table: Table, side: str, text: str, *, document: bool) -> Inputs:
    if side == "i":
        return Inputs(images=table.images("image" if "image" in table.columns else "img"))
    texts = table.texts(text)
    return Inputs(texts=[entry.strip() for entry in texts] if document else texts)


HATEFUL_MEMES = LayoutSpec(
    name="hateful_memes",
    gives="collection",
    read=read_hateful_memes,
    splits=all_pooled,
    part=each_by_itself(all_pooled),
    keys={"split": TEXT},
)
MEMOTION = LayoutSpec(
    name="memotion",
    gives="collection",
    read=read_memotion,
    splits=all_there_are,
    part=each_by_itself(all_there_are),
    keys={"split": TEXT},
)
