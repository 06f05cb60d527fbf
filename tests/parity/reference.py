"""The reference implementation, `mteb`: its tasks, its own model wrappers, and its scores."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import mteb
import numpy as np
from mteb.abstasks.aggregated_task import AbsTaskAggregate
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_implementations.clip_models import CLIPModel
from mteb.models.model_implementations.dino_models import DINOModel
from mteb.models.model_implementations.openclip_models import openclip_loader
from mteb.models.model_implementations.siglip_models import SiglipModelWrapper
from mteb.models.model_meta import ModelMeta, ScoringFunction

from pytest_mieb.models.embedder import Embedder
from tests.parity.comparison import Scores
from tests.parity.embeddings import Table, image_key, text_key

WRAPPERS: Mapping[str, type[AbsEncoder]] = {"clip": CLIPModel, "siglip": SiglipModelWrapper, "dinov2": DINOModel}
VISION_ONLY = ("dinov2",)


def load(name: str) -> Any:
    """The reference's task with its data loaded.

    The parts of an aggregate have splits that count in no score; they are left out.
    """
    task = mteb.get_task(name)
    for part in _parts(task):
        part.filter_eval_splits(task.metadata.eval_splits)
        part.load_data()
    return task


def score(task: Any, encoder: Any, batch_size: int) -> Scores:
    """What the reference's own evaluation gives for a loaded task."""
    results = [
        mteb.evaluate(
            encoder,
            _as_new(part),
            cache=None,
            co2_tracker=False,
            show_progress_bar=False,
            encode_kwargs={"batch_size": batch_size, "show_progress_bar": False},
        ).task_results[0]
        for part in _parts(task)
    ]
    split = task.metadata.eval_splits[0]
    main = (task.combine_task_results(results) if isinstance(task, AbsTaskAggregate) else results[0]).get_score()
    subsets = {row["hf_subset"]: _numbers(row) for result in results for row in result.scores[split]}
    return Scores(float(main), subsets)


def _parts(task: Any) -> list[Any]:
    return list(task.metadata.tasks) if isinstance(task, AbsTaskAggregate) else [task]


def _as_new(task: Any) -> Any:
    """The task with its data, and with the random state that a task starts with: evaluating uses it up."""
    new = copy.copy(task)
    new.np_rng = np.random.default_rng(task.seed)
    return new


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """The plain metrics; the nAUC figures, which judge a model's confidence, are no part of MIEB."""
    return {
        name: float(value)
        for name, value in row.items()
        if isinstance(value, int | float) and not name.startswith("nauc_") and math.isfinite(value)
    }


def own_wrapper(folder: Path, table: Table) -> AbsEncoder:
    """The reference's wrapper of the family, on a local folder; what it embeds is written to `table`.

    The wrappers take any name that transformers loads, and a folder is one. They run as they are: what their two
    embedding methods are given is noted, and what they return is kept.
    """
    if (folder / "open_clip_config.json").is_file():
        encoder, modalities = _open_clip(folder), ["image", "text"]
    else:
        family = json.loads((folder / "config.json").read_text())["model_type"]
        encoder = WRAPPERS[family](str(folder), None, device="cpu")  # type: ignore[call-arg]
        modalities = ["image"] if family in VISION_ONLY else ["image", "text"]
    encoder.mteb_model_meta = _meta(str(folder), modalities)
    for method in ("get_image_embeddings", "get_text_embeddings"):
        setattr(encoder, method, _kept(getattr(encoder, method), table))
    return encoder


def _open_clip(folder: Path) -> AbsEncoder:
    """The wrapper takes ids of the hub alone; open_clip reads a folder by another prefix."""
    import open_clip

    kept = open_clip.create_model_and_transforms, open_clip.get_tokenizer

    def local(function: Any) -> Any:
        return lambda name, **options: function(name.replace("hf-hub:", "local-dir:"), **options)

    open_clip.create_model_and_transforms, open_clip.get_tokenizer = map(local, kept)
    try:
        encoder = openclip_loader(str(folder), revision=None, device="cpu")
    finally:
        open_clip.create_model_and_transforms, open_clip.get_tokenizer = kept
    assert isinstance(encoder, AbsEncoder)
    return encoder


class _Noted:
    """Batches of the reference, with the keys of what was taken from them."""

    def __init__(self, batches: Any, column: str) -> None:
        self._batches, self._column = batches, column
        self.keys: list[bytes] = []

    def __iter__(self) -> Iterator[Any]:
        key: Any = image_key if self._column == "image" else text_key
        for batch in self._batches:
            self.keys.extend(map(key, batch[self._column]))
            yield batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batches, name)


def _kept(method: Any, table: Table) -> Any:
    def embed(batches: Any, show_progress_bar: bool = False, **options: Any) -> Any:
        noted = _Noted(batches, "image" if "image" in method.__name__ else "text")
        vectors = method(noted, show_progress_bar=show_progress_bar, **options)
        table.add(noted.keys, vectors.numpy())
        return vectors

    return embed


class SameEmbeddings(AbsEncoder):
    """An encoder of the reference that gives what our embedder gives, as tensors, which is what wrappers return."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self.mteb_model_meta = _meta("same/embeddings", sorted(embedder.modalities))

    def encode(self, inputs: Any, **options: Any) -> Any:
        import torch

        parts = [self._embed(batch, inputs.dataset.features) for batch in inputs]
        return torch.from_numpy(np.concatenate(parts))

    def _embed(self, batch: Mapping[str, Any], columns: Iterable[str]) -> Any:
        sides = []
        if "text" in columns:
            sides.append(self.embedder.embed_texts(batch["text"]))
        if "image" in columns:
            sides.append(self.embedder.embed_images(batch["image"]))
        return sides[0] if len(sides) == 1 else sides[0] + sides[1]


def _meta(name: str, modalities: Sequence[str]) -> ModelMeta:
    return ModelMeta.create_empty(
        {
            "name": f"parity/{Path(name).name}",
            "modalities": list(modalities),
            "similarity_fn_name": ScoringFunction.COSINE,
        }
    )
