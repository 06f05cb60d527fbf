"""Which family a folder belongs to, by what lies in it; nothing is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pytest_mieb.models.errors import ModelError
from pytest_mieb.models.files import read_json

WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth")
# VISTA's weights come without a configuration; their name says what they are.
VISUALIZED = "[Vv]isualized_*.pth"
_SHOWN = 8
# Types of `config.json` that have a module of their own; the rest is told by what the architecture offers.
FAMILIES = {
    "blip": "blip",
    "blip-2": "blip2",
    "llava_next": "e5v",
    "qwen2_vl": "gme",
    "phi3_v": "vlm2vec",
    "nomic_bert": "nomic",
    "jina_clip": "jina_clip",
}


class Recognised(NamedTuple):
    """What lies in a folder: the family's module, and the class that config.json names, as far as one is named."""

    family: str
    architecture: str


def recognise(folder: Path, *, transformers: bool = False) -> Recognised:
    """The family of the model in `folder`; with `transformers`, that of its config.json whatever lies beside it.

    Raises:
        ModelError: nothing is recognised, or more than one thing; it lists what was found and what would be needed.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder; give one that save_pretrained wrote")
    configurations = {name: folder / name for name in ("open_clip_config.json", "adapter_config.json", "config.json")}
    there = [name for name, file in configurations.items() if file.is_file()]
    if "adapter_config.json" in there:
        if list(folder.glob("model*.safetensors")) or list(folder.glob("pytorch_model*.bin")):
            raise ModelError(
                f"{folder}: ambiguous, it holds a PEFT adapter (adapter_config.json) and a whole model "
                f"({_found(folder)}); keep one of the two in the folder"
            )
        return Recognised("adapter", str(read_json(folder / "adapter_config.json").get("peft_type", "")))
    if transformers and "config.json" in there:
        return _by_config(folder)
    if there == ["open_clip_config.json"]:
        return Recognised("open_clip", _open_clip_architecture(folder))
    if "open_clip_config.json" in there:
        raise ModelError(
            f"{folder}: ambiguous, it holds a model of open_clip (open_clip_config.json) and one of transformers "
            f"(config.json); say which with --mieb-model=open_clip:{folder} or --mieb-model=hf:{folder}"
        )
    if any(folder.glob(VISUALIZED)):
        return Recognised("vista", "Visualized_BGE")
    if not there:
        raise ModelError(
            f"{folder}: no config.json among {_found(folder)}; give a folder that save_pretrained wrote{_hint(folder)}"
        )
    return _by_config(folder)


def _by_config(folder: Path) -> Recognised:
    config = read_json(folder / "config.json")
    architectures = config.get("architectures") or [""]
    if "model_type" not in config and "architecture" in config:
        return Recognised("timm", str(config["architecture"]))
    if "model_type" not in config:
        raise ModelError(
            f"{folder}: config.json cannot be used: it has neither model_type (transformers) nor architecture (timm)"
        )
    kind = str(config["model_type"])
    if family := FAMILIES.get(kind):
        return Recognised(family, architectures[0])
    return Recognised(_family_of(folder, kind), architectures[0])


def _family_of(folder: Path, kind: str) -> str:
    """By the methods that the architecture's class has."""
    from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText

    from pytest_mieb.models.local import refusing

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        from pytest_mieb.models.errors import first_line

        raise ModelError(f"{folder}: config.json cannot be used: {first_line(error)}") from error
    with refusing(folder):
        model_class: Any = AutoModel._model_mapping.get(type(config), None)
    classes = model_class if isinstance(model_class, tuple) else (model_class,)
    if all(any(hasattr(each, name) for each in classes) for name in ("get_image_features", "get_text_features")):
        return "dual_encoder"
    if any(getattr(each, "main_input_name", "") == "pixel_values" for each in classes):
        return "vision"
    if type(config) in AutoModelForImageTextToText._model_mapping:
        return "mllm"
    what = "a text-only model" if any(hasattr(each, "get_input_embeddings") for each in classes) else "a model"
    raise ModelError(
        f"{folder}: {what} of type {kind!r}; loaded are dual encoders such as clip and siglip, vision models such as "
        f"dinov2, {', '.join(sorted(FAMILIES))}, open_clip, timm and PEFT adapters. For another one write a factory "
        "and give --mieb-model=package.module:factory"
    )


def _open_clip_architecture(folder: Path) -> str:
    vision = read_json(folder / "open_clip_config.json").get("model_cfg", {}).get("vision_cfg", {})
    return str(vision.get("timm_model_name") or "CLIP")


def _found(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.iterdir())
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) + more) or "nothing"


def _hint(folder: Path) -> str:
    """What the user may have meant by a folder without configuration."""
    inside = sorted(path.parent for path in folder.glob("*/config.json"))
    if inside:
        return f", such as {inside[-1]} inside it"
    checkpoints = sorted([*folder.glob("*.pt"), *folder.glob("checkpoints/*.pt")])
    if checkpoints:
        return (
            f"; an open_clip checkpoint is given with its architecture: --mieb-model=open_clip:ARCH@{checkpoints[-1]}"
        )
    weights = [path.name for pattern in WEIGHTS for path in folder.glob(pattern)]
    return f"; {weights[0]} alone does not say of which architecture it is" if weights else ""
