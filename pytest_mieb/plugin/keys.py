"""Names under which the plugin keeps its state, and under which curated facts stand on a test case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_mieb.plugin.session import MiebSession
    from pytest_mieb.report.message import Message

SESSION: pytest.StashKey[MiebSession] = pytest.StashKey()
MESSAGE: pytest.StashKey[Message] = pytest.StashKey()
# The attribute of a test report that holds the message: it crosses from worker to controller with the report.
CARRIED = "mieb_message"
TASK = "mieb_task"
EMBEDDER = "mieb_embedder"
VERDICT = "mieb_verdict"
SELECTED = "mieb_selected"
NOTHING = "mieb_nothing"
HELPED = "mieb_helped"
# In a worker's input: the channel by which it tells its status.
CHANNEL = "mieb_progress"
