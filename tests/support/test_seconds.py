"""Where the time goes, stage by stage."""

from __future__ import annotations

from time import sleep

import pytest

from pytest_mieb.support.seconds import Seconds, Watch


def test_seconds_are_added_and_subtracted_stage_by_stage() -> None:
    one, two = Seconds(load=1, decode=2, total=4), Seconds(load=0.5, score=1, total=2)
    assert one + two == Seconds(load=1.5, decode=2, score=1, total=6)
    assert one + two - two == one


def test_the_clock_counts_what_was_waited_for_and_not_what_was_done_beside() -> None:
    seconds = Seconds(load=9, decode=9, preprocess=9, embed=2, score=3, waited_load=1, waited_read=4, total=12)
    assert seconds.by_clock == {
        "opening data": 1,
        "reading pictures": 4,
        "the model": 2,
        "scoring": 3,
        "other work": 2,
    }


def test_a_watch_adds_up_and_counts_what_fails() -> None:
    watch = Watch()
    with watch.running():
        sleep(0.01)
    with pytest.raises(ZeroDivisionError), watch.running():
        sleep(0.01)
        raise ZeroDivisionError
    assert 0.02 <= watch.seconds < 1
