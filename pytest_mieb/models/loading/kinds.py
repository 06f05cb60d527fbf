"""All kinds of models: the package's own, and those of other packages."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from pytest_mieb.models.families import open_clip, reference, timm, voyage
from pytest_mieb.models.kind import ModelKind
from pytest_mieb.models.loading.factory import FACTORY
from pytest_mieb.models.loading.folders import FOLDER, HUB, MINIATURE
from pytest_mieb.support.extensions import registry

OWN = (
    FOLDER,
    HUB,
    open_clip.KIND,
    timm.KIND,
    reference.KIND,
    voyage.KIND,
    FACTORY,
    MINIATURE,
)


@cache
def known() -> Mapping[str, ModelKind]:
    """All kinds by name, those of other packages (entry points of `pytest_mieb.models`) too."""
    return registry("pytest_mieb.models", OWN, ModelKind)
