"""CLIP models of open_clip: folders, training checkpoints and pretrained tags; LAION's, DataComp's, EVA02."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.rgb import without_alphas
from pytest_mieb.models.embedder import Embedder
from pytest_mieb.models.errors import ModelError
from pytest_mieb.models.files.hub import download, read_json
from pytest_mieb.models.files.open_clip_sources import BESIDE, CHOICES, CONFIG, Source, find
from pytest_mieb.models.files.refusing import as_model_errors
from pytest_mieb.models.files.weights import averaged, load_into, read_weights
from pytest_mieb.models.kind import ModelKind
from pytest_mieb.models.local import TOKENIZERS, PreparingEmbedder, described, placed
from pytest_mieb.models.preprocessing import IMAGE_OPTIONS, numbers, pixels, thick_enough, trimmed
from pytest_mieb.models.request import Request

if TYPE_CHECKING:
    from PIL.Image import Image

OPTIONS = (*IMAGE_OPTIONS, "resize_mode", "quick_gelu")
# They scale and shift similarities in training; or they are constants that older versions saved.
_NOT_IN_EMBEDDINGS = ("logit_scale", "logit_bias")
_CONSTANTS = (
    *_NOT_IN_EMBEDDINGS,
    "text.transformer.embeddings.position_ids",
    "input_resolution",
    "context_length",
    "vocab_size",
)
_POSITIONS = "visual.positional_embedding"


class OpenClip(PreparingEmbedder):
    """A model of open_clip with its evaluation transform and its tokenizer, which pads all texts to one length.

    The transform resizes a picture in the mode that it has, and makes RGB of it afterwards: what is transparent all
    over comes out black, and a palette is resized to the nearest neighbour.
    """

    def __init__(self, transform: Callable[[Image], Any], tokenizer: Callable[[list[str]], Any], *args: Any) -> None:
        super().__init__(*args)
        self._transform = transform
        self._tokenizer = tokenizer

    def pixels(self, images: Sequence[Image]) -> Mapping[str, Any]:
        import torch

        return {"pixels": torch.stack([self._transform(without_alphas(image)) for image in images])}

    def see(self, **tensors: Any) -> Any:
        return self._model.encode_image(tensors["pixels"])

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.run(lambda tokens: self._model.encode_text(tokens), {"tokens": self._tokenizer(list(texts))})


def load(request: Request) -> Embedder:
    """Load a folder, a checkpoint with its architecture, a pretrained tag or a hub id. Raises ModelError."""
    import open_clip
    import timm
    from open_clip.transform import PreprocessCfg, image_transform_v2
    from torchvision.transforms import Compose

    request.only(OPTIONS)
    request.alone()
    source, request = find(request)
    config = _configured(source, request.options)
    preprocessing = _preprocessing(source, request.options)
    text_folder = _text_tower(config["text_cfg"], source.folder)
    with as_model_errors(source.file):
        model = _built(config)
    weights, key = read_weights(source.file)
    resized = _fill(model, weights, source, config, "size" in request.options)
    tokenizer, text, tokenizer_folder, cut = _tokenizer(config["text_cfg"], source.folder, request.trust_remote_code)
    with as_model_errors(source.file):
        model = placed(model, request)
        steps = PreprocessCfg(size=model.visual.image_size, **preprocessing)
        transform = image_transform_v2(steps, is_train=False)
    side = steps.input_size[1:]
    if steps.resize_mode == "longest":
        transform = Compose([partial(thick_enough, side=min(side)), transform])
    elif steps.resize_mode == "shortest":
        transform = Compose([trimmed, transform])
    description, fingerprint = described(
        request,
        family="open_clip",
        architecture=source.architecture,
        dimension=int(config["embed_dim"]),
        preprocessing={
            "size": f"{side[0]}x{side[1]}",
            "interpolation": steps.interpolation,
            "resize_mode": steps.resize_mode,
            "mean": list(steps.mean),
            "std": list(steps.std),
            "activation": "QuickGELU" if config.get("quick_gelu") else "GELU",
            "text": text,
        },
        warnings=(*source.warnings, *averaged(source.file, key), *resized, *cut),
        resolved={"model_cfg": source.config, "versions": [open_clip.__version__, timm.__version__]},
        files=[source.file, tokenizer_folder, text_folder],
    )
    return OpenClip(transform, tokenizer, model, description, fingerprint)


def _configured(source: Source, options: Mapping[str, str]) -> dict[str, Any]:
    """The configuration with the user's corrections, and without weights that would come from elsewhere."""
    config = deepcopy(dict(source.config))
    config["vision_cfg"]["timm_model_pretrained"] = False
    config["text_cfg"]["hf_model_pretrained"] = False
    if "size" in options:
        config["vision_cfg"]["image_size"] = pixels("size", options["size"])
    if "quick_gelu" in options:
        value = options["quick_gelu"]
        _check_choice("quick_gelu", value, ("true", "false"))
        config["quick_gelu"] = value == "true"
    return config


def _preprocessing(source: Source, options: Mapping[str, str]) -> dict[str, Any]:
    """What is done to a picture besides its size: as stated, or as the user corrects it."""
    names = ("mean", "std", *CHOICES, "fill_color")
    stated = {name: source.preprocessing[name] for name in names if source.preprocessing.get(name) is not None}
    for name, legal in CHOICES.items():
        if name in options:
            _check_choice(name, options[name], legal)
            stated[name] = options[name]
        elif name in stated and stated[name] not in legal:
            raise ModelError(f"{source.folder}: {CONFIG} cannot be used: {name} is {stated[name]!r}")
    for name in ("mean", "std"):
        if name in options:
            stated[name] = numbers(name, options[name])
    return stated


