"""Which rows make a part: by a seed, balanced where classes are learned, complete where documents are found."""

from __future__ import annotations

from collections import Counter

import pytest

from pytest_mieb.data.parts import Draw, Ranked, answered, rows_by_class, rows_of_classes, rows_of_search

DRAW = Draw(seed=0, dataset="org/name", share=0.01)


@pytest.mark.parametrize(
    ("draw", "total", "size"),
    [
        (DRAW, 100_000, 1000),
        (DRAW, 1000, 32),
        (DRAW, 20, 20),
        (DRAW, 0, 0),
        (Draw(0, "org/name", rows=5), 100_000, 5),
        (Draw(0, "org/name", rows=5), 3, 3),
        (Draw(0, "org/name", share=1), 100, 100),
    ],
)
def test_the_number_of_rows(draw: Draw, total: int, size: int) -> None:
    taken = draw.taken(range(total), "rows")
    assert len(taken) == draw.size(total) == size and taken == sorted({*taken})


def test_the_seed_the_dataset_and_what_is_drawn_decide() -> None:
    taken = DRAW.taken(range(10_000), "rows")
    assert DRAW.taken(range(10_000), "rows") == taken
    for other in (Draw(1, "org/name"), Draw(0, "org/other")):
        assert other.taken(range(10_000), "rows") != taken
    assert DRAW.taken(range(10_000), "others") != taken


def test_rows_of_few_classes_rather_than_one_of_many() -> None:
    labels = [[row % 500] for row in range(10_000)]
    rows = rows_by_class(labels, range(10_000), DRAW, "test")
    counts = Counter(row % 500 for row in rows)
    assert len(rows) == 100 and len(counts) == 25 and set(counts.values()) == {4}


def test_there_are_two_classes_however_few_rows_are_wanted() -> None:
    labels = [[row // 5000] for row in range(10_000)]
    assert len({row // 5000 for row in rows_by_class(labels, range(10_000), Draw(0, "o/n", rows=2), "test")}) == 2


def test_a_rare_class_gives_what_it_has() -> None:
    labels = [["rare"], *([["common"]] * 99)]
    rows = rows_by_class(labels, range(100), Draw(0, "o/n", rows=10), "test")
    assert 0 in rows and len(rows) == 10


def test_rows_without_a_label_are_left_and_rows_keep_their_numbers() -> None:
    labels: list[list[int]] = [[], [1], [2], [1, 2], []]
    assert rows_by_class(labels, [10, 11, 12, 13, 14], Draw(0, "o/n", share=1), "test") == [11, 12, 13]


def test_every_class_that_is_tested_is_learned() -> None:
    labels = [[row % 50] for row in range(5000)]
    rows = rows_of_classes(labels, range(5000), {3, 7, 99}, 16, DRAW, "train")
    assert Counter(row % 50 for row in rows) == {3: 16, 7: 16}


def search(queries: int, documents: int) -> Ranked:
    """Query i finds document i; document i + 1 is judged not relevant."""
    judgements = [(f"q{i}", f"d{i}", 1) for i in range(queries)] + [(f"q{i}", f"d{i + 1}", 0) for i in range(queries)]
    return Ranked([f"q{i}" for i in range(queries)], [f"d{i}" for i in range(documents)], judgements)


def test_what_is_relevant_stays_with_some_of_the_others() -> None:
    ranked = search(5000, 20_000)
    documents, queries, judgements = rows_of_search(ranked, DRAW, all_judged=False)
    assert len(queries) == 50 and {*queries} <= {*documents}
    assert 200 <= len(documents) <= 250
    there = {f"d{row}" for row in documents}
    assert all(ranked.judgements[row][1] in there for row in judgements)
    assert {ranked.judgements[row][0] for row in judgements} == {f"q{row}" for row in queries}


def test_where_the_judged_are_the_candidates_all_of_them_stay_and_no_others() -> None:
    ranked = search(5000, 20_000)
    documents, queries, judgements = rows_of_search(ranked, DRAW, all_judged=True)
    assert {*documents} == {*queries} | {row + 1 for row in queries} and len(judgements) == 2 * len(queries)


def test_a_query_that_nothing_in_the_corpus_answers_is_not_taken() -> None:
    ranked = search(100, 60)
    assert {*answered(ranked, Draw(0, "o/n", share=1))} == {f"q{i}" for i in range(60)}


def test_documents_of_one_id_stay_together_and_some_are_kept_besides() -> None:
    ranked = Ranked(["q"], ["d", "e", "d", *(f"f{i}" for i in range(1000))], [("q", "d", 1)])
    documents, _, _ = rows_of_search(ranked, Draw(0, "o/n", rows=1), all_judged=False, kept={"e"})
    assert {0, 1, 2} <= {*documents} and len(documents) <= 4
