"""Generations of a model's stored embeddings: a fingerprint says which model it is, the probes' embeddings show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np

from pytest_mieb.embedding.shared import Shared
from pytest_mieb.models.probing import Probes
from pytest_mieb.support.atomic import written

WITNESS = "probes.npz"
# How far a probe's embedding may lie from the stored one, as a share of its length: ten times what it moved by itself,
# and at least a hundred times the rounding of float32. A stricter bound costs embedding anew, a wider one may serve
# another model's.
SAME = 1e-5
_TIMES_MOVED = 10


class Generation(NamedTuple):
    """What lies in one folder: embeddings of the model that gave `probes`, named by `owner`."""

    folder: Path
    owner: str
    probes: Probes


def generation(
    folder: Path,
    probes: Probes,
    warn: Callable[[str], None],
    *,
    owner: str = "",
    known_as: str = "",
    shared: Shared | None = None,
) -> Path:
    """The folder inside `folder` whose embeddings are this model's; made where there is none.

    What another model stored under the same fingerprint stays where it is, and is that model's again when it comes.

    Args:
        owner: the model as it was asked for, where somebody chose its fingerprint: another one's may be the same.
        known_as: the fingerprint as the user knows it, for the warning that something else lies under it.
        shared: the same folder in a shared place; what other machines have made there counts as made here.
    """
    own = folder / _name_of(probes, owner)
    if _read(own) is not None:
        return own
    if shared:
        shared.bring(WITNESS, folder)
    found = list(_stored(folder))
    away = {each.folder: each.probes.distance(probes) for each in found if each.owner == owner}
    nearest = min(away, key=away.__getitem__, default=None)
    if nearest is not None and away[nearest] <= max(SAME, _TIMES_MOVED * probes.moved):
        return nearest
    if nearest is not None:
        warn(_changed(away[nearest], owner, known_as))
    elif found:
        warn(
            f"{known_as} is that of {found[0].owner} too: what that one stored is not used for {owner}, and everything "
            "is embedded anew; give every model a fingerprint of its own"
        )
    with suppress(OSError):  # the store tells of a disk that is full, and the next run makes up for it
        own.mkdir(parents=True, exist_ok=True)
        with written(own / WITNESS) as temporary, open(temporary, "wb") as file:
            np.savez(file, images=probes.images, texts=probes.texts, owner=np.array(owner))
    return own


def _changed(away: float, owner: str, known_as: str) -> str:
    how = f"up to {100 * away:.2g} % of their length away" if np.isfinite(away) else "of another dimension"
    remedy = "where weights or preprocessing change, give a new one"
    if not owner:
        remedy = "its files are the same, so that this machine or a library computes otherwise than the one before"
    return (
        f"the model gives other embeddings than those that are stored under {known_as} ({how}): none of these is used, "
        f"and everything is embedded anew; {remedy}"
    )


def _name_of(probes: Probes, owner: str) -> str:
    """The same for the same bits, so that workers that start together share one folder."""
    digest = blake2b(owner.encode(), digest_size=6)
    for array in (probes.images, probes.texts):
        digest.update(f"{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _stored(folder: Path) -> Iterator[Generation]:
    places = sorted(folder.iterdir()) if folder.is_dir() else []
    for place in places:
        if (stored := _read(place)) is not None:
            yield stored


def _read(place: Path) -> Generation | None:
    """A generation; None where its probes cannot be read: then nobody is served from it."""
    try:
        with np.load(place / WITNESS, allow_pickle=False) as file:
            return Generation(place, str(file["owner"]), Probes(file["images"], file["texts"]))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
