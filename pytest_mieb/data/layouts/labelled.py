"""`labelled`: one config, an image column and a label column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_mieb.data.classes import misplaced, names_in, names_of, prompted, refuse_other_classes, repeated
from pytest_mieb.data.findings import Finding
from pytest_mieb.data.inputs import Inputs
from pytest_mieb.data.labels import Labels, checked, matched, refuse_single
from pytest_mieb.data.layouts.spec import LayoutSpec
from pytest_mieb.data.parts import Draw, Part, rows_by_class, rows_of_classes
from pytest_mieb.data.rows import Labelled, LabelledSplit
from pytest_mieb.data.table import Asked, Opener, Table
from pytest_mieb.suite import Task
from pytest_mieb.suite.schema import OPTIONAL_COUNTS, OPTIONAL_TEXT, TEXT


def read(task: Task, subset: str, opener: Opener) -> Labelled:
    """The labels of a probe's test split are brought to those of its training split; the latter stay as they are."""
    options = task.dataset.options
    inputs, labels, said = _split(task, opener, options["split"])
    findings = checked(labels)
    if task.protocol == "zero_shot":
        names, renamed = _counted_names(labels, said)
        findings += (*renamed, *_fit_the_prompts(task, labels, names))
        listed = isinstance(task.scoring["labels"], tuple)
        return Labelled(LabelledSplit(inputs, labels.values), None, said if listed else names, findings)
    refuse_single(labels)
    train = None
    if "train_split" in options:
        dropped = options.get("drop_train_rows", ())
        train_inputs, learned, _ = _split(task, opener, options["train_split"], dropped)
        findings += checked(learned)
        refuse_single(learned)
        labels, strange = matched(labels, learned)
        findings += strange
        train = LabelledSplit(train_inputs, learned.values)
    names = None if labels.several else said
    return Labelled(LabelledSplit(inputs, labels.values), train, names, findings)


def splits(task: Task, subset: str, opener: Opener) -> list[Asked]:
    options = task.dataset.options
    return [Asked(options[name]) for name in ("split", "train_split") if name in options]


def part(task: Task, subset: str, opener: Opener, draw: Draw) -> Part:
    """Rows of some classes; of a probe's training split enough for all that it draws, of these classes alone."""
    options = task.dataset.options
    _, labels, _ = _split(task, opener, options["split"])
    test = Asked(options["split"])
    chosen = rows_by_class(_several(labels), labels.rows, draw, test)
    if "train_split" not in options:
        return {test: chosen}
    _, learned, _ = _split(task, opener, options["train_split"], options.get("drop_train_rows", ()))
    brought, _ = matched(labels, learned)
    rows = {*chosen}
    classes = {label for row, own in zip(labels.rows, _several(brought), strict=True) if row in rows for label in own}
    each = max(task.scoring["samples_per_label"], draw.size(len(learned.rows)) // len(classes))
    train = Asked(options["train_split"])
    return {test: chosen, train: rows_of_classes(_several(learned), learned.rows, classes, each, draw, train)}


def _several(labels: Labels) -> list[list[Any]]:
    """The labels of each row, one or several."""
    return [value if labels.several else [value] for value in labels.values]


def _split(
    task: Task, opener: Opener, split: str, dropped: Sequence[int] = ()
) -> tuple[Inputs, Labels, tuple[str, ...] | None]:
    """The inputs and labels of a split, and the class names that `datasets` gives its label column.

    The labels have the names that stand in the split's own files, where there are some.
    """
    options = task.dataset.options
    table = opener.table(split)
    column = options["label"]
    kept = [row for row in range(len(table)) if row not in dropped]
    if len(kept) < len(table):
        table = table.take(kept)
    values, said = table.values(column), names_of(table.feature(column))
    names = _own_names(table, column) or said
    several = task.protocol == "multilabel_linear_probe"
    if names and not said:
        values = list(map(_uncast, values))
    rows = table.origin.row.tolist()
    labels = Labels(column, table.origin.where, values, rows, names, several, table.refusal)
    return Inputs(images=table.images(options["image"])), labels, said


def _own_names(table: Table, column: str) -> tuple[str, ...] | None:
    """The class names in the files of a split; None where there are none.

    Raises:
        DatasetError: its files contradict each other.
    """
    own = names_in(table.files, column)
    for other in own[1:]:
        if moved := misplaced(other, own[0]):
            name, here, there = moved
            raise table.refusal(
                f"column {column!r} has its classes in another order in each file: {name!r} is class {there} in one "
                f"and class {here} in another",
                "write all files with one list of classes",
            )
    return max(own, key=len, default=None)


def _uncast(value: Any) -> Any:
    """A class's number again, where `datasets` made a text of it because another split holds texts."""
    if isinstance(value, list):
        return [_uncast(each) for each in value]
    return int(value) if isinstance(value, str) and value.removeprefix("-").isdecimal() else value


def _counted_names(labels: Labels, said: tuple[str, ...] | None) -> tuple[tuple[str, ...] | None, tuple[Finding, ...]]:
    """The names that a split's numbers count: those of its own files where these contradict what `datasets` says."""
    own = labels.names
    if own is None or said is None or len(own) > len(said) or misplaced(own, said):
        return own, ()
    other = [mine for mine, theirs in zip(own, said, strict=False) if mine != theirs]
    what = f"classes have another name in the files of {labels.where} than in the dataset's description, which counts"
    return said, (Finding(what, len(other), len(said), repr(other[0])),) if other else ()


def _fit_the_prompts(task: Task, labels: Labels, names: tuple[str, ...] | None) -> tuple[Finding, ...]:
    """Whether the labels and the classes of the column are those of the prompts.

    Raises:
        DatasetError: they are not.
    """
    if names:
        refuse_other_classes(task, labels.column, names, labels.error)
    prompts = prompted(task, names)
    if prompts is None:
        raise labels.error(f"column {labels.column!r} has no class names", "list them under `labels` in the card")
    legal = {*range(len(prompts)), *prompts}
    stray = [(row, label) for row, label in labels.each() if label not in legal]
    if stray:
        row, label = stray[0]
        raise labels.error(
            f"column {labels.column!r} holds none of the {len(prompts)} classes in {len(stray):,} of "
            f"{len(labels.values):,} rows, the first of them row {row} ({label!r})",
            "check `labels` in the card",
        )
    return repeated(prompts)


LAYOUT = LayoutSpec(
    name="labelled",
    gives="labelled",
    read=read,
    splits=splits,
    part=part,
    keys={
        "split": TEXT,
        "image": TEXT,
        "label": TEXT,
        "train_split": OPTIONAL_TEXT,
        "drop_train_rows": OPTIONAL_COUNTS,
    },
)
