"""Names under which the plugin keeps its state: on the config, and on reports that travel between processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Container

    from pytest_mieb.plugin.session import MiebSession

SESSION: pytest.StashKey[MiebSession] = pytest.StashKey()
SUITE_TEST = "test_mieb.py::test_mieb["
MEANS_OF_RUN = "mieb::"
TASK = "mieb_task"
EMBEDDER = "mieb_embedder"
VERDICT = "mieb_verdict"
RECORD = "mieb_record"
MODEL = "mieb_model"
CONTEXT = "mieb_context"
COMPARISON = "mieb_comparison"
SPENT = "mieb_spent"
SELECTED = "mieb_selected"
NOTHING = "mieb_nothing"
ACCEPTED = "mieb_accepted"


def task_in(nodeid: str, tasks: Container[str]) -> str | None:
    """The task that an item's id names, where it is one: `.../test_mieb.py::test_mieb[CIFAR10]`."""
    name = nodeid.rpartition("[")[2].removesuffix("]")
    return name if name in tasks else None
