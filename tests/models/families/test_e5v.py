"""E5-V from a folder, against a batch padded on the left by hand, and against the reference's wrapper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mteb.models.model_implementations.e5_v import E5VModel
from numpy.typing import NDArray
from transformers import AutoModelForImageTextToText, AutoProcessor, LlavaNextProcessor

from pytest_mieb.models import Embedder, ModelError, load_embedder
from tests.models.batches import Batches, columns, embed
from tests.models.battery import (
    IMAGES,
    TEXTS,
    TRANSPARENT,
    assert_same,
    assert_scattered,
    check_images,
    check_interleaved,
    check_texts,
)
from tests.models.families.builders_mllm import build_e5v, build_qwen2_5_vl
from tests.models.folders import Content, check_keys, with_weights, without

TURN = "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n \n"
TEXT = TURN.replace("{}", "{text}\nSummary above sentence in one word: ")
IMAGE = TURN.replace("{}", "<image>\nSummary above image in one word: ")
BOTH = TURN.replace("{}", '[INST] <image> Modify this image with "{text}" Describe modified image in one word: [/INST]')
SHORT = TEXTS[:4]
# Without the one of 2,800 bytes, which are tokens here.
MANY = (*TEXTS[:4], *TEXTS[5:])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_e5v(tmp_path_factory.mktemp("e5v") / "model")


@pytest.fixture(scope="module")
def model(folder: Path) -> Embedder:
    return load_embedder(str(folder))


@pytest.fixture(scope="module")
def processor(folder: Path) -> Any:
    processor = LlavaNextProcessor.from_pretrained(
        folder, patch_size=14, vision_feature_select_strategy="default", num_additional_image_tokens=1
    )
    processor.tokenizer.padding_side = "left"
    return processor


@pytest.fixture(scope="module")
def decoder(folder: Path) -> Any:
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()


def computed(decoder: Any, inputs: Any) -> NDArray[np.float32]:
    """The last column of a batch padded on the left, its positions counted from the first token that is no padding."""
    mask = inputs["attention_mask"]
    assert mask[:, -1].all()
    with torch.inference_mode():
        output = decoder(**inputs, position_ids=(mask.cumsum(1) - 1).clamp(min=0), output_hidden_states=True)
    return output.hidden_states[-1][:, -1].numpy()


def test_texts_as_computed_by_hand(model: Embedder, decoder: Any, processor: Any) -> None:
    inputs = processor(text=[TEXT.replace("{text}", text) for text in SHORT], padding=True, return_tensors="pt")
    assert not inputs["attention_mask"][0, 0]
    expected = computed(decoder, inputs)
    assert_scattered(expected)
    assert_same(model.embed_texts(SHORT), expected)


def test_images_as_computed_by_hand(model: Embedder, decoder: Any, processor: Any) -> None:
    images = list(IMAGES)
    inputs = processor(text=[IMAGE] * len(images), images=images, padding=True, return_tensors="pt")
    expected = computed(decoder, inputs)
    assert_scattered(expected)
    assert_same(model.embed_images(images), expected)


def test_images_with_texts_as_computed_by_hand(model: Embedder, decoder: Any, processor: Any) -> None:
    images = list(IMAGES[: len(SHORT)])
    prompts = [BOTH.replace("{text}", text) for text in SHORT]
    expected = computed(decoder, processor(text=prompts, images=images, padding=True, return_tensors="pt"))
    assert_scattered(expected)
    assert_same(model.embed_interleaved(images, SHORT), expected)


def test_whatever_is_embedded_together(model: Embedder) -> None:
    assert model.modalities == {"image", "text", "interleaved"}
    check_images(model)
    check_texts(model, MANY)
    check_interleaved(model, texts=MANY[: len(IMAGES)])


@pytest.mark.parametrize("what", ["images", "texts", "both"])
def test_as_the_reference_embeds(model: Embedder, decoder: Any, processor: Any, what: str) -> None:
    # Its constructor loads the processor as it is saved, without what `processor` here was told; and it hands over
    # texts before images, which transformers 5 takes the other way round.
    wrapper: Any = E5VModel.__new__(E5VModel)
    wrapper.model, wrapper.device = decoder, "cpu"
    wrapper.processor = lambda text, images=None, **keywords: processor(text=text, images=images, **keywords)
    wrapper.template = TURN
    wrapper.text_prompt = TURN.format("<sent>\nSummary above sentence in one word: ")
    wrapper.img_prompt = IMAGE
    wrapper.composed_prompt = BOTH.replace("{text}", "{}")
    images, texts = [*IMAGES[:4], *TRANSPARENT.values()], [*SHORT, *["a dog"] * len(TRANSPARENT)]
    expected = wrapper.encode(
        Batches(**columns(what, images, texts)), task_metadata=None, hf_split="", hf_subset=""
    ).numpy()
    assert_same(embed(model, what, images, texts), expected)


def test_a_text_too_long_is_cut_and_the_prompt_is_not(model: Embedder, decoder: Any, processor: Any) -> None:
    long = "a cat " * 1000
    kept = 4000 - len(processor.tokenizer(TEXT)["input_ids"]) - 8  # in bytes, which are this tokenizer's tokens
    inputs = processor(text=[TEXT.replace("{text}", long[:kept])], return_tensors="pt")
    assert_same(model.embed_texts([long]), computed(decoder, inputs))


def test_an_image_token_in_a_text_is_taken_out(model: Embedder) -> None:
    assert_same(model.embed_texts(["a <image>dog"]), model.embed_texts(["a dog"]))
    found = model.embed_interleaved(IMAGES[:1], ["a <image>dog"])
    assert_same(found, model.embed_interleaved(IMAGES[:1], ["a dog"]))


def test_the_description_tells_the_prompts(model: Embedder) -> None:
    description = model.description
    assert description is not None
    assert (description.family, description.dimension, description.dtype) == ("E5-V", 32, "float32")
    assert description.preprocessing["image prompt"] == repr(IMAGE)


def test_a_prompt_of_ones_own(folder: Path, model: Embedder, decoder: Any, processor: Any) -> None:
    own = load_embedder(str(folder), options={"text_prompt": "query: {text} =", "image_prompt": "<image> shows"})
    inputs = processor(text=[f"query: {text} =" for text in SHORT], padding=True, return_tensors="pt")
    assert_same(own.embed_texts(SHORT), computed(decoder, inputs))
    inputs = processor(text=["<image> shows"], images=[IMAGES[0]], return_tensors="pt")
    assert_same(own.embed_images(IMAGES[:1]), computed(decoder, inputs))
    assert_same(own.embed_interleaved(IMAGES[:2], SHORT[:2]), model.embed_interleaved(IMAGES[:2], SHORT[:2]))
    assert own.fingerprint != model.fingerprint
    assert own.description is not None and own.description.preprocessing["text prompt"] == "'query: {text} ='"


@pytest.mark.parametrize(
    ("option", "prompt", "said"),
    [
        ("text_prompt", "one word:", "must hold {text} once"),
        ("text_prompt", "<image> {text}", "must hold <image> nowhere"),
        ("image_prompt", "one word:", "must hold <image> once"),
        ("both_prompt", "<image> in one word:", "must hold {text} once"),
        ("both_prompt", "<image> <image> {text}", "must hold <image> once"),
    ],
)
def test_a_prompt_without_its_placeholders_is_refused(folder: Path, option: str, prompt: str, said: str) -> None:
    with pytest.raises(ModelError) as refused:
        load_embedder(str(folder), options={option: prompt})
    assert f"--mieb-model-arg={option}={prompt}: it {said}" in str(refused.value)


def test_an_unknown_option_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="did you mean text_prompt"):
        load_embedder(str(folder), options={"text_promt": "{text}"})


def test_weights_named_as_transformers_4_did(folder: Path, model: Embedder, tmp_path: Path) -> None:
    def old_names(weights: Content) -> None:
        assert "language_model.model.norm.weight" in weights  # transformers 5 saves these as before
        for name in [name for name in weights if name.startswith("vision_tower.")]:
            weights[name.replace("vision_tower.", "vision_tower.vision_model.")] = weights.pop(name)

    old = load_embedder(str(with_weights(folder, tmp_path / "old", old_names)))
    assert_same(old.embed_images(IMAGES[:2]), model.embed_images(IMAGES[:2]))


def test_the_head_may_be_missing_and_nothing_else(folder: Path, model: Embedder, tmp_path: Path) -> None:
    headless = load_embedder(str(with_weights(folder, tmp_path / "headless", without("language_model.lm_head"))))
    assert_same(headless.embed_texts(SHORT), model.embed_texts(SHORT))
    check_keys(folder, tmp_path, "language_model.model.norm.weight", known_as="model.language_model.norm.weight")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_qwen2_5_vl(tmp_path_factory.mktemp("mllm") / "model")


QWEN_IMAGE = "<|im_start|>user\n<|vision_start|><image><|vision_end|>One word:<|im_end|>\n"


def test_another_architecture_by_its_prompts(other: Path) -> None:
    model = load_embedder(str(other), options={"image_prompt": QWEN_IMAGE, "text_prompt": "{text} in one word:"})
    assert model.modalities == {"image", "text"}
    images = list(IMAGES[:3])
    decoder = AutoModelForImageTextToText.from_pretrained(other, dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(other)
    prompt = QWEN_IMAGE.replace("<image>", "<|image_pad|>")
    expected = []
    for image in images:
        with torch.inference_mode():
            inputs = processor(text=[prompt], images=[image], return_tensors="pt")
            expected.append(decoder(**inputs, output_hidden_states=True).hidden_states[-1][0, -1].numpy())
    assert_scattered(np.stack(expected))
    assert_same(model.embed_images(images), expected)
    check_texts(model, SHORT)


def test_images_with_texts_need_no_prompt_for_texts_alone(other: Path) -> None:
    model = load_embedder(str(other), options={"both_prompt": QWEN_IMAGE.replace("One", "{text}, in one")})
    assert model.modalities == {"interleaved"}
    assert model.text_lengths(["a dog " * 9, "a dog"]) == sorted(model.text_lengths(["a dog", "a dog " * 9]))[::-1]
    assert model.embed_interleaved(IMAGES[:2], ["a dog", "a cat"]).shape == (2, model.dimension)


def test_another_architecture_without_prompts_is_refused(other: Path) -> None:
    with pytest.raises(ModelError, match="embeds what its prompts ask for; give those that it was tuned with"):
        load_embedder(str(other))
