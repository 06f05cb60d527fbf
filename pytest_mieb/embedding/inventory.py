"""What a cache folder holds of embeddings, model by model: listed, checked, removed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from pytest_mieb.embedding.generations import WITNESS
from pytest_mieb.embedding.shared import DAMAGED, SHARD
from pytest_mieb.embedding.store import EDITION, EMBEDDINGS
from pytest_mieb.support import arrays
from pytest_mieb.support.atomic import written

# Written by every run that opens the folder, so that its time is that of the last one.
LABEL = "label.json"


class Label(NamedTuple):
    """What the last run that used a folder of embeddings says about it."""

    model: str
    batch_size: int
    edition: int = EDITION


class Holding(NamedTuple):
    """The embeddings of one model in one folder.

    `label` is None where no run left one, or it cannot be read. `used`: when a run last used it, seconds since 1970.
    `n_damaged`: files that were set aside.
    """

    folder: Path
    label: Label | None
    n_items: int
    n_bytes: int
    n_damaged: int
    used: float


def label(folder: Path, model: str, batch_size: int) -> None:
    """Note what a folder holds, and that it is used now; on a disk that takes nothing, without effect."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with written(folder / LABEL) as temporary:
            temporary.write_text(json.dumps(Label(model, batch_size)._asdict()), encoding="utf-8")


def contents(folder: Path) -> list[Path]:
    """The files that make up a model's embeddings: what is in none of them can be left out of a copy."""
    return [file for file in (folder / WITNESS, folder / LABEL) if file.exists()] + _shards(folder)


def inventory(cache: Path) -> list[Holding]:
    """All embeddings in a cache folder, those first that were used last. Raises OSError."""
    root = cache / EMBEDDINGS
    places = sorted(root.iterdir()) if root.is_dir() else []
    holdings = [_holding(folder) for place in places if place.is_dir() for folder in _folders(place)]
    return sorted(holdings, key=lambda holding: -holding.used)


def remove(holding: Holding) -> None:
    """Remove a model's embeddings. A run that uses them embeds again what it still needs. Raises OSError."""
    shutil.rmtree(holding.folder)
    if holding.folder.parent.name != EMBEDDINGS:
        with suppress(OSError):  # another generation lies beside it
            holding.folder.parent.rmdir()


def damaged(holding: Holding) -> Iterator[tuple[Path, str]]:
    """Read every file of a model's embeddings, and name those that are not what was written, each with what is wrong.

    Nothing is changed: a run sets such a file aside when it comes to it, and embeds again what it held.
    """
    for shard in _shards(holding.folder):
        try:
            arrays.check(shard)
        except FileNotFoundError:  # a run beside this one has set it aside
            continue
        except (OSError, arrays.DamagedError) as error:
            yield shard, str(error)


def _folders(place: Path) -> list[Path]:
    """Under a fingerprint lie generations; what was embedded without probes lies there itself."""
    return sorted(path.parent for path in place.glob(f"*/{WITNESS}")) or [place]


def _shards(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob(f"*{SHARD}") if not path.name.startswith("."))


def _holding(folder: Path) -> Holding:
    stats = {path: stat for path in folder.rglob("*") if (stat := _stat(path)) and not path.is_dir()}
    times = [stats[folder / LABEL].st_mtime] if folder / LABEL in stats else [stat.st_mtime for stat in stats.values()]
    return Holding(
        folder,
        _label(folder),
        n_items=sum(map(_n_items, _shards(folder))),
        n_bytes=sum(stat.st_size for stat in stats.values()),
        n_damaged=sum(path.name.endswith(DAMAGED) for path in stats),
        used=max(times, default=0.0),
    )


def _label(folder: Path) -> Label | None:
    try:
        content: Any = json.loads((folder / LABEL).read_text(encoding="utf-8"))
        return Label(str(content["model"]), int(content["batch_size"]), int(content["edition"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:  # renamed meanwhile by a run beside this one
        return None


def _n_items(shard: Path) -> int:
    try:
        return len(arrays.mapped(shard).arrays.get("keys", ()))
    except (OSError, arrays.DamagedError):
        return 0
