"""What an image processor does: resolved, so that it can be shown and compared, and corrected where it is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pytest_mieb.models.errors import ModelError
from pytest_mieb.rgb import as_rgb

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_BACKEND = "torchvision"
LANCZOS_SINCE = (0, 27)  # of torchvision's versions
INTERPOLATIONS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
# `--mieb-model-arg` that every family with a fixed picture size understands.
IMAGE_OPTIONS = ("mean", "std", "size", "interpolation")


def numbers(name: str, value: str) -> list[float]:
    """One or three comma-separated numbers, as three.

    Raises:
        ModelError: they are not.
    """
    try:
        found = [float(part) for part in value.split(",")]
    except ValueError:
        found = []
    if len(found) not in (1, 3):
        raise ModelError(f"--mieb-model-arg={name}={value}: give one number or three, such as {name}=0.5,0.5,0.5")
    return found * (3 // len(found))


def pixels(name: str, value: str) -> int:
    """The side of a square picture."""
    if not value.isdecimal() or int(value) < 1:
        raise ModelError(f"--mieb-model-arg={name}={value}: give the side of the picture in pixels, such as {name}=224")
    return int(value)


def interpolation(value: str) -> str:
    if value not in INTERPOLATIONS:
        raise ModelError(f"--mieb-model-arg=interpolation={value}: legal are {', '.join(INTERPOLATIONS)}")
    return value


def correct(image_processor: Any, options: Mapping[str, str]) -> None:
    """Apply `IMAGE_OPTIONS` to a transformers image processor."""
    if "mean" in options:
        image_processor.image_mean = numbers("mean", options["mean"])
    if "std" in options:
        image_processor.image_std = numbers("std", options["std"])
    if "interpolation" in options:
        image_processor.resample = INTERPOLATIONS.index(interpolation(options["interpolation"]))
    if "size" in options:
        side = pixels("size", options["size"])
        square = {"height": side, "width": side}
        whole = "shortest_edge" in dict(image_processor.size)
        image_processor.size = type_of(image_processor.size)({"shortest_edge": side} if whole else square)
        if getattr(image_processor, "crop_size", None):
            image_processor.crop_size = type_of(image_processor.crop_size)(square)


def type_of(size: Any) -> Any:
    """transformers keeps sizes as dictionaries in some processors, in others as objects made from keywords."""
    return dict if isinstance(size, dict) else lambda content: type(size)(**content)


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
    for name in ("crop_pct", "max_num_patches", "min_pixels", "max_pixels", "patch_size", "image_grid_pinpoints"):
        if content.get(name) is not None:
            steps[name] = content[name]
    if content.get("do_center_crop") and content.get("crop_size"):
        steps["crop"] = _size(content["crop_size"])
    if content.get("do_pad"):
        steps["pad"] = _size(content["pad_size"]) if content.get("pad_size") else "yes"
    if content.get("do_normalize", True) and content.get("image_mean") is not None:
        steps["mean"], steps["std"] = list(content["image_mean"]), list(content["image_std"])
    return steps | {"image processor": f"{type(image_processor).__name__}, {IMAGE_BACKEND}"}


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


def taken(image_processor: Any, images: Iterable[Image]) -> list[Image]:
    """The pictures as an image processor of transformers takes them.

    Nearly all make RGB of them, with what is transparent on white. For one that does not they come without alpha: by
    itself it fails for a picture with alpha, and takes the indices of a palette for levels of grey.
    """
    return list(images) if getattr(image_processor, "do_convert_rgb", None) else [as_rgb(image) for image in images]


def thickened(image: Image, side: int) -> Image:
    """A picture so thin that nothing is left of it when its longer edge becomes `side` pixels, as thick as is needed.

    Any other as it is: for resizing by the longer edge, which would fail.
    """
    least = -(-max(image.size) // side)
    return image if min(image.size) >= least else image.resize((max(image.width, least), max(image.height, least)))
