"""VISTA, the visualized BGE: image patches of an EVA02-CLIP put between a text encoder's class token and its text.

Zhou et al., "VISTA: Visualized Text Embedding For Universal Multi-Modal Retrieval", 2024. The published weights are one
file that names no architecture: the text encoder's is that of BGE, and the tower's follows from the shapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.rgb import as_rgb
from pytest_mieb.models.batching import embed_by_length, token_lengths
from pytest_mieb.models.description import Description
from pytest_mieb.models.embedder import Embedder
from pytest_mieb.models.errors import ModelError
from pytest_mieb.models.families.eva import eva02
from pytest_mieb.models.files.hub import commit_of, part, read_json
from pytest_mieb.models.files.refusing import as_model_errors, check_keys
from pytest_mieb.models.files.weights import load_into, read_weights
from pytest_mieb.models.local import LocalEmbedder, described, load_tokenizer, placed
from pytest_mieb.models.marks import VISUALIZED
from pytest_mieb.models.preprocessing import interpolation, numbers, trimmed
from pytest_mieb.models.request import Request
from pytest_mieb.models.steps import of_tokenizer

if TYPE_CHECKING:
    from PIL.Image import Image

# The text encoder whose configuration and tokenizer belong to a file of weights, with its revision.
BASES: Mapping[str, tuple[str, str]] = {
    "Visualized_base_en_v1.5.pth": ("BAAI/bge-base-en-v1.5", "a5beb1e3e68b9ab74eb54cfd186867f64f240e1a"),
    "Visualized_m3.pth": ("BAAI/bge-m3", "5617a9f61b028005a4858fdac845db406aefb181"),
}
BASE_FILES = ("config.json", "tokenizer*", "special_tokens_map.json", "vocab.txt", "sentencepiece.bpe.model")
ENCODERS = ("bert", "xlm-roberta")
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
EPSILON = 1e-6
_TOWER = "model_visual.visual."
# Read by nobody: what follows the patch tokens in CLIP, BGE's pooler, and what older versions of transformers saved.
_UNUSED = re.compile(
    r"bge_pooler\.|bge_embeddings\.(position|token_type)_ids$|model_visual\.(logit_scale$|text\.)"
    r"|model_visual\.visual\.(norm\.|head\.|rope\.|blocks\.\d+\.attn\.rope\.)"
)
_TABLE = (f"{_TOWER}rope.freqs_cos", f"{_TOWER}rope.freqs_sin")
_SHAPES = {
    "positions": f"{_TOWER}pos_embed",
    "patch": f"{_TOWER}patch_embed.proj.weight",
    "gate": f"{_TOWER}blocks.0.mlp.w1.weight",
}
# What the published file calls otherwise than transformers and timm.
_CALLED = (
    (r"^bge\.", "bge_"),
    (r"^projection\.", "visual_proj."),
    (r"^tower\.", _TOWER),
    (r"\.attn\.([qv])_proj\.bias$", r".attn.\1_bias"),
    (r"\.attn\.norm\.", ".attn.inner_attn_ln."),
    (r"\.mlp\.fc1_g\.", ".mlp.w1."),
    (r"\.mlp\.fc1_x\.", ".mlp.w2."),
    (r"\.mlp\.fc2\.", ".mlp.w3."),
    (r"\.mlp\.norm\.", ".mlp.ffn_ln."),
)


class Vista(LocalEmbedder):
    """A text encoder that reads image patches as tokens; an image alone is one with an empty text."""

    def __init__(
        self,
        tokenizer: Any,
        transform: Any,
        max_length: int,
        model: Any,
        description: Description,
        fingerprint: str,
    ) -> None:
        super().__init__(model, description, fingerprint, ("image", "text", "interleaved"))
        self._tokenizer = tokenizer
        self._transform = transform
        self._max_length = max_length

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        return self.embed_interleaved(images, [""] * len(images))

    def text_lengths(self, texts: Sequence[str]) -> list[int]:
        return token_lengths(self._tokenizer, texts, self._max_length)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        def embed(tokens: Mapping[str, Any]) -> NDArray[np.float32]:
            return self.run(self._read, {name: tokens[name] for name in ("input_ids", "attention_mask")})

        return embed_by_length(self._tokenizer, texts, self._max_length, embed)

    def embed_interleaved(self, images: Sequence[Image], texts: Sequence[str]) -> NDArray[np.float32]:
        import torch

        pixels = torch.stack([self._transform(image) for image in images])
        patches = torch.from_numpy(self.run(self._patches, {"pixels": pixels}))

        def embed(tokens: Mapping[str, Any]) -> NDArray[np.float32]:
            return self.run(self._fuse, {name: tokens[name] for name in ("input_ids", "attention_mask", "patches")})

        room = self._max_length - patches.shape[1]
        return embed_by_length(self._tokenizer, texts, room, embed, beside={"patches": patches})

    def _read(self, input_ids: Any, attention_mask: Any) -> Any:
        return _class_token(self._model["bge"](input_ids=input_ids, attention_mask=attention_mask))

    def _patches(self, pixels: Any) -> Any:
        """The tokens of the patches, in the width of the text encoder."""
        return self._model["projection"](self._model["tower"](pixels)[:, 1:])

    def _fuse(self, input_ids: Any, attention_mask: Any, patches: Any) -> Any:
        """Class token at position 0, patches from 1 on, then the text; XLM-R's positions count alike."""
        import torch

        embeddings, count = self._model["bge"].embeddings, patches.shape[1]
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        positions[1:] += count
        text = embeddings(
            input_ids=input_ids,
            position_ids=positions.expand_as(input_ids),
            token_type_ids=torch.zeros_like(input_ids),
        )
        places = torch.arange(1, 1 + count, device=input_ids.device)
        seen = embeddings.LayerNorm(patches + embeddings.position_embeddings(places))
        hidden = torch.cat((text[:, :1], seen, text[:, 1:]), dim=1)
        read = torch.cat((attention_mask.new_ones(len(patches), count), attention_mask), dim=1)
        hides = (1 - read[:, None, None].to(hidden.dtype)) * torch.finfo(hidden.dtype).min
        return _class_token(self._model["bge"].encoder(hidden, attention_mask=hides))


