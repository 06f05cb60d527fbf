"""A model whose embeddings are not the items' own is refused before the first task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from pytest_mieb import FunctionEmbedder
from pytest_mieb.models import Embedder, ModelError, load_embedder
from pytest_mieb.models.batching import LENGTH_STEP
from pytest_mieb.models.probing import SIZES, TEXTS, Probes, probed, sentences
from tests.models.families import builders_dual_encoder, builders_mllm

SIDE = 8
WEIGHTS = np.random.default_rng(0).normal(size=(3 * SIDE * SIDE, 16)).astype(np.float32)


def pixels(images: Sequence[Image.Image]) -> torch.Tensor:
    small = [np.asarray(image.resize((SIDE, SIDE)), np.float32).ravel() / 255 for image in images]
    return torch.from_numpy(np.stack(small) @ WEIGHTS)


def letters(texts: Sequence[str]) -> NDArray[np.float32]:
    return np.array([[len(text), text.count("a"), 1.0] for text in texts], np.float32)


def of_module(module: torch.nn.Module) -> FunctionEmbedder:
    def embed(images: list[Image.Image]) -> torch.Tensor:
        return module(pixels(images))

    return FunctionEmbedder(embed)


def test_a_steady_model_is_known_by_the_same_numbers_again() -> None:
    model = FunctionEmbedder(pixels, lambda texts: np.tile(letters(texts), (1, 6))[:, :16])
    first, second = probed("m", model), probed("m", model)
    assert first.images.shape == (len(SIZES), 16) and first.texts.shape == (len(TEXTS) + 1, 16)
    assert first.moved == 0.0 and first.distance(second) == 0.0


@pytest.mark.parametrize("modality", ["images", "texts"])
def test_only_what_the_model_embeds_is_probed(modality: str) -> None:
    found = probed("m", FunctionEmbedder(images=pixels) if modality == "images" else FunctionEmbedder(texts=letters))
    assert (found.images.shape[0] > 0, found.texts.shape[0] > 0) == (modality == "images", modality == "texts")


def _of_counter() -> Callable[[list[Any]], Any]:
    calls = [0.0]

    def embed(images: list[Image.Image]) -> Any:
        calls[0] += 1
        return pixels(images) + calls[0]

    return embed


def _cropped(images: list[Image.Image]) -> Any:
    generator = np.random.default_rng()
    corners = [(int(x), int(y)) for x, y in generator.integers(0, 32, (len(images), 2))]
    return pixels([image.crop((x, y, x + 32, y + 32)) for image, (x, y) in zip(images, corners, strict=True)])


@pytest.mark.parametrize(
    "model",
    [
        of_module(torch.nn.Sequential(torch.nn.Dropout(0.1)).train()),
        FunctionEmbedder(_of_counter()),
        FunctionEmbedder(_cropped),
    ],
    ids=["dropout", "state", "random crop"],
)
def test_what_differs_when_it_comes_again_is_refused(model: Embedder) -> None:
    with pytest.raises(ModelError, match=r"--mieb-model=m: .*same image inputs come again.*model\.eval\(\)"):
        probed("m", model)


def _padded(texts: list[str]) -> Any:
    """The mean over all places of a row, padding included."""
    longest = max(map(len, texts))
    return np.array([[sum(map(ord, text)) / longest, 1.0] for text in texts], np.float32)


@pytest.mark.parametrize(
    ("model", "modality"),
    [
        (of_module(torch.nn.BatchNorm1d(16).train()), "image"),
        (FunctionEmbedder(texts=_padded), "text"),
        (FunctionEmbedder(texts=lambda texts: letters(texts) / np.linalg.norm(letters(texts))), "text"),
    ],
    ids=["batch norm", "padding", "norm over the batch"],
)
def test_what_depends_on_its_neighbours_is_refused(model: Embedder, modality: str) -> None:
    with pytest.raises(ModelError, match=f"--mieb-model=m: the embedding of one of its {modality} inputs depends on"):
        probed("m", model)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rounding_of_short_floats_is_no_unsteadiness(dtype: torch.dtype) -> None:
    noise = np.random.default_rng(0)

    def embed(images: list[Image.Image]) -> torch.Tensor:
        found = pixels(images)
        return (found * (1 + 2e-3 * torch.from_numpy(noise.normal(size=found.shape).astype(np.float32)))).to(dtype)

    assert 0 < probed("m", FunctionEmbedder(embed)).moved < 1e-2


def test_nan_is_for_the_tasks_to_tell() -> None:
    assert probed("m", FunctionEmbedder(texts=lambda texts: letters(texts) * np.nan)).moved == 0.0


def test_one_text_fills_its_row(tmp_path: Path) -> None:
    model = load_embedder(str(builders_dual_encoder.build_aimv2(tmp_path)))
    assert model.text_lengths(sentences(model))[-1] % LENGTH_STEP == 0


def test_distance_is_that_of_the_probe_that_moved_most() -> None:
    one = np.eye(3, dtype=np.float32)
    other = one.copy()
    other[1] *= 1.25
    assert Probes(one, one).distance(Probes(other, one)) == pytest.approx(0.2)
    assert Probes(one, one).distance(Probes(one[:2], one)) == float("inf")


PROMPTS = {"text_prompt": "{text} is", "image_prompt": "<image>is", "both_prompt": "<image>{text}"}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of PaliGemma's processor
@pytest.mark.parametrize(
    ("build", "options", "module", "name"),
    [
        (builders_dual_encoder.build_aimv2, {}, "dual_encoder", "MASKED"),
        (builders_mllm.build_paligemma, PROMPTS, "mllm", "PREFIXED"),
    ],
    ids=["AIMv2", "PaliGemma"],
)
def test_models_whose_mask_is_left_out_where_nothing_is_padded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    build: Callable[[Path], Path],
    options: dict[str, str],
    module: str,
    name: str,
) -> None:
    """transformers then lets every token see all others; what the family does about it is needed, and enough."""
    model = load_embedder(str(build(tmp_path)), options=options)
    texts = ["a" * length for length in range(1, 40)]
    together = model.embed_texts(texts)
    alone = np.concatenate([model.embed_texts([text] * 3)[:1] for text in texts])
    np.testing.assert_allclose(together, alone, rtol=0, atol=2e-5 * np.abs(alone).max())
    probed("m", model)
    monkeypatch.setattr(f"pytest_mieb.models.families.{module}.{name}", ())
    with pytest.raises(ModelError, match="text inputs depends on which others lie beside it"):
        probed("m", model)


def _no_batch(images: list[Image.Image]) -> Any:
    return pixels(images[:1])


def _fails(images: list[Image.Image]) -> Any:
    if len(images) > 1:
        raise IndexError("one at a time\nplease")
    return pixels(images)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (_no_batch, "it gave an array of shape (1, 16) for 4 image inputs; it must be (4, dimension)"),
        (_fails, "it fails for 4 image inputs at once, all of them ordinary: IndexError: one at a time"),
    ],
)
def test_a_model_that_takes_one_input_only_is_refused(
    images: Callable[[list[Image.Image]], Any], sentence: str
) -> None:
    with pytest.raises(ModelError) as refusal:
        probed("m", FunctionEmbedder(images))
    assert str(refusal.value) == f"--mieb-model=m: {sentence}"
