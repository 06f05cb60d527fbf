"""What all families on this machine share: a torch module on its device, its dtype, its keys, its fingerprint."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb import __version__
from pytest_mieb.data.rgb import ImageMode
from pytest_mieb.models.description import Description
from pytest_mieb.models.embedder import Embedder, as_array
from pytest_mieb.models.errors import ModelError
from pytest_mieb.models.files.hashing import fingerprint
from pytest_mieb.models.files.hub import commit_of
from pytest_mieb.models.files.refusing import as_model_errors, check_files, check_keys
from pytest_mieb.models.preprocessing import IMAGE_BACKEND, correct
from pytest_mieb.models.request import Request

if TYPE_CHECKING:
    from PIL.Image import Image

DTYPES = ("float32", "float16", "bfloat16")
# Without any of these transformers makes up a tokenizer of a few tokens, and says nothing.
TOKENIZERS = ("tokenizer.json", "vocab.json", "vocab.txt", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model")
IMAGE_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
_WEIGHTS = (".safetensors", ".bin")
# How many pictures are prepared at once: more no longer lie in the caches.
_AT_ONCE = 16


class LocalEmbedder(Embedder):
    """A torch module with its description and fingerprint; a family adds how it embeds, and in which mode it sees.

    Args:
        model: in evaluation mode and on its device; its first parameter says where inputs go and in which dtype.
        description, fingerprint: as `described` makes them.
        modalities: what the family's methods embed.
    """

    image_mode: ImageMode = "any"

    def __init__(
        self,
        model: Any,
        description: Description,
        fingerprint: str,
        modalities: Iterable[str] = ("image", "text"),
    ) -> None:
        self._model = model
        self._description = description
        self._fingerprint = fingerprint
        self._modalities = frozenset(modalities)

    @property
    def modalities(self) -> frozenset[str]:
        return self._modalities

    @property
    def dimension(self) -> int:
        return self._description.dimension

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    @property
    def description(self) -> Description:
        return self._description

    def run(self, function: Callable[..., Any], inputs: Mapping[str, Any]) -> NDArray[np.float32]:
        """Call `function` with the tensors of `inputs` on the model's device, floating ones in its dtype."""
        import torch

        weight = next(self._model.parameters())
        placed = {
            name: value.to(weight.device, weight.dtype if value.is_floating_point() else None, non_blocking=True)
            if isinstance(value, torch.Tensor)
            else value
            for name, value in inputs.items()
        }
        with torch.inference_mode():
            return as_array(function(**placed))


class PreparingEmbedder(LocalEmbedder):
    """A family whose preprocessing of pictures stands apart from the model: `pixels` and then `see`."""

    def pixels(self, images: Sequence[Image]) -> Mapping[str, Any]:
        """What the image processor makes of n pictures."""
        raise NotImplementedError

    def see(self, **tensors: Any) -> Any:
        """What the model makes of that, (n, dimension)."""
        raise NotImplementedError

    def prepare_images(self, images: Sequence[Image]) -> Mapping[str, Any] | None:
        return _pinned(self._prepared(images), next(self._model.parameters()).device)

    def preparing_apart(self) -> Callable[[Sequence[Image]], Mapping[str, Any]] | None:
        apart = copy(self)
        apart._model = None
        return apart._prepared

    def embed_prepared(self, prepared: Mapping[str, Any]) -> NDArray[np.float32]:
        return self.run(self.see, prepared)

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        return self.run(self.see, self._prepared(images))

    def _prepared(self, images: Sequence[Image]) -> Mapping[str, Any]:
        return _in_parts(self.pixels, images)


def _in_parts(pixels: Callable[[Sequence[Image]], Mapping[str, Any]], images: Sequence[Image]) -> Mapping[str, Any]:
    """The pixels of pictures, made of a few at a time: that needs less memory, and is done within a processor's caches.

    The last ones may be one and the same, which is then prepared once, and repeated. Where pixels depend on what lies
    beside them, as where all are padded to the largest, they are made of all at once.
    """
    count = len(images)
    while count > 1 and images[count - 1] is images[count - 2]:
        count -= 1
    whole: dict[str, Any] = {}
    for start in range(0, count, _AT_ONCE):
        end = min(start + _AT_ONCE, count)
        part = pixels(images[start:end])
        if end - start == len(images):
            return dict(part)
        if not _alike(part, end - start, whole):
            return dict(pixels(images))
        whole = whole or {name: each.new_empty((len(images), *each.shape[1:])) for name, each in part.items()}
        for name, each in part.items():
            whole[name][start:end] = each
    for each in whole.values():
        each[count:] = each[count - 1]
    return whole


