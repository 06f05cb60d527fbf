"""Vision models of timm: folders, bare weights, pretrained names and hub ids; MoCo-v3 among them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.rgb import ImageMode
from pytest_mieb.models.description import Description
from pytest_mieb.models.embedder import Embedder
from pytest_mieb.models.errors import ModelError, did_you_mean
from pytest_mieb.models.files.hub import download, read_json
from pytest_mieb.models.files.refusing import as_model_errors
from pytest_mieb.models.files.weights import averaged, fetch, load_into, read_weights, safe_names, weights_in
from pytest_mieb.models.kind import ModelKind
from pytest_mieb.models.local import PreparingEmbedder, described, placed
from pytest_mieb.models.preprocessing import IMAGE_OPTIONS, interpolation, numbers, pixels, thick_enough, trimmed
from pytest_mieb.models.request import Request

if TYPE_CHECKING:
    from PIL.Image import Image

OPTIONS = (*IMAGE_OPTIONS, "crop_pct")
ON_HUB = "pytorch_model.bin"
# What `local-dir:` of timm looks for, in its order.
WEIGHTS = (
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
)


class Timm(PreparingEmbedder):
    """A model of timm without its classifier, and its evaluation transform: what it pools is the embedding."""

    image_mode: ImageMode = "RGB"

    def __init__(
        self, transform: Callable[[Image], Any], model: Any, description: Description, fingerprint: str
    ) -> None:
        super().__init__(model, description, fingerprint, modalities=("image",))
        self._transform = transform

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        raise ModelError("this model does not embed texts")

    def pixels(self, images: Sequence[Image]) -> Mapping[str, Any]:
        import torch

        return {"pixels": torch.stack([self._transform(image) for image in images])}

    def see(self, **tensors: Any) -> Any:
        return self._model(tensors["pixels"])


@dataclass(frozen=True)
class Source:
    """What is to be built, and from where.

    Args:
        name: as `timm.create_model` takes it: an architecture, with a tag after a dot, or `local-dir:` and a folder.
        file: the weights.
        published: they come with their own statement of what they are, so that timm's resizing is meant.
    """

    name: str
    file: Path
    published: bool = True


def load(request: Request) -> Embedder:
    """Load a folder, bare weights with their architecture, a pretrained name or a hub id. Raises ModelError."""
    import timm
    from timm.data.config import resolve_model_data_config
    from timm.data.transforms_factory import create_transform
    from torchvision.transforms import Compose

    request.only(OPTIONS)
    request.alone()
    source, request = _found(request)
    args = _corrections(request.options)
    size = args["input_size"][1] if "input_size" in args else None
    with as_model_errors(source.file):
        model = _built(source.name, size)
    config = model.pretrained_cfg
    if config["input_size"][0] != 3:
        raise ModelError(
            f"{source.file}: takes images of {config['input_size'][0]} channels, and not of red, green, blue"
        )
    weights, key = read_weights(source.file)
    left_out, resized = _fill(model, weights, source, size)
    with as_model_errors(source.file):
        model = placed(model, request)
        steps = resolve_model_data_config(model, args=args)
        transform = create_transform(**steps, is_training=False)
    if steps["crop_mode"] == "border":
        transform = Compose([partial(thick_enough, side=min(steps["input_size"][1:])), transform])
    elif steps["crop_mode"] == "center":
        transform = Compose([trimmed, transform])
    architecture = ".".join(filter(None, (config["architecture"], config.get("tag"))))
    description, fingerprint = described(
        request,
        family="timm",
        architecture=architecture,
        dimension=_dimension(model, steps["input_size"], source.file),
        preprocessing={
            "size": "x".join(map(str, steps["input_size"][1:])),
            "interpolation": steps["interpolation"],
            "crop_pct": steps["crop_pct"],
            "crop_mode": steps["crop_mode"],
            "mean": list(steps["mean"]),
            "std": list(steps["std"]),
            "pooling": str(getattr(model, "global_pool", "") or "its own"),
            "left out": ", ".join(left_out) or "nothing",
        },
        warnings=(*_guesses(source, request.options, architecture), *averaged(source.file, key), *resized),
        resolved={"timm": timm.__version__, "model_args": getattr(model, "_model_args", {})},
        files=[source.file],
    )
    return Timm(transform, model, description, fingerprint)


def _found(request: Request) -> tuple[Source, Request]:
    """Name and weights, and the request with the folder that they lie in."""
    name, folder = request.name, request.folder
    if folder and name:  # the registry knows of which architecture they are
        return Source(_known(request.spec, name), weights_in(folder, WEIGHTS)), request
    if folder:
        return _in_folder(folder, request.spec), request
    if request.file:
        return Source(_known(request.spec, name), request.file, published=False), request
    if "/" in name:
        folder = download(name, request.revision)
        return _in_folder(folder, request.spec), replace(request, folder=folder)
    file = _pretrained(request)
    return Source(name, file), replace(request, folder=file.parent)


def _in_folder(folder: Path, spec: str) -> Source:
    """A folder as timm saves it for the hub."""
    config = read_json(folder / "config.json")
    if not isinstance(config.get("architecture"), str):
        raise ModelError(f"{folder}: config.json cannot be used: it names no architecture of timm")
    _known(spec, config["architecture"])
    return Source(f"local-dir:{folder}", weights_in(folder, WEIGHTS))


def _pretrained(request: Request) -> Path:
    """The weights of a name of timm, fetched from where timm says that they lie."""
    import timm

    name = _known(request.spec, request.name)
    published = timm.models.get_pretrained_cfg(name)
    if published is None or not published.has_weights:
        raise ModelError(
            f"--mieb-model={request.spec}: timm has no weights for {name}; give your own: --mieb-model=timm:{name}@FILE"
        )
    if not published.hf_hub_id:
        raise ModelError(
            f"--mieb-model={request.spec}: these weights are not on the hub; download {published.url} and give "
            f"--mieb-model=timm:{name}@FILE"
        )
    return fetch(
        published.hf_hub_id,
        request.revision,
        safe_names(published.hf_hub_filename or ON_HUB),
        beside=("config.json",),
    )


def _known(spec: str, name: str) -> str:
    """The name, where timm has such an architecture and such a tag."""
    import timm

    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise ModelError(
            f"--mieb-model={spec}: timm has no architecture {architecture!r}."
            f"{did_you_mean(architecture, timm.list_models())} timm.list_models() names all"
        )
    tags = [each.partition(".")[2] for each in timm.list_models(f"{architecture}.*", include_tags=True)]
    if tag and tag not in tags:
        raise ModelError(
            f"--mieb-model={spec}: {architecture} has no tag {tag!r}.{did_you_mean(tag, tags)} Legal are "
            f"{', '.join(filter(None, tags)) or 'none'}"
        )
    return name


def _corrections(options: Mapping[str, str]) -> dict[str, Any]:
    """`--mieb-model-arg` as timm's own names for it."""
    args: dict[str, Any] = {name: tuple(numbers(name, options[name])) for name in ("mean", "std") if name in options}
    if "size" in options:
        side = pixels("size", options["size"])
        args["input_size"] = (3, side, side)
    if "interpolation" in options:
        args["interpolation"] = interpolation(options["interpolation"])
    if "crop_pct" in options:
        try:
            args["crop_pct"] = float(options["crop_pct"])
        except ValueError:
            args["crop_pct"] = 0.0
        if not 0 < args["crop_pct"] <= 1:
            raise ModelError(f"--mieb-model-arg=crop_pct={options['crop_pct']}: give a share above 0 and up to 1")
    return args


