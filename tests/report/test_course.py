"""The course of a run, as its controller hears of it: by a clock of the tests' own."""

from __future__ import annotations

import pytest

from pytest_mieb.report.course import Course
from pytest_mieb.runtime.progress import Status

COSTS = {"A": 100.0, "B": 100.0, "C": 200.0, "D": 400.0}


def id_of(name: str) -> str:
    return f"tasks/test_mieb.py::test_mieb[{name}]"


@pytest.fixture
def course() -> Course:
    """At 1000 s by its clock, with four tasks."""
    course = Course(COSTS, COSTS, start=1000.0)
    course.expect([*map(id_of, COSTS), "tests/test_own.py::test_plain"])
    return course


def embedding(task: str, embedded: int, before: int, goal: int) -> Status:
    return Status("embedding", task, "cpu", embedded, before, goal)


def test_a_task_is_done_when_all_of_its_tests_are(course: Course) -> None:
    course.expect(["tests/test_own.py::test_score[A]", id_of("A")])
    assert (course.at(1001.0).done, course.at(1001.0).tasks) == (0, 4)
    course.finish(id_of("A"))
    course.finish("tests/test_own.py::test_plain")
    assert course.at(1002.0).done == 0
    course.finish("tests/test_own.py::test_score[A]")
    course.finish("tests/test_own.py::test_score[A]")  # run again by somebody
    assert course.at(1003.0).done == 1
    course.expect(map(id_of, COSTS))  # a worker that replaces another
    assert (course.at(1003.0).done, course.at(1003.0).tasks) == (1, 4)
    assert course.at(1003.0).elapsed == 3.0


def test_items_a_second_are_those_of_the_last_seconds(course: Course) -> None:
    for second in range(31):
        course.hear("gw0", embedding("A", 100 * min(second, 20), 0, 9000), 1000.0 + second)
        course.hear("gw1", embedding("B", 50 * second, 0, 9000), 1000.0 + second)
        snapshot = course.at(1000.0 + second)
        if second == 20:
            assert [at.rate for at in snapshot.workers] == [100.0, 50.0] and snapshot.rate == 150.0
            assert snapshot.embedded == 3000
    assert [at.rate for at in snapshot.workers] == [0.0, 50.0]


def test_who_says_nothing_embeds_nothing(course: Course) -> None:
    course.hear("gw0", embedding("A", 0, 0, 9000), 1000.0)
    course.at(1000.0)
    course.hear("gw0", embedding("A", 500, 0, 9000), 1005.0)
    assert course.at(1005.0).rate == 100.0
    course.at(1015.0)
    (at,) = course.at(1047.0).workers
    assert (at.rate, at.silent, at.lasts) == (0.0, 42.0, 47.0)


def test_a_stage_lasts_until_another_begins(course: Course) -> None:
    course.hear("gw0", embedding("A", 0, 0, 9), 1000.0)
    course.hear("gw0", embedding("A", 5, 0, 9), 1010.0)
    assert course.at(1020.0).workers[0].lasts == 20.0
    course.hear("gw0", embedding("B", 9, 9, 9), 1025.0)
    assert course.at(1030.0).workers[0].lasts == 5.0


def test_a_worker_that_is_down_is_shown_no_more_and_its_items_count(course: Course) -> None:
    course.hear("gw10", Status("waiting", embedded=7), 1000.0)
    course.hear("gw9", Status("waiting", embedded=5), 1000.0)
    assert [at.worker for at in course.at(1001.0).workers] == ["gw9", "gw10"]
    course.lose("gw10")
    course.lose("gw11")  # died before it said a word
    snapshot = course.at(1002.0)
    assert [at.worker for at in snapshot.workers] == ["gw9"]
    assert snapshot.embedded == 12


def test_the_time_left_is_what_the_rest_costs_at_the_pace_so_far(course: Course) -> None:
    course.hear("gw0", embedding("A", 0, 0, 1000), 1000.0)
    course.hear("gw1", embedding("C", 0, 0, 1000), 1000.0)
    assert course.at(1000.0).left is None  # nothing is known yet
    assert course.at(1010.0).left is None  # nor while nothing is done
    course.finish(id_of("A"))
    course.hear("gw0", embedding("B", 1000, 1000, 2000), 1020.0)
    # 40 seconds of work paid for 100; 700 of costs are left to two workers
    assert course.at(1020.0).left == pytest.approx(700 * 40 / 100 / 2)
    course.hear("gw1", embedding("C", 500, 0, 1000), 1020.0)
    assert course.at(1020.0).left == pytest.approx(600 * 40 / 200 / 2)
    course.lose("gw1")
    course.finish(id_of("C"))
    assert course.at(1020.0).left == pytest.approx(500 * 40 / 300)


def test_what_was_taken_over_says_nothing_of_the_time_left(course: Course) -> None:
    course.hear("", embedding("A", 0, 0, 1000), 1000.0)
    course.at(1000.0)
    for name in "AB":
        course.take_over(name)
        course.finish(id_of(name))
    course.hear("", embedding("C", 0, 0, 1000), 1010.0)
    assert course.at(1010.0).left is None
    course.hear("", embedding("C", 500, 0, 1000), 1020.0)
    assert course.at(1020.0).left == pytest.approx(500 * 20 / 100)
    for name in "CD":
        course.finish(id_of(name))
    assert course.at(1030.0).left is None
