"""BLIP from folders that its three classes wrote, against a plain computation and the reference's wrapper."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoImageProcessor, AutoTokenizer, BlipForImageTextRetrieval

from pytest_mieb.models import Embedder, ModelError, load_embedder
from tests.models.battery import (
    IMAGES,
    TEXTS,
    TRANSPARENT,
    assert_same,
    assert_scattered,
    check_images,
    check_texts,
    given,
)
from tests.models.families.builders_blip import build_blip
from tests.models.folders import Change, change_json, copied, plus, refusal, with_weights, without

RETRIEVAL, QUESTIONS, CAPTIONS = CLASSES = (
    "BlipForImageTextRetrieval",
    "BlipForQuestionAnswering",
    "BlipForConditionalGeneration",
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    root = tmp_path_factory.mktemp("blip")
    return {name: build_blip(root / name, name) for name in CLASSES}


@pytest.fixture(scope="module")
def models(folders: Mapping[str, Path]) -> Mapping[str, Embedder]:
    return {name: load_embedder(str(folder)) for name, folder in folders.items()}


def test_embeds_as_transformers_computes_it(folders: Mapping[str, Path], models: Mapping[str, Embedder]) -> None:
    folder, model = folders[RETRIEVAL], models[RETRIEVAL]
    reference = BlipForImageTextRetrieval.from_pretrained(folder, dtype=torch.float32).eval()
    pixels = AutoImageProcessor.from_pretrained(folder, backend="torchvision")(list(IMAGES), return_tensors="pt")
    # Longer than 512 tokens are "dog " * 700 and nothing else; all are padded to it, and the mask hides the padding.
    tokens = AutoTokenizer.from_pretrained(folder)(
        list(TEXTS), padding="longest", truncation=True, max_length=512, return_tensors="pt"
    )
    assert tokens["input_ids"].shape == (len(TEXTS), 512)
    with torch.no_grad():
        seen = reference.vision_model(pixels["pixel_values"]).last_hidden_state[:, 0]
        images = torch.nn.functional.normalize(reference.vision_proj(seen), dim=-1)
        read = reference.text_encoder(tokens["input_ids"], tokens["attention_mask"]).last_hidden_state[:, 0]
        texts = torch.nn.functional.normalize(reference.text_proj(read), dim=-1)
    assert_scattered(images.numpy())
    assert_scattered(texts.numpy())
    assert_same(model.embed_images(IMAGES), images)
    assert_same(model.embed_texts(TEXTS), texts)
    np.testing.assert_allclose(np.linalg.norm(model.embed_texts(TEXTS), axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("name", CLASSES)
def test_embeds_as_the_references_wrapper_does(
    folders: Mapping[str, Path], models: Mapping[str, Embedder], name: str
) -> None:
    """What a checkpoint lacks the wrapper draws at random: here with our seed, else each run has its own."""
    from mteb.models.model_implementations.blip_models import BLIPModel

    torch.manual_seed(0)
    reference: Any = BLIPModel(str(folders[name]), revision="", device="cpu")
    reference.model.eval()
    model = models[name]
    images = reference.get_image_embeddings([{"image": [*IMAGES, *TRANSPARENT.values()]}], show_progress_bar=False)
    texts = reference.get_text_embeddings([{"text": list(TEXTS)}], show_progress_bar=False)
    assert_scattered(images.numpy())
    assert_scattered(texts.numpy())
    assert_same(model.embed_images(given(model, [*IMAGES, *TRANSPARENT.values()])), images)
    assert_same(model.embed_texts(TEXTS), texts)
    together = model.embed_interleaved(IMAGES, TEXTS[: len(IMAGES)])
    assert_same(together, images[: len(IMAGES)] + texts[: len(IMAGES)])


def test_stands_the_battery(models: Mapping[str, Embedder]) -> None:
    model = models[RETRIEVAL]
    assert (model.modalities, model.dimension) == (frozenset({"image", "text"}), 24)
    check_images(model)
    check_texts(model)


def test_is_described(models: Mapping[str, Embedder]) -> None:
    description = models[RETRIEVAL].description
    assert description is not None
    assert (description.family, description.architecture, description.dtype) == ("BLIP", RETRIEVAL, "float32")
    steps = description.preprocessing
    assert (steps["size"], steps["interpolation"], steps["text padding"]) == ("32x32", "bicubic", "longest 512")
    assert steps["mean"] == pytest.approx([0.48145466, 0.4578275, 0.40821073])


@pytest.mark.parametrize(
    ("name", "random"),
    [
        (QUESTIONS, "no vision_proj and no text_proj:"),
        (CAPTIONS, "no text_encoder and no vision_proj and no text_proj:"),
    ],
)
def test_random_weights_are_warned_of(models: Mapping[str, Embedder], name: str, random: str) -> None:
    description = models[name].description
    assert description is not None
    (warning,) = description.warnings
    assert name in warning
    assert random in warning
    assert "all its scores rest on random weights" in warning


def test_a_whole_checkpoint_warns_of_nothing(models: Mapping[str, Embedder]) -> None:
    description = models[RETRIEVAL].description
    assert description is not None
    assert description.warnings == ()


@pytest.mark.parametrize("name", [QUESTIONS, CAPTIONS])
def test_random_weights_are_the_same_on_every_load(
    folders: Mapping[str, Path], models: Mapping[str, Embedder], name: str
) -> None:
    torch.manual_seed(7)
    torch.randn(11)
    again = load_embedder(str(folders[name]))
    np.testing.assert_array_equal(again.embed_images(IMAGES), models[name].embed_images(IMAGES))
    np.testing.assert_array_equal(again.embed_texts(TEXTS), models[name].embed_texts(TEXTS))
    assert again.fingerprint == models[name].fingerprint


def test_random_weights_are_the_same_in_half_precision(
    folders: Mapping[str, Path], models: Mapping[str, Embedder]
) -> None:
    half, exact = load_embedder(str(folders[CAPTIONS]), dtype="bfloat16"), models[CAPTIONS]
    assert half.fingerprint != exact.fingerprint
    for found, expected in (
        (half.embed_images(IMAGES), exact.embed_images(IMAGES)),
        (half.embed_texts(TEXTS), exact.embed_texts(TEXTS)),
    ):
        cosines = (found * expected).sum(axis=1)
        assert 0.98 < cosines.min() < cosines.max() < 1.01
        assert np.abs(found - expected).max() > 1e-4


def test_checkpoints_of_old_load_alike(
    folders: Mapping[str, Path], models: Mapping[str, Embedder], tmp_path: Path
) -> None:
    """The published ones are pickled state dictionaries, with buffers that are no longer saved."""
    folder = copied(folders[QUESTIONS], tmp_path / "old")
    weights = load_file(folder / "model.safetensors")
    weights["text_encoder.embeddings.position_ids"] = torch.arange(512)[None]
    weights["text_decoder.bert.embeddings.position_ids"] = torch.arange(512)[None]
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    old = load_embedder(str(folder))
    np.testing.assert_array_equal(old.embed_images(IMAGES), models[QUESTIONS].embed_images(IMAGES))
    np.testing.assert_array_equal(old.embed_texts(TEXTS), models[QUESTIONS].embed_texts(TEXTS))


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        (RETRIEVAL, without("text_proj.weight"), "1 missing keys (text_proj.weight"),
        (RETRIEVAL, without("vision_proj."), "2 missing keys (vision_proj.bias, vision_proj.weight"),
        (RETRIEVAL, plus("text_decoder.more"), "1 unexpected keys (text_decoder.more"),
        (QUESTIONS, without("vision_model.post_layernorm.bias"), "1 missing keys (vision_model.post_layernorm.bias"),
        (QUESTIONS, without("text_encoder.embeddings."), "4 missing keys (text_encoder.embeddings.LayerNorm.bias"),
        (QUESTIONS, without("text_encoder."), "56 missing keys (text_encoder."),
        (RETRIEVAL, plus("text_proj.bias"), "1 mismatched keys (text_proj.bias"),
        (CAPTIONS, plus("language_model.weight"), "1 unexpected keys (language_model.weight"),
        (CAPTIONS, plus("text_proj.bias", 24), "1 missing keys (text_proj.weight"),
    ],
)
def test_other_keys_are_refused(
    folders: Mapping[str, Path], tmp_path: Path, name: str, change: Change, sentence: str
) -> None:
    assert sentence in refusal(with_weights(folders[name], tmp_path / "changed", change))


@pytest.mark.parametrize(
    ("architectures", "named"),
    [(["BlipModel"], "names BlipModel;"), (None, "names no class;"), ([], "names no class;")],
)
def test_other_classes_are_refused(folders: Mapping[str, Path], tmp_path: Path, architectures: Any, named: str) -> None:
    folder = copied(folders[RETRIEVAL], tmp_path / "other")
    change_json(folder / "config.json", lambda content: content.update(architectures=architectures))
    said = refusal(folder)
    assert named in said
    assert ", ".join(CLASSES) in said


def test_image_options_change_the_pictures_only(folders: Mapping[str, Path], models: Mapping[str, Embedder]) -> None:
    sound = models[RETRIEVAL]
    other = load_embedder(str(folders[RETRIEVAL]), options={"mean": "0.5", "std": "0.5"})
    assert np.abs(other.embed_images(IMAGES) - sound.embed_images(IMAGES)).max() > 1e-3
    np.testing.assert_array_equal(other.embed_texts(TEXTS), sound.embed_texts(TEXTS))
    assert other.fingerprint != sound.fingerprint
    with pytest.raises(ModelError, match=r"takes no men \(did you mean mean\?\)"):
        load_embedder(str(folders[RETRIEVAL]), options={"men": "0.5"})
