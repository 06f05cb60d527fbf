"""Choosing tasks by expressions, as pytest does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from _pytest.mark.expression import Expression

from pytest_mieb.suite import Task
from pytest_mieb.suite.cards import load_tasks
from pytest_mieb.suite.selection import SelectionError, select

TASKS = load_tasks()
MARKERS = (
    "lite",
    "not lite",
    "clustering or visual_sts",
    "lite and not (retrieval or clustering)",
    "lite and retrieval or clustering and not lite",
    "not not lite and eng",
    "(((multilingual)))",
    "retrieval  and(lite)",
)
NAMES = ("STL10", "stl10 or food", "not ZeroShot", "i2t and not (wit or XM3600)", "Memes", "zero_shot", "lite and CUB")


def by_pytest(text: str, known: Callable[[Task, str], bool]) -> list[str]:
    """The names of the tasks for which pytest's own reading of an expression holds."""
    expression = Expression.compile(text)

    def holds(task: Task) -> bool:
        def says(word: str, /, **_: object) -> bool:
            return known(task, word)

        return expression.evaluate(says)

    return [task.name for task in TASKS.values() if holds(task)]


@pytest.mark.parametrize("text", MARKERS)
def test_markers_select_what_pytest_selects(text: str) -> None:
    expected = by_pytest(text, lambda task, word: word in task.markers)
    assert list(select(TASKS, markers=text)) == expected and 0 < len(expected) < len(TASKS)


@pytest.mark.parametrize("text", NAMES)
def test_names_select_what_pytest_selects(text: str) -> None:
    expected = by_pytest(text, lambda task, word: word.lower() in " ".join((task.name, *task.markers)).lower())
    assert list(select(TASKS, names=text)) == expected and 0 < len(expected) < len(TASKS)


def test_both_must_hold_and_nothing_given_is_all() -> None:
    assert select(TASKS) == TASKS
    assert list(select(TASKS, "lite", "CUB")) == [name for name in select(TASKS, "lite") if "CUB" in name]


@pytest.mark.parametrize(
    ("markers", "names", "said"),
    [
        ("lyte", "", "-m 'lyte': 'lyte' is no marker; did you mean lite?"),
        ("lite or qqq", "", "-m 'lite or qqq': 'qqq' is no marker; legal are retrieval, document_understanding, "),
        ("lite and", "", "-m 'lite and': a name, not, or ( should stand where the end is"),
        ("lite eng", "", "-m 'lite eng': and, or, or the end should stand where 'eng' in column 6 is"),
        ("(lite", "", "-m '(lite': and, or, or ) should stand where the end is"),
        ("lite)", "", "-m 'lite)': and, or, or the end should stand where ')' in column 5 is"),
        ("", "or STL10", "-k 'or STL10': a name, not, or ( should stand where 'or' in column 1 is"),
        ("", "STL10 & CUB", "-k 'STL10 & CUB': '&' in column 7 means nothing here; use and, or, not and ()"),
        ("", "nosuchtask", "-k 'nosuchtask' selects none of the 130 tasks; loosen the expression"),
        ("lite", "EDIS", "-m 'lite' -k 'EDIS' selects none of the 130 tasks; loosen the expression"),
    ],
)
def test_a_wrong_expression_is_one_sentence(markers: str, names: str, said: str) -> None:
    with pytest.raises(SelectionError) as refusal:
        select(TASKS, markers, names)
    assert str(refusal.value).startswith(said) and "\n" not in str(refusal.value)
