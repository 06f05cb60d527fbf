"""A model made of functions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from pytest_mieb import Embedder, FunctionEmbedder
from pytest_mieb.models import ModelError
from pytest_mieb.models.embedder import as_array

PICTURE = Image.new("RGB", (2, 3))


def widths(images: list[Image.Image]) -> list[list[float]]:
    return [[image.width, image.height] for image in images]


def lengths(texts: list[str]) -> list[list[float]]:
    return [[len(text), 1] for text in texts]


def test_images_only() -> None:
    model = FunctionEmbedder(images=widths)
    assert isinstance(model, Embedder)
    assert (model.modalities, model.image_mode) == (frozenset({"image"}), "RGB on white")
    assert model.embed_images((PICTURE, PICTURE)).tolist() == [[2, 3], [2, 3]]
    with pytest.raises(ModelError, match="this model does not embed texts"):
        model.embed_texts(["a"])


def test_texts_only() -> None:
    model = FunctionEmbedder(texts=lengths)
    assert model.modalities == {"text"}
    assert model.embed_texts(["abc"]).tolist() == [[3, 1]]
    with pytest.raises(ModelError, match="this model does not embed images"):
        model.embed_images([PICTURE])


def test_both_and_their_sum() -> None:
    model = FunctionEmbedder(widths, lengths)
    assert model.modalities == {"image", "text"}
    assert model.embed_interleaved([PICTURE], ["abc"]).tolist() == [[2 + 3, 3 + 1]]


def test_neither_is_refused() -> None:
    with pytest.raises(ModelError, match="needs a function for images, for texts, or both"):
        FunctionEmbedder()


@pytest.mark.parametrize(
    ("model", "dimension"),
    [
        (FunctionEmbedder(images=widths), 2),
        (FunctionEmbedder(texts=lambda texts: np.zeros((len(texts), 5))), 5),
        (FunctionEmbedder(images=widths, dimension=7), 7),
    ],
)
def test_the_dimension_is_that_given_or_that_of_a_first_embedding(model: FunctionEmbedder, dimension: int) -> None:
    assert model.dimension == dimension


@pytest.mark.parametrize("fingerprint", [None, "step 40000"])
def test_the_fingerprint_is_what_the_user_says(fingerprint: str | None) -> None:
    assert FunctionEmbedder(widths, fingerprint=fingerprint).fingerprint == fingerprint


@pytest.mark.parametrize(
    "embeddings",
    [
        [[1, 2]],
        np.array([[1, 2]], np.float64),
        torch.tensor([[1.0, 2.0]], requires_grad=True),
        torch.tensor([[1, 2]], dtype=torch.bfloat16),
    ],
    ids=["list", "float64", "a tensor with a gradient", "bfloat16"],
)
def test_whatever_a_function_returns_becomes_float32(embeddings: object) -> None:
    found = as_array(embeddings)
    assert type(found) is np.ndarray
    assert (found.dtype, found.tolist()) == (np.dtype(np.float32), [[1, 2]])


@pytest.mark.parametrize("metered", [False, True])
def test_the_user_says_whether_every_input_is_paid_for(metered: bool) -> None:
    assert FunctionEmbedder(widths, metered=metered).metered is metered
    assert FunctionEmbedder(widths).metered is False
