"""The stations from file to embedding, run with the libraries of this environment."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.canary.golden import Golden, current_fingerprint
from pytest_mieb.canary.probes import IMAGES, TEXTS
from pytest_mieb.canary.report import CanaryError
from pytest_mieb.data.rgb import as_rgb
from pytest_mieb.miniature import MODEL_DIR
from pytest_mieb.models.embedder import as_array

LIBRARIES = ("datasets", "numpy", "pillow", "tokenizers", "torch", "torchvision", "transformers")


class Canary(NamedTuple):
    """The loaded miniature, in float32."""

    model: Any
    image_processor: Any
    tokenizer: Any


@dataclass(frozen=True)
class Observed:
    """What the stations gave here: as in `Golden`, of any shape, and normalised pixels instead of levels."""

    decoded: Mapping[str, NDArray[np.uint8]]
    pixel_values: tuple[NDArray[np.float32], NDArray[np.float32]]
    input_ids: NDArray[np.int32]
    attention_mask: NDArray[np.int32]
    image_embeddings: NDArray[np.float32]
    text_embeddings: NDArray[np.float32]


def load(device: str = "cpu") -> Canary:
    """The miniature's model, by the way that models of transformers take. Raises CanaryError."""
    from transformers import AutoModel

    from pytest_mieb.models.local import load_processor, load_transformers
    from pytest_mieb.models.request import Request

    request = Request(spec="miniature", folder=MODEL_DIR, device=device, dtype="float32")
    with _at("loading"), _no_progress_bar():
        model, _ = load_transformers(AutoModel, request)
        processor = load_processor(request)
    return Canary(model, processor.image_processor, processor.tokenizer)


def observe(canary: Canary, golden: Golden) -> Observed:
    """Run every station on the golden values of the one before it. Raises CanaryError."""
    with _at("decode"):
        decoded = decode()
    with _at("preprocess"):
        pixels = preprocess(canary, golden.decoded)
    with _at("tokenise"):
        ids, mask = tokenise(canary)
    with _at("image embedding"):
        images = embed_images(canary, golden.pixel_values)
    with _at("text embedding"):
        texts = embed_texts(canary, golden.input_ids, golden.attention_mask)
    return Observed(decoded, pixels, ids, mask, images, texts)


def measure() -> Golden:
    """Golden values of this environment, on the CPU.

    Raises:
        CanaryError: the image processor gives pixels that are no whole levels of 0..255.
    """
    canary = load()
    decoded = decode()
    mean, std = (np.array(getattr(canary.image_processor, f"image_{name}"), np.float32) for name in ("mean", "std"))
    exact = levels_of(np.stack(preprocess(canary, decoded)), mean, std)
    levels = exact.round().clip(0, 255)
    if np.abs(exact - levels).max() > 0.01:
        raise CanaryError("the miniature's image processor gives pixels that are no whole levels of 0..255")
    ids, mask = tokenise(canary)
    nothing = np.empty((0, 0), np.float32)
    golden = Golden(
        decoded, levels.astype(np.uint8), mean, std, ids, mask, nothing, nothing, current_fingerprint(), environment()
    )
    images, texts = embed_images(canary, golden.pixel_values), embed_texts(canary, ids, mask)
    return replace(golden, image_embeddings=images, text_embeddings=texts)


def levels_of(
    pixel_values: NDArray[np.float32], mean: NDArray[np.float32], std: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Normalised pixels, shape (..., 3, height, width), back in levels of 0..255."""
    back: NDArray[np.float64] = (pixel_values.astype(np.float64) * std[:, None, None] + mean[:, None, None]) * 255
    return back


def decode() -> dict[str, NDArray[np.uint8]]:
    """Each file's pixels in RGB, decoded as the pictures of a dataset are."""
    import datasets

    feature = datasets.Image()
    files = {file.name: file.read_bytes() for file in sorted(IMAGES.iterdir())}
    return {
        name: np.asarray(as_rgb(feature.decode_example({"bytes": content, "path": None})))
        for name, content in files.items()
    }


def preprocess(
    canary: Canary, decoded: Mapping[str, NDArray[np.uint8]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Resized to a square; and resized by the shorter edge, with the centre cropped."""
    from PIL import Image

    side = dict(canary.image_processor.size)["height"]
    pictures = [Image.fromarray(pixels) for pixels in decoded.values()]
    cropping = {
        "size": {"shortest_edge": side},
        "do_center_crop": True,
        "crop_size": {"height": side, "width": side},
    }
    resized = canary.image_processor(pictures, return_tensors="pt")["pixel_values"]
    cropped = canary.image_processor(pictures, return_tensors="pt", **cropping)["pixel_values"]
    return as_array(resized), as_array(cropped)


def tokenise(canary: Canary) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Token ids and attention mask of the texts, cut and padded to the context."""
    limit = min(canary.tokenizer.model_max_length, canary.model.config.text_config.max_position_embeddings)
    tokens = canary.tokenizer(list(TEXTS), padding="max_length", truncation=True, max_length=limit, return_tensors="np")
    return tokens["input_ids"].astype(np.int32), tokens["attention_mask"].astype(np.int32)


def embed_images(canary: Canary, pixel_values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 3, side, side) to (n, dimension)."""
    return _run(canary, "get_image_features", pixel_values=pixel_values)


def embed_texts(canary: Canary, input_ids: NDArray[np.int32], attention_mask: NDArray[np.int32]) -> NDArray[np.float32]:
    """(m, length) to (m, dimension)."""
    return _run(
        canary,
        "get_text_features",
        input_ids=input_ids.astype(np.int64),
        attention_mask=attention_mask.astype(np.int64),
    )


def _run(canary: Canary, method: str, **inputs: NDArray[Any]) -> NDArray[np.float32]:
    import torch

    weight = next(canary.model.parameters())
    tensors = {name: torch.from_numpy(values).to(weight.device) for name, values in inputs.items()}
    placed = {name: value.to(weight.dtype) if value.is_floating_point() else value for name, value in tensors.items()}
    with torch.inference_mode():
        return as_array(getattr(canary.model, method)(**placed).pooler_output)


def environment(device: str = "cpu") -> dict[str, str]:
    """What an embedding may depend on beside model and input: versions of libraries, the processor, the device."""
    import torch
    from PIL import features

    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "of unknown version"
    turbo = features.version_feature("libjpeg_turbo")
    found["JPEG decoder"] = f"libjpeg-turbo {turbo}" if turbo else f"libjpeg {features.version_codec('jpg')}"
    found["processor"] = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    kind = torch.device(device).type
    found["device"] = torch.cuda.get_device_name(device) if kind == "cuda" else kind
    return found


@contextmanager
def _at(station: str) -> Iterator[None]:
    """Whatever a library raises at a station, as one sentence: an environment that cannot run the canary moved."""
    try:
        yield
    except Exception as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CanaryError(
            f"the canary's {station} fails here ({type(error).__name__}: {said}); check the installation of "
            f"{', '.join(LIBRARIES)}"
        ) from error


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