def _check_choice(name: str, value: str, legal: Collection[str]) -> None:
    if value not in legal:
        raise ModelError(f"--mieb-model-arg={name}={value}: legal are {', '.join(legal)}")


def _built(config: Mapping[str, Any]) -> Any:
    """The module with random weights: open_clip's own choice of class, without what it fetches and logs."""
    import open_clip

    config = dict(config)
    custom = config.pop("custom_text", False) or config["text_cfg"].get("hf_model_name")
    if not custom:
        return open_clip.CLIP(**config)
    return (open_clip.CoCa if "multimodal_cfg" in config else open_clip.CustomTextCLIP)(**config)


def _fill(
    model: Any, weights: dict[str, Any], source: Source, config: Mapping[str, Any], size_given: bool
) -> tuple[str, ...]:
    """Load the weights, with the conversions that open_clip does; the warnings that this gives rise to."""
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict, resize_pos_embed

    with as_model_errors(source.file):
        weights = convert_state_dict(model, weights)
        if "positional_embedding" in weights and not hasattr(model, "positional_embedding"):
            weights = convert_to_custom_text_state_dict(weights)
    weights = {name: value for name, value in weights.items() if name not in _CONSTANTS}
    vision = config["vision_cfg"]
    warnings: tuple[str, ...] = ()
    own, stored = model.state_dict().get(_POSITIONS), weights.get(_POSITIONS)
    if own is not None and stored is not None and len(own) != len(stored) and hasattr(model.visual, "grid_size"):
        trained = math.isqrt(len(stored) - 1) * model.visual.patch_size[0]
        if not (size_given or source.published):
            raise ModelError(
                f"{source.file}: trained on pictures of {trained} pixels, and {source.architecture} takes "
                f"{vision['image_size']}; name the architecture that it was trained as, or give "
                f"--mieb-model-arg=size={trained}"
            )
        with as_model_errors(source.file):
            resize_pos_embed(weights, model)
        warnings = (f"trained on pictures of {trained} pixels: its positional embeddings are resized",)
    load_into(model, weights, source.file, into=source.architecture, may_lack=_NOT_IN_EMBEDDINGS)
    if (
        size_given
        and vision.get("timm_model_name")
        and vision["image_size"] != source.config["vision_cfg"].get("image_size")
    ):
        with as_model_errors(source.file):
            model.visual.set_input_size(vision["image_size"])
        warnings = (f"{source.architecture} takes another size of pictures: its positional embeddings are resized",)
    return warnings


def _text_tower(text: dict[str, Any], folder: Path | None) -> Path | None:
    """Where the configuration of a text tower of transformers lies; `text` then names that folder."""
    name = text.get("hf_model_name")
    if not name:
        return None
    place = _beside(name, folder)
    if place is None:
        place = download(name, only=("config.json",), needs="the configuration of the text tower")
    if "auto_map" in read_json(place / "config.json"):
        raise ModelError(f"{name}: this text tower comes with code of its own, which is not run")
    text["hf_model_name"] = str(place)
    return place


def _tokenizer(
    text: Mapping[str, Any], folder: Path | None, trust_remote_code: bool
) -> tuple[Callable[[list[str]], Any], str, Path | None, tuple[str, ...]]:
    """The tokenizer, what it does in a word, where it lies if it is one of transformers, and warnings."""
    from open_clip.tokenizer import DEFAULT_CONTEXT_LENGTH, HFTokenizer, SimpleTokenizer

    options = dict(text.get("tokenizer_kwargs") or {})
    length = text.get("context_length") or DEFAULT_CONTEXT_LENGTH
    cut = (
        ("long texts are cut at their end, not at random as in training",) if options.pop("reduction_mask", "") else ()
    )
    name = text.get("hf_tokenizer_name")
    if not name:
        return SimpleTokenizer(context_length=length, **options), f"{length} tokens", None, cut
    place = folder if folder and _has_any(folder, TOKENIZERS) else _beside(name, folder)
    if place is None:
        place = download(name, only=BESIDE, needs="the tokenizer")
    if not _has_any(place, TOKENIZERS):
        raise ModelError(f"{place}: no tokenizer ({', '.join(TOKENIZERS)}); put that of {name} beside the weights")
    options |= {"tokenizer_mode": text.get("tokenizer_mode"), "trust_remote_code": trust_remote_code}
    with as_model_errors(place):
        tokenizer = HFTokenizer(str(place), context_length=length, **options)
    return tokenizer, f"{length} tokens, {name}", place, cut


def _beside(name: str, folder: Path | None) -> Path | None:
    """The folder that a configuration names, from its own folder or from here; None for a hub id."""
    places = [Path(name), *([folder / name] if folder else [])]
    return next((place for place in places if place.is_dir()), None)


def _has_any(folder: Path, names: Iterable[str]) -> bool:
    return any((folder / name).is_file() for name in names)


KIND = ModelKind(
    name="open_clip",
    load=lambda spec, request: load(request),
    such_as="open_clip:ARCHITECTURE@FILE, open_clip:ARCHITECTURE/TAG",
    weights_apart=True,
)
