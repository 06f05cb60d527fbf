"""The ways in which datasets lie on the hub: one module a layout, and the registry of all."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from pytest_mieb.data.layouts import (
    beir,
    captioned_images,
    cv_bench,
    imagecode,
    labelled,
    memes,
    pairs,
    scimmir,
    sts,
    vidore,
)
from pytest_mieb.data.layouts.spec import LayoutSpec
from pytest_mieb.support.extensions import registry

OWN = (
    labelled.LAYOUT,
    sts.LAYOUT,
    pairs.LAYOUT,
    imagecode.LAYOUT,
    beir.LAYOUT,
    beir.WITH_CANDIDATES,
    vidore.LAYOUT,
    cv_bench.LAYOUT,
    memes.HATEFUL_MEMES,
    memes.MEMOTION,
    scimmir.LAYOUT,
    captioned_images.CAPTIONS,
    captioned_images.SENTENCES,
)

__all__ = ["LayoutSpec", "known"]


@cache
def known() -> Mapping[str, LayoutSpec]:
    """All layouts by name, those of other packages (entry points of `pytest_mieb.layouts`) too."""
    return registry("pytest_mieb.layouts", OWN, LayoutSpec)