def _alike(part: Mapping[str, Any], count: int, whole: Mapping[str, Any]) -> bool:
    """Whether these are tensors with a row for each of `count` pictures, like the rows of `whole`, if there are any."""
    import torch

    plain = all(isinstance(each, torch.Tensor) and each.ndim and len(each) == count for each in part.values())
    kinds = [{name: (each.shape[1:], each.dtype) for name, each in side.items()} for side in (part, whole) if plain]
    return plain and (not whole or kinds[0] == kinds[1])


def _pinned(tensors: Mapping[str, Any], device: Any) -> Mapping[str, Any]:
    """In memory that a GPU copies from by itself, beside its work."""
    import torch

    if device.type != "cuda":
        return tensors
    return {name: each.pin_memory() if isinstance(each, torch.Tensor) else each for name, each in tensors.items()}


def described(
    request: Request,
    *,
    family: str,
    architecture: str,
    dimension: int,
    preprocessing: Mapping[str, Any],
    dtype: str = "float32",
    warnings: tuple[str, ...] = (),
    resolved: Mapping[str, Any] | None = None,
    files: Iterable[Path | None] = (),
) -> tuple[Description, str]:
    """The description and the fingerprint of what was loaded.

    Args:
        dtype: the family's own, where the request names none.
        resolved: whatever else an embedding depends on and that the files of the request do not hold.
        files: further files or folders that were read.
    """
    import PIL
    import torch
    import torchvision
    import transformers

    dtype = request.dtype or dtype
    known = {
        "family": family,
        "architecture": architecture,
        "preprocessing": dict(preprocessing),
        "resolved": dict(resolved or {}),
        "name": request.name,
        "options": dict(request.options),
        "device": torch.device(request.device).type,
        "dtype": dtype,
        "versions": [__version__, *(each.__version__ for each in (torch, torchvision, transformers, PIL))],
    }
    paths = [request.folder, request.file, request.adapter, request.processor, *files]
    found = fingerprint(paths, known, memory=request.memory)
    commit = commit_of(request.folder) if request.folder and not request.file and not request.adapter else None
    version = f"revision {commit[:12]}" if commit else f"hash {found[:12]}"
    return Description(family, architecture, version, dimension, dtype, dict(preprocessing), warnings), found


def load_transformers(
    model_class: Any,
    request: Request,
    *,
    dtype: str = "float32",
    may_lack: Collection[str] = (),
    may_have: Collection[str] = (),
    **keywords: Any,
) -> tuple[Any, tuple[str, ...]]:
    """Load weights with a class of transformers, merge the adapter, and move them to the device, for evaluation.

    Args:
        model_class: a class with `from_pretrained`.
        dtype: the family's own, where the request names none.
        may_lack: prefixes of keys that a checkpoint may come without, of each all or none; they keep their
            initialisation, seeded.
        may_have: prefixes of keys that a checkpoint may hold beside its own.
        keywords: further ones for `from_pretrained`.

    Returns:
        The model, and the prefixes of `may_lack` that were missing.

    Raises:
        ModelError: no weights, damaged ones, other keys or shapes than the architecture's, or no room on the device.
    """
    import torch

    folder = request.path
    dtype = request.dtype or dtype
    weights = [file for file in folder.iterdir() if file.suffix in _WEIGHTS]
    if not weights:
        raise ModelError(
            f"{folder}: no weights there (*.safetensors, *.bin); save the model with "
            "save_pretrained, or give the folder that has them"
        )
    check_files(sorted(weights))
    check_room(folder, request.device, dtype)
    with as_model_errors(folder), _unreported(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, info = model_class.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # refused below, by name
            trust_remote_code=request.trust_remote_code,
            **keywords,
        )
    missing = set(info["missing_keys"])
    own = {prefix: {key for key in model.state_dict() if key.startswith(prefix)} for prefix in may_lack}
    lacking = tuple(prefix for prefix, keys in own.items() if keys and keys <= missing)
    check_keys(
        folder,
        missing=[key for key in missing if not key.startswith(lacking)],
        unexpected=[key for key in info["unexpected_keys"] if not key.startswith(tuple(may_have))],
        mismatched=[key[0] if isinstance(key, tuple) else key for key in info["mismatched_keys"]],
    )
    if request.adapter:
        from pytest_mieb.models.files.adapter import merge

        model = merge(model, request.adapter)
    with as_model_errors(folder):
        return model.eval().to(request.device), lacking


