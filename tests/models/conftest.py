from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.builders import build_clip, build_siglip2
from tests.parity.models import build_siglip


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One folder a family; not to be written to."""
    root = tmp_path_factory.mktemp("checkpoints")
    return {
        "clip": build_clip(root / "clip"),
        "siglip": build_siglip(root / "siglip"),
        "siglip2": build_siglip2(root / "siglip2", naflex=False),
        "siglip2-naflex": build_siglip2(root / "siglip2-naflex", naflex=True),
    }
