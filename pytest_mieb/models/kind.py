"""What a kind of model is: how users name it, how it is loaded, and what means something to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mieb.models.embedder import Embedder
    from pytest_mieb.models.request import Request
    from pytest_mieb.models.spec import ModelSpec

LOCAL = frozenset({"dtype", "model_arg", "calibrate"})


def nothing_to_see(spec: ModelSpec, request: Request) -> None:
    """Of a model about which nothing can be told before it is loaded."""


@dataclass(frozen=True)
class ModelKind:
    """One kind of model.

    Args:
        name: of the kind; where it is `prefixed` also what users write before the colon.
        load: from a spec, and a request whose files are on this machine as far as the spec names them, to the model.
        such_as: how users write it, for errors.
        prefixed: whether it is named `NAME:TARGET`; else the spec's own shape says what it is.
        options: which of the options processor, dtype, model_arg, calibrate and max_cost mean something to it.
        has_revisions: whether `--mieb-revision` means something to it even where it is no repository of the hub.
        weights_apart: whether it may be `NAME:ARCHITECTURE@FILE`.
        look: raises ModelError where it can be seen without loading that the model cannot be used.
        metered: every embedding is paid for, so that none is made only to look at the model.
        elsewhere: it is computed on another machine, about which this one's environment says nothing.
        by_code: code of the user's makes it, and chooses its fingerprint, its device and its dtype.
        baseline: what it is compared with by default; None: the baseline of its own name.
        data: the data that it runs on by default.
    """

    name: str
    load: Callable[[ModelSpec, Request], Embedder]
    such_as: str
    prefixed: bool = True
    options: frozenset[str] = LOCAL
    has_revisions: bool = False
    weights_apart: bool = False
    look: Callable[[ModelSpec, Request], None] = nothing_to_see
    metered: bool = False
    elsewhere: bool = False
    by_code: bool = False
    baseline: str | None = None
    data: str = "hub"
