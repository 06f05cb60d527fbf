"""Folders of sentence-transformers: a chain of modules, loaded and run by that library itself."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.rgb import ImageMode
from pytest_mieb.models.description import Description
from pytest_mieb.models.embedder import Embedder, Purpose, Role, as_array
from pytest_mieb.models.errors import ModelError
from pytest_mieb.models.files.hub import read_json
from pytest_mieb.models.files.refusing import as_model_errors, check_files
from pytest_mieb.models.local import LocalEmbedder, described
from pytest_mieb.models.preprocessing import Pictures
from pytest_mieb.models.request import Request
from pytest_mieb.models.steps import of_processor, of_tokenizer
from pytest_mieb.support.wording import shown

if TYPE_CHECKING:
    from PIL.Image import Image

CHAIN, SETTINGS, ROUTES = "modules.json", "config_sentence_transformers.json", "router_config.json"
LIBRARY = "sentence_transformers"
OLDEST = (5, 4)
# The library's modules, by the last part of the name that a chain gives them: where they lie moved between versions.
MODULES = frozenset(
    {
        "Asym",
        "CLIPModel",
        "Dense",
        "Dropout",
        "LayerNorm",
        "Normalize",
        "Pooling",
        "Router",
        "StaticEmbedding",
        "Transformer",
        "WeightedLayerPooling",
    }
)
# What `encode_document` looks for, in its order.
_DOCUMENT = ("document", "passage", "corpus")
_TOGETHER = ("image", "text")


class SentenceTransformerModel(LocalEmbedder):
    """A chain of sentence-transformers, as it encodes for one side of a search: with that side's prompt and route.

    An input that is for no side is encoded by `encode`, with the default prompt; where the chain has a route for each
    side and none for the rest, it is encoded as a document.
    """

    image_mode: ImageMode = "RGB on white"

    def __init__(self, model: Any, modalities: Sequence[str], description: Description, fingerprint: str) -> None:
        super().__init__(model, description, fingerprint, modalities)
        self._role: Role | None = None
        images = _part(model, "image_processor")
        self._pictures = Pictures(images) if images is not None else list

    @property
    def fingerprint(self) -> str:
        prompt, task = _told(self._model, self._role)
        if (prompt, task) == _told(self._model, None):
            return self._fingerprint
        return blake2b(f"{self._fingerprint}\n{prompt}\n{task}".encode(), digest_size=16).hexdigest()

    def prompted(self, purpose: Purpose) -> Embedder:
        """A view on the same weights, for the side of the purpose."""
        view = copy.copy(self)
        view._role = purpose.role
        return view

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        return self._encode(self._pictures(images))

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._encode(list(texts))

    def embed_interleaved(self, images: Sequence[Image], texts: Sequence[str]) -> NDArray[np.float32]:
        pairs = zip(self._pictures(images), texts, strict=True)
        return self._encode([{"image": image, "text": text} for image, text in pairs])

    def _encode(self, inputs: list[Any]) -> NDArray[np.float32]:
        return encode(self._model, inputs, self._role)


def encode(model: Any, inputs: list[Any], role: Role | None) -> NDArray[np.float32]:
    """What `encode`, `encode_query` or `encode_document` of the library make of one batch; shape (n, d)."""
    prompt, task = _told(model, role)
    keywords: dict[str, Any] = {"prompt_name": prompt, "batch_size": len(inputs), "show_progress_bar": False}
    return as_array(model.encode(inputs, convert_to_tensor=True, **keywords, **({"task": task} if task else {})))


def _told(model: Any, role: Role | None) -> tuple[str | None, str | None]:
    """The name of the prompt and the task that the library encodes with for a role."""
    names = {"query": ("query",), "document": _DOCUMENT}.get(role or "", ())
    prompt = next((name for name in names if name in model.prompts), None)
    if role is None and _needs_task(model):
        return _told(model, "document")
    return prompt, role


def _needs_task(model: Any) -> bool:
    """Whether a router knows queries and documents, and no route for what is neither."""
    routers = [module for module in model.modules() if type(module).__name__ in ("Router", "Asym")]
    routes = [
        set(getattr(module, "sub_modules", {})) for module in routers if getattr(module, "default_route", 1) is None
    ]
    return any({"query", "document"} <= each for each in routes)


def load(request: Request) -> Embedder:
    """Load a folder with a chain of modules, in float32 unless the request says otherwise. Raises ModelError."""
    folder = request.path
    request.only(())
    request.alone()
    types = _types(folder)
    _check_kind(folder)
    _check_modules(folder, types, trusted=request.trust_remote_code)
    check_files(sorted(file for file in folder.rglob("*") if file.suffix in (".safetensors", ".bin")))
    model = _loaded(request)
    modalities = _modalities(model)
    first = "text" if "text" in modalities else "image"
    dimension = _dimension(request, model, first)
    images, words = _part(model, "image_processor"), _part(model, "tokenizer")
    steps = {
        **(of_processor(images) if images is not None else {}),
        **({"text length": model.max_seq_length} if words is not None else {}),
        **(of_tokenizer(words) if words is not None else {}),
        **{f"{name} prompt": repr(text) for name, text in model.prompts.items() if text},
        **({"default prompt": model.default_prompt_name} if model.default_prompt_name else {}),
        **({"truncated to": model.truncate_dim} if model.truncate_dim else {}),
    }
    warnings = []
    if model.similarity_fn_name != "cosine":
        warnings.append(f"trained for similarity by {model.similarity_fn_name}, and MIEB compares by cosine")
    if "image" not in modalities:
        warnings.append("it embeds no images, which all tasks of MIEB but one need")
    description, fingerprint = described(
        request,
        family="sentence-transformers",
        architecture=" > ".join(_name_of(module) for module in model),
        dimension=dimension,
        preprocessing=steps,
        warnings=tuple(warnings),
        resolved={"image": images.to_dict() if images is not None else None, "version": _version()},
    )
    return SentenceTransformerModel(model, modalities, description, fingerprint)


def _loaded(request: Request) -> Any:
    """The chain, on its device and in its dtype, for evaluation."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise ModelError(
            f"{request.path}: a folder of sentence-transformers ({CHAIN}) needs that library; run: "
            'pip install "pytest-mieb[sentence-transformers]"'
        ) from error
    import torch

    if tuple(map(int, _version().split(".")[:2])) < OLDEST:
        raise ModelError(
            f"{request.path}: needs sentence-transformers {'.'.join(map(str, OLDEST))}, here is {_version()}; run: "
            'pip install -U "pytest-mieb[sentence-transformers]"'
        )
    dtype = getattr(torch, request.dtype or "float32")
    with as_model_errors(request.path), _quiet():
        model = SentenceTransformer(
            str(request.path),
            device=request.device,
            trust_remote_code=request.trust_remote_code,
            local_files_only=True,
            model_kwargs={"dtype": dtype},
        )
        return model.eval().to(dtype)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's notes on what it loads: what matters stands in the description."""
    logger = logging.getLogger(LIBRARY)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _version() -> str:
    from importlib.metadata import version

    return version("sentence-transformers")


