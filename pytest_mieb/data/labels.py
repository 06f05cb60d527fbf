"""The label column of a split: checked row by row, and brought to the classes of another split by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.findings import Finding

UNLABELLED = "label these rows, or leave them out of the split"
CHOOSE = "choose another column or split in the card"


@dataclass(frozen=True)
class Labels:
    """One label a row: a number or a text; with `several`, a list of them, which may be empty.

    `names` are the classes that the numbers count, where that is known. `rows` are the rows of the dataset that the
    values stand in. `error` makes the DatasetError for what is wrong, of a sentence and a remedy.
    """

    column: str
    where: str
    values: Sequence[Any]
    rows: Sequence[int]
    names: tuple[str, ...] | None
    several: bool
    error: Callable[[str, str], DatasetError]

    def each(self) -> Iterator[tuple[int, Any]]:
        """Every label with its row."""
        for row, value in zip(self.rows, self.values, strict=True):
            if self.several:
                yield from ((row, label) for label in value)
            else:
                yield row, value

    @cached_property
    def distinct(self) -> dict[Any, int]:
        """Each label with its first row, in order."""
        first: dict[Any, int] = {}
        for row, label in self.each():
            first.setdefault(label, row)
        return first

    def shown(self, label: Any) -> str:
        """A label as a person knows it."""
        if self.names and not isinstance(label, str):
            return repr(self.names[int(label)])
        return repr(label)


def checked(labels: Labels) -> tuple[Finding, ...]:
    """What of the labels is no label is refused; rows of several labels that have none are found.

    Raises:
        DatasetError: rows hold no label, or labels are not all of one kind.
    """
    missing = [
        (row, value) for row, value in zip(labels.rows, labels.values, strict=True) if _holds_none(labels, value)
    ]
    if missing:
        row, value = missing[0]
        outside = "" if value is None or _is_nan(value) else f" ({value!r}{_of_classes(labels)})"
        raise labels.error(
            f"column {labels.column!r} holds no label in {len(missing):,} of {len(labels.values):,} rows, the first of "
            f"them row {row}{outside}",
            UNLABELLED,
        )
    _refuse_other_kinds(labels)
    empty = [row for row, value in zip(labels.rows, labels.values, strict=True) if labels.several and not value]
    if len(empty) == len(labels.values):
        raise labels.error(f"column {labels.column!r} holds an empty list in all {len(empty):,} rows", UNLABELLED)
    if not empty:
        return ()
    return (Finding(f"rows of {labels.where} have no label", len(empty), len(labels.values), f"row {empty[0]}"),)


def refuse_single(labels: Labels) -> None:
    """Raises DatasetError where all rows are labelled alike, so that every model scores the same."""
    sets = {frozenset(value) if labels.several else value for value in labels.values}
    if len(sets) > 1 and len(labels.distinct) > 1:
        return
    label = labels.shown(next(iter(labels.distinct)))
    what = f"the single label {label}" if len(labels.distinct) == 1 else "the same labels"
    if len(sets) > 1:  # some rows hold it, and the others none
        what = f"no other label than {label}"
    raise labels.error(
        f"column {labels.column!r} holds {what} in each of {len(labels.values):,} rows: no model could be wrong",
        f"{CHOOSE}, or download all of its rows",
    )


def matched(labels: Labels, learned: Labels) -> tuple[Labels, tuple[Finding, ...]]:
    """Labels as those of the split that is learned from: by class name, where both splits have names.

    Labels that are the same already stay as they are. A class that is not learned gets a number of its own.

    Raises:
        DatasetError: the two splits have no label in common.
    """
    brought = _renamed(labels, learned)
    both = dict(zip(labels.distinct, brought.distinct, strict=True))
    known = learned.distinct
    strange = {label for label in brought.distinct if label not in known}
    if len(strange) == len(both):
        raise labels.error(
            f"column {labels.column!r} holds no label that {learned.where} has: {_some(labels)} here, {_some(learned)} "
            "there",
            "write the labels of both splits in one way",
        )
    findings: list[Finding] = []
    moved = [label for label, now in both.items() if label != now and now in known and not _of_texts(brought)]
    named, bare = (labels, learned) if labels.names else (learned, labels)
    if named.names and not bare.names and not _of_texts(bare):
        what = f"classes are matched by number, for {bare.where} does not name those of {named.where}"
        findings.append(Finding(what, len(both), len(both), labels.shown(next(iter(both)))))
    if moved and labels.names:
        what = f"classes of {labels.where} have another number than in {learned.where}, and are matched by name"
        findings.append(Finding(what, len(moved), len(both), labels.shown(moved[0])))
    if strange:
        what = f"rows of {labels.where} have a label that {learned.where} does not have"
        rows = {row for row, label in brought.each() if label in strange}
        first = next(label for label, now in both.items() if now in strange)
        findings.append(Finding(what, len(rows), len(labels.values), labels.shown(first)))
    return brought, tuple(findings)


def _renamed(labels: Labels, learned: Labels) -> Labels:
    """Names as texts where the other split holds texts, else as the numbers that the other split gives them."""
    if labels.names == learned.names:
        return labels
    places: dict[str, Any]
    if learned.names is None:
        if not _of_texts(learned):
            return labels
        places = {name: name for name in labels.names or ()}
    else:
        if labels.names is None and not _of_texts(labels):
            return labels
        places = {name: place for place, name in enumerate(learned.names)}
        for name in labels.names or labels.distinct:
            places.setdefault(name, len(places))

    def place(label: Any) -> Any:
        return places[labels.names[int(label)] if labels.names and not isinstance(label, str) else label]

    values = [[place(label) for label in value] if labels.several else place(value) for value in labels.values]
    return replace(labels, values=values)


def _of_texts(labels: Labels) -> bool:
    return isinstance(next(iter(labels.distinct)), str)


def _holds_none(labels: Labels, value: Any) -> bool:
    if labels.several and isinstance(value, list):
        return any(_is_none(labels, label) for label in value)
    return _is_none(labels, value)


def _is_none(labels: Labels, label: Any) -> bool:
    """Nothing, no text, or a number that counts none of the classes, such as the -1 of a ClassLabel."""
    if label is None or _is_nan(label) or (isinstance(label, str) and not label.strip()):
        return True
    return labels.names is not None and isinstance(label, int | float) and not 0 <= label < len(labels.names)


def _is_nan(label: Any) -> bool:
    return isinstance(label, float) and label != label


def _of_classes(labels: Labels) -> str:
    return f", of {len(labels.names)} classes" if labels.names else ""


def _refuse_other_kinds(labels: Labels) -> None:
    """Raises DatasetError where a row holds something else than a label, or a text where others hold a number."""
    wanted = "a list of labels" if labels.several else "one label"
    before = None
    for row, value in zip(labels.rows, labels.values, strict=True):
        if labels.several != isinstance(value, list):
            raise labels.error(
                f"column {labels.column!r} holds {value!r} in row {row} where {wanted} should be", CHOOSE
            )
        for label in value if labels.several else [value]:
            kind = _kind(label)
            if kind is None:
                raise labels.error(
                    f"column {labels.column!r} holds {label!r} in row {row} where the name or the whole number of a "
                    "class should be",
                    CHOOSE,
                )
            if kind != (before or kind):
                raise labels.error(
                    f"column {labels.column!r} holds {label!r} in row {row} and {before}s before it",
                    "write all labels in one way",
                )
            before = kind


def _kind(label: Any) -> str | None:
    if isinstance(label, str):
        return "text"
    return "number" if isinstance(label, int | float) and float(label).is_integer() else None


def _some(labels: Labels, shown: int = 3) -> str:
    own = list(labels.distinct)
    more = ", ..." if len(own) > shown else ""
    return ", ".join(map(labels.shown, own[:shown])) + more
