"""Pictures of every mode come to 8 bits, and to RGB, as the reference brings them there, or as the docstring says."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers.image_transforms import convert_to_rgb

from pytest_mieb.data.rgb import RangeError, as_rgb, in_8_bits, in_mode, on_white, without_alphas
from tests.models.battery import ODD_MODES, TRANSPARENT, noise


def picture(mode: str, *values: Any) -> Image.Image:
    """One row of pixels."""
    kinds = {"I;16": "<u2", "I;16L": "<u2", "I;16B": ">u2", "I": "<i4", "F": "<f4"}
    return Image.frombytes(mode, (len(values), 1), np.array(values, kinds[mode]).tobytes())


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV"])
def test_8_bits_stay_as_they_are(mode: str) -> None:
    image = Image.new(mode, (2, 1))
    assert in_8_bits(image) is image


# By the PNG standard, 13.12: the nearest of 255 levels.
SIXTEEN = ([0, 128, 129, 255, 256, 8000, 32767, 50000, 65535], [0, 0, 1, 1, 1, 31, 127, 195, 255])


@pytest.mark.parametrize(
    ("mode", "values", "levels"),
    [
        *((mode, *SIXTEEN) for mode in ("I;16", "I;16L", "I;16B", "I")),
        ("I", [0, 1, 128, 255], [0, 1, 128, 255]),
        ("I", [0, 1, 128, 256], [0, 0, 0, 1]),
        ("F", [0, 0.25, 0.5, 0.999, 1], [0, 64, 128, 255, 255]),
        ("F", [0, 0.5, 1.5, 200.4, 200.7, 255], [0, 0, 1, 200, 200, 255]),
        ("F", [0, 0, 0], [0, 0, 0]),
    ],
)
def test_more_are_scaled_by_what_they_mean(mode: str, values: list[float], levels: list[int]) -> None:
    found = in_8_bits(picture(mode, *values))
    assert (found.mode, list(found.tobytes())) == ("L", levels)


@pytest.mark.parametrize(
    ("mode", "values"),
    [("I", [0, 7, 255]), ("F", [0, 0.5, 1.5, 200.4, 254.9, 255])],
)
def test_what_pillow_shows_right_is_shown_as_by_pillow(mode: str, values: list[float]) -> None:
    image = picture(mode, *values)
    assert in_8_bits(image).convert("RGB").tobytes() == image.convert("RGB").tobytes()


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_a_transparent_level_of_16_bits_stays_transparent(mode: str) -> None:
    image = picture(mode, 0, 300, 301, 65535)
    image.info["transparency"] = 300
    found = in_8_bits(image)
    assert (found.mode, list(found.getchannel("L").tobytes()), list(found.getchannel("A").tobytes())) == (
        "LA",
        [0, 1, 1, 255],
        [255, 0, 255, 255],
    )


@pytest.mark.parametrize(
    ("mode", "values", "sentence"),
    [
        ("I", [0, 65536], "its values, of mode I, run from 0 to 65536, where 0 to 65535 can be shown"),
        ("I", [-1, 255], "its values, of mode I, run from -1 to 255, where 0 to 65535 can be shown"),
        ("F", [0, 255.5], "its values, of mode F, run from 0 to 255.5, where 0 to 1 or 0 to 255 can be shown"),
        ("F", [-0.5, 1], "its values, of mode F, run from -0.5 to 1, where 0 to 1 or 0 to 255 can be shown"),
        ("F", [0, float("nan")], "its values, of mode F, run from nan to nan, where 0 to 1 or 0 to 255 can be shown"),
        ("F", [0, float("inf")], "its values, of mode F, run from 0 to inf, where 0 to 1 or 0 to 255 can be shown"),
    ],
)
def test_values_that_mean_nothing_known_are_refused(mode: str, values: list[float], sentence: str) -> None:
    with pytest.raises(RangeError) as refusal:
        in_8_bits(picture(mode, *values))
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("case", TRANSPARENT)
def test_what_is_transparent_is_put_on_white_as_transformers_puts_it(case: str) -> None:
    image = TRANSPARENT[case]
    found, opaque = on_white(image), as_rgb(image)
    expected = convert_to_rgb(image, return_numpy=True)
    assert isinstance(expected, np.ndarray)
    assert np.array_equal(np.asarray(found), expected)
    assert found.mode == "RGB"
    assert found.tobytes() != opaque.tobytes()


@pytest.mark.parametrize("case", ODD_MODES)
def test_where_nothing_is_transparent_both_are_pillows(case: str) -> None:
    image = ODD_MODES[case]
    assert on_white(image).tobytes() == as_rgb(image).tobytes() == image.convert("RGB").tobytes()


@pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")
@pytest.mark.parametrize("case", TRANSPARENT)
def test_alpha_is_dropped_as_pillow_drops_it(case: str) -> None:
    image = TRANSPARENT[case]
    expected = image.convert("RGB")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found, plain = as_rgb(image), without_alphas(image)
    assert (found.tobytes(), found.info.get("transparency")) == (expected.tobytes(), expected.info.get("transparency"))
    assert ("colour" in case or "level" in case) is ("transparency" in found.info)
    assert (plain is image) is (case != "palette with alphas")
    assert plain.tobytes() == image.tobytes()


@pytest.mark.parametrize("case", [*TRANSPARENT, *ODD_MODES])
def test_a_model_gets_the_mode_that_it_takes(case: str) -> None:
    image = (TRANSPARENT | ODD_MODES)[case]
    assert in_mode(image, "any") is image
    assert in_mode(image, "RGB").tobytes() == as_rgb(image).tobytes()
    assert in_mode(image, "RGB on white").tobytes() == on_white(image).tobytes()


def test_rgb_is_itself() -> None:
    image = noise(3, 4)
    assert as_rgb(image) is on_white(image) is without_alphas(image) is image
