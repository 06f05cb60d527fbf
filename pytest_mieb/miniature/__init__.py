"""The embedded default: a synthetic stand-in for every dataset of the suite, and a small model trained on its world.

folder = mirror(cache, warn=print)   # the hub's datasets in miniature, as a folder of snapshots; written once
MODEL_DIR                            # a small CLIP in the usual Hugging Face layout
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

MODEL_DIR = Path(__file__).parent / "model"
"""Loadable by `AutoModel` and `AutoProcessor`."""


def mirror(cache: Path, warn: Callable[[str], None]) -> Path:
    """The folder with all datasets, `<org>/<name>/` each; written on the first call, found on the next ones.

    Safe when several processes call it at once: each writes under a temporary name and renames. `warn` gets one text
    when what was written differs from what the package expects, as after a change in a drawing library.
    """
    from pytest_mieb.miniature.content import ensure_mirror

    return ensure_mirror(cache, warn)


__all__ = ["MODEL_DIR", "mirror"]
