"""The one message of a task: whole after it crossed processes, whatever it holds by then."""

from __future__ import annotations

import pytest

from pytest_mieb.measurement.baseline import Estimate, Measurement
from pytest_mieb.measurement.context import Context
from pytest_mieb.measurement.record import TaskRecord
from pytest_mieb.models.description import Description
from pytest_mieb.report.message import Message
from pytest_mieb.support.seconds import Seconds
from tests.report.builders import a_comparison, a_pair

MEASURED = Measurement(
    0.1 + 0.2,
    1 / 7,
    subsets={"no": Estimate(1 / 3, 0.1), "on": Estimate(0.0)},
    tolerance=0.01,
    noise=0.002,
    examples="12",
    drift=0.005,
    part="30 of 40 rows",
)
FINDINGS = ("1 of 2 keys fit no lock (the first: 'a')", "another")
MESSAGES = {
    "nothing yet": Message("A"),
    "a score": Message("A", record=TaskRecord("A", "nmi", Measurement(0.5), 0, 0, Seconds())),
    "everything": Message(
        "A",
        judged=True,
        record=TaskRecord("A", "nmi", MEASURED, 5, 6, Seconds(decode=0.25, total=1.25), FINDINGS, taken_over=True),
        comparison=a_comparison("A", 1 / 3, 0.5, subsets={"no": a_pair(0.1, 0.2)}),
        context=Context("f00d", {"size": [64, 64]}, dtype="float32", canary=("pixels",), versions={"torch": "2"}),
        model=Description("clip", "CLIPModel", "f00d", 8, "float32", {"mean": [0.5]}, ("guessed",)),
        spent=(0.25, 0.5),
    ),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_a_message_crosses_processes_to_the_last_digit(case: str) -> None:
    assert Message.loads(MESSAGES[case].dumps()) == MESSAGES[case]


def test_what_a_test_spent_before_it_was_run_again_counts() -> None:
    message = Message("A")
    message.spend(1.0, 0.0)
    message.spend(0.5, 0.25)
    assert message.spent == (1.5, 0.25)
