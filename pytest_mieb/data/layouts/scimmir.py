"""`scimmir`: figures and tables of papers with their captions; the two of a row belong together."""

from __future__ import annotations

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.layouts.ranked import Judgement, collection
from pytest_mieb.data.layouts.spec import LayoutSpec, each_by_itself
from pytest_mieb.data.rows import Collection
from pytest_mieb.data.table import Asked, Opener
from pytest_mieb.suite import Task
from pytest_mieb.suite.schema import TEXT


def splits(task: Task, subset: str, opener: Opener) -> list[Asked]:
    return [Asked(task.dataset.options["split"])]


def read(task: Task, subset: str, opener: Opener) -> Collection:
    split = task.dataset.options["split"]
    table = opener.table(split)
    images, texts = Inputs(images=table.images("image")), table.texts("text")
    image_first = task.modalities == "i2t"
    query_ids = [f"query-{split}-{row}" for row in range(len(table))]
    document_ids = [f"corpus-{split}-{row}" for row in range(len(table))]
    return collection(
        queries=images if image_first else Inputs(texts=texts),
        query_ids=query_ids,
        documents=Inputs(texts=[text.strip() for text in texts]) if image_first else images,
        document_ids=document_ids,
        judgements=(Judgement(query, document, 1) for query, document in zip(query_ids, document_ids, strict=True)),
        error=table.error,
    )


LAYOUT = LayoutSpec(
    name="scimmir", gives="collection", read=read, splits=splits, part=each_by_itself(splits), keys={"split": TEXT}
)
