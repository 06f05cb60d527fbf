"""What tests of several folders share."""

from __future__ import annotations

from pathlib import Path

import pytest

# What starts other pytest runs, loads models of every family, waits for a hub, or scores tasks beside the reference.
SLOW = (
    "benchmarks",
    "canary",
    "examples",
    "models",
    "parity",
    "plugin",
    "cli/test_data.py",
    "data/layouts/test_splits.py",
    "data/mirroring/test_packing.py",
    "data/test_hub_faults.py",
    "data/test_inputs.py",
    "data/test_sources.py",
    "embedding/test_processes.py",
    "miniature/test_datasets.py",
    "miniature/test_drawing.py",
    "miniature/test_model.py",
    "runtime/test_calibration.py",
    "runtime/test_evaluation.py",
    "support/test_hub.py",
    "support/test_scratch.py",
    "test_readme.py",
)
FAST = (
    "models/loading/test_spec.py",
    "models/loading/test_registry.py",
    "plugin/test_items.py",
    "plugin/test_scheduling.py",
)
_HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", 'slow: minutes in all; -m "not slow" runs the unit tests')


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        place = item.path.relative_to(_HERE) if item.path.is_relative_to(_HERE) else None
        if place and place.as_posix() not in FAST and any(place.is_relative_to(slow) for slow in SLOW):
            item.add_marker(pytest.mark.slow)
    # What takes minutes in one file begins first, so that no process is left alone with it.
    items.sort(key=lambda item: not item.path.is_relative_to(_HERE / "parity"))


@pytest.fixture(scope="session")
def miniature_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for one session: whoever reads the miniature first writes it there, for all the others."""
    return tmp_path_factory.mktemp("cache")
