"""The canary as it ships, loaded once, and copies of it to be doctored."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from pytest_mieb.canary import CanaryReport, check, stations
from pytest_mieb.canary.stations import Canary


@pytest.fixture(scope="session")
def pristine() -> Canary:
    return stations.load()


@pytest.fixture
def canary(pristine: Canary) -> Canary:
    """A copy that a test may spoil."""
    return Canary(*map(copy.deepcopy, pristine))


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Canary], CanaryReport]:
    """`check` with another canary in the place of the one that ships."""

    def run(canary: Canary) -> CanaryReport:
        monkeypatch.setattr(stations, "load", lambda device: canary)
        return check()

    return run
