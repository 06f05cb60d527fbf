"""What tests of several folders share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def miniature_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for one session: whoever reads the miniature first writes it there, for all the others."""
    return tmp_path_factory.mktemp("cache")
