"""The suite: one test, run once for every MIEB task."""

import pytest

from pytest_mieb.gate.verdict import Verdict
from pytest_mieb.suite import Task


def test_mieb(mieb_task: Task, mieb_verdict: Verdict, subtests: pytest.Subtests) -> None:
    """The model scores no less than its baseline's threshold: on the task, and in every language that it has."""
    for subset, verdict in mieb_verdict.subsets.items():
        with subtests.test(subset, languages=", ".join(mieb_task.subsets[subset])):
            if verdict.failure:
                pytest.fail(verdict.failure, pytrace=False)
    if mieb_verdict.failure:
        pytest.fail(mieb_verdict.failure, pytrace=False)
