"""The stand-in for every dataset of the suite, written as a mirror of the hub."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

from loky.backend import get_context  # fresh processes, which do not import the caller's script again

from pytest_mieb.miniature.repositories import choices, documents, labelled, multilingual, pairs, retrieval
from pytest_mieb.miniature.tables import Repository, write_repository


@cache
def repositories() -> dict[str, Repository]:
    """What writes each dataset, by its repository name."""
    found: dict[str, Repository] = {}
    for module in (labelled, pairs, multilingual, documents, retrieval, choices):
        found |= module.repositories()
    return dict(sorted(found.items()))


def write_mirror(root: Path, only: Collection[str] | None = None, processes: int = 2) -> dict[str, str]:
    """Write `root/<org>/<name>/` for all datasets, or for those in `only`; return the content hash of each."""
    names = sorted(repositories() if only is None else only)
    unknown = sorted(set(names) - set(repositories()))
    if unknown:
        raise ValueError(f"no miniature of {', '.join(unknown)}; there are: {', '.join(repositories())}")
    if processes < 2 or len(names) < 3:
        return {name: _write(root, name) for name in names}
    with ProcessPoolExecutor(processes, mp_context=get_context("loky")) as pool:
        hashes = list(pool.map(_write, [root] * len(names), names, chunksize=1))
    return dict(zip(names, hashes, strict=True))


def _write(root: Path, name: str) -> str:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    return write_repository(folder, repositories()[name]())
