"""Very thin pictures reach a model as they would untrimmed, and cost no more memory than others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import transformers
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

from pytest_mieb.models.preprocessing import MOST_PIXELS, Pictures, trimmed
from tests.models.battery import noise


@pytest.mark.parametrize(
    ("size", "left"),
    [
        ((64, 1), (64, 1)),
        ((65, 1), (65, 1)),
        ((68, 1), (64, 1)),
        ((4000, 2), (128, 2)),
        ((2, 4000), (2, 128)),
        ((640, 24), (640, 24)),
        ((30, 9999), (30, 1959)),
    ],
)
def test_only_a_thin_picture_is_trimmed_on_both_sides_alike(size: tuple[int, int], left: tuple[int, int]) -> None:
    image = noise(size[1], size[0])
    found = trimmed(image)
    assert found.size == left
    assert (found is image) is (size == left)
    cut = [(before - after) // 2 for before, after in zip(size, left, strict=True)]
    assert found.tobytes() == image.crop((cut[0], cut[1], size[0] - cut[0], size[1] - cut[1])).tobytes()


def test_what_is_left_keeps_mode_palette_and_what_is_transparent() -> None:
    image = noise(2, 400).quantize(4)
    image.info["transparency"] = 2
    found = trimmed(image)
    assert (found.mode, found.getpalette(), found.info["transparency"]) == ("P", image.getpalette(), 2)


# The longer edge comes to a whole number of pixels, or it does not.
THIN = [((4000, 2), 0), ((2, 301), 0), ((7, 1501), 0), ((50, 8000), 0), ((1000, 3), 2), ((5, 777), 2), ((13, 2999), 2)]


@pytest.mark.parametrize("side", [56, 224])
@pytest.mark.parametrize(("size", "levels"), THIN)
def test_the_centre_has_the_same_pixels(size: tuple[int, int], levels: int, side: int) -> None:
    image = noise(size[1], size[0])
    square = {"height": side, "width": side}
    processor = transformers.CLIPImageProcessor(size={"shortest_edge": side}, crop_size=square, do_normalize=False)
    transform = Compose([Resize(side, InterpolationMode.BICUBIC), CenterCrop(side)])
    by_torch = [processor([each], return_tensors="np")["pixel_values"] * 255 for each in (image, trimmed(image))]
    by_pillow = [np.asarray(transform(each), dtype=np.float32) for each in (image, trimmed(image))]
    for whole, part in (by_torch, by_pillow):
        assert np.abs(whole - part).max() < levels + 0.01


SHORT = {"size": {"shortest_edge": 224}}
PROCESSORS: dict[str, tuple[Any, dict[str, Any], tuple[int, int]]] = {
    "resized and cropped": (transformers.CLIPImageProcessor, {}, (128, 2)),
    "resized and cropped by a share": (transformers.ConvNextImageProcessor, SHORT, (128, 2)),
    "padded first": (transformers.LlavaImageProcessor, {"do_pad": True}, (4000, 2)),
    "squeezed": (transformers.SiglipImageProcessor, {}, (4000, 2)),
    "squeezed to an edge": (transformers.ConvNextImageProcessor, {}, (4000, 2)),
    "cut into pieces": (transformers.LlavaNextImageProcessor, {}, (4000, 2)),
    "fitted into an area": (transformers.Qwen2VLImageProcessor, {}, (4000, 2)),
}


@pytest.mark.parametrize("case", PROCESSORS)
def test_a_picture_is_trimmed_where_its_centre_alone_counts(case: str) -> None:
    processor_class, options, left = PROCESSORS[case]
    pictures = Pictures(processor_class(**options))
    assert [each.size for each in pictures([noise(2, 4000), noise(40, 60)])] == [left, (60, 40)]


def test_a_picture_that_would_grow_without_end_is_refused() -> None:
    pictures = Pictures(transformers.CLIPImageProcessor(do_center_crop=False))
    assert MOST_PIXELS < 224 * 448_000
    with pytest.raises(ValueError, match=r"^4000x2 pixels would be resized to 448000x224$"):
        pictures([noise(2, 4000)])
    assert pictures([noise(2, 400)])[0].size == (400, 2)


def test_a_picture_comes_as_it_is_where_the_processor_converts_it_itself() -> None:
    converting, plain = (Pictures(each()) for each in (transformers.CLIPImageProcessor, transformers.ViTImageProcessor))
    assert (converting.mode, plain.mode) == ("any", "RGB")
