"""Vision models of transformers, without text: DINOv2, DINOv3, ViT, BEiT, Swin, ConvNeXt, ResNet and others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.rgb import ImageMode
from pytest_mieb.models.batching import embed_singly
from pytest_mieb.models.description import Description
from pytest_mieb.models.embedder import Embedder
from pytest_mieb.models.errors import ModelError, first_line
from pytest_mieb.models.files.hub import read_json
from pytest_mieb.models.local import PreparingEmbedder, described, load_image_processor, load_transformers
from pytest_mieb.models.preprocessing import IMAGE_OPTIONS, Pictures
from pytest_mieb.models.request import Request
from pytest_mieb.models.steps import of_processor

if TYPE_CHECKING:
    from PIL.Image import Image

# What stands for the picture: the class token, what the architecture itself pools (an attention head, a normalised
# class token or mean), or the mean of all tokens or of the feature map. Other types are guessed, with a warning.
_POOLED_BY: Mapping[str, tuple[str, ...]] = {
    "cls": (
        "deit",
        "dinov2",
        "dinov2_with_registers",
        "dinov3_vit",
        "pvt",
        "sapiens2",
        "vit",
        "vit_mae",
        "vit_msn",
    ),
    "pooler": (
        "aimv2_vision_model",
        "beit",
        "bit",
        "chinese_clip_vision_model",
        "clip_vision_model",
        "convnext",
        "convnextv2",
        "dinov3_convnext",
        "efficientnet",
        "focalnet",
        "hiera",
        "levit",
        "mlcd",
        "mlcd_vision_model",
        "mobilenet_v1",
        "mobilenet_v2",
        "mobilevit",
        "mobilevitv2",
        "pixio",
        "regnet",
        "resnet",
        "siglip2_vision_model",
        "siglip_vision_model",
        "swin",
        "swinv2",
        "timm_wrapper",
        "tipsv2_vision_model",
    ),
    "mean": ("ijepa", "vitdet"),
}
POOLING: Mapping[str, str] = {kind: pooling for pooling, kinds in _POOLED_BY.items() for kind in kinds}
NAMES = {
    "beit": "BEiT",
    "bit": "BiT",
    "clip_vision_model": "CLIP vision",
    "convnext": "ConvNeXt",
    "convnextv2": "ConvNeXt V2",
    "deit": "DeiT",
    "dinov2": "DINOv2",
    "dinov2_with_registers": "DINOv2 with registers",
    "dinov3_convnext": "DINOv3",
    "dinov3_vit": "DINOv3",
    "efficientnet": "EfficientNet",
    "ijepa": "I-JEPA",
    "resnet": "ResNet",
    "siglip2_vision_model": "SigLIP 2 vision",
    "siglip_vision_model": "SigLIP vision",
    "swin": "Swin",
    "swinv2": "Swin V2",
    "vit": "ViT",
    "vit_mae": "ViT MAE",
    "vit_msn": "ViT MSN",
}
_CLASS_TOKENS = ("embeddings.cls_token", "embeddings.class_embedding")
# Weights beside those of the architecture that embed nothing: heads, decoders of masked training.
_HEADS = ("classifier", "cls_classifier", "distillation_classifier", "decoder.", "lm_head.")
_UNUSED = ("embeddings.mask_token",)
# MAE masks three quarters of each picture at random, in evaluation mode too.
_KEYWORDS: Mapping[str, Mapping[str, Any]] = {"vit_mae": {"mask_ratio": 0.0}}
# timm's transform cannot be corrected; the family of timm can.
_CORRECTIONS: Mapping[str, tuple[str, ...]] = {"timm_wrapper": ()}

Pool = Callable[[Any], Any]
Process = Callable[[Sequence["Image"]], Mapping[str, Any]]


def _cls(output: Any) -> Any:
    return output.last_hidden_state[:, 0]


def _pooler(output: Any) -> Any:
    return output.pooler_output.flatten(1)


def _mean(output: Any) -> Any:
    """Of all tokens, the class token among them as the reference takes it, or over a feature map's places."""
    hidden = output.last_hidden_state
    return hidden.mean(dim=1) if hidden.ndim == 3 else hidden.flatten(2).mean(dim=2)


POOLS: Mapping[str, Pool] = {"cls": _cls, "pooler": _pooler, "mean": _mean}


class VisionModel(PreparingEmbedder):
    """A transformers model of pictures.

    Args:
        process: pictures to what the model takes.
        pool: the model's output to (n, dimension).
        mode: in which pictures come to `process`.
        alike: whether pictures of any shape come out of the image processor in one shape.
    """

    def __init__(
        self,
        process: Process,
        mode: ImageMode,
        pool: Pool,
        alike: bool,
        model: Any,
        description: Description,
        fingerprint: str,
    ) -> None:
        super().__init__(model, description, fingerprint, ("image",))
        self.image_mode = mode
        self._process = process
        self._pool = pool
        self._alike = alike

    def pixels(self, images: Sequence[Image]) -> Mapping[str, Any]:
        return self._process(images)

    def see(self, **tensors: Any) -> Any:
        return self._pool(self._model(**tensors))

    def prepare_images(self, images: Sequence[Image]) -> Mapping[str, Any] | None:
        return super().prepare_images(images) if self._alike else None

    def preparing_apart(self) -> Callable[[Sequence[Image]], Mapping[str, Any]] | None:
        return super().preparing_apart() if self._alike else None

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        if self._alike:
            return super().embed_images(images)
        return embed_singly(images, lambda image: self.run(self.see, self._process([image]))[0])

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        raise ModelError(f"{self.description.architecture} does not embed texts")