def _built(name: str, size: int | None) -> Any:
    """The module with random weights and without classifier; of another picture size where it is fixed by design."""
    import timm

    model: Any = timm.create_model(name, pretrained=False, num_classes=0)
    if size and model.pretrained_cfg.get("fixed_input_size"):
        model = timm.create_model(name, pretrained=False, num_classes=0, img_size=size)
    return model


def _fill(model: Any, weights: dict[str, Any], source: Source, size: int | None) -> tuple[list[str], tuple[str, ...]]:
    """Load the weights, with timm's conversions; the names that were left out with the classifier, and warnings."""
    own = model.state_dict()
    # timm keeps the conversion of other layouts next to each architecture, under this name in nearly all modules.
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    converted = dict(weights)
    if convert:
        with as_model_errors(source.file):
            converted = dict(convert(dict(weights), model))
    resized = [
        name
        for name, value in weights.items()
        if name in own and name in converted and converted[name].numel() != value.numel()
    ]
    if resized and not (source.published or size):
        raise ModelError(
            f"{source.file}: trained with pictures or patches of another size than {source.name} has "
            f"({', '.join(resized)}); name the architecture that it was trained as, or give "
            "--mieb-model-arg=size=PIXELS"
        )
    classifiers = model.pretrained_cfg.get("classifier") or ()
    prefixes = tuple(f"{name}." for name in ([classifiers] if isinstance(classifiers, str) else classifiers))
    left_out = sorted(name for name in converted if name not in own and name.startswith(prefixes))
    kept = {name: value for name, value in converted.items() if name not in left_out}
    load_into(model, kept, source.file, into=model.pretrained_cfg["architecture"])
    return left_out, (f"resized from another size of pictures or patches: {', '.join(resized)}",) if resized else ()


def _dimension(model: Any, input_size: Sequence[int], file: Path) -> int:
    """The length of what the model gives for one picture."""
    import torch

    weight = next(model.parameters())
    with as_model_errors(file), torch.inference_mode():
        output = model(torch.zeros(1, *input_size, device=weight.device, dtype=weight.dtype))
    if not isinstance(output, torch.Tensor) or output.ndim != 2:
        raise ModelError(f"{file}: this model gives no single vector for a picture, as it does not pool")
    return int(output.shape[1])


def _guesses(source: Source, options: Mapping[str, str], architecture: str) -> tuple[str, ...]:
    guessed = [name for name in ("mean", "std", "interpolation", "crop_pct") if name not in options]
    if source.published or "." in source.name or not guessed:
        return ()
    return (
        f"bare weights do not state their preprocessing: {', '.join(guessed)} are those of {architecture}; give "
        "--mieb-model-arg=NAME=VALUE with what they were trained with",
    )


KIND = ModelKind(
    name="timm",
    load=lambda spec, request: load(request),
    such_as="timm:NAME, timm:NAME@FILE",
    weights_apart=True,
)
