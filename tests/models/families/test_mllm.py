"""Multimodal LLMs with prompts of one's own embed as transformers computes their last token."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pytest_mieb.models import load_embedder
from tests.models.battery import TINTED
from tests.models.families.builders_mllm import build_e5v, build_gme, build_qwen2_5_vl

PROMPTS = {"text_prompt": "{text} is", "image_prompt": "<image> is", "both_prompt": "<image> {text} is"}
TEXTS = ["a dog", "a photo of a dog, a type of animal."]


@pytest.mark.parametrize(
    ("build", "marker"),
    [(build_gme, "gme_inference.py"), (build_e5v, "README.md"), (build_qwen2_5_vl, None)],
    ids=["Qwen2-VL", "LLaVA-NeXT", "Qwen2.5-VL"],
)
def test_as_transformers_computes_the_last_token(
    tmp_path: Path, build: Callable[[Path], Path], marker: str | None
) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    folder = build(tmp_path / "model")
    if marker:
        (folder / marker).unlink()
    model = load_embedder(str(folder), options=PROMPTS)
    theirs = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(folder, backend="torchvision")
    if hasattr(processor, "num_additional_image_tokens"):  # a LLaVA saved as older versions did
        processor.patch_size, processor.vision_feature_select_strategy = 14, "default"
        processor.num_additional_image_tokens = 1

    def last(prompt: str, images: list[object] | None) -> np.ndarray:
        inputs = processor(text=[prompt], images=images, return_tensors="pt")
        with torch.inference_mode():
            hidden = theirs(**inputs, output_hidden_states=True).hidden_states[-1]
        found: np.ndarray = hidden[0, -1].numpy()
        return found

    token = processor.image_token
    for found, expected in (
        (model.embed_texts(TEXTS), [last(f"{text} is", None) for text in TEXTS]),
        (model.embed_images(TINTED), [last(f"{token} is", [image]) for image in TINTED]),
        (
            model.embed_interleaved(TINTED[:2], TEXTS),
            [last(f"{token} {text} is", [image]) for image, text in zip(TINTED[:2], TEXTS, strict=True)],
        ),
    ):
        np.testing.assert_allclose(found, np.stack(expected), rtol=0, atol=1e-5 * np.abs(expected).max())
