"""A cache of the Hugging Face hub laid out by hand, so that models load by hub id without a network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

REVISION = "0123456789abcdef0123456789abcdef01234567"


def lay(cache: Path, repository: str, folder: Path, revision: str = REVISION) -> Path:
    """Copy a folder into the cache as the newest revision of a repository, and return the snapshot."""
    place = cache / f"models--{repository.replace('/', '--')}"
    (place / "refs").mkdir(parents=True, exist_ok=True)
    (place / "refs" / "main").write_text(revision)
    return Path(shutil.copytree(folder, place / "snapshots" / revision))


def go_offline(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Let this process know no hub but what `cache` holds."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