def load(request: Request) -> Embedder:
    """Load a file of weights with the configuration and the tokenizer of BGE. Raises ModelError."""
    import timm

    request.only(("bge", "mean", "std", "interpolation"))
    request.whole()
    file = _weights_of(request)
    base = _base_of(file, request)
    tokenizer = load_tokenizer(base)
    model, config = _read_model(file, base, request)
    seen = model["tower"].patch_embed
    patches, side = seen.num_patches, seen.img_size[0]
    max_length = _max_length(tokenizer, config)
    if max_length - patches < 2:
        raise ModelError(f"{base}: has room for {max_length} tokens, and a picture alone takes {patches}")
    mean, std = (
        numbers(name, request.options[name]) if name in request.options else list(known)
        for name, known in (("mean", CLIP_MEAN), ("std", CLIP_STD))
    )
    resampling = interpolation(request.options.get("interpolation", "bicubic"))
    options = {name: value for name, value in request.options.items() if name != "bge"}
    description, fingerprint = described(
        replace(request, folder=None, processor=None, file=file, options=options),
        family="VISTA",
        architecture=f"Visualized_BGE, {config.model_type}",
        dimension=config.hidden_size,
        preprocessing={
            "size": f"shortest edge {side}",
            "interpolation": resampling,
            "crop": f"{side}x{side}",
            "mean": mean,
            "std": std,
            "image processor": "torchvision on Pillow",
            "text padding": f"longest {max_length}",
            **of_tokenizer(tokenizer),
            "text beside an image": max_length - patches,
            "pooling": "class token, L2",
        },
        resolved={"timm": timm.__version__},
        files=[base / name for name in sorted(each.name for pattern in BASE_FILES for each in base.glob(pattern))],
    )
    if commit := commit_of(request.path):
        description = replace(description, version=f"revision {commit[:12]}")
    transform = _transform(side, resampling, mean, std)
    return Vista(tokenizer, transform, max_length, model, description, fingerprint)


