"""What only the whole run shows, as test reports of its own: they count, stand in JUnit, and decide the exit code."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest

from pytest_mieb.gate.decision import Decision
from pytest_mieb.report.junit import ACCEPTED
from pytest_mieb.report.run import MEANS_OF_RUN, Run


def conclude(run: Run, session: pytest.Session) -> None:
    """Decide on the whole run, and hand its reports to whoever listens to those of the items."""
    decision = run.decide()
    hook = session.config.hook
    entries = list(reports_of(decision)) if decision else []
    if run.unrecorded:
        entries.append(_reports("recording", run.unrecorded, "call"))
    session.testscollected += len(entries)  # or the progress goes beyond 100 %
    for reports in entries:
        hook.pytest_runtest_logstart(nodeid=reports[0].nodeid, location=reports[0].location)
        for report in reports:
            hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=reports[0].nodeid, location=reports[0].location)


def reports_of(decision: Decision) -> Iterator[list[pytest.TestReport]]:
    """The reports of one entry at a time: every mean, and every task that regressed by Holm's procedure only.

    A regression is a failure; a mean without all of its tasks is an error, as that of a test whose setup fails.
    """
    for name in decision.regressed_by_holm:
        yield _reports(f"{name}, by Holm's procedure", decision.verdicts[name].failure, "call")
    for mean in decision.means:
        yield _reports(
            mean.name, mean.failure, "setup" if mean.status == "incomplete" else "call", mean.acceptance_note
        )


def _reports(
    name: str, failure: str | None, when: Literal["setup", "call"], accepted: str | None = None
) -> list[pytest.TestReport]:
    return [_report(name, when, failure, accepted), _report(name, "teardown", None, accepted)]


def _report(
    name: str, when: Literal["setup", "call", "teardown"], failure: str | None, accepted: str | None
) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid=f"{MEANS_OF_RUN}{name}",
        location=(MEANS_OF_RUN.removesuffix("::"), None, name),
        keywords={},
        outcome="failed" if failure else "passed",
        longrepr=failure,
        when=when,
        user_properties=[(ACCEPTED, accepted)] if accepted else [],
    )
