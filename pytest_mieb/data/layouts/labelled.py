"""`labelled`: one config, an image column and a label column."""

from __future__ import annotations

from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.rows import Labelled, LabelledSplit
from pytest_mieb.data.table import Opener, Table
from pytest_mieb.suite import Task


def read(task: Task, subset: str, opener: Opener) -> Labelled:
    options = task.dataset.options
    test = opener.table(options["split"])
    train = None
    if "train_split" in options:
        table = opener.table(options["train_split"])
        dropped = set(options.get("drop_train_rows", ()))
        if dropped & set(range(len(table))):
            table = table.take([row for row in range(len(table)) if row not in dropped])
        train = _split(table, options["image"], options["label"])
    return Labelled(_split(test, options["image"], options["label"]), train, test.class_names(options["label"]))


def _split(table: Table, image: str, label: str) -> LabelledSplit:
    labels = table.values(label)
    if None in labels:
        raise table.error(f"column {label!r} holds no label in row {labels.index(None)}")
    return LabelledSplit(Inputs(images=table.images(image)), labels)
