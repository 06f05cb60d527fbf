"""Images with captions in many languages: one split a language, every caption a query for its image."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.layouts.ranked import Judgement, collection
from pytest_mieb.data.layouts.spec import LayoutSpec, each_by_itself
from pytest_mieb.data.rows import Collection
from pytest_mieb.data.table import Asked, Opener, Table
from pytest_mieb.suite import Task
from pytest_mieb.suite.schema import OPTIONAL_FLAG


def splits(task: Task, subset: str, opener: Opener) -> list[Asked]:
    return [Asked(subset)]


def read_captions(task: Task, subset: str, opener: Opener) -> Collection:
    """`captioned_images_per_language`: columns image_id, image and captions, a list."""
    table = opener.table(subset)
    return _read(
        table,
        table.ids("image_id"),
        table.lists("captions"),
        reencode=task.dataset.options.get("reencode", False),
    )


def read_sentences(task: Task, subset: str, opener: Opener) -> Collection:
    """`sentence_per_image_per_language`: columns id, image and sentences, one text."""
    table = opener.table(subset)
    return _read(
        table,
        table.ids("id"),
        [[sentence] for sentence in table.texts("sentences")],
        reencode=False,
    )


def _read(table: Table, names: list[str], captions: Sequence[Sequence[str]], *, reencode: bool) -> Collection:
    queries = [
        (f"query-{name}-{place}", f"corpus-{name}", caption)
        for name, own in zip(names, captions, strict=True)
        for place, caption in enumerate(own)
    ]
    return collection(
        queries=Inputs(texts=[caption for _, _, caption in queries]),
        query_ids=[query for query, _, _ in queries],
        documents=Inputs(images=table.images("image", reencode=reencode)),
        document_ids=[f"corpus-{name}" for name in names],
        judgements=(Judgement(query, document, 1) for query, document, _ in queries),
        error=table.error,
    )


CAPTIONS = LayoutSpec(
    name="captioned_images_per_language",
    gives="collection",
    read=read_captions,
    splits=splits,
    part=each_by_itself(splits),
    keys={"reencode": OPTIONAL_FLAG},
)
SENTENCES = LayoutSpec(
    name="sentence_per_image_per_language",
    gives="collection",
    read=read_sentences,
    splits=splits,
    part=each_by_itself(splits),
)