def load(request: Request) -> Embedder:
    """Load a Hugging Face folder. Raises ModelError."""
    from transformers import AutoModel

    kind = str(read_json(request.path / "config.json").get("model_type"))
    request.only((*_CORRECTIONS.get(kind, IMAGE_OPTIONS), "pooling"))
    keywords = _KEYWORDS.get(kind, {})
    model, lacking = load_transformers(
        AutoModel, request, may_lack=("pooler.", *_UNUSED), may_have=("pooler.", *_HEADS), **keywords
    )
    processor = load_image_processor(request)

    pictures = Pictures(processor)

    def process(images: Sequence[Image]) -> Mapping[str, Any]:
        inputs = dict(processor(pictures(images), return_tensors="pt"))
        return inputs | _beside(kind, model.config, len(images))

    output, alike = _probed(model, process, request)
    legal = _legal(kind, model, output, request)
    pooling, warnings = _chosen(kind, type(model).__name__, legal, request)
    if pooling == "pooler" and "pooler." in lacking:
        others = "|".join(name for name in legal if name != "pooler")
        raise ModelError(
            f"{request.path}: it holds no weights of its pooler, so that pooling=pooler would be random; give "
            f"--mieb-model-arg=pooling={others}"
        )
    steps = _steps(processor) | {"pooling": pooling}
    activation = getattr(model.config, "hidden_act", None)
    description, fingerprint = described(
        request,
        family=NAMES.get(kind, kind),
        architecture=type(model).__name__,
        dimension=int(POOLS[pooling](output).shape[1]),
        preprocessing=steps | ({"activation": str(activation)} if activation else {}),
        resolved={"image": processor.to_dict(), "keywords": dict(keywords)},
        warnings=warnings,
    )
    return VisionModel(process, pictures.mode, POOLS[pooling], alike, model, description, fingerprint)


def _steps(processor: Any) -> dict[str, Any]:
    """What is done to a picture; a model of timm inside transformers has its own transform, by timm."""
    configured = getattr(processor, "data_config", None)
    if configured is None:
        return of_processor(processor)
    steps = {name: list(value) if isinstance(value, tuple) else value for name, value in configured.items()}
    return steps | {"image processor": f"{type(processor).__name__}, timm"}


def _beside(kind: str, config: Any, count: int) -> dict[str, Any]:
    """What a type takes beside its pictures: MAE, an order of the patches, or it draws one."""
    if kind != "vit_mae":
        return {}
    import torch

    return {"noise": torch.arange((config.image_size // config.patch_size) ** 2).expand(count, -1)}


def _probed(model: Any, process: Process, request: Request) -> tuple[Any, bool]:
    """The output for one picture, and whether pictures of any shape come to the model in one shape."""
    import torch
    from PIL import Image

    weight = next(model.parameters())
    try:
        wide, square = (process([Image.new("RGB", (width, 64), "grey")]) for width in (96, 64))
        placed = {
            name: value.to(weight.device, weight.dtype if value.is_floating_point() else None)
            for name, value in wide.items()
        }
        with torch.inference_mode():
            output = model(**placed)
    except Exception as error:
        raise ModelError(
            f"{request.path}: {type(model).__name__} embeds no single picture ({first_line(error)}); load it in a "
            "factory and give --mieb-model=package.module:factory"
        ) from error
    return output, all(wide[name].shape == square[name].shape for name in wide)


def _legal(kind: str, model: Any, output: Any, request: Request) -> tuple[str, ...]:
    """The poolings that the architecture has, those without a class token no `cls`."""
    hidden, pooled = (getattr(output, name, None) for name in ("last_hidden_state", "pooler_output"))
    has_token = POOLING.get(kind) == "cls" or any(name.endswith(_CLASS_TOKENS) for name, _ in model.named_parameters())
    there = {
        "cls": hidden is not None and hidden.ndim == 3 and has_token,
        "pooler": pooled is not None,
        "mean": hidden is not None and hidden.ndim > 2,
    }
    legal = tuple(name for name, is_there in there.items() if is_there)
    if legal:
        return legal
    raise ModelError(
        f"{request.path}: {type(model).__name__} gives neither tokens nor anything pooled for a picture; write a "
        "factory and give --mieb-model=package.module:factory"
    )


def _chosen(kind: str, architecture: str, legal: Sequence[str], request: Request) -> tuple[str, tuple[str, ...]]:
    """The pooling, and what to say of it where it was guessed."""
    given = request.options.get("pooling")
    if given is not None and given not in legal:
        raise ModelError(f"--mieb-model-arg=pooling={given}: legal for {architecture} are {', '.join(legal)}")
    known = given or POOLING.get(kind)
    if known in legal:
        return str(known), ()
    guess = legal[0]
    return guess, (f"pooling={guess} was guessed for {architecture}; give --mieb-model-arg=pooling={'|'.join(legal)}",)
