"""Tables of text."""

from __future__ import annotations

from pytest_mieb.report.table import aligned, github

ROWS = [("task", "suite", "score"), ("A", "lite", "1.00"), ("a | b", "", "100.00")]


def test_texts_stand_to_the_left_and_numbers_to_the_right() -> None:
    assert aligned(ROWS, left=2) == ["task   suite   score", "A      lite     1.00", "a | b         100.00"]
    assert aligned(ROWS, left=3)[1] == "A      lite   1.00"
    assert aligned([]) == []


def test_a_bar_in_a_cell_ends_no_column_on_github() -> None:
    assert github(ROWS, left=2) == [
        "| task | suite | score |",
        "| --- | --- | ---: |",
        "| A | lite | 1.00 |",
        "| a \\| b |  | 100.00 |",
    ]
    assert github([]) == []
