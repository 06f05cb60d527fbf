"""Which rows make a part of a dataset on which its tasks still run: chosen by a seed, the same ones each time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from pytest_mieb.data.table import Asked, Table

# Rows of each split that are taken. Sorted, without repeats.
Part = Mapping[Asked, Sequence[int]]
# Of a split with more rows fewer are not taken, unless a number is given.
_FEWEST = 32
# Rows of each class of a test split, as far as the number of rows allows for two classes.
_ROWS_A_CLASS = 4


@dataclass(frozen=True)
class Draw:
    """A choice of rows by chance, the same for the same seed and dataset, whichever task asks.

    Args:
        seed: of the choice.
        dataset: org/name.
        share: of the rows of each split.
        rows: instead, how many of each split.
    """

    seed: int
    dataset: str
    share: float = 0.01
    rows: int | None = None

    def size(self, total: int) -> int:
        """How many of `total` rows are taken."""
        wanted = self.rows if self.rows is not None else max(round(self.share * total), _FEWEST)
        return min(total, wanted)

    def shuffled(self, values: Sequence[Any], what: object) -> list[Any]:
        """In an order by chance that `what` sets apart from others of the dataset."""
        key = f"{self.seed} {self.dataset} {what}".encode()
        random = np.random.default_rng(int.from_bytes(blake2b(key, digest_size=16).digest(), "big"))
        return [values[place] for place in random.permutation(len(values)).tolist()]

    def taken(self, values: Sequence[Any], what: object) -> list[Any]:
        """As many of `values` as are taken, by chance, in their own order."""
        places = self.shuffled(range(len(values)), what)[: self.size(len(values))]
        return [values[place] for place in sorted(places)]


def any_rows(asked: Iterable[Asked], opened: Iterable[Table], draw: Draw) -> Part:
    """Rows of splits of which each stands for itself."""
    return {each: draw.taken(range(len(table)), each) for each, table in zip(asked, opened, strict=True)}


def rows_by_class(labels: Sequence[Collection[Any]], rows: Sequence[int], draw: Draw, what: object) -> list[int]:
    """Rows of some classes, two at least, as many of each as there are; all of them in order.

    Args:
        labels: those of each row, one or several; a row without any is not taken.
        rows: the rows in their split.
    """
    places = _by_class(labels)
    classes = draw.shuffled(sorted(places, key=repr), "classes")
    wanted = draw.size(len(rows))
    classes = classes[: max(2, wanted // _ROWS_A_CLASS)]
    queues = [draw.shuffled(places[each], f"{what} {each!r}")[::-1] for each in classes]
    taken: dict[int, None] = {}
    while len(taken) < wanted and any(queues):
        for queue in queues:
            if queue and len(taken) < wanted:
                taken[queue.pop()] = None
    return sorted(rows[place] for place in taken)


def rows_of_classes(
    labels: Sequence[Collection[Any]],
    rows: Sequence[int],
    classes: Collection[Any],
    each: int,
    draw: Draw,
    what: object,
) -> list[int]:
    """`each` rows of every one of `classes`, or all that there are, in order."""
    places = _by_class(labels)
    taken: set[int] = set()
    for name in sorted(classes, key=repr):
        taken.update(draw.shuffled(places.get(name, []), f"{what} {name!r}")[:each])
    return sorted(rows[place] for place in taken)


def _by_class(labels: Sequence[Collection[Any]]) -> dict[Any, list[int]]:
    places: dict[Any, list[int]] = defaultdict(list)
    for place, own in enumerate(labels):
        for label in own:
            places[label].append(place)
    return places


@dataclass(frozen=True)
class Ranked:
    """The rows of a search: the ids of queries and documents, and of each judgement both ids and the grade."""

    queries: Sequence[str]
    documents: Sequence[str]
    judgements: Sequence[tuple[str, str, int]]


def rows_of_search(
    ranked: Ranked, draw: Draw, *, all_judged: bool, kept: Collection[str] = (), queries: Sequence[str] | None = None
) -> tuple[list[int], list[int], list[int]]:
    """Rows of documents, queries and judgements, in which every query finds what is relevant to it.

    They are some queries, the documents that are relevant to them, some others, and the judgements of these.

    Args:
        all_judged: whether all documents that are judged for a query are taken, for its candidates are these.
        kept: documents to take besides.
        queries: the ones to take, where they were chosen before.
    """
    asked = {*(answered(ranked, draw) if queries is None else queries)}
    documents = {*kept, *draw.taken(list(dict.fromkeys(ranked.documents)), "documents")}
    if all_judged:
        documents = {*kept}
    for query, document, grade in ranked.judgements:
        if query in asked and (all_judged or grade > 0):
            documents.add(document)
    judgements = [
        row for row, (query, document, _) in enumerate(ranked.judgements) if query in asked and document in documents
    ]
    return _places(ranked.documents, documents), _places(ranked.queries, asked), judgements


def answered(ranked: Ranked, draw: Draw) -> list[str]:
    """Some of the queries to which a document of the corpus is relevant."""
    there = {*ranked.documents}
    good = {query for query, document, grade in ranked.judgements if grade > 0 and document in there}
    return draw.taken([query for query in dict.fromkeys(ranked.queries) if query in good], "queries")


def _places(names: Sequence[str], chosen: Collection[str]) -> list[int]:
    return [row for row, name in enumerate(names) if name in chosen]
