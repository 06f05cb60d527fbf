"""The garbage collector, kept away from what lives long."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from pytest_mieb.support.garbage import kept


class Node:
    other: Node


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


def test_what_is_made_meanwhile_is_not_looked_at_again() -> None:
    before = gc.get_freeze_count()
    with kept():
        assert not gc.isenabled()
        made = Node()
    assert gc.isenabled() and gc.get_freeze_count() > before
    assert not any(each is made for each in gc.get_objects())


def test_what_is_no_longer_used_is_freed_first() -> None:
    with kept():
        one, two = Node(), Node()
        one.other, two.other = two, one
        gone = weakref.ref(one)
        del one, two
    assert gone() is None


def test_a_collector_that_was_off_stays_off_and_an_error_leaves_it_as_it_was() -> None:
    before = gc.get_freeze_count()
    with pytest.raises(ZeroDivisionError), kept():
        raise ZeroDivisionError
    assert gc.isenabled() and gc.get_freeze_count() == before
    gc.disable()
    with kept():
        pass
    assert not gc.isenabled()
