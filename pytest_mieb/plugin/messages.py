"""How the message of a test travels: on its reports, whole, from a worker to the controller too."""

from __future__ import annotations

import pytest

from pytest_mieb.gate.verdict import Verdict, acceptance_of
from pytest_mieb.plugin.keys import CARRIED, MESSAGE
from pytest_mieb.report.junit import ACCEPTED
from pytest_mieb.report.message import Message, Notice
from pytest_mieb.support.numbers import percent


def put(item: pytest.Item, report: pytest.TestReport) -> None:
    """Let a report carry what the test has said so far."""
    message = item.stash.get(MESSAGE, None)
    if message:
        setattr(report, CARRIED, message.dumps())


def notice(report: pytest.TestReport) -> Notice:
    """What a report says, whether it was made here, came from a worker, or tells of a worker's death."""
    carried = getattr(report, CARRIED, None)
    message = Message.loads(carried) if carried else None
    return Notice(report.nodeid, str(report.when), report.outcome, _said(report), message)


def _said(report: pytest.TestReport) -> str:
    if report.passed:
        return ""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return report.longreprtext.strip()


def properties(message: Message, verdict: Verdict) -> list[tuple[str, object]]:
    """The few facts that stand on a task's test case in JUnit; scores in percent."""
    assert message.record
    facts: dict[str, object] = {"mieb_metric": message.record.metric, "mieb_score": percent(message.record.score)}
    if verdict.pair:
        facts |= {"mieb_baseline": percent(verdict.pair.baseline)}
    facts |= {"mieb_status": verdict.status}
    accepted = acceptance_of(verdict)
    return [*facts.items(), *([(ACCEPTED, accepted)] if accepted else [])]
