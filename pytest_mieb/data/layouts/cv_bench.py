"""`cv_bench`: an image with a question, the choices as texts, the answer as a letter."""

from __future__ import annotations

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.layouts.ranked import Judgement, collection
from pytest_mieb.data.layouts.spec import LayoutSpec
from pytest_mieb.data.parts import Draw, Part
from pytest_mieb.data.rows import Collection
from pytest_mieb.data.table import Asked, Opener, Table
from pytest_mieb.suite import Task
from pytest_mieb.suite.schema import TEXT

ANSWERS = {f"({letter})": place for place, letter in enumerate("ABCDEF")}


def splits(task: Task, subset: str, opener: Opener) -> list[Asked]:
    return [Asked(task.dataset.options["split"])]


def read(task: Task, subset: str, opener: Opener) -> Collection:
    """The documents are the distinct choices of the rows of the task; a query's candidates are its own."""
    options = task.dataset.options
    table = opener.table(options["split"])
    table = table.take(_own_rows(task, table))
    if not len(table):
        raise table.error(f"no row whose task is {options['task']!r}")
    documents: dict[str, str] = {}
    judgements: list[Judgement] = []
    for row, (choices, answer) in enumerate(zip(table.lists("choices"), table.values("answer"), strict=True)):
        if ANSWERS.get(answer, len(choices)) >= len(choices):
            place = table.place(row)
            raise table.error(f"column 'answer' holds {answer!r} in {place} for {len(choices)} choices", place)
        for choice in choices:
            documents.setdefault(choice, f"corpus-{options['split']}-{len(documents)}")
        correct = choices[ANSWERS[answer]]
        query = _query_id(options["split"], row)
        judgements += [Judgement(query, documents[choice], int(choice == correct)) for choice in choices]
    return collection(
        queries=Inputs(table.images("image"), table.texts("question")),
        query_ids=[_query_id(options["split"], row) for row in range(len(table))],
        documents=Inputs(texts=[choice.strip() for choice in documents]),
        document_ids=list(documents.values()),
        judgements=judgements,
        candidates_from_qrels=True,
        error=table.error,
    )


def _own_rows(task: Task, table: Table) -> list[int]:
    """Those of the kind of question that the task is about."""
    return [row for row, name in enumerate(table.values("task")) if name == task.dataset.options["task"]]


def part(task: Task, subset: str, opener: Opener, draw: Draw) -> Part:
    (asked,) = splits(task, subset, opener)
    return {asked: draw.taken(_own_rows(task, opener.table(*asked)), task.dataset.options["task"])}


def _query_id(split: str, row: int) -> str:
    return f"query-{split}-{row}"


LAYOUT = LayoutSpec(
    name="cv_bench", gives="choices", read=read, splits=splits, part=part, keys={"split": TEXT, "task": TEXT}
)
