"""GME from a folder, against prompts, sizes and positions written out by hand, and against the reference's encoder."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mteb
import numpy as np
import pytest
import torch
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_implementations import gme_v_models
from mteb.types import PromptType
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoProcessor, Qwen2VLForConditionalGeneration

from pytest_mieb.models import Embedder, ModelError, Purpose, load_embedder
from pytest_mieb.models.families.gme import first_size, instruction
from pytest_mieb.suite import Task
from pytest_mieb.suite.cards import load_tasks
from tests.models.battery import (
    IMAGES,
    ODD_MODES,
    TEXTS,
    TRANSPARENT,
    assert_same,
    assert_scattered,
    check_images,
    check_interleaved,
    check_texts,
    given,
    noise,
)
from tests.models.families.builders_mllm import build_gme
from tests.models.folders import check_keys

HELPFUL = "You are a helpful assistant."
PROMPT = "<|im_start|>system\n{}<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n<|endoftext|>"
VISION = "<|vision_start|><|image_pad|><|vision_end|>"
SHORT = TEXTS[:4]
TASK = "Find a screenshot that relevant to the user's question."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_gme(tmp_path_factory.mktemp("gme") / "model")


@pytest.fixture(scope="module")
def model(folder: Path) -> Embedder:
    return load_embedder(str(folder), dtype="float32")


@pytest.fixture(scope="module")
def processor(folder: Path) -> Any:
    processor = AutoProcessor.from_pretrained(folder)
    processor.image_processor.size = {"shortest_edge": 4 * 28 * 28, "longest_edge": 1280 * 28 * 28}
    processor.tokenizer.padding_side = "right"
    return processor


@pytest.fixture(scope="module")
def decoder(folder: Path) -> Any:
    return Qwen2VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()


def at_28(image: Image.Image) -> Image.Image:
    """Both sides to the nearest multiple of 28; the tests' pictures need more only where they have under 4 patches."""
    width, height = (max(28, round(side / 28) * 28) for side in image.size)
    if width * height < 4 * 28 * 28:
        grow = math.sqrt(4 * 28 * 28 / (image.width * image.height))
        width, height = (math.ceil(side * grow / 28) * 28 for side in image.size)
    return image.resize((width, height))


def computed(decoder: Any, processor: Any, prompts: Sequence[str], images: Any = None) -> NDArray[np.float32]:
    """A batch padded on the right; picture vectors are put in by hand, positions run from 0 on all three axes."""
    inputs = processor(text=list(prompts), images=images, padding=True, return_tensors="pt")
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    inner = decoder.model
    with torch.inference_mode():
        vectors = inner.language_model.embed_tokens(ids).clone()
        if images:
            pictures = inner.visual(inputs["pixel_values"], grid_thw=inputs["image_grid_thw"]).pooler_output
            vectors[ids == decoder.config.image_token_id] = pictures
        positions = torch.arange(ids.shape[1])[None, None].repeat(3, len(ids), 1)
        hidden = inner.language_model(
            inputs_embeds=vectors, attention_mask=mask, position_ids=positions
        ).last_hidden_state
        last = torch.stack([row[length - 1] for row, length in zip(hidden, mask.sum(1), strict=True)])
        return (last / last.norm(dim=1, keepdim=True)).numpy()


def test_texts_as_computed_by_hand(model: Embedder, decoder: Any, processor: Any) -> None:
    expected = computed(decoder, processor, [PROMPT.format(HELPFUL, text) for text in SHORT])
    assert_scattered(expected)
    assert_same(model.embed_texts(SHORT), expected)


def test_images_as_computed_by_hand(model: Embedder, decoder: Any, processor: Any) -> None:
    images = [*IMAGES, noise(1500, 1200)]
    expected = computed(decoder, processor, [PROMPT.format(HELPFUL, VISION)] * len(images), [*map(at_28, images)])
    assert_scattered(expected)
    assert_same(model.embed_images(images), expected)


def test_images_with_texts_as_computed_by_hand(model: Embedder, decoder: Any, processor: Any) -> None:
    images = IMAGES[: len(SHORT)]
    prompts = [PROMPT.format(TASK, VISION + text) for text in SHORT]
    expected = computed(decoder, processor, prompts, [*map(at_28, images)])
    assert_scattered(expected)
    told = model.prompted(Purpose("Vidore", "retrieval", "query", TASK))
    assert_same(told.embed_interleaved(images, SHORT), expected)


