"""What a model is told of the inputs that it embeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL.Image import Image

from pytest_mieb.data import open_source
from pytest_mieb.embedding import Pipeline
from pytest_mieb.models import Embedder, Purpose
from pytest_mieb.runtime.evaluation import evaluate
from pytest_mieb.suite.cards import load_tasks

FIND = "Find a screenshot that relevant to the user's question."


class Noting(Embedder):
    """Gives random vectors, and notes for which purposes it was asked."""

    modalities = frozenset({"image", "text"})
    dimension = 8
    fingerprint = None

    def __init__(self) -> None:
        self.purposes: list[Purpose] = []
        self.random = np.random.default_rng(0)

    def prompted(self, purpose: Purpose) -> Embedder:
        self.purposes.append(purpose)
        return self

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        return self.random.standard_normal((len(images), 8)).astype(np.float32)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.random.standard_normal((len(texts), 8)).astype(np.float32)


@pytest.mark.parametrize(
    ("task", "purposes"),
    [
        ("VidoreArxivQARetrieval", [("retrieval", "query", FIND), ("retrieval", "document", None)]),
        ("CVBenchCount", [("multiple_choice", "query", None), ("multiple_choice", "document", None)]),
        ("STL10ZeroShot", [("zero_shot", None, None)]),
        ("STS13VisualSTS", [("sts", None, None)]),
        ("TinyImageNetClustering", [("clustering", None, None)]),
    ],
)
def test_a_model_is_told_task_protocol_role_and_instruction(
    miniature_cache: Path, task: str, purposes: list[tuple[str, str | None, str | None]]
) -> None:
    model = Noting()
    evaluate(load_tasks()[task], open_source("miniature", cache=miniature_cache), Pipeline(model))
    told = [(each.protocol, each.role, each.instruction) for each in model.purposes]
    assert list(dict.fromkeys(told)) == purposes
    assert {each.task for each in model.purposes} == {task}
