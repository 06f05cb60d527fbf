"""Choosing tasks as pytest does: by an expression over markers, and by one over parts of names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from pytest_mieb.suite.task import CATEGORIES, SUITES, Task

_TOKEN = re.compile(r"\s*(?:(?P<bracket>[()])|(?P<word>[\w:+\-.\[\]\\/]+)|(?P<strange>\S))")
_OPERATORS = ("and", "or", "not")
Holds = Callable[[Task], bool]


class SelectionError(ValueError):
    """An expression that cannot be read; the message says where, and what is legal."""


def select(tasks: Mapping[str, Task], markers: str = "", names: str = "") -> dict[str, Task]:
    """The tasks for which both expressions hold, in their order; an empty one holds for all.

    Args:
        tasks: by name.
        markers: as after pytest's `-m`: categories and suites with `and`, `or`, `not` and brackets.
        names: as after pytest's `-k`: parts of names or markers, whatever their case.

    Raises:
        SelectionError: an expression is malformed or names a marker that no task has, or no task is left.
    """
    known = dict.fromkeys((*CATEGORIES, *SUITES, *(marker for task in tasks.values() for marker in task.markers)))
    marked = _read("-m", markers, lambda word: _marked(word, known))
    named = _read("-k", names, _named)
    chosen = {name: task for name, task in tasks.items() if marked(task) and named(task)}
    if not chosen:
        given = " ".join(f"{option} {text!r}" for option, text in (("-m", markers), ("-k", names)) if text.strip())
        raise SelectionError(f"{given or 'the suite'} selects none of the {len(tasks)} tasks; loosen the expression")
    return chosen


def _marked(word: str, known: Iterable[str]) -> Holds:
    if word not in known:
        near = get_close_matches(word, list(known), n=1)
        hint = f"did you mean {near[0]}?" if near else f"legal are {', '.join(known)}"
        raise SelectionError(f"{word!r} is no marker; {hint}")
    return lambda task: word in task.markers


def _named(word: str) -> Holds:
    part = word.casefold()
    return lambda task: any(part in each.casefold() for each in (task.name, *task.markers))


class _Token(NamedTuple):
    """A word or a bracket, and the column where it begins, counted from 1; the end is an empty one."""

    text: str
    column: int


def _read(option: str, text: str, term: Callable[[str], Holds]) -> Holds:
    """What an expression says of a task; `term` makes one of a word.

    Raises:
        SelectionError: it cannot be read.
    """
    if not text.strip():
        return lambda task: True
    try:
        return _Expression(_tokens(text), term).whole()
    except SelectionError as error:
        raise SelectionError(f"{option} {text!r}: {error}") from error


def _tokens(text: str) -> list[_Token]:
    found = []
    for match in _TOKEN.finditer(text.rstrip()):
        kind = match.lastgroup or ""
        token = _Token(match[kind], match.start(kind) + 1)
        if kind == "strange":
            raise SelectionError(f"{token.text!r} in column {token.column} means nothing here; use and, or, not and ()")
        found.append(token)
    return [*found, _Token("", len(text) + 1)]


class _Expression:
    """Tokens while they are read, by recursive descent: `or` binds less than `and`, that less than `not`."""

    def __init__(self, tokens: list[_Token], term: Callable[[str], Holds]) -> None:
        self._left, self._term = tokens[::-1], term

    def whole(self) -> Holds:
        holds = self._or()
        if self._left[-1].text:
            self._refuse("and, or, or the end")
        return holds

    def _or(self) -> Holds:
        holds = self._and()
        while self._next_is("or"):
            holds = _either(holds, self._and())
        return holds

    def _and(self) -> Holds:
        holds = self._not()
        while self._next_is("and"):
            holds = _both(holds, self._not())
        return holds

    def _not(self) -> Holds:
        if self._next_is("not"):
            denied = self._not()
            return lambda task: not denied(task)
        if self._next_is("("):
            inner = self._or()
            if not self._next_is(")"):
                self._refuse("and, or, or )")
            return inner
        if self._left[-1].text in ("", ")", *_OPERATORS):
            self._refuse("a name, not, or (")
        return self._term(self._left.pop().text)

    def _next_is(self, text: str) -> bool:
        if self._left[-1].text != text:
            return False
        self._left.pop()
        return True

    def _refuse(self, wanted: str) -> None:
        token = self._left[-1]
        found = f"{token.text!r} in column {token.column}" if token.text else "the end"
        raise SelectionError(f"{wanted} should stand where {found} is")


def _either(first: Holds, second: Holds) -> Holds:
    return lambda task: first(task) or second(task)


def _both(first: Holds, second: Holds) -> Holds:
    return lambda task: first(task) and second(task)
