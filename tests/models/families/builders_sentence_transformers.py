"""Chains of sentence-transformers small enough to build in a test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.models.builders import CLIP_TOWER, build_clip
from tests.models.families.builders_blip import bert_tokenizer

WIDTH = 24


def saved(folder: Path, *modules: Any, **settings: Any) -> Path:
    """A chain as the library saves it."""
    from sentence_transformers import SentenceTransformer

    SentenceTransformer(modules=list(modules), device="cpu", **settings).save(str(folder))
    return folder


def _dense(inner: int, outer: int, **settings: Any) -> Any:
    from sentence_transformers.base.modules import Dense

    torch.manual_seed(1)
    return Dense(inner, outer, **settings)


def _clip(folder: Path, seed: int = 0) -> Any:
    from sentence_transformers.base.modules import Transformer

    return Transformer(str(build_clip(folder / f"clip-{seed}", seed)))


def _bert(folder: Path) -> list[Any]:
    """A BERT and the mean of its tokens."""
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import BertConfig, BertModel

    words = bert_tokenizer()
    torch.manual_seed(0)
    BertModel(BertConfig(**CLIP_TOWER, vocab_size=len(words), max_position_embeddings=64)).save_pretrained(
        folder / "bert"
    )
    words.save_pretrained(folder / "bert")
    return [Transformer(str(folder / "bert")), Pooling(32, "mean")]


def build_text(folder: Path) -> Path:
    from sentence_transformers.base.modules import Normalize

    return saved(folder / "text", *_bert(folder), _dense(32, 16), Normalize())


def build_old_clip(folder: Path) -> Path:
    """As `clip-ViT-B-32` lies on the hub: the CLIP in a folder, by the name that its module had."""
    place = folder / "old"
    build_clip(place / "0_CLIPModel")
    chain = [{"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}]
    (place / "modules.json").write_text(json.dumps(chain))
    return place


def build_dense(folder: Path) -> Path:
    """A CLIP in the root, with a Dense layer, a norm of the layer and a normalisation behind it."""
    from sentence_transformers.base.modules import Normalize
    from sentence_transformers.sentence_transformer.modules import LayerNorm

    return saved(folder / "dense", _clip(folder), _dense(WIDTH, 20), LayerNorm(20), Normalize())


def build_truncated(folder: Path) -> Path:
    return saved(folder / "truncated", _clip(folder), truncate_dim=10)


def build_prompts(folder: Path) -> Path:
    prompts = {"query": "find: ", "passage": "read: ", "plain": "a photo of "}
    return saved(folder / "prompts", _clip(folder), prompts=prompts, default_prompt_name="plain")


def build_routes(folder: Path) -> Path:
    """Queries and documents by two CLIPs; what is neither has no route."""
    from sentence_transformers.base.modules import Router

    query, document = [_clip(folder, 1)], [_clip(folder, 2), _dense(WIDTH, WIDTH)]
    return saved(
        folder / "routes", Router.for_query_document(query, document, default_route=None, allow_empty_key=False)
    )


BUILDERS: dict[str, Callable[[Path], Path]] = {
    "text": build_text,
    "old CLIP": build_old_clip,
    "dense": build_dense,
    "truncated": build_truncated,
    "prompts": build_prompts,
    "routes": build_routes,
}
