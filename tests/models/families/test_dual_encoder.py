"""CLIP, SigLIP and SigLIP 2 from folders, against a plain computation with transformers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from pytest_mieb.models import Embedder, ModelError
from pytest_mieb.models.dual_encoder import DualEncoder, load
from tests.models.builders import build_clip

FAMILIES = ("clip", "siglip", "siglip2", "siglip2-naflex")
TEXTS = ["a dog", "a photo of a dog, a type of animal.", "", "x" * 500]
NOISE = np.random.default_rng(0)
IMAGES = [
    Image.fromarray(NOISE.integers(0, 255, (height, width, 3), dtype=np.uint8))
    for height, width in ((32, 32), (50, 90), (200, 40), (1, 1))
]


@pytest.fixture(scope="module")
def models(checkpoints: dict[str, Path]) -> dict[str, DualEncoder]:
    return {family: load(folder) for family, folder in checkpoints.items()}


def computed(folder: Path, method: str, inputs: Any) -> NDArray[np.float32]:
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return getattr(model, method)(**inputs).pooler_output.numpy()


@pytest.mark.parametrize("family", FAMILIES)
def test_images_as_transformers_computes_them(
    checkpoints: dict[str, Path], models: dict[str, DualEncoder], family: str
) -> None:
    folder = checkpoints[family]
    processor = AutoImageProcessor.from_pretrained(folder, backend="torchvision")
    expected = computed(folder, "get_image_features", processor(IMAGES, return_tensors="pt"))
    model = models[family]
    found = model.embed_images(IMAGES)
    assert (found.dtype, found.shape) == (np.float32, (len(IMAGES), model.dimension))
    np.testing.assert_array_equal(found, expected)


# How a family's texts are padded is what goes wrong without an error, so it is spelt out.
LENGTHS = {"clip": 77, "siglip": 64, "siglip2": 64, "siglip2-naflex": 64}


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_as_transformers_computes_them(
    checkpoints: dict[str, Path], models: dict[str, DualEncoder], family: str
) -> None:
    folder, length = checkpoints[family], LENGTHS[family]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    padding = "longest" if family == "clip" else "max_length"
    tokens = tokenizer(TEXTS, padding=padding, truncation=True, max_length=length, return_tensors="pt")
    assert tokens["input_ids"].shape == (len(TEXTS), length)
    expected = computed(folder, "get_text_features", tokens)
    model = models[family]
    found = model.embed_texts(TEXTS)
    assert (found.dtype, found.shape) == (np.float32, (len(TEXTS), model.dimension))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("family", ["siglip", "siglip2", "siglip2-naflex"])
def test_texts_of_siglip_are_padded_to_full_length_even_alone(
    checkpoints: dict[str, Path], models: dict[str, DualEncoder], family: str
) -> None:
    folder = checkpoints[family]
    short = AutoTokenizer.from_pretrained(folder)(["a dog"], return_tensors="pt")
    collapsed = computed(folder, "get_text_features", short)
    alone = models[family].embed_texts(["a dog"])
    np.testing.assert_allclose(alone, models[family].embed_texts(TEXTS)[:1], rtol=1e-4, atol=1e-5)
    assert np.abs(alone - collapsed).max() > 1e-2


@pytest.mark.parametrize(("family", "tolerance"), [("clip", 0), ("siglip", 0), ("siglip2", 0), ("siglip2-naflex", 0)])
def test_a_text_has_one_embedding_whatever_its_neighbours(
    models: dict[str, DualEncoder], family: str, tolerance: float
) -> None:
    # CLIP's texts are padded to the longest of the batch, which moves the last bits.
    model = models[family]
    short, long = (model.embed_texts(["a dog", neighbour])[0] for neighbour in ("a cat", "a cat " * 40))
    np.testing.assert_allclose(short, long, rtol=0, atol=tolerance * np.abs(short).max())


@pytest.mark.parametrize("family", FAMILIES)
def test_an_image_has_one_embedding_whatever_its_neighbours(models: dict[str, DualEncoder], family: str) -> None:
    model = models[family]
    one, other = (model.embed_images([IMAGES[0], neighbour])[0] for neighbour in IMAGES[1:3])
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_dual_encoder_is_an_embedder_of_images_and_of_texts(models: dict[str, DualEncoder], family: str) -> None:
    model = models[family]
    assert isinstance(model, Embedder)
    assert model.modalities == {"image", "text"}
    summed = model.embed_interleaved(IMAGES[:2], TEXTS[:2])
    np.testing.assert_array_equal(summed, model.embed_images(IMAGES[:2]) + model.embed_texts(TEXTS[:2]))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_computes_in_it_and_gives_float32(
    checkpoints: dict[str, Path], models: dict[str, DualEncoder], dtype: str
) -> None:
    exact, half = models["clip"], load(checkpoints["clip"], dtype=dtype)
    found, expected = half.embed_images(IMAGES), exact.embed_images(IMAGES)
    assert found.dtype == np.float32
    assert 0 < np.abs(found - expected).max() < 0.2 * np.abs(expected).max()
    assert np.array_equal(torch.from_numpy(found).to(getattr(torch, dtype)).float().numpy(), found)


def test_image_statistics_can_be_replaced(checkpoints: dict[str, Path], models: dict[str, DualEncoder]) -> None:
    sound = models["clip"]
    other = load(checkpoints["clip"], image_statistics={"image_mean": [0.5] * 3, "image_std": [0.5] * 3})
    assert not np.allclose(sound.embed_images(IMAGES), other.embed_images(IMAGES))
    np.testing.assert_array_equal(sound.embed_texts(TEXTS), other.embed_texts(TEXTS))
    assert sound.fingerprint != other.fingerprint


def copy(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


def rewrite(file: Path, change: Callable[[Any], Any]) -> None:
    file.write_text(json.dumps(change(json.loads(file.read_text()))))


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_the_fingerprint_is_that_of_the_content_and_not_of_the_name(
    checkpoints: dict[str, Path], models: dict[str, DualEncoder], tmp_path: Path
) -> None:
    known = models["clip"].fingerprint
    moved = copy(checkpoints["clip"], tmp_path / "step_40000")
    (moved / "README.md").write_text("# A model card changes no embedding")
    assert load(moved).fingerprint == known


def nudge(folder: Path) -> None:
    change_weights(folder, lambda weights: weights["logit_scale"].add_(1e-6))


def brighten(folder: Path) -> None:
    def change(content: dict[str, Any]) -> dict[str, Any]:
        content["image_processor"]["image_mean"] = [0.4, 0.4, 0.4]
        return content

    rewrite(folder / "processor_config.json", change)


@pytest.mark.parametrize("change", [nudge, brighten])
def test_the_fingerprint_changes_with_the_content(
    checkpoints: dict[str, Path], models: dict[str, DualEncoder], tmp_path: Path, change: Callable[[Path], None]
) -> None:
    folder = copy(checkpoints["clip"], tmp_path / "clip")
    change(folder)
    assert load(folder).fingerprint != models["clip"].fingerprint


def test_the_fingerprint_changes_with_the_dtype(checkpoints: dict[str, Path]) -> None:
    folder = checkpoints["clip"]
    assert len({load(folder, dtype=dtype).fingerprint for dtype in ("float32", "float16", "bfloat16")}) == 3


def test_weights_of_the_older_format_are_refused_or_told_apart(tmp_path: Path) -> None:
    fingerprints = set()
    for seed in (0, 1):
        folder = build_clip(tmp_path / f"seed-{seed}", seed)
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
        try:
            fingerprints.add(load(folder).fingerprint)
        except ModelError as refusal:
            fingerprints.add(str(refusal))
    assert len(fingerprints) == 2


def drop(folder: Path) -> None:
    change_weights(folder, lambda weights: weights.pop("visual_projection.weight"))


def add(folder: Path) -> None:
    change_weights(folder, lambda weights: weights.update({"adapter.weight": torch.ones(2)}))


def reshape(folder: Path) -> None:
    change_weights(folder, lambda weights: weights.update({"visual_projection.weight": torch.ones(5, 5)}))


def truncate(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def scramble(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"no weights at all" * 10)


def unweight(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def unconfigure(folder: Path) -> None:
    (folder / "config.json").unlink()


def misconfigure(folder: Path) -> None:
    (folder / "config.json").write_text("{ this is no JSON")


def rename(folder: Path) -> None:
    rewrite(folder / "config.json", lambda content: content | {"model_type": "clap-trap"})


def estrange(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "bert"}')


def unprocess(folder: Path) -> None:
    (folder / "processor_config.json").unlink()


def untokenize(folder: Path) -> None:
    for file in folder.glob("token*"):
        file.unlink()


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "weights missing": (drop, "weights and config.json do not fit: 1 missing keys (visual_projection.weight ...)"),
    "weights that are not expected": (
        add,
        "weights and config.json do not fit: 1 unexpected keys (adapter.weight ...)",
    ),
    "weights of another shape": (reshape, "cannot be loaded: "),
    "weights cut short": (truncate, "cannot be loaded: "),
    "weights that are none": (scramble, "cannot be loaded: "),
    "no weights": (unweight, "cannot be loaded: "),
    "no config.json": (unconfigure, "no config.json among "),
    "a config.json that is none": (misconfigure, "config.json cannot be used: "),
    "an unknown type": (rename, "config.json cannot be used: "),
    "a type of another family": (
        estrange,
        "a model of type 'bert'; loaded are clip, siglip, siglip2. For another one write a factory and give "
        "--mieb-model=package.module:factory",
    ),
    "no image processor": (unprocess, "cannot be loaded: "),
    "no tokenizer": (
        untokenize,
        "no tokenizer (tokenizer.json, vocab.json, spiece.model, tokenizer.model); save the processor beside",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_folder_that_cannot_be_used(checkpoints: dict[str, Path], tmp_path: Path, case: str) -> None:
    damage, sentence = REFUSED[case]
    folder = copy(checkpoints["clip"], tmp_path / "clip")
    damage(folder)
    with pytest.raises(ModelError) as refusal:
        load(folder)
    assert str(refusal.value).startswith(f"{folder}: {sentence}")
    assert "\n" not in str(refusal.value)


def test_an_empty_folder_and_none(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json among nothing; give a folder that save_pretrained wrote"):
        load(tmp_path)
    with pytest.raises(ModelError, match="no such folder; give one that save_pretrained wrote"):
        load(tmp_path / "gone")