def test_positions_are_not_those_of_qwen2_vl(model: Embedder, decoder: Any, processor: Any) -> None:
    image = noise(280, 280)
    inputs = processor(text=[PROMPT.format(HELPFUL, VISION)], images=[image], return_tensors="pt")
    with torch.inference_mode():
        native = torch.nn.functional.normalize(decoder.model(**inputs).last_hidden_state[:, -1])
    plain = computed(decoder, processor, [PROMPT.format(HELPFUL, VISION)], [image])
    found = model.embed_images([image])
    assert_same(found, plain)
    assert (native.numpy() @ found.T).item() < 0.999


def test_whatever_is_embedded_together(model: Embedder) -> None:
    assert model.modalities == {"image", "text", "interleaved"}
    check_images(model, alpha=None)
    check_texts(model)
    check_interleaved(model)


def reference_encoder(decoder: Any, processor: Any) -> Any:
    """The reference's encoder, without its loading: that imports AutoModelForVision2Seq, which transformers 5 removed.

    It also reaches for the parts of a Qwen2-VL by the names of transformers 4, so it gets them under these.
    """

    class Language(torch.nn.Module):
        embed_tokens = staticmethod(decoder.model.language_model.embed_tokens)
        forward = staticmethod(decoder.model.language_model.forward)

    class Visual(torch.nn.Module):
        get_dtype = staticmethod(decoder.model.visual.get_dtype)

        def forward(self, pixel_values: Any, grid_thw: Any) -> Any:
            return decoder.model.visual(pixel_values, grid_thw=grid_thw).pooler_output

    class Base(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model, self.visual, self.config = Language(), Visual(), decoder.config

    return gme_v_models._encoder_class()(Base(), processor)


LONG = "a cat and a dog " * 200
OLDER_NAMES = pytest.mark.filterwarnings("ignore:`past_key_values` is deprecated:FutureWarning")


@OLDER_NAMES
@pytest.mark.parametrize("told", [None, TASK])
def test_as_the_reference_embeds(model: Embedder, decoder: Any, processor: Any, told: str | None) -> None:
    encoder = reference_encoder(decoder, processor)
    ours = model.prompted(Purpose("Vidore", "retrieval", "query" if told else "document", told))
    texts = [*SHORT, LONG]
    images = [*IMAGES[: len(texts)]]
    nothing: list[None] = [None] * len(texts)
    with torch.inference_mode():
        assert_same(ours.embed_texts(texts), encoder.embed(texts, nothing, "cpu", told))
        assert_same(ours.embed_images(images), encoder.embed(nothing, images, "cpu", told))
        assert_same(ours.embed_interleaved(images, texts), encoder.embed(texts, images, "cpu", told))


@OLDER_NAMES
@pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")
def test_pictures_of_other_modes_as_the_reference_embeds_them(model: Embedder, decoder: Any, processor: Any) -> None:
    images = [*TRANSPARENT.values(), *ODD_MODES.values()]
    with torch.inference_mode():
        expected = reference_encoder(decoder, processor).embed([None] * len(images), images, "cpu", None)
    assert_same(model.embed_images(given(model, images)), expected)


def test_half_precision_is_its_own(folder: Path, model: Embedder) -> None:
    half = load_embedder(str(folder))
    assert half.description is not None and half.description.dtype == "float16"
    found, expected = half.embed_images(IMAGES), model.embed_images(IMAGES)
    assert 0 < np.abs(found - expected).max() < 0.01
    check_images(half, IMAGES[:3], alpha=None)
    check_texts(half, SHORT)


def test_a_long_text_leaves_the_image_whole(model: Embedder, decoder: Any, processor: Any) -> None:
    most = noise(1120, 1120)  # 1600 patches: the processor makes it 35 by 35 of 28x28
    found = model.embed_interleaved([most], [LONG * 3])
    assert_same(found, model.embed_interleaved([most], [LONG]))
    assert np.abs(found - model.embed_interleaved([noise(1120, 1120)], [LONG])).max() > 1e-3


def test_an_image_is_whole_even_where_the_instruction_fills_the_sequence(model: Embedder) -> None:
    told = model.prompted(Purpose("Own", "retrieval", "query", "Find. " * 300))
    assert np.isfinite(told.embed_images(IMAGES[:2])).all()
    assert_scattered(told.embed_images(IMAGES[:2]))


def test_an_image_token_in_a_text_is_taken_out(model: Embedder) -> None:
    assert_same(model.embed_texts(["a <|image_pad|>dog"]), model.embed_texts(["a dog"]))
    found = model.embed_interleaved(IMAGES[:1], ["a <|image_pad|>dog"])
    assert_same(found, model.embed_interleaved(IMAGES[:1], ["a dog"]))


@pytest.mark.filterwarnings("ignore:Absolute aspect ratio")
def test_first_sizes_are_the_references() -> None:
    logging.disable(logging.WARNING)
    try:
        sides = np.unique(np.geomspace(1, 8000, 40).astype(int)).tolist()
        for width in sides:
            for height in sides:
                expected = gme_v_models.smart_resize(height, width)[::-1]
                assert first_size(width, height) == expected, (width, height)
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((28, 28), (56, 56)),
        ((1, 1), (56, 56)),
        ((400, 300), (392, 308)),
        ((4000, 10), (4004, 28)),
        ((10, 4000), (28, 4004)),
        ((1, 9000), (28, 5600)),
        ((5000, 4000), (4004, 3192)),
        ((10**7, 2), (5600, 28)),
    ],
)
def test_first_size(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert first_size(*size) == expected


@pytest.mark.parametrize("shape", [(10, 4000), (4000, 10), (1, 9000)])
def test_long_pictures_work(model: Embedder, shape: tuple[int, int]) -> None:
    assert np.isfinite(model.embed_images([noise(*shape)])).all()


class Asked(AbsEncoder):
    """An encoder of the reference, for the instruction that it would be given."""

    def __init__(self) -> None:
        pass

    def encode(self, *inputs: Any, **options: Any) -> Any:
        raise NotImplementedError


def of_reference(task: Task, role: PromptType | None) -> str | None:
    """What its GME tells the model; of an aggregate, what it tells in each of the parts that are run."""
    if role == PromptType.document:
        return None
    reference = mteb.get_task(task.name)
    parts = getattr(reference.metadata, "tasks", None) or [reference]
    (said,) = {Asked().get_instruction(part.metadata, role) for part in parts}
    return str(said)


def test_the_instruction_of_every_task_is_the_references() -> None:
    tasks = load_tasks()
    assert len(tasks) == 130
    for task in tasks.values():
        sided = task.protocol in ("retrieval", "multiple_choice")
        for role in ("query", "document") if sided else (None,):
            ours = instruction(Purpose(task.name, task.protocol, role, task.instruction))
            theirs = of_reference(task, PromptType(role) if role else None)
            assert ours == (theirs or HELPFUL), (task.name, role)


def test_a_protocol_of_ones_own_is_told_nothing() -> None:
    assert instruction(Purpose("Mine", "ordering")) == HELPFUL


def test_a_prompted_model_is_a_view_with_a_fingerprint_of_its_own(model: Embedder) -> None:
    query = model.prompted(Purpose("Vidore", "retrieval", "query", TASK))
    again = model.prompted(Purpose("Another", "sts", None, TASK))
    document = model.prompted(Purpose("Vidore", "retrieval", "document", TASK))
    probe = model.prompted(Purpose("CIFAR10", "linear_probe"))
    assert query._model is model._model  # type: ignore[attr-defined]
    assert query.fingerprint == again.fingerprint
    assert document.fingerprint == model.fingerprint
    assert len({query.fingerprint, document.fingerprint, probe.fingerprint}) == 3
    assert query.prompted(Purpose("CIFAR10", "linear_probe")).fingerprint == probe.fingerprint
    assert_same(document.embed_texts(SHORT), model.embed_texts(SHORT))
    assert np.abs(query.embed_texts(SHORT) - model.embed_texts(SHORT)).max() > 1e-3
    assert np.abs(query.embed_images(IMAGES[:1]) - model.embed_images(IMAGES[:1])).max() > 1e-3


def test_the_description(model: Embedder) -> None:
    description = model.description
    assert description is not None
    assert (description.family, description.dimension, description.dtype) == ("GME", 32, "float32")
    assert description.preprocessing["size"] == "longest edge 1003520 shortest edge 3136"


def test_keys_that_do_not_fit_are_refused(folder: Path, tmp_path: Path) -> None:
    check_keys(folder, tmp_path, "model.norm.weight", known_as="model.language_model.norm.weight")


def test_options_that_would_change_the_number_of_tokens_are_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="this model takes no size"):
        load_embedder(str(folder), options={"size": "224"})
