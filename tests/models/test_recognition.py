"""What lies in a folder, told without loading it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_mieb.models import ModelError
from pytest_mieb.models.recognition import recognise


def lay(folder: Path, **files: Mapping[str, object] | str) -> Path:
    """Write files; a name's first underscores in a row of two stand for a slash, its last one for the dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        stem, _, suffix = name.rpartition("_")
        path = folder / f"{stem.replace('__', '/')}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("files", "family"),
    [
        ({"config_json": {"model_type": "clip", "architectures": ["CLIPModel"]}}, "dual_encoder"),
        ({"config_json": {"model_type": "siglip2"}}, "dual_encoder"),
        ({"config_json": {"model_type": "align"}}, "dual_encoder"),
        ({"config_json": {"model_type": "dinov2"}}, "vision"),
        ({"config_json": {"model_type": "blip"}}, "blip"),
        ({"config_json": {"model_type": "blip-2"}}, "blip2"),
        ({"config_json": {"model_type": "qwen2_vl"}}, "gme"),
        ({"config_json": {"architecture": "resnet18", "num_features": 512}}, "timm"),
        ({"open_clip_config_json": {"model_cfg": {}}}, "open_clip"),
        ({"adapter_config_json": {"peft_type": "LORA"}, "adapter_model_safetensors": ""}, "adapter"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_family_is_told_by_its_files(tmp_path: Path, files: dict[str, object], family: str) -> None:
    assert recognise(lay(tmp_path, **files)).family == family  # type: ignore[arg-type]


def test_both_of_open_clip_and_transformers_is_ambiguous_until_one_is_named(tmp_path: Path) -> None:
    folder = lay(tmp_path, config_json={"model_type": "clip"}, open_clip_config_json={})
    with pytest.raises(ModelError) as refusal:
        recognise(folder)
    assert str(refusal.value) == (
        f"{folder}: ambiguous, it holds a model of open_clip (open_clip_config.json) and one of transformers "
        f"(config.json); say which with --mieb-model=open_clip:{folder} or --mieb-model=hf:{folder}"
    )
    assert recognise(folder, transformers=True).family == "dual_encoder"


REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "nothing": ({}, "no config.json among nothing; give a folder that save_pretrained wrote"),
    "a model in a folder inside": (
        {"checkpoint-10__config_json": {"model_type": "clip"}},
        "no config.json among checkpoint-10; give a folder that save_pretrained wrote, such as {folder}/checkpoint-10",
    ),
    "a run of open_clip": (
        {"checkpoints__epoch1_pt": ""},
        "no config.json among checkpoints; give a folder that save_pretrained wrote; an open_clip checkpoint is given "
        "with its architecture: --mieb-model=open_clip:ARCH@{folder}/checkpoints/epoch1.pt",
    ),
    "weights alone": (
        {"model_safetensors": ""},
        "no config.json among model.safetensors; give a folder that save_pretrained wrote; model.safetensors alone "
        "does not say of which architecture it is",
    ),
    "a text model": ({"config_json": {"model_type": "bert"}}, "a text-only model of type 'bert'; loaded are "),
    "no JSON": ({"config_json": "{ this is no JSON"}, "config.json cannot be used: "),
    "a list": ({"config_json": "[]"}, "config.json cannot be used: it holds no object"),
    "no type": ({"config_json": {"hidden_size": 8}}, "config.json cannot be used: it has neither model_type"),
    "an unknown type": ({"config_json": {"model_type": "clap-trap"}}, "config.json cannot be used: "),
    "an adapter in a model": (
        {"adapter_config_json": {}, "model_safetensors": ""},
        "ambiguous, it holds a PEFT adapter (adapter_config.json) and a whole model (adapter_config.json, "
        "model.safetensors); keep one of the two in the folder",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_recognised_is_listed_with_what_would_be_needed(tmp_path: Path, case: str) -> None:
    files, sentence = REFUSED[case]
    folder = lay(tmp_path / "model", **files)  # type: ignore[arg-type]
    with pytest.raises(ModelError) as refusal:
        recognise(folder)
    assert str(refusal.value).startswith(f"{folder}: {sentence.format(folder=folder)}")
    assert "\n" not in str(refusal.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder; give one that save_pretrained wrote"):
        recognise(tmp_path / "gone")
