"""A VISTA small enough to build in a test: timm's EVA-02 and a BGE, saved by the names of the published file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

PATCH, GRID, WIDTH, HEAD = 8, 4, 32, 16
PIXELS = PATCH * GRID
POSITIONS = 64
LAYERS: dict[str, Any] = {
    "hidden_size": WIDTH,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
_PIECES = "abcdefghijklmnopqrstuvwxyz0123456789.,犬走るв"
# timm's names of a block's parts, and those of the published checkpoints.
PUBLISHED = {
    "attn.q_proj.bias": "attn.q_bias",
    "attn.v_proj.bias": "attn.v_bias",
    "attn.norm.": "attn.inner_attn_ln.",
    "mlp.fc1_g.": "mlp.w1.",
    "mlp.fc1_x.": "mlp.w2.",
    "mlp.fc2.": "mlp.w3.",
    "mlp.norm.": "mlp.ffn_ln.",
}


def small_tower() -> Any:
    """EVA02-CLIP's tower, as timm makes it."""
    from timm.models.eva import Eva

    return Eva(
        img_size=PIXELS,
        patch_size=PATCH,
        embed_dim=WIDTH,
        depth=2,
        num_heads=WIDTH // HEAD,
        qkv_fused=False,
        mlp_ratio=4 * 2 / 3,
        swiglu_mlp=True,
        scale_mlp=True,
        scale_attn_inner=True,
        use_rot_pos_emb=True,
        ref_feat_shape=(16, 16),
        num_classes=24,
        global_pool="token",
    )


def bge_tokenizer(first: tuple[str, ...]) -> Any:
    """Words of single letters; `first` are the special tokens in the order of their ids."""
    from transformers import BertTokenizer

    words = (*first, "dog", "photo", *_PIECES, *(f"##{piece}" for piece in _PIECES))
    return BertTokenizer(vocab={piece: place for place, piece in enumerate(words)}, model_max_length=POSITIONS)


def build_bge(folder: Path, kind: str) -> Any:
    """Write configuration and tokenizer of a BERT or an XLM-R, without weights, and return the encoder itself."""
    from transformers import BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel

    if kind == "bert":
        tokenizer = bge_tokenizer(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))
        config = BertConfig(**LAYERS, vocab_size=len(tokenizer), max_position_embeddings=POSITIONS)
        model: Any = BertModel(config)
    else:
        tokenizer = bge_tokenizer(("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"))
        size: dict[str, Any] = LAYERS | {"vocab_size": len(tokenizer), "max_position_embeddings": POSITIONS + 2}
        model = XLMRobertaModel(XLMRobertaConfig(**size, type_vocab_size=1, pad_token_id=1))
    model.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


def build_vista(folder: Path, kind: str) -> tuple[Any, Any, Any]:
    """Write weights to `folder` and BGE's files to `folder`/bge; return encoder, tower and projection."""
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    parts = build_bge(folder / "bge", kind), small_tower(), torch.nn.Linear(WIDTH, WIDTH)
    with torch.no_grad():  # as initialised, all embeddings lie close together
        for part in parts:
            for name, weight in part.eval().named_parameters():
                weight.copy_(torch.randn_like(weight) * (0.3 if weight.ndim > 1 else 0.1) + ("norm" in name.lower()))
                if "fc1_x" in name:  # so small that what is added to a variance counts
                    weight.mul_(0.002)
    name = "Visualized_base_en_v1.5.pth" if kind == "bert" else "Visualized_m3.pth"
    torch.save(published(*parts), folder / name)
    return parts


def published(encoder: Any, tower: Any, projection: Any) -> dict[str, torch.Tensor]:
    """The state dict under the names that visual_bge saves, with all that it saves beside what is needed."""
    weights = {f"bge_{name}": value for name, value in encoder.state_dict().items()}
    weights |= {f"visual_proj.{name}": value for name, value in projection.state_dict().items()}
    weights["model_visual.logit_scale"] = torch.tensor(4.6)
    table = angles()
    for name, value in tower.state_dict().items():
        for own, other in PUBLISHED.items():
            name = name.replace(own, other)
        weights[f"model_visual.visual.{name}"] = value
    for place in ("", *(f"blocks.{number}.attn." for number in range(len(tower.blocks)))):
        weights[f"model_visual.visual.{place}rope.freqs_cos"] = table.cos()
        weights[f"model_visual.visual.{place}rope.freqs_sin"] = table.sin()
    return weights


def angles() -> torch.Tensor:
    """By which each of a head's numbers turns at each patch: in pairs, the first half by the row; (patches, HEAD)."""
    half = HEAD // 2
    turns = [[place * 16 / GRID / 10000 ** (2 * (k // 2) / half) for k in range(half)] for place in range(GRID)]
    return torch.tensor([turns[row] + turns[column] for row in range(GRID) for column in range(GRID)])
