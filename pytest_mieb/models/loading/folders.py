"""Models whose files say what they are: in a folder, on the hub, and the package's own."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

from pytest_mieb.miniature import MODEL_DIR
from pytest_mieb.models.embedder import Embedder
from pytest_mieb.models.errors import ModelError
from pytest_mieb.models.files.adapter import base_of
from pytest_mieb.models.files.hub import download
from pytest_mieb.models.kind import LOCAL, ModelKind
from pytest_mieb.models.loading.recognition import CONFIGURATIONS, recognise
from pytest_mieb.models.loading.registry import find
from pytest_mieb.models.request import Request
from pytest_mieb.models.spec import ModelSpec, is_hub_id
from pytest_mieb.support.wording import shown

# The accident of `miniature:damaged`: pixels scaled to -1..1, as SigLIP's are, for a model that was trained with other
# constants. It happens when a checkpoint is saved without its processor and gets the one of another family.
DAMAGE = {"mean": "0.5", "std": "0.5"}
# The `--mieb-model-arg` by which a user says which family a folder is, where that cannot be seen.
FAMILY = "family"


def _loaded(family: str, request: Request) -> Embedder:
    embedder: Embedder = importlib.import_module(f"pytest_mieb.models.families.{family}").load(request)
    return embedder


def _from_folder(spec: ModelSpec, request: Request) -> Embedder:
    return _loaded(*_in_folder(Path(spec.target), request))


def _from_hub(spec: ModelSpec, request: Request) -> Embedder:
    return _loaded(*_on_hub(spec.target, request))


def _miniature(spec: ModelSpec, request: Request) -> Embedder:
    damage = DAMAGE if spec.text.endswith(":damaged") else {}
    return _loaded("dual_encoder", replace(request, folder=MODEL_DIR, options={**damage, **request.options}))


def _look(spec: ModelSpec, request: Request) -> None:
    """Whether a folder holds a model of a known kind; not where its own code would have to run to tell."""
    if not request.trust_remote_code:
        transformers = spec.text.startswith("hf:")
        recognise(Path(spec.target), transformers=transformers, told=request.options.get(FAMILY))


def _in_folder(folder: Path, request: Request) -> tuple[str, Request]:
    family = recognise(
        folder,
        transformers=request.spec.startswith("hf:"),
        trust_remote_code=request.trust_remote_code,
        told=request.options.get(FAMILY),
        adapter=request.adapter,
    ).family
    if family == "adapter":
        if request.adapter:
            raise ModelError(
                f"{request.adapter}: its base model {folder} is an adapter itself; merge that one first and save the "
                "whole model"
            )
        family, base = _on_base(base_of(folder), replace(request, adapter=folder))
        inside = folder if any(folder.glob("*processor_config.json")) else base.processor
        return family, replace(base, processor=request.processor or inside)
    options = {name: value for name, value in request.options.items() if name != FAMILY}
    return family, replace(request, folder=folder, options=options)


def _on_base(base: tuple[str, str | None], request: Request) -> tuple[str, Request]:
    """The base model of an adapter: a folder, or a hub id with the revision that the adapter names."""
    name, revision = base
    folder = Path(name).expanduser()
    if folder.is_dir() and any((folder / file).is_file() for file in CONFIGURATIONS):
        return _in_folder(folder, request)
    if folder.is_dir() or not is_hub_id(name):
        what = "a folder without a model" if folder.is_dir() else "no folder here and no hub id"
        raise ModelError(
            f"{request.spec}: the adapter's base model {shown(name)} is {what}; correct base_model_name_or_path in its "
            "adapter_config.json"
        )
    return _on_hub(name, replace(request, revision=revision))


def _on_hub(name: str, request: Request) -> tuple[str, Request]:
    known = find(name)
    if known is None:
        folder = download(name, request.revision)
        return _in_folder(folder, request)
    revision = request.revision or known.revision
    request = replace(request, revision=revision, name=known.architecture, dtype=request.dtype or known.dtype)
    if known.repository is None:
        return known.family, request
    folder = download(known.repository, revision, only=known.files)
    if known.family == "adapter":
        return _in_folder(folder, request)
    return known.family, replace(request, folder=folder)


def processor_in(given: str | None) -> Path | None:
    """The folder of `--mieb-processor`, fetched where it is a hub id."""
    if given is None:
        return None
    folder = Path(given).expanduser()
    if folder.is_dir():
        return folder
    if not is_hub_id(given):
        raise ModelError(f"--mieb-processor={given}: no such folder, and no hub id; give one of the two")
    return download(given, only=("*.json", "*.txt", "*.model", "*.jinja"), needs="--mieb-processor:")


FOLDER = ModelKind(
    name="folder",
    load=_from_folder,
    such_as="a folder with a model",
    prefixed=False,
    options=LOCAL | {"processor"},
    look=_look,
)
HUB = ModelKind(
    name="hub",
    load=_from_hub,
    such_as="a hub id such as openai/clip-vit-base-patch32",
    prefixed=False,
    options=LOCAL | {"processor"},
    has_revisions=True,
)
MINIATURE = ModelKind(
    name="miniature",
    load=_miniature,
    such_as="miniature, or miniature:damaged",
    prefixed=False,
    baseline="miniature",
    data="miniature",
)
