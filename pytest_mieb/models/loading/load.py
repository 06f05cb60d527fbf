"""From a spec to a loaded and checked model."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path

from pytest_mieb.models.description import Description
from pytest_mieb.models.embedder import Embedder
from pytest_mieb.models.errors import ModelError, NoArrayError, did_you_mean, first_line
from pytest_mieb.models.loading.request import Request
from pytest_mieb.models.loading.spec import ModelSpec, is_hub_id, parse_spec
from pytest_mieb.support.wording import shown

# The accident of `miniature:damaged`: pixels scaled to -1..1, as SigLIP's are, for a model that was trained with other
# constants. It happens when a checkpoint is saved without its processor and gets the one of another family.
DAMAGE = {"mean": "0.5", "std": "0.5"}
# The `--mieb-model-arg` by which a user says which family a folder is, where that cannot be seen.
FAMILY = "family"
# Families that read no files of their own: a failing probe would cost money, or the wrapper checks itself.
_UNPROBED = ("voyage",)


def load_embedder(
    spec: str | ModelSpec,
    *,
    revision: str | None = None,
    device: str = "cpu",
    dtype: str | None = None,
    trust_remote_code: bool = False,
    processor: str | None = None,
    options: Mapping[str, str] | None = None,
    max_cost: float | None = None,
    memory: Path | None = None,
) -> Embedder:
    """Load the model that `spec` names.

    Args:
        spec: as after `--mieb-model`.
        revision: a branch, tag or commit, for a hub id; by default the one that the registry pins, else the newest.
        device: a torch device.
        dtype: float32, float16 or bfloat16, in which the model computes; by default the family's own, mostly float32.
        trust_remote_code: whether code that comes with a model may be run.
        processor: a folder or hub id whose tokenizer and image processor are taken.
        options: what the family takes beside, or a factory as keyword arguments; `--mieb-model-arg`.
        max_cost: in US dollars, for an API.
        memory: a folder where the hashes of large files are kept, so that they are read once for every change.

    Raises:
        ModelError: it cannot be loaded; the message says why and what to do.
    """
    spec = parse_spec(spec) if isinstance(spec, str) else spec
    if spec.kind == "factory":
        return checked(spec.text, _from_factory(spec.text, options or {}))
    request = Request(
        spec=spec.text,
        revision=revision,
        device=device,
        dtype=dtype,
        processor=_processor(processor),
        trust_remote_code=trust_remote_code,
        options=options or {},
        max_cost=max_cost,
        memory=memory,
    )
    family, request = _resolve(spec, request)
    embedder: Embedder = importlib.import_module(f"pytest_mieb.models.families.{family}").load(request)
    return embedder if family in _UNPROBED else checked(spec.text, embedder)


def _resolve(spec: ModelSpec, request: Request) -> tuple[str, Request]:
    """The module of the family, and the request with the files on this machine."""
    if spec.kind == "miniature":
        from pytest_mieb.miniature import MODEL_DIR

        damage = DAMAGE if spec.text.endswith(":damaged") else {}
        return "dual_encoder", replace(request, folder=MODEL_DIR, options={**damage, **request.options})
    if spec.kind == "folder":
        return _in_folder(Path(spec.target), request)
    if spec.kind == "hub":
        return _on_hub(spec.target, request)
    folder = Path(spec.target) if spec.kind in ("open_clip", "timm") and Path(spec.target).is_dir() else None
    family = "reference" if spec.kind == "mteb" else spec.kind
    return family, replace(request, folder=folder, name="" if folder else spec.target, file=spec.file)


def _in_folder(folder: Path, request: Request) -> tuple[str, Request]:
    from pytest_mieb.models.loading.recognition import recognise

    family = recognise(
        folder,
        transformers=request.spec.startswith("hf:"),
        trust_remote_code=request.trust_remote_code,
        told=request.options.get(FAMILY),
        adapter=request.adapter,
    ).family
    if family == "adapter":
        from pytest_mieb.models.files.adapter import base_of

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
    from pytest_mieb.models.loading.recognition import CONFIGURATIONS

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
    from pytest_mieb.models.files.hub import download
    from pytest_mieb.models.loading.registry import find

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


def _processor(given: str | None) -> Path | None:
    """The folder of `--mieb-processor`, fetched where it is a hub id."""
    if given is None:
        return None
    folder = Path(given).expanduser()
    if folder.is_dir():
        return folder
    if not is_hub_id(given):
        raise ModelError(f"--mieb-processor={given}: no such folder, and no hub id; give one of the two")
    from pytest_mieb.models.files.hub import download

    return download(given, only=("*.json", "*.txt", "*.model", "*.jinja"), needs="--mieb-processor:")


def checked(spec: str, embedder: Embedder) -> Embedder:
    """Embed one picture and one text, so that a model whose two sides do not meet is refused before the first task.

    Raises:
        ModelError: it fails, or its images and texts have different dimensions.
    """
    from PIL import Image

    probes = {}
    _check_members(spec, embedder)
    try:
        if "image" in embedder.modalities:
            probes["images"] = embedder.embed_images([Image.new("RGB", (64, 64), "grey")])
        if "text" in embedder.modalities:
            probes["texts"] = embedder.embed_texts(["a photo"])
    except NoArrayError as error:
        raise ModelError(f"--mieb-model={spec}: {error}") from error
    except ModelError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(f"--mieb-model={spec}: it was loaded, but embeds nothing: {_said(error)}") from error
    shapes: dict[str, Sequence[int]] = {name: getattr(vectors, "shape", ()) for name, vectors in probes.items()}
    for name, shape in shapes.items():
        if len(shape) != 2 or shape[0] != 1:
            raise ModelError(
                f"--mieb-model={spec}: it gave an array of shape {tuple(shape)} for 1 of its {name}; "
                "it must be (1, dimension)"
            )
    dimensions = {name: shape[1] for name, shape in shapes.items()}
    if len(set(dimensions.values())) > 1:
        raise ModelError(
            f"--mieb-model={spec}: its images have {dimensions['images']} dimensions and its texts "
            f"{dimensions['texts']}, so they cannot be compared; load it with the projections that it was trained with"
        )
    try:
        said = embedder.dimension
    except (Exception, SystemExit) as error:
        raise ModelError(f"--mieb-model={spec}: it cannot say what its dimension is: {_said(error)}") from error
    wrong = {name: number for name, number in dimensions.items() if number != said}
    if wrong:
        name, number = next(iter(wrong.items()))
        raise ModelError(f"--mieb-model={spec}: it says that its dimension is {said}, but its {name} have {number}")
    return embedder


def _check_members(spec: str, embedder: Embedder) -> None:
    """Refuse what says of itself something that nobody can use, or fails where it is asked."""
    try:
        modalities, fingerprint, description = embedder.modalities, embedder.fingerprint, embedder.description
    except ModelError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(f"--mieb-model={spec}: it was loaded, but cannot say what it is: {_said(error)}") from error
    known = {"image", "text", "interleaved"}
    if not isinstance(modalities, Set) or not modalities or not modalities <= known:
        raise ModelError(
            f"--mieb-model={spec}: its modalities are {shown(modalities)}; they must be a set of some of "
            f"{', '.join(sorted(known))}"
        )
    if not isinstance(fingerprint, str | None) or fingerprint == "":
        raise ModelError(f"--mieb-model={spec}: its fingerprint is {shown(fingerprint)}; it must be a text, or None")
    if not isinstance(description, Description | None):
        raise ModelError(
            f"--mieb-model={spec}: its description is {shown(description)}; it must be a pytest_mieb.models "
            "Description, or None"
        )


def _from_factory(text: str, options: Mapping[str, str]) -> Embedder:
    module_name, _, attribute = text.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ModelError(
            f"--mieb-model={text}: the module {module_name} cannot be imported ({error}); "
            "put its folder on PYTHONPATH or install it"
        ) from error
    except (Exception, SystemExit) as error:
        raise ModelError(f"--mieb-model={text}: importing {module_name} failed: {_said(error)}") from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        names = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        near = difflib.get_close_matches(attribute, names, n=3) or names
        raise ModelError(
            f"--mieb-model={text}: {module_name} has no function {attribute}; it has {', '.join(near) or 'none'}"
        )
    _check_keywords(text, attribute, factory, options)
    try:
        embedder = factory(**options)
    except ModelError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(f"--mieb-model={text}: {attribute}() failed: {_said(error)}") from error
    missing = [name for name in _MEMBERS if not _has(embedder, name)]
    if missing:
        raise ModelError(
            f"--mieb-model={text}: what {attribute}() returns lacks {', '.join(missing)}; "
            "return a pytest_mieb.FunctionEmbedder, or a subclass of pytest_mieb.Embedder"
        )
    found: Embedder = embedder
    return found


def _check_keywords(text: str, name: str, factory: Callable[..., object], options: Mapping[str, str]) -> None:
    """Refuse `--mieb-model-arg` that the factory has no parameter for, and the lack of one that it needs."""
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):  # of a class in C, say: whether it takes them is seen as it is called
        return
    by_name = {
        each.name: each for each in parameters.values() if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    }
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    for option in options:
        if option not in by_name and not takes_any:
            raise ModelError(
                f"--mieb-model-arg={option}=...: {name}() of {text} takes no {option}.{did_you_mean(option, by_name)} "
                f"Legal are {', '.join(by_name) or 'none'}"
            )
    lacking = [each.name for each in parameters.values() if _needed(each) and each.name not in options]
    if lacking:
        raise ModelError(
            f"--mieb-model={text}: {name}() needs {', '.join(lacking)}; give "
            + " ".join(f"--mieb-model-arg={each}=..." for each in lacking)
        )


def _needed(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind not in (
        parameter.VAR_POSITIONAL,
        parameter.VAR_KEYWORD,
    )


def _has(embedder: object, name: str) -> bool:
    """A member that is there and fails, as a dimension does that asks a broken model, is for `checked` to tell."""
    try:
        return hasattr(embedder, name)
    except (Exception, SystemExit):
        return True


_MEMBERS = (
    "modalities",
    "dimension",
    "fingerprint",
    "description",
    "takes_any_mode",
    "prompted",
    "text_lengths",
    "embed_images",
    "embed_texts",
    "embed_interleaved",
)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {first_line(error)}"