def _types(folder: Path) -> list[str]:
    """The types of all modules, those behind a router included, in the order of the chain.

    Raises:
        ModelError: modules.json is no chain.
    """
    try:
        entries = json.loads((folder / CHAIN).read_text(encoding="utf-8"))
        chain = [(str(entry["type"]), folder / str(entry["path"])) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{folder}: {CHAIN} cannot be used: it is no list of modules with type and path; save the model again"
        ) from error
    if not chain:
        raise ModelError(f"{folder}: {CHAIN} names no module; save the model again")
    outside = [place for _, place in chain if folder.resolve() not in (place.resolve(), *place.resolve().parents)]
    if outside:
        raise ModelError(f"{folder}: {CHAIN} names a folder outside of it; save the model again")
    found = []
    for kind, place in chain:
        found.append(kind)
        if (place / ROUTES).is_file():
            routes = read_json(place / ROUTES).get("types")
            found += map(str, routes.values()) if isinstance(routes, dict) else []
    return found


def _check_kind(folder: Path) -> None:
    """Refuse what is saved by the same library and gives no single vector an input."""
    kind = read_json(folder / SETTINGS).get("model_type") if (folder / SETTINGS).is_file() else None
    if kind in ("CrossEncoder", "SparseEncoder"):
        raise ModelError(
            f"{folder}: a {kind} of sentence-transformers; MIEB compares one dense vector an input, as a "
            "SentenceTransformer gives it"
        )


def _check_modules(folder: Path, types: Sequence[str], *, trusted: bool) -> None:
    for kind in types:
        package, _, name = kind.partition(".")[0], "", kind.rpartition(".")[2]
        if package == LIBRARY and name in MODULES:
            continue
        if package == LIBRARY:
            raise ModelError(
                f"{folder}: {CHAIN} names the module {shown(kind)}, which is not understood; understood are "
                f"{', '.join(sorted(MODULES))}. Load it in a factory and give --mieb-model=package.module:factory"
            )
        if not trusted:
            raise ModelError(
                f"{folder}: {CHAIN} names the module {shown(kind)}, which is code that comes with the model; read it, "
                "and give --mieb-trust-remote-code to run it"
            )


def _modalities(model: Any) -> list[str]:
    known = [name for name in ("image", "text") if model.supports(name)]
    together = any(model.supports(pair) for pair in (_TOGETHER, _TOGETHER[::-1]))
    return [*known, *(["interleaved"] if together and len(known) == 2 else [])]


def _dimension(request: Request, model: Any, modality: str) -> int:
    """By an embedding: a chain may say nothing of its length, or something else than it gives."""
    from PIL import Image

    sample = "a photo" if modality == "text" else Image.new("RGB", (64, 64), "grey")
    with as_model_errors(request.path):
        return int(encode(model, [sample], None).shape[1])


def _part(model: Any, name: str) -> Any:
    """The image processor or the tokenizer of the first module, or of a route; None where there is none."""
    for module in model.modules():
        processor = getattr(module, "processor", None)
        for holder in (processor, module):
            found = getattr(holder, name, None) if holder is not None else None
            if found is not None and hasattr(found, "to_dict" if name == "image_processor" else "init_kwargs"):
                return found
        if name == "image_processor" and hasattr(processor, "image_mean"):
            return processor
    return None


def _name_of(module: Any) -> str:
    """A module, with the class of the model that it wraps and the routes that it chooses between."""
    inner = getattr(module, "auto_model", None) or getattr(module, "model", None)
    routes: Mapping[str, Any] = getattr(module, "sub_modules", {})
    if inner is not None:
        return f"{type(module).__name__}({type(inner).__name__})"
    chains = [f"{route}: {' > '.join(map(_name_of, chain))}" for route, chain in routes.items()]
    return f"{type(module).__name__}({'; '.join(chains)})" if chains else type(module).__name__
