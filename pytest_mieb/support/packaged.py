"""Folders that stand at the top of the repository and travel inside the wheel."""

from __future__ import annotations

from pathlib import Path


def packaged(folder: str) -> Path:
    """The `tasks/` or `baselines/` folder: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / folder
    return inside if inside.is_dir() else package.parent / folder
