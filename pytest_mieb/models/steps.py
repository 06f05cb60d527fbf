"""What image processors and tokenizers do, resolved, so that it can be shown and compared."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from pytest_mieb.models.errors import ModelError
from pytest_mieb.models.preprocessing import IMAGE_BACKEND, INTERPOLATIONS

LANCZOS_SINCE = (0, 27)  # of torchvision's versions
_NUMBERS = ("crop_pct", "max_num_patches", "min_pixels", "max_pixels", "patch_size", "image_grid_pinpoints")
# Steps of an image processor that have an entry where they are done, and keys that describe none.
_SEEN = ("do_resize", "do_center_crop", "do_pad", "do_normalize")
_NO_STEPS = (*_NUMBERS, "resample", "image_processor_type", "feature_extractor_type", "processor_class")


def of_processor(image_processor: Any) -> dict[str, Any]:
    """What a transformers image processor does to a picture, in the order it does it.

    Raises:
        ModelError: it would do something else than it says.
    """
    content = image_processor.to_dict()
    steps: dict[str, Any] = {}
    if content.get("do_resize", True) and content.get("size"):
        steps["size"] = _size(content["size"])
        steps["interpolation"] = _interpolation(content.get("resample"))
    for name in _NUMBERS:
        if content.get(name) is not None:
            steps[name] = content[name]
    if content.get("do_center_crop") and content.get("crop_size"):
        steps["crop"] = _size(content["crop_size"])
    if content.get("do_pad"):
        steps["pad"] = _size(content["pad_size"]) if content.get("pad_size") else "yes"
    if content.get("do_normalize", True) and content.get("image_mean") is not None:
        steps["mean"], steps["std"] = list(content["image_mean"]), list(content["image_std"])
    others = _unusual(content, _defaults(type(image_processor)))
    return steps | others | {"image processor": f"{type(image_processor).__name__}, {IMAGE_BACKEND}"}


def _defaults(kind: Any) -> Mapping[str, Any]:
    """What a class of transformers does where nothing is said; nothing is known of one that cannot be made so."""
    try:
        defaults: Mapping[str, Any] = kind().to_dict()
    except Exception:  # code of others
        return {}
    return defaults


def _unusual(content: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The switches that are not as their class has them, such as `do_rescale no`: trainers set them by mistake."""
    found = {}
    for name, default in defaults.items():
        value = content.get(name)
        same = value is None or value == default or not isinstance(default, (bool, int, float, str))
        if same or name in _NO_STEPS or (name in _SEEN and value):
            continue
        found[name.replace("_", " ")] = ("yes" if value else "no") if isinstance(value, bool) else value
    return found


def of_tokenizer(tokenizer: Any) -> dict[str, Any]:
    """What a tokenizer does to a text beside padding it: whether capitals stay, and what is not as usual."""
    steps: dict[str, Any] = {"text case": "lower" if _lowers(tokenizer) else "kept"}
    if getattr(tokenizer, "truncation_side", "right") != "right":
        steps["text truncation"] = tokenizer.truncation_side
    given = getattr(tokenizer, "init_kwargs", {})
    for name, parameter in inspect.signature(type(tokenizer).__init__).parameters.items():
        value = given.get(name)
        if isinstance(parameter.default, bool) and isinstance(value, bool) and value != parameter.default:
            steps[f"tokenizer {name.replace('_', ' ')}"] = "yes" if value else "no"
    return steps


def _lowers(tokenizer: Any) -> bool:
    """By what it does: the name of its class does not tell, nor does a switch that another class reads."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        one, other = (tokenizer(text)["input_ids"] for text in ("A PHOTO", "a photo"))
        return bool(one == other)
    return backend.normalizer is not None and backend.normalizer.normalize_str("Photo").strip("▁ ") == "photo"


def _size(size: Any) -> str:
    size = dict(size) if not isinstance(size, (int, float)) else {"shortest_edge": size}
    given = {name: value for name, value in size.items() if value is not None}
    if set(given) == {"height", "width"}:
        return f"{given['height']}x{given['width']}"
    return " ".join(f"{name.replace('_', ' ')} {value}" for name, value in given.items())


def _interpolation(resample: Any) -> str:
    if resample is None:
        return "default"
    place = int(getattr(resample, "value", resample))
    name = INTERPOLATIONS[place] if 0 <= place < len(INTERPOLATIONS) else str(resample)
    if name == "lanczos":
        _check_lanczos()
    return name


def _check_lanczos() -> None:
    import torchvision

    version = torchvision.__version__
    if tuple(map(int, version.split(".")[:2])) < LANCZOS_SINCE:
        raise ModelError(
            f"the image processor asks for lanczos, which torchvision {version} does not have, and transformers takes "
            "bicubic instead: upgrade torchvision to 0.27, or accept it with --mieb-model-arg=interpolation=bicubic"
        )
