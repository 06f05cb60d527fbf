"""The models of the MIEB paper (Table 23), by name: family, pinned revision, dtype, modalities and size."""

from __future__ import annotations

from typing import NamedTuple


class KnownModel(NamedTuple):
    """A model that loads by its name alone.

    `repository` is where its files lie on the hub (None: its family finds them, or it is an API); `architecture` is
    what open_clip or timm call it; `files` are the only ones fetched; `parameters` counts them, None where unknown.
    """

    name: str
    family: str
    revision: str | None
    dtype: str
    modalities: str
    parameters: int | None
    repository: str | None
    architecture: str = ""
    files: tuple[str, ...] | None = None


MODELS: tuple[KnownModel, ...] = ()


def find(name: str) -> KnownModel | None:
    """The registry's row of a hub id, or None."""
    return next((model for model in MODELS if model.name == name), None)