def placed(model: Any, request: Request) -> Any:
    """A module for evaluation, on the device and in the dtype of the request: float32 where it names none."""
    import torch

    return model.eval().to(request.device, getattr(torch, request.dtype or "float32"))


@contextmanager
def _unreported() -> Iterator[None]:
    """Without the table of keys that transformers logs: what does not fit is refused in one sentence."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def check_room(folder: Path, device: str, dtype: str) -> None:
    """Refuse a model whose weights alone need more memory than the device has.

    Counts the tensors that the safetensors headers name; other formats are not looked into.

    Raises:
        ModelError: it says how much is needed and how much there is.
    """
    import torch

    need = parameters_in(folder) * _BYTES[dtype]
    kind = torch.device(device).type
    if kind == "cuda":
        there = torch.cuda.mem_get_info(device)[1]
    elif hasattr(os, "sysconf"):
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    else:
        return
    if need > there:
        gib = 1 << 30
        cheaper = " Try --mieb-dtype=bfloat16, or" if dtype == "float32" else " Take"
        raise ModelError(
            f"{folder}: its weights need {need / gib:.1f} GiB in {dtype}, and {device} has {there / gib:.1f} GiB."
            f"{cheaper} a larger device"
        )


def parameters_in(folder: Path) -> int:
    """How many numbers the safetensors files directly in `folder` hold, from their headers."""
    import json
    import math

    count = 0
    for file in folder.glob("*.safetensors"):
        try:
            with open(file, "rb") as content:
                header = json.loads(content.read(int.from_bytes(content.read(8), "little")))
            count += sum(math.prod(each["shape"]) for name, each in header.items() if name != "__metadata__")
        except (OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError):
            continue  # damaged: whoever loads it says so
    return count


def load_processor(request: Request, *, text: bool = True, **keywords: Any) -> Any:
    """The processor beside the weights, or where the request says, with the corrections of the request.

    Raises:
        ModelError: there is none, or it is damaged.
    """
    from transformers import AutoProcessor

    folder = request.processor_path
    if text and not any((folder / name).is_file() for name in TOKENIZERS):
        raise ModelError(
            f"{folder}: no tokenizer ({', '.join(TOKENIZERS)}); save the processor beside the weights, or name a "
            "folder or hub id that has it with --mieb-processor"
        )
    processor = _prepared(AutoProcessor, request, **keywords)
    correct(getattr(processor, "image_processor", processor), request.options)
    return processor


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in a folder, for models that are read without a processor.

    Raises:
        ModelError: there is none, or it is damaged.
    """
    from transformers import AutoTokenizer

    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise ModelError(f"{folder}: no tokenizer ({', '.join(TOKENIZERS)}); save it beside config.json")
    with as_model_errors(folder):
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)


def load_image_processor(request: Request, **keywords: Any) -> Any:
    """The image processor alone, for models without text."""
    from transformers import AutoImageProcessor

    processor = _prepared(AutoImageProcessor, request, **keywords)
    correct(processor, request.options)
    return processor


def _prepared(auto_class: Any, request: Request, **keywords: Any) -> Any:
    folder = request.processor_path
    try:
        with as_model_errors(folder):
            return auto_class.from_pretrained(
                folder, backend=IMAGE_BACKEND, trust_remote_code=request.trust_remote_code, **keywords
            )
    except ModelError as error:
        if any((folder / name).is_file() for name in IMAGE_PROCESSORS):
            raise
        raise ModelError(
            f"{folder}: no image processor ({' or '.join(IMAGE_PROCESSORS)}); save the processor beside the weights, "
            "or name a folder or hub id that has it with --mieb-processor"
        ) from error
