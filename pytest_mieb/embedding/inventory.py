"""What a place holds of embeddings, a cache folder or one that machines share: listed, checked, removed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pytest_mieb.embedding.generations import WITNESS
from pytest_mieb.embedding.shared import DAMAGED, SHARD, Place, SharedError, asked, side_by_side
from pytest_mieb.embedding.store import EDITION, EMBEDDINGS
from pytest_mieb.support import arrays
from pytest_mieb.support.atomic import written

# Written by every run that opens the folder, so that its time is that of the last one.
LABEL = "label.json"
# By what names file systems tell when a file was written.
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")


class Label(NamedTuple):
    """What the last run that used a folder of embeddings says about it."""

    model: str
    batch_size: int
    edition: int = EDITION


class Holding(NamedTuple):
    """The embeddings of one model in one folder.

    `label` is None where no run left one, or it cannot be read. `shards`: their sizes by their paths. `used`: when a
    run last used it, seconds since 1970. `n_damaged`: files that were set aside.
    """

    folder: str
    label: Label | None
    shards: Mapping[str, int]
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
    """The files of a local folder that make up a model's embeddings."""
    named = [file for file in (folder / WITNESS, folder / LABEL) if file.exists()]
    return named + sorted(path for path in folder.rglob(f"*{SHARD}") if not path.name.startswith("."))


def inventory(place: Place) -> list[Holding]:
    """All embeddings in a place, those first that were used last. Raises SharedError."""
    root = f"{place.path}/{EMBEDDINGS}"
    place.fs.invalidate_cache(root)
    try:
        asked(partial(place.fs.ls, root))  # `find` takes what it cannot read for empty
    except FileNotFoundError:
        return []
    found: dict[str, dict[str, Any]] = asked(partial(place.fs.find, root, detail=True))
    holdings = [_holding(place, folder, files) for folder, files in _by_folder(root, found).items()]
    return sorted(holdings, key=lambda holding: -holding.used)


def remove(place: Place, holding: Holding) -> None:
    """Remove a model's embeddings. A run that uses them embeds again what it still needs. Raises SharedError."""
    asked(partial(place.fs.rm, holding.folder, recursive=True))
    parent = holding.folder.rpartition("/")[0]
    if not parent.endswith(f"/{EMBEDDINGS}"):
        with suppress(Exception):  # another generation lies beside it, or there are no folders
            place.fs.rmdir(parent)


def damaged(place: Place, holding: Holding) -> Iterator[tuple[str, str]]:
    """Read every file of a model's embeddings, and name those that are not what was written, each with what is wrong.

    Nothing is changed: a run sets such a file aside when it comes to it, and embeds again what it held.
    """
    for path, why in zip(holding.shards, side_by_side(partial(_damage, place), holding.shards), strict=True):
        if why:
            yield path, why


def _damage(place: Place, path: str) -> str:
    try:
        content: bytes = asked(partial(place.fs.cat_file, path))
        stored = arrays.within(content, len(content))
        for name in stored.arrays:
            stored.check(name)
    except FileNotFoundError:  # a run beside this one has set it aside
        return ""
    except (SharedError, arrays.DamagedError) as error:
        return str(error)
    return ""


def _by_folder(root: str, files: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Under a fingerprint lie generations; what was embedded without probes lies there itself."""
    generations = {path.rpartition("/")[0] for path in files if path.endswith(f"/{WITNESS}")}
    probed = {folder.rpartition("/")[0] for folder in generations}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for path, about in sorted(files.items()):
        name, *below = path.removeprefix(f"{root}/").split("/")
        model, generation = f"{root}/{name}", "/".join((root, name, *below[:1]))
        if below and (generation in generations or model not in probed):
            found.setdefault(generation if generation in generations else model, {})[path] = about
    return found


def _holding(place: Place, folder: str, files: Mapping[str, dict[str, Any]]) -> Holding:
    own = f"{folder}/{LABEL}"
    shards = {path: files[path]["size"] for path in files if path.endswith(SHARD) and "/." not in path[len(folder) :]}
    return Holding(
        folder,
        _label(place, own) if own in files else None,
        shards,
        n_items=sum(side_by_side(lambda path: _n_items(place, path, shards[path]), shards)),
        n_bytes=sum(about["size"] for about in files.values()),
        n_damaged=sum(path.endswith(DAMAGED) for path in files),
        used=_written_at(files[own]) if own in files else max(map(_written_at, files.values()), default=0.0),
    )


def _label(place: Place, path: str) -> Label | None:
    try:
        content: Any = json.loads(asked(partial(place.fs.cat_file, path)))
        return Label(str(content["model"]), int(content["batch_size"]), int(content["edition"]))
    except (OSError, SharedError, ValueError, KeyError, TypeError):
        return None


def _written_at(about: Mapping[str, Any]) -> float:
    """Seconds since 1970; 0 where the file system does not tell."""
    time = next((about[name] for name in _TIMES if about.get(name)), 0.0)
    return time.timestamp() if hasattr(time, "timestamp") else float(time)


def _n_items(place: Place, path: str, size: int) -> int:
    try:
        start: bytes = asked(partial(place.fs.cat_file, path, start=0, end=min(size, arrays.LONGEST_HEADER)))
        extents = arrays.header(start, size).extents
        return extents["keys"].shape[0] if "keys" in extents else 0
    except (FileNotFoundError, SharedError, arrays.DamagedError):
        return 0
