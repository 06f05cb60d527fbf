"""Pixels of many pictures, made of a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from PIL import Image

from pytest_mieb.models.local import _AT_ONCE, _in_parts

Pixels = Callable[[Sequence[Image.Image]], Mapping[str, Any]]


def pictures(count: int) -> list[Image.Image]:
    return [Image.new("RGB", (1 + number % 5, 1)) for number in range(count)]


def widths(images: Sequence[Image.Image]) -> Mapping[str, Any]:
    return {"pixels": torch.tensor([[image.width, 7] for image in images]), "sizes": torch.ones(len(images))}


def noted(pixels: Pixels, counts: list[int]) -> Pixels:
    def noting(images: Sequence[Image.Image]) -> Mapping[str, Any]:
        counts.append(len(images))
        return pixels(images)

    return noting


def assert_equal(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], each) and found[name].dtype == each.dtype for name, each in wanted.items())


@pytest.mark.parametrize("count", [1, _AT_ONCE, _AT_ONCE + 1, 3 * _AT_ONCE, 3 * _AT_ONCE + 5])
def test_they_are_what_they_are_of_all_at_once(count: int) -> None:
    counts: list[int] = []
    assert_equal(_in_parts(noted(widths, counts), pictures(count)), widths(pictures(count)))
    assert max(counts) <= _AT_ONCE and sum(counts) == count


@pytest.mark.parametrize("count", [1, 5, _AT_ONCE, _AT_ONCE + 3])
def test_a_picture_that_is_repeated_at_the_end_is_prepared_once(count: int) -> None:
    counts: list[int] = []
    own = pictures(count)
    filled = [*own, *own[-1:] * 30]
    assert_equal(_in_parts(noted(widths, counts), filled), widths(filled))
    assert sum(counts) == count


def padded(images: Sequence[Image.Image]) -> Mapping[str, Any]:
    return {"pixels": torch.zeros(len(images), max(image.width for image in images))}


def several(images: Sequence[Image.Image]) -> Mapping[str, Any]:
    return {"tiles": torch.tensor([[image.width] for image in images for _ in range(2)])}


def listed(images: Sequence[Image.Image]) -> Mapping[str, Any]:
    return {"pixels": [image.width for image in images]}


@pytest.mark.parametrize("pixels", [padded, several, listed])
def test_pixels_that_are_no_row_a_picture_are_made_of_all_at_once(pixels: Pixels) -> None:
    images = [*(Image.new("RGB", (3, 1)) for _ in range(_AT_ONCE)), *pictures(5)]
    found, wanted = _in_parts(pixels, images), pixels(images)
    assert found.keys() == wanted.keys()
    for name, each in wanted.items():
        assert torch.equal(torch.as_tensor(found[name]), torch.as_tensor(each))
