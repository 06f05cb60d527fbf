from __future__ import annotations

import numpy as np

from pytest_mieb.evaluation import SubsetResult, TaskResult
from pytest_mieb.protocols import Scored
from pytest_mieb.record import TaskRecord
from tests.builders import a_task

RECORD = TaskRecord("Some", "nmi", 0.1 + 0.2, {"no": 1 / 3, "on": 0.0}, {"no": 7, "on": 3}, 5, 6, 1.25)


def test_a_record_crosses_processes_to_the_last_digit() -> None:
    assert TaskRecord.from_json(RECORD.to_json()) == RECORD


def test_a_record_sums_a_result_up() -> None:
    subsets = {
        "en": SubsetResult(0.5, Scored({"nmi": 0.5}, np.zeros(4)), {"test": 9}),
        "no": SubsetResult(0.25, Scored({"nmi": 0.25}, np.zeros((3, 5))), {"test": 3}),
    }
    result = TaskResult(a_task(), 0.375, subsets, embedded=11, reused=2, seconds={"embedding": 1.0, "total": 2.0})
    assert TaskRecord.of(result) == TaskRecord(
        "Some", "nmi", 0.375, {"en": 0.5, "no": 0.25}, {"en": 4, "no": 3}, 11, 2, 2.0
    )