def _weights_of(request: Request) -> Path:
    """The file in the folder; of the hub's repository, which holds both, the one of the encoder asked for."""
    for name, (base, _) in BASES.items():
        if base == request.name:
            return request.path / name
    found = sorted(request.path.glob(VISUALIZED))
    if not found:
        raise ModelError(f"{request.path}: no weights of VISTA; it should hold {' or '.join(BASES)}")
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise ModelError(f"{request.path}: ambiguous weights: {names}; keep one of them in the folder")
    return found[0]


def _base_of(file: Path, request: Request) -> Path:
    """The folder of the text encoder: the one given, the weights' own, or the repository that they were trained on."""
    if request.processor and "bge" not in request.options:
        return request.processor
    if "bge" not in request.options and (request.path / "config.json").is_file():
        return request.path
    pinned = next((base for name, base in BASES.items() if name.lower() == file.name.lower()), None)
    if pinned is None and "bge" not in request.options:
        raise ModelError(
            f"{file}: which text encoder belongs to it is known for {' and '.join(BASES)} only; give its folder with "
            "--mieb-model-arg=bge=FOLDER"
        )
    given = request.options.get("bge")
    return part("--mieb-model-arg=bge", given, pinned or ("", ""), only=BASE_FILES)


def _read_model(file: Path, base: Path, request: Request) -> tuple[Any, Any]:
    """The text encoder, the tower and the projection between them, and the text encoder's configuration."""
    import torch
    from transformers import AutoConfig, AutoModel

    kind = read_json(base / "config.json").get("model_type")
    if kind not in ENCODERS:
        raise ModelError(f"{base}: VISTA's text encoder is of type {' or '.join(ENCODERS)}, and this is {kind}")
    weights, _ = read_weights(file)
    needed = (*_SHAPES.values(), *_TABLE)
    check_keys(file, missing=[name for name in needed if name not in weights], what="VISTA")
    positions, patch, gate = (weights[name] for name in _SHAPES.values())
    width, grid = positions.shape[-1], round((positions.shape[1] - 1) ** 0.5)
    cosines, sines = table = [weights[name].float() for name in _TABLE]
    if positions.shape[1] != grid**2 + 1 or any(len(each) != grid**2 or width % each.shape[1] for each in table):
        check_keys(file, mismatched=[_SHAPES["positions"], *_TABLE], what="VISTA")
    with as_model_errors(base):
        config = AutoConfig.from_pretrained(base, trust_remote_code=False)
        encoder = AutoModel.from_config(
            config,
            dtype=torch.float32,
            trust_remote_code=False,
            add_pooling_layer=False,
            attn_implementation="sdpa",
        )
    with as_model_errors(file):
        tower = eva02(
            width=width,
            heads=width // cosines.shape[1],
            depth=len({name for name in weights if re.fullmatch(rf"{_TOWER}blocks\.\d+\.norm1\.weight", name)}),
            hidden=len(gate),
            patch=patch.shape[-1],
            grid=grid,
            epsilon=EPSILON,
            qkv_fused=False,
            scale_attn_inner=True,
        )
        tower.rope.pos_embed.copy_(torch.cat((sines, cosines), dim=-1))
    projection = torch.nn.Linear(width, config.hidden_size)
    model = torch.nn.ModuleDict({"bge": encoder, "tower": tower, "projection": projection})
    used = {name: value for name, value in weights.items() if not _UNUSED.match(name)}
    load_into(model, used, file, into=f"VISTA on {base / 'config.json'}", called=_CALLED)
    with as_model_errors(file):
        return placed(model, request), config


def _max_length(tokenizer: Any, config: Any) -> int:
    """XLM-R counts the positions of a text from behind that of the padding."""
    first = config.pad_token_id + 1 if config.model_type == "xlm-roberta" else 0
    return int(min(tokenizer.model_max_length, config.max_position_embeddings - first))


def _transform(side: int, resampling: str, mean: list[float], std: list[float]) -> Any:
    """A picture is resized in the mode that it has, and comes to RGB afterwards, as in EVA-CLIP's own transform."""
    from torchvision import transforms

    return transforms.Compose(
        [
            trimmed,
            transforms.Resize(side, transforms.InterpolationMode(resampling)),
            transforms.CenterCrop(side),
            as_rgb,
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )


def _class_token(output: Any) -> Any:
    from torch.nn.functional import normalize

    return normalize(output.last_hidden_state[:, 0], dim=-1)
