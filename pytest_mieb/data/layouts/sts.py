"""`sts`: two image columns and a human score; with subsets, one config a subset."""

from __future__ import annotations

import numpy as np

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.layouts.spec import LayoutSpec, each_by_itself
from pytest_mieb.data.rows import ScoredPairs
from pytest_mieb.data.table import Asked, Opener
from pytest_mieb.suite import DEFAULT_SUBSET, Task
from pytest_mieb.suite.schema import TEXT, Key


def splits(task: Task, subset: str, opener: Opener) -> list[Asked]:
    return [Asked(task.dataset.options["split"], None if subset == DEFAULT_SUBSET else subset)]


def read(task: Task, subset: str, opener: Opener) -> ScoredPairs:
    options = task.dataset.options
    (asked,) = splits(task, subset, opener)
    table = opener.table(*asked)
    first, second = options["images"]
    try:
        scores = np.asarray(table.values(options["score"]), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise table.error(f"column {options['score']!r} holds something that is not a number") from error
    if not np.isfinite(scores).all():
        raise table.error(f"column {options['score']!r} holds no number in row {int(np.isfinite(scores).argmin())}")
    return ScoredPairs(Inputs(images=table.images(first)), Inputs(images=table.images(second)), scores)


LAYOUT = LayoutSpec(
    name="sts",
    gives="scored pairs",
    read=read,
    splits=splits,
    part=each_by_itself(splits),
    keys={"split": TEXT, "images": Key(tuple, length=2), "score": TEXT},
)
