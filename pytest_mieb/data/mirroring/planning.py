"""The record of a dataset as a fetch will leave it, made of what the hub lists and of what the mirror has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.mirroring.listing import Listing, listed, with_features
from pytest_mieb.data.mirroring.manifest import FileRecord, Manifest
from pytest_mieb.data.repository import Repository
from pytest_mieb.suite import DatasetRef, Task
from pytest_mieb.support.hub import Patience


def planned(
    ref: DatasetRef,
    tasks: Sequence[Task],
    before: Manifest | None,
    patience: Patience,
    warn: Callable[[str], None],
) -> Manifest:
    """The record of a dataset with what tasks read, and with what the mirror had of the same commit.

    Raises:
        DatasetError: the hub does not give it, what the mirror has is a part, or the hub has other files than before.
    """
    if before and before.part:
        raise DatasetError(
            f"dataset {ref.path}: the mirror holds a part of it, {before.part}; fetch into another folder"
        )
    listing = listed(ref, tasks, patience, warn)
    if not listing.exact:
        raise DatasetError(
            f"dataset {ref.path} (revision {ref.revision}) is gated; accept its terms on the hub and log in with "
            "`hf auth login` (or set HF_TOKEN)"
        )
    known: Mapping[str, FileRecord] = {}
    if before and before.commit == listing.commit:
        known = before.files
        listing = replace(listing, repository=_typed(listing.repository, before.repository))
    for name, record in known.items():
        _refuse_change(ref, listing, name, record.digest.value)
    listing = replace(listing, needed=sorted({*listing.needed, *known}))
    repository = with_features(ref, listing, patience, warn)
    files = {name: known.get(name, listing.files[name]) for name in listing.needed}
    return Manifest(ref.path, ref.revision, listing.commit, files, repository)


def _typed(now: Repository, before: Repository) -> Repository:
    """A repository, with the types of its columns that were asked for before."""
    configs = {
        name: replace(
            config, features=config.features or (before.configs[name].features if name in before.configs else None)
        )
        for name, config in now.configs.items()
    }
    return replace(now, configs=configs)


def _refuse_change(ref: DatasetRef, listing: Listing, name: str, digest: str) -> None:
    """What a commit holds never changes: a hub that says so now was wrong once."""
    now = listing.files.get(name)
    if now is None or now.digest.value != digest:
        what = "no longer lists" if now is None else "lists another hash than before for"
        raise DatasetError(
            f"dataset {ref.path} (revision {ref.revision}): the hub {what} {name} of commit {listing.commit}, which "
            "cannot change; find out which of them is right, and fetch into another folder"
        )
