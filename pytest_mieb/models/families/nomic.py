"""nomic-embed-vision: a tower for images, aligned to the text encoder of nomic-embed-text, which is another repository.

Nussbaum et al., "Nomic Embed Vision: Expanding the Latent Space", 2024. Neither half runs code of its repository. Both
say `nomic_bert`: the images' weights would load into the text encoder without a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.models.batching import embed_by_length, token_lengths
from pytest_mieb.models.embedder import Embedder
from pytest_mieb.models.errors import ModelError
from pytest_mieb.models.families.eva import eva02
from pytest_mieb.models.files.hub import part, read_json
from pytest_mieb.models.files.refusing import as_model_errors
from pytest_mieb.models.files.weights import load_into, read_weights, weights_in
from pytest_mieb.models.local import (
    PreparingEmbedder,
    described,
    load_image_processor,
    load_tokenizer,
    load_transformers,
    placed,
)
from pytest_mieb.models.preprocessing import Pictures
from pytest_mieb.models.request import Request
from pytest_mieb.models.steps import of_processor, of_tokenizer

if TYPE_CHECKING:
    from PIL.Image import Image

TEXT = ("nomic-ai/nomic-embed-text-v1.5", "a03db6748c80237063eb0546ac6b627eca2318cb")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
# What the tower is: other values mean other computations that the shapes of the weights do not tell.
TOWER: Mapping[str, Any] = {
    "activation_function": "swiglu",
    "prenorm": True,
    "use_rotary_pos_emb": True,
    "rotary_emb_fraction": 0,
    "sinusoidal_pos_embedding": False,
}
# The same for the text encoder, where its config.json is of the repository's own code.
ENCODER: Mapping[str, Any] = {
    "activation_function": "swiglu",
    "prenorm": False,
    "rotary_emb_fraction": 1,
    "rotary_emb_interleaved": False,
    "rotary_scaling_factor": None,
}
RENAMED = {
    "n_embd": "hidden_size",
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_inner": "intermediate_size",
    "n_positions": "max_position_embeddings",
    "layer_norm_epsilon": "layer_norm_eps",
}
GATE_EPSILON = 1e-5
# What the published file calls otherwise than timm.
CALLED = (
    (r"^tower\.(cls_token|pos_embed)$", r"embeddings.\1"),
    (r"^tower\.patch_embed\.", "embeddings."),
    (r"^tower\.blocks\.", "layers."),
    (r"\.attn\.proj\.", ".attn.out_proj."),
    (r"\.attn\.(q|kv|qkv)\.", r".attn.W\1."),
    (r"\.mlp\.fc1_x\.", ".mlp.fc11."),
    (r"\.mlp\.fc1_g\.", ".mlp.fc12."),
)
_UNLIMITED = 1 << 20  # a tokenizer without a limit of its own says 10^30
_GATE_STEP = 256  # the width of gated layers is rounded up to a multiple of it


class Nomic(PreparingEmbedder):
    """Images: attention-pooled first token. Texts: mean over the tokens, layer norm. Both of length 1."""

    def __init__(self, processor: Any, tokenizer: Any, max_length: int, *args: Any) -> None:
        super().__init__(*args)
        self._processor = processor
        self._pictures = Pictures(processor)
        self.image_mode = self._pictures.mode
        self._tokenizer = tokenizer
        self._max_length = max_length

    def pixels(self, images: Sequence[Image]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._processor(self._pictures(images), return_tensors="pt")
        return found

    def see(self, **tensors: Any) -> Any:
        return self._see(**tensors)

    def text_lengths(self, texts: Sequence[str]) -> list[int]:
        return token_lengths(self._tokenizer, texts, self._max_length)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        def embed(tokens: Mapping[str, Any]) -> NDArray[np.float32]:
            return self.run(self._read, {name: tokens[name] for name in ("input_ids", "attention_mask")})

        return embed_by_length(self._tokenizer, texts, self._max_length, embed)

    def _see(self, pixel_values: Any) -> Any:
        from torch.nn.functional import normalize

        tower, selector = self._model["vision"]["tower"], self._model["vision"]["selector"]
        (height, width), side = pixel_values.shape[2:], tower.patch_embed.img_size[0]
        if (height, width) != (side, side):
            raise ModelError(
                f"the image processor gives pictures of {height}x{width} pixels, and the model takes {side}x{side}; "
                "correct its size in preprocessor_config.json"
            )
        tokens = tower(pixel_values)
        return normalize(tokens[:, 0] + selector["mlp"](selector["norm1"](selector["attn"](tokens))), dim=-1)

    def _read(self, input_ids: Any, attention_mask: Any) -> Any:
        import torch
        from torch.nn.functional import layer_norm, normalize

        # Given, as those that the model keeps end where its training did.
        types = torch.zeros_like(input_ids)
        tokens = self._model["text"](input_ids=input_ids, attention_mask=attention_mask, token_type_ids=types)[0]
        read = attention_mask[..., None].to(tokens.dtype)
        mean = (tokens * read).sum(dim=1) / read.sum(dim=1)
        return normalize(layer_norm(mean, mean.shape[-1:]), dim=-1)


def load(request: Request) -> Embedder:
    """Load the folder of the images' half, and the texts' from where it lies. Raises ModelError."""
    import timm
    import torch

    request.only(("mean", "std", "interpolation", "text"))
    request.whole()
    config = read_json(request.path / "config.json")
    if not _sees(config):
        raise ModelError(
            f"{request.path}: a text-only model of type 'nomic_bert'; give the folder of nomic-embed-vision, and this "
            f"one beside it with --mieb-model-arg=text={request.path}"
        )
    text = part("--mieb-model-arg=text", request.options.get("text"), TEXT)
    vision = _read_tower(config, request)
    encoder, tokenizer, max_length = _read_encoder(text, request)
    processor = load_image_processor(request)
    options = {name: value for name, value in request.options.items() if name != "text"}
    description, fingerprint = described(
        replace(request, options=options),
        family="Nomic Embed",
        architecture="NomicVisionModel, NomicBertModel",
        dimension=int(config["n_embd"]),
        preprocessing=of_processor(processor)
        | {
            "image pooling": "attention, L2",
            "text padding": f"longest {max_length}",
            **of_tokenizer(tokenizer),
            "text pooling": "mean, layer norm, L2",
        },
        resolved={"image": processor.to_dict(), "timm": timm.__version__},
        files=[text],
    )
    model = torch.nn.ModuleDict({"vision": vision, "text": encoder})
    return Nomic(processor, tokenizer, max_length, model, description, fingerprint)


def _sees(config: Mapping[str, Any]) -> bool:
    return "NomicVisionModel" in (config.get("architectures") or ()) or "img_size" in config


def _read_tower(config: Mapping[str, Any], request: Request) -> Any:
    """The tower, and the selector: one learned query that attends to all tokens."""
    import torch

    _require(TOWER, config, request.path)
    if config.get("global_pool") == "avg":
        raise ModelError(f"{request.path}: config.json has global_pool 'avg', after which nothing is left to attend to")
    try:
        width, heads, patch = (int(config[name]) for name in ("n_embd", "n_head", "patch_size"))
        grid, hidden = int(config["img_size"]) // patch, -(-int(config["n_inner"]) // _GATE_STEP) * _GATE_STEP
        trained = config.get("ref_feat_shape") or grid
        trained = int(trained if isinstance(trained, int) else trained[0])
        depth, epsilon = int(config["n_layer"]), float(config["layer_norm_epsilon"])
        if width % (4 * heads):
            raise ValueError(f"n_embd {width} is no multiple of 4 * n_head {heads}")
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise ModelError(f"{request.path}: config.json cannot be used: {type(error).__name__} {error}") from error
    file = weights_in(request.path, WEIGHTS)
    weights, _ = read_weights(file)
    with as_model_errors(file):
        tower = eva02(
            width=width,
            heads=heads,
            depth=depth,
            hidden=hidden,
            patch=patch,
            grid=grid,
            epsilon=epsilon,
            attn_type="rope",  # the keys have a bias
            ref_feat_shape=trained,
        )
        for block in tower.blocks:
            block.mlp.norm.eps = GATE_EPSILON
        model = torch.nn.ModuleDict({"tower": tower, "selector": _selector(width, heads, hidden, epsilon)})
    kernel = weights.get("embeddings.proj.weight")
    if kernel is not None and kernel.shape == (width, 3 * patch**2):  # of a linear layer, over a patch as a row
        weights["embeddings.proj.weight"] = kernel.unflatten(1, (3, patch, patch))
    load_into(model, weights, file, into="config.json", called=CALLED)
    with as_model_errors(file):
        return placed(model, request)


def _selector(width: int, heads: int, hidden: int, epsilon: float) -> Any:
    import torch
    from timm.layers.attention_pool import AttentionPoolLatent
    from timm.layers.mlp import SwiGLU
    from timm.layers.norm import LayerNorm

    attention: Any = AttentionPoolLatent(width, num_heads=heads)
    attention.mlp = None  # it would be added to the answer, and here it is added to the first token
    return torch.nn.ModuleDict(
        {"attn": attention, "norm1": LayerNorm(width, eps=epsilon), "mlp": SwiGLU(width, hidden)}
    )


def _read_encoder(folder: Path, request: Request) -> tuple[Any, Any, int]:
    """The text encoder, its tokenizer, and how many tokens it takes."""
    from transformers import NomicBertConfig, NomicBertModel

    content = read_json(folder / "config.json")
    if content.get("model_type") != "nomic_bert" or _sees(content):
        what = "the images' half" if _sees(content) else f"of type {content.get('model_type')!r}"
        raise ModelError(f"--mieb-model-arg=text={folder}: it is {what}; give the folder of nomic-embed-text")
    if "n_embd" in content:
        _require(ENCODER, content, folder)
        content |= {new: content[old] for old, new in RENAMED.items() if content.get(old) is not None}
        content.setdefault("rope_parameters", None)
        content["rope_parameters"] = content["rope_parameters"] or {
            "rope_type": "default",
            "rope_theta": float(content.get("rotary_emb_base", 1000)),
        }
    with as_model_errors(folder):
        config = NomicBertConfig.from_dict(content)
    alone = replace(request, folder=folder, processor=None, trust_remote_code=False)
    encoder, _ = load_transformers(NomicBertModel, alone, config=config)
    tokenizer = load_tokenizer(folder)
    limit = tokenizer.model_max_length  # rotary positions set none
    return encoder, tokenizer, int(limit if limit < _UNLIMITED else config.max_position_embeddings)


def _require(values: Mapping[str, Any], config: Mapping[str, Any], folder: Path) -> None:
    for name, value in values.items():
        if config.get(name, value) != value:
            raise ModelError(
                f"{folder}: config.json has {name} {config[name]!r}, and known is {value!r} only; for this model "
                "write a factory and give --mieb-model=package.module:factory"
            )
