"""Small stand-ins that several test modules share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_mieb.suite import DatasetRef, Task

REVISION = "0123456789abcdef"


def a_task(
    layout: str = "labelled",
    options: Mapping[str, Any] | None = None,
    path: str = "org/some-dataset",
    **changes: Any,
) -> Task:
    """A task whose card says whatever the test is about."""
    facts: dict[str, Any] = {
        "name": "Some",
        "category": "clustering",
        "suites": ("eng",),
        "modalities": "i2i",
        "protocol": "clustering",
        "metric": "nmi",
        "dataset": DatasetRef(path, REVISION, layout, options or {}),
        "subsets": {"default": ("eng-Latn",)},
    }
    return Task(**facts | changes)
