"""What every family must stand: the same checks for all of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms.v2 import functional

from pytest_mieb.data.rgb import in_mode
from pytest_mieb.models import Description, Embedder
from pytest_mieb.models.batching import LENGTH_STEP
from pytest_mieb.models.local import LocalEmbedder

NOISE = np.random.default_rng(0)
TEXTS = (
    "a dog",
    "a photo of a dog, a type of animal.",
    "",
    "x" * 500,
    "dog " * 700,
    "犬が走る",
    "Собака бежит",
    "🐕 ñ é",
)

# As many characters, but not as many tokens, in whatever way they are counted.
LETTERS = ("a b c d e f g h i j k l m n o p q r s t", "x" * 39)


def noise(height: int, width: int) -> Image.Image:
    return Image.fromarray(NOISE.integers(0, 255, (height, width, 3), dtype=np.uint8))


IMAGES = (noise(32, 32), noise(50, 90), noise(200, 40), noise(1, 1), noise(10, 4000))
ODD_MODES = {
    "RGBA": noise(40, 60).convert("RGBA"),
    "grey": noise(40, 60).convert("L"),
    "CMYK": noise(40, 60).convert("CMYK"),
    "one bit": noise(40, 60).convert("1"),
    "palette": noise(40, 40).quantize(8),
}


def _as_png(image: Image.Image, **options: Any) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return Image.open(buffer)


def _see_through(image: Image.Image) -> Image.Image:
    """With a half that is not there, and a quarter that is there in part."""
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, image.width // 2, image.height))
    alpha.paste(90, (image.width // 2, 0, image.width, image.height // 2))
    image.putalpha(alpha)
    return image


def _with_a_level(level: int) -> Image.Image:
    return noise(40, 60).convert("L").point(lambda value: level if value < 128 else value)


def _with_a_colour(*colour: int) -> Image.Image:
    image = noise(40, 60)
    image.paste(colour, (0, 0, 30, 30))
    return image


# All ways in which a PNG can be transparent.
TRANSPARENT = {
    "RGBA": _as_png(_see_through(noise(40, 60))),
    "grey with alpha": _as_png(_see_through(noise(40, 60).convert("L"))),
    "palette with alphas": _as_png(noise(40, 60).quantize(8), transparency=bytes([0, 90, 255, 0, 255, 255, 255, 0])),
    "palette with a colour": _as_png(noise(40, 60).quantize(8), transparency=3),
    "grey with a level": _as_png(_with_a_level(40), transparency=40),
    "RGB with a colour": _as_png(_with_a_colour(1, 2, 3), transparency=(1, 2, 3)),
}


def given(model: Embedder, images: Sequence[Image.Image]) -> list[Image.Image]:
    """Pictures of any mode as they come to the model."""
    return [in_mode(image, model.image_mode) for image in images]


def on_white(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def opaque(image: Image.Image) -> Image.Image:
    rgb = image.convert("RGBA").convert("RGB")
    rgb.info.clear()
    return rgb


def opaque_first(image: Image.Image) -> Image.Image:
    """As Pillow makes RGB of it and transformers takes that: alphas are gone, a colour that stands for one is white."""
    keyed = isinstance(image.info.get("transparency"), (int, tuple))
    return on_white(image) if keyed else opaque(image)


def tinted(height: int, width: int, *colour: float) -> Image.Image:
    return Image.fromarray((NOISE.integers(0, 255, (height, width, 3)) * np.array(colour)).astype(np.uint8))


# Clearly different ones, for what is compared with a reference.
TINTED = [
    tinted(32, 32, 1, 1, 1),
    tinted(50, 90, 1, 0.3, 0),
    tinted(200, 40, 0, 0.2, 1),
    tinted(1, 1, 0.2, 1, 0.1),
    tinted(10, 300, 0.6, 0, 0.6),
]


def description_of(model: Embedder) -> Description:
    """What is said of a loaded model: of every family there is something to say."""
    assert model.description is not None
    return model.description


def assert_same(found: Any, expected: Any) -> None:
    """Row by row: a cosine above 0.99999 and the same length."""
    found, expected = (np.asarray(each, dtype=np.float64) for each in (found, expected))
    assert found.shape == expected.shape
    lengths = [np.linalg.norm(each, axis=1) for each in (found, expected)]
    np.testing.assert_allclose(lengths[0], lengths[1], rtol=1e-4)
    cosines = (found * expected).sum(axis=1) / (lengths[0] * lengths[1])
    assert cosines.min() > 0.99999, f"cosines {cosines.round(6).tolist()}"


def assert_scattered(vectors: NDArray[np.float32]) -> None:
    """Different items have clearly different embeddings; else a comparison with a reference shows little."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T - 2 * np.eye(len(unit))
    assert cosines.max() < 0.9999, f"two items lie {cosines.max():.6f} close"


