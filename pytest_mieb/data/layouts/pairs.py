"""`pairs`: named image columns and named text columns; what belongs together has the same place in both.

The reference makes RGB of the pictures before a model sees them, here and in `imagecode` alone.
"""

from __future__ import annotations

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.layouts.spec import LayoutSpec, each_by_itself
from pytest_mieb.data.rows import CaptionedImages
from pytest_mieb.data.table import Asked, Opener
from pytest_mieb.suite import Task
from pytest_mieb.suite.schema import TEXT, TEXTS


def splits(task: Task, subset: str, opener: Opener) -> list[Asked]:
    return [Asked(task.dataset.options["split"])]


def read(task: Task, subset: str, opener: Opener) -> CaptionedImages:
    options = task.dataset.options
    table = opener.table(options["split"])
    return CaptionedImages(
        images=tuple(Inputs(images=table.images(column, in_rgb=True)) for column in options["images"]),
        texts=tuple(Inputs(texts=table.texts(column)) for column in options["texts"]),
    )


LAYOUT = LayoutSpec(
    name="pairs",
    gives="captioned images",
    read=read,
    splits=splits,
    part=each_by_itself(splits),
    keys={"split": TEXT, "images": TEXTS, "texts": TEXTS},
)
