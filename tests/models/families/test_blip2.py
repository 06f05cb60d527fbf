"""BLIP-2 from a folder, against the model's own forward pass.

The reference's wrapper cannot be run: it imports lavis, which does not install beside transformers 5, and hands its
`from_pretrained(model_type)` a revision that it does not take.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoImageProcessor, Blip2ForImageTextRetrieval

from pytest_mieb.models import Embedder, ModelError, load_embedder
from tests.models.battery import (
    IMAGES,
    TEXTS,
    assert_same,
    assert_scattered,
    check_images,
    check_interleaved,
    check_texts,
)
from tests.models.families.builders_blip import bert_tokenizer, build_blip2
from tests.models.folders import Content, change_json, check_keys, copied, refusal

# Forty pieces and more: cut as a text, whole beside an image.
LONG = "a photo of a dog, " * 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_blip2(tmp_path_factory.mktemp("blip2") / "retrieval")


@pytest.fixture(scope="module")
def model(folder: Path) -> Embedder:
    return load_embedder(str(folder))


class Reference(NamedTuple):
    model: Any
    image_processor: Any
    tokenizer: Any

    def together(self, image: Image.Image, text: str, **cut: int) -> NDArray[np.float32]:
        """The first of the Q-Former's states that the matching head scores, of one image with one text."""
        return self._output(image, text, cut, matching=True).text_model_output.last_hidden_state[0, 0].numpy()

    def apart(self, image: Image.Image, text: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What contrast scores: the image's first query token, projected and normalised, and the text's state."""
        output = self._output(image, text, {"max_length": 32}, matching=False)
        return output.image_embeds[0, 0].numpy(), output.text_model_output.last_hidden_state[0, 0].numpy()

    def _output(self, image: Image.Image, text: str, cut: Mapping[str, int], *, matching: bool) -> Any:
        tokens = self.tokenizer([text], truncation=bool(cut), return_tensors="pt", return_token_type_ids=False, **cut)
        with torch.no_grad():
            pixels = self.image_processor(image, return_tensors="pt")
            return self.model(**pixels, **tokens, use_image_text_matching_head=matching)


@pytest.fixture(scope="module")
def reference(folder: Path) -> Reference:
    return Reference(
        Blip2ForImageTextRetrieval.from_pretrained(folder, dtype=torch.float32).eval(),
        AutoImageProcessor.from_pretrained(folder, backend="torchvision"),
        bert_tokenizer(bos_token="[DEC]"),  # as LAVIS has it; that of the folder has <image> beside
    )


def test_texts_as_the_model_computes_them(reference: Reference, model: Embedder) -> None:
    texts = [*TEXTS, LONG]
    expected = np.stack([reference.apart(IMAGES[0], text)[1] for text in texts])
    assert_scattered(expected)
    assert_same(model.embed_texts(texts), expected)


def test_images_as_the_model_computes_them(reference: Reference, model: Embedder) -> None:
    expected = np.stack([reference.apart(image, "a dog")[0] for image in IMAGES])
    found = model.embed_images(IMAGES)
    with torch.no_grad():
        projected = reference.model.vision_projection(torch.from_numpy(found))
    assert_scattered(expected)
    assert_same(torch.nn.functional.normalize(projected, dim=-1), expected)
    # The projection keeps 24 numbers of 32: so the states themselves as well, computed here.
    with torch.no_grad():
        pixels = reference.image_processor(list(IMAGES), return_tensors="pt")
        patches = reference.model.vision_model(**pixels).last_hidden_state
        queries = reference.model.query_tokens.expand(len(patches), -1, -1)
        mask = torch.ones(patches.shape[:2], dtype=torch.long)
        states = reference.model.qformer(queries, encoder_hidden_states=patches, encoder_attention_mask=mask)
    assert_same(found, states.last_hidden_state[:, 0])


def test_an_image_with_a_text_as_the_model_computes_it(reference: Reference, model: Embedder) -> None:
    texts = ["a dog", "", LONG, "犬が走る", "x" * 500]
    expected = np.stack([reference.together(image, text) for image, text in zip(IMAGES, texts, strict=True)])
    assert_scattered(expected)
    assert_same(model.embed_interleaved(IMAGES, texts), expected)


def test_a_text_beside_an_image_is_cut_where_the_positions_end(reference: Reference, model: Embedder) -> None:
    expected = reference.together(IMAGES[0], "dog " * 700, max_length=512)
    assert_same(model.embed_interleaved(IMAGES[:1], ["dog " * 700]), expected[None])
    inside, beyond = model.embed_interleaved([IMAGES[0]] * 2, ["dog " * 509 + "photo", "dog " * 510 + "photo"])
    assert np.abs(inside - expected).max() > 1e-4
    np.testing.assert_allclose(beyond, expected, atol=1e-5)


def test_a_text_alone_is_cut_to_32_tokens(model: Embedder) -> None:
    first, second, third = model.embed_texts(["dog " * 30, "dog " * 30 + "photo", "dog " * 29 + "photo"])
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - third).max() > 1e-4


def test_what_the_processor_makes_a_token_is_read_as_words(reference: Reference, model: Embedder) -> None:
    """The Q-Former has no row for <image>: it would be an error, or another text's embedding."""
    texts = ["<image>", "a<image> dog", "a [DEC] dog"]
    alone = np.stack([reference.apart(IMAGES[0], text)[1] for text in texts])
    assert_same(model.embed_texts(texts), alone)
    beside = np.stack([reference.together(IMAGES[0], text) for text in texts])
    assert_same(model.embed_interleaved([IMAGES[0]] * len(texts), texts), beside)


def test_stands_the_battery(model: Embedder) -> None:
    assert (model.modalities, model.dimension) == (frozenset({"image", "text", "interleaved"}), 32)
    check_images(model)
    check_texts(model)
    check_interleaved(model)


def test_is_described(model: Embedder) -> None:
    description = model.description
    assert description is not None
    assert (description.family, description.architecture) == ("BLIP-2", "Blip2ForImageTextRetrieval")
    assert description.warnings == ()
    assert description.preprocessing["size"] == "32x32"
    assert description.preprocessing["text padding"] == "max length 32, with an image 512"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_near(folder: Path, model: Embedder, dtype: str) -> None:
    half = load_embedder(str(folder), dtype=dtype)
    texts = TEXTS[: len(IMAGES)]
    for found, expected in (
        (half.embed_images(IMAGES), model.embed_images(IMAGES)),
        (half.embed_texts(TEXTS), model.embed_texts(TEXTS)),
        (half.embed_interleaved(IMAGES, texts), model.embed_interleaved(IMAGES, texts)),
    ):
        lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
        assert ((found * expected).sum(axis=1) / lengths).min() > 0.98
        assert np.abs(found - expected).max() > 1e-5


def test_the_image_token_of_newer_configurations_changes_nothing(folder: Path, model: Embedder, tmp_path: Path) -> None:
    newer = copied(folder, tmp_path / "newer")

    def newer_still(config: Content) -> None:
        assert config.get("image_token_index") is None
        config["image_token_index"] = 100

    change_json(newer / "config.json", newer_still)
    other, texts = load_embedder(str(newer)), TEXTS[: len(IMAGES)]
    np.testing.assert_array_equal(other.embed_texts(TEXTS), model.embed_texts(TEXTS))
    np.testing.assert_array_equal(other.embed_interleaved(IMAGES, texts), model.embed_interleaved(IMAGES, texts))


def test_a_generative_model_is_refused(tmp_path: Path) -> None:
    folder = build_blip2(tmp_path / "generative", "Blip2ForConditionalGeneration")
    sentence = refusal(folder)
    assert "names Blip2ForConditionalGeneration" in sentence
    assert "without the Q-Former's word embeddings" in sentence
    assert "--mieb-model=Salesforce/blip2-itm-vit-g " in sentence
    assert sentence.endswith("Salesforce/blip2-itm-vit-g-coco")


@pytest.mark.parametrize("key", ["query_tokens", "text_projection.bias"])
def test_keys_that_do_not_fit_are_refused(folder: Path, tmp_path: Path, key: str) -> None:
    check_keys(folder, tmp_path, key)


def test_unknown_options_are_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="takes no crop"):
        load_embedder(str(folder), options={"crop": "1"})
