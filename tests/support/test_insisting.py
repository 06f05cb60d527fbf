"""Asking the hub again: what is worth it, how often, and what progress counts for."""

from __future__ import annotations

import time

import pytest

from pytest_mieb.support.hub import DamagedError, Patience, StalledError, insisting, watching

PATIENCE = Patience(tries=3, tries_of_stalled=2, longest_wait=1000)


@pytest.mark.parametrize(
    ("error", "tries"),
    [(ConnectionResetError(), 3), (DamagedError("x"), 3), (StalledError("x"), 2), (ValueError("x"), 1)],
)
def test_how_often(error: Exception, tries: int) -> None:
    tried: list[int] = []
    slept: list[float] = []
    warned: list[str] = []

    def action() -> None:
        tried.append(1)
        raise error

    with pytest.raises(type(error)):
        insisting("dataset org/name", action, PATIENCE, warned.append, slept.append)
    assert len(tried) == tries and slept == [2.0, 4.0][: tries - 1] and len(warned) == tries - 1
    assert all(each.startswith("dataset org/name: the hub ") and "; asked again in " in each for each in warned)


def test_a_try_that_came_further_does_not_count() -> None:
    come = [0.0]

    def action() -> str:
        come[0] += 1 if come[0] < 10 else 0
        if come[0] < 10:
            raise ConnectionResetError
        return "done"

    assert insisting("it", action, PATIENCE, lambda said: None, lambda seconds: None, lambda: come[0]) == "done"


def test_waits_end_where_they_are_too_long_in_all() -> None:
    slept: list[float] = []

    def action() -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        insisting("it", action, Patience(tries=9, longest_wait=10), lambda said: None, slept.append)
    assert slept == [2.0, 4.0]


def test_what_makes_no_progress_is_left() -> None:
    def moving() -> str:
        time.sleep(0.5)
        return "done"

    with pytest.raises(StalledError, match="no progress for 0 seconds"):
        watching(lambda: time.sleep(5), lambda: 0.0, 0.1)
    assert watching(moving, time.monotonic, 0.1) == "done"
    with pytest.raises(ValueError, match="its own"):
        watching(lambda: int("its own"), lambda: 0.0, 0.1)
