"""What image processors and tokenizers do is shown as it is done, down to a switch that was set by mistake."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import transformers

from pytest_mieb.models import load_embedder
from pytest_mieb.models.steps import of_processor, of_tokenizer
from tests.models.builders import build_siglip2, clip_tokenizer
from tests.models.families.builders_blip import bert_tokenizer
from tests.models.families.builders_dual_encoder import xlm_tokenizer

USUAL = {
    "size": "shortest edge 224",
    "interpolation": "bicubic",
    "crop": "224x224",
    "mean": [0.48145466, 0.4578275, 0.40821073],
    "std": [0.26862954, 0.26130258, 0.27577711],
    "image processor": "CLIPImageProcessor, torchvision",
}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in USUAL.items() if name not in names}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, USUAL),
        ({"do_rescale": False}, USUAL | {"do rescale": "no"}),
        ({"rescale_factor": 1 / 127.5}, USUAL | {"rescale factor": 1 / 127.5}),
        ({"do_normalize": False}, without("mean", "std") | {"do normalize": "no"}),
        ({"do_resize": False}, without("size", "interpolation") | {"do resize": "no"}),
        ({"do_center_crop": False}, without("crop") | {"do center crop": "no"}),
        ({"do_convert_rgb": False}, USUAL | {"do convert rgb": "no"}),
        ({"crop_size": {"height": 48, "width": 32}}, USUAL | {"crop": "48x32"}),
    ],
)
def test_steps_of_an_image_processor(changes: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    assert of_processor(transformers.CLIPImageProcessor(**changes)) == expected


def test_the_order_of_channels() -> None:
    usual = of_processor(transformers.MobileViTImageProcessor())
    found = of_processor(transformers.MobileViTImageProcessor(do_flip_channel_order=False))
    assert found == usual | {"do flip channel order": "no"}


def test_a_step_that_is_off_by_default_shows_where_it_is_done_only_once() -> None:
    found = of_processor(transformers.ViTImageProcessor(do_center_crop=True, crop_size={"height": 8, "width": 8}))
    assert found["crop"] == "8x8" and "do center crop" not in found


def test_a_processor_of_code_that_cannot_be_made_without_arguments() -> None:
    class Own(transformers.CLIPImageProcessor):
        def __init__(self, *, needed: int, **keywords: Any) -> None:
            super().__init__(**keywords)

    assert of_processor(Own(needed=1)) == USUAL | {"image processor": "Own, torchvision"}


class Slow:
    """A tokenizer that is written in Python."""

    def __init__(self, lowers: bool) -> None:
        self._lowers = lowers

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": list(map(ord, text.lower() if self._lowers else text))}


@pytest.mark.parametrize(
    ("tokenizer", "expected"),
    [
        (clip_tokenizer(), {"text case": "lower"}),
        (bert_tokenizer(), {"text case": "lower"}),
        (xlm_tokenizer(77), {"text case": "kept"}),
        (Slow(lowers=True), {"text case": "lower"}),
        (Slow(lowers=False), {"text case": "kept"}),
    ],
    ids=["CLIP", "BERT", "XLM-R", "slow", "slow and kept"],
)
def test_whether_capitals_stay_is_seen_from_what_is_done(tokenizer: Any, expected: Mapping[str, str]) -> None:
    assert of_tokenizer(tokenizer) == expected


def test_where_a_text_is_cut_and_switches_of_its_class() -> None:
    tokenizer = transformers.BertTokenizer(
        vocab={"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "a": 5},
        do_lower_case=False,
        truncation_side="left",
    )
    assert of_tokenizer(tokenizer) == {
        "text case": "kept",
        "text truncation": "left",
        "tokenizer do lower case": "no",
    }


def test_a_siglip_2_that_lost_its_lower_case_is_warned_of(tmp_path: Path) -> None:
    folder = build_siglip2(tmp_path, naflex=False)
    sound = load_embedder(str(folder)).description
    assert sound and sound.preprocessing["text case"] == "lower" and sound.warnings == ()
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    content["normalizer"] = None
    file.write_text(json.dumps(content))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    found = load_embedder(str(folder)).description
    assert found and found.preprocessing["text case"] == "kept"
    assert "keeps capitals, and SigLIP was trained on texts in lower case" in found.warnings[0]
    assert "text case kept" in found.line
