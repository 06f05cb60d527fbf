"""Values of others' files are named in a few words."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from pytest_mieb.support.wording import key, shown


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value] * 10
    return value


@pytest.mark.parametrize("value", [0.5, "clip", None, True, [1, 2], {"a": 1}, date(2027, 3, 1)])
def test_a_short_value_is_whole(value: Any) -> None:
    assert shown(value) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10_000_000,
        nested(60),
        list(range(10**6)),
        {n: n for n in range(10**5)},
        {"a": {"b": {"c": {"d": "e" * 99}}}},
    ],
    ids=["text", "nested", "list", "mapping", "deep"],
)
def test_a_long_one_is_not(value: Any) -> None:
    assert len(shown(value)) <= 124 and "..." in shown(value)


@pytest.mark.parametrize(
    ("name", "text"), [("score", "score"), (12, "12"), ("k" * 99, "k" * 60 + " ..."), (None, "None")]
)
def test_a_key_has_no_quotes(name: Any, text: str) -> None:
    assert key(name) == text