def check_images(
    model: Embedder,
    images: Sequence[Image.Image] = IMAGES,
    alpha: Callable[[Image.Image], Image.Image] | None = on_white,
    most: int = 3_000_000,
) -> None:
    """Batch equals single, order does not matter, and a picture of any mode is embedded as its RGB.

    Args:
        alpha: how RGB is made of a transparent picture; None where that is done after resizing.
        most: how many pixels may be made of a very thin one.
    """
    together = model.embed_images(images)
    assert (together.dtype, together.shape) == (np.dtype(np.float32), (len(images), model.dimension))
    assert np.isfinite(together).all()
    assert_same(np.concatenate([model.embed_images([image]) for image in images]), together)
    assert_same(model.embed_images(images[::-1])[::-1], together)
    assert largest_made(model, noise(1, 8000)) < most
    odd = [image for name, image in ODD_MODES.items() if alpha or name in ("RGBA", "grey")]
    assert_same(model.embed_images(given(model, odd)), model.embed_images([image.convert("RGB") for image in odd]))
    if alpha:
        seen = list(TRANSPARENT.values())
        assert_same(model.embed_images(given(model, seen)), model.embed_images(list(map(alpha, seen))))


def largest_made(model: Embedder, image: Image.Image) -> int:
    """The most pixels that a picture had after any resizing on its way to the model."""
    made = [0]

    def resize(image: Any, *arguments: Any, **keywords: Any) -> Any:
        resized = of_torch(image, *arguments, **keywords)
        made.append(resized.shape[-1] * resized.shape[-2])
        return resized

    def resize_in_pillow(image: Image.Image, size: tuple[int, int], *arguments: Any, **keywords: Any) -> Image.Image:
        made.append(size[0] * size[1])
        return of_pillow(image, size, *arguments, **keywords)

    of_torch, of_pillow = functional.resize, Image.Image.resize
    with patch.object(functional, "resize", resize), patch.object(Image.Image, "resize", resize_in_pillow):
        model.embed_images([image])
    return max(made)


def check_texts(model: Embedder, texts: Sequence[str] = TEXTS) -> None:
    """Batch equals single, and order does not matter, whatever the texts."""
    together = model.embed_texts(texts)
    assert (together.dtype, together.shape) == (np.dtype(np.float32), (len(texts), model.dimension))
    assert np.isfinite(together).all()
    assert_same(np.concatenate([model.embed_texts([text]) for text in texts]), together)
    assert_same(model.embed_texts(texts[::-1])[::-1], together)
    _check_lengths(model)


def _check_lengths(model: Embedder) -> None:
    """Texts that the model calls about equally long are computed at once, whatever number of characters they have."""
    texts = [*LETTERS, *(text[:200] for text in TEXTS)]
    steps = -(-np.maximum(model.text_lengths(texts), 1) // LENGTH_STEP)
    for step in np.unique(steps):
        with patch.object(LocalEmbedder, "run", autospec=True, side_effect=LocalEmbedder.run) as run:
            model.embed_texts([text for text, each in zip(texts, steps, strict=True) if each == step])
        assert run.call_count <= 1


def check_interleaved(
    model: Embedder, images: Sequence[Image.Image] = IMAGES, texts: Sequence[str] = TEXTS[: len(IMAGES)]
) -> None:
    """Batch equals single, order does not matter, and both the image and the text count."""
    assert "interleaved" in model.modalities
    together = model.embed_interleaved(images, texts)
    assert (together.dtype, together.shape) == (np.dtype(np.float32), (len(images), model.dimension))
    pairs = list(zip(images, texts, strict=True))
    assert_same(np.concatenate([model.embed_interleaved([image], [text]) for image, text in pairs]), together)
    assert_same(model.embed_interleaved(images[::-1], texts[::-1])[::-1], together)
    other_text = model.embed_interleaved(images[:1], ["something else"])
    other_image = model.embed_interleaved(images[1:2], texts[:1])
    assert np.abs(other_text - together[:1]).max() > 1e-6 < np.abs(other_image - together[:1]).max()
