"""The reference implementation, `mteb`: its tasks, its own model wrappers, and its scores."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import mteb
import numpy as np
from mteb.abstasks.aggregated_task import AbsTaskAggregate
from mteb.models.abs_encoder import AbsEncoder
from mteb.models.model_implementations.clip_models import CLIPModel
from mteb.models.model_implementations.siglip_models import SiglipModelWrapper
from mteb.models.model_meta import ModelMeta, ScoringFunction

from pytest_mieb.models.embedder import Embedder
from tests.parity.comparison import Scores
from tests.parity.embeddings import Table, image_key, text_key

WRAPPERS: Mapping[str, type[AbsEncoder]] = {"clip": CLIPModel, "siglip": SiglipModelWrapper}


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

    The wrappers take any name that transformers loads, and a folder is one. They run as they are: only the processor
    is wrapped, to see each batch, and what the two embedding methods return is kept.
    """
    family = json.loads((folder / "config.json").read_text())["model_type"]
    encoder = WRAPPERS[family](str(folder), None, device="cpu")  # type: ignore[call-arg]
    encoder.mteb_model_meta = _meta(str(folder))
    keys: list[bytes] = []
    processor = encoder.processor  # type: ignore[attr-defined]

    def listening(**inputs: Any) -> Any:
        keys.extend(map(image_key, inputs.get("images", ())))
        keys.extend(map(text_key, inputs.get("text", ())))
        return processor(**inputs)

    encoder.processor = listening  # type: ignore[attr-defined]
    for method in ("get_image_embeddings", "get_text_embeddings"):
        setattr(encoder, method, _kept(getattr(encoder, method), keys, table))
    return encoder


def _kept(method: Any, keys: list[bytes], table: Table) -> Any:
    def embed(items: Any, show_progress_bar: bool = False, **options: Any) -> Any:
        keys.clear()
        vectors = method(items, show_progress_bar=show_progress_bar, **options)
        table.add(keys, vectors.numpy())
        return vectors

    return embed


class SameEmbeddings(AbsEncoder):
    """An encoder of the reference that gives what our embedder gives, as tensors, which is what wrappers return."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self.mteb_model_meta = _meta("same/embeddings")

    def encode(self, inputs: Any, **options: Any) -> Any:
        import torch

        parts = [self._embed(batch, inputs.dataset.features) for batch in inputs]
        return torch.from_numpy(np.concatenate(parts))

    def _embed(self, batch: Mapping[str, Any], columns: Iterable[str]) -> Any:
        sides = []
        if "text" in columns:
            sides.append(self.embedder.embed_texts(batch["text"]))
        if "image" in columns:
            sides.append(self.embedder.embed_images([image.convert("RGB") for image in batch["image"]]))
        return sides[0] if len(sides) == 1 else sides[0] + sides[1]


def _meta(name: str) -> ModelMeta:
    return ModelMeta.create_empty(
        {
            "name": f"parity/{Path(name).name}",
            "modalities": ["image", "text"],
            "similarity_fn_name": ScoringFunction.COSINE,
        }
    )
