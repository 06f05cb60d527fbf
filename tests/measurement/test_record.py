from __future__ import annotations

import numpy as np

from pytest_mieb.data.findings import Finding
from pytest_mieb.measurement.baseline import Estimate, Measurement
from pytest_mieb.measurement.record import TaskRecord
from pytest_mieb.measurement.result import SubsetResult, TaskResult
from pytest_mieb.protocols import Scored
from pytest_mieb.support.seconds import Seconds
from tests.builders import a_task

MEASURED = Measurement(
    0.1 + 0.2,
    1 / 7,
    subsets={"no": Estimate(1 / 3, 0.1), "on": Estimate(0.0)},
    tolerance=0.01,
    noise=0.002,
    dataset="0123",
    examples="12",
    outcomes="34",
    run_id="56",
    drift=0.005,
    part="30 of 40 rows",
)


def test_a_record_sums_a_result_up() -> None:
    result = TaskResult(
        a_task(),
        0.375,
        {
            name: SubsetResult(
                0.375,
                Scored({"nmi": 0.375}, np.zeros(4)),
                {"test": 9},
                findings=(Finding("keys fit no lock", 1, 2, "'a'"),),
            )
            for name in ("en", "no")
        },
        embedded=11,
        reused=2,
        seconds=Seconds(embed=1.0, total=2.0),
    )
    record = TaskRecord.of(result, MEASURED)
    assert record == TaskRecord(
        "Some", "nmi", MEASURED, 11, 2, Seconds(embed=1.0, total=2.0), ("2 of 4 keys fit no lock (the first: 'a')",)
    )
    assert (record.score, record.subsets) == (MEASURED.score, MEASURED.subsets)
