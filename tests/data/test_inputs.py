"""Images whatever their files are like, and the keys under which embeddings are kept."""

from __future__ import annotations

import io
import struct
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image, ImageFile

from pytest_mieb.data import DatasetError
from pytest_mieb.data.inputs import Images, Inputs
from pytest_mieb.data.origin import Origin
from tests.data.mirrors import encoded, plain, whole

ORIENTATION = 0x0112


def images(*files: bytes | str, **options: Any) -> Images:
    """A column of image files: their bytes, or the paths where they lie."""
    rows = [{"bytes": None, "path": file} if isinstance(file, str) else {"bytes": file, "path": None} for file in files]
    column = datasets.Dataset.from_dict({"img": rows}, features=datasets.Features({"img": datasets.Image()}))
    return Images(whole(column), "img", **options)


def raw(*files: bytes) -> Images:
    """A column of raw bytes, as a few datasets have it."""
    return Images(whole(datasets.Dataset.from_dict({"img": list(files)})), "img")


def grey(value: int, mode: str = "L") -> Image.Image:
    return Image.new(mode, (3, 2), value)


def palette(**options: Any) -> bytes:
    image = Image.new("P", (3, 2), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    return encoded(image, "PNG", **options)


# File, mode, a pixel in that mode, and in RGB.
FILES: dict[str, tuple[bytes, str, Any, tuple[int, int, int]]] = {
    "RGB": (encoded(Image.new("RGB", (3, 2), (10, 20, 30))), "RGB", (10, 20, 30), (10, 20, 30)),
    "RGBA": (encoded(Image.new("RGBA", (3, 2), (10, 20, 30, 0))), "RGBA", (10, 20, 30, 0), (10, 20, 30)),
    "palette": (palette(), "P", 1, (10, 20, 30)),
    "palette with a transparent colour": (palette(transparency=1), "P", 1, (10, 20, 30)),
    "palette with an alpha for each colour": (palette(transparency=b"\x00\x80"), "P", 1, (10, 20, 30)),
    "GIF": (encoded(Image.new("RGB", (3, 2), (10, 20, 30)), "GIF"), "P", 0, (10, 20, 30)),
    "grey": (encoded(grey(77)), "L", 77, (77, 77, 77)),
    "grey with alpha": (encoded(Image.new("LA", (3, 2), (77, 5))), "LA", (77, 5), (77, 77, 77)),
    "black and white": (encoded(Image.new("1", (3, 2), 1)), "1", 255, (255, 255, 255)),
    "16 bits": (encoded(grey(40_000, "I;16")), "L", 156, (156, 156, 156)),
    "32 bits": (encoded(grey(77, "I"), "TIFF"), "L", 77, (77, 77, 77)),
    "floats": (encoded(Image.new("F", (3, 2), 0.5), "TIFF"), "L", 128, (128, 128, 128)),
    "CMYK": (encoded(Image.new("CMYK", (3, 2), (0, 0, 0, 0)), "TIFF"), "CMYK", (0, 0, 0, 0), (255, 255, 255)),
}


@pytest.mark.parametrize("case", FILES)
def test_an_image_has_the_mode_of_its_file_with_8_bits_or_is_rgb_without_alpha(case: str) -> None:
    file, mode, pixel, colour = FILES[case]
    for found in (images(file), raw(file)):
        assert (found[0].mode, found[0].size) == (mode, (3, 2))
        assert {found[0].getpixel((x, y)) for x in range(3) for y in range(2)} == {pixel}
    converted = images(file, in_rgb=True)[0]
    assert (converted.mode, converted.getpixel((2, 1))) == ("RGB", colour)


def test_an_image_is_turned_as_its_exif_data_says() -> None:
    left_half_red = Image.new("RGB", (32, 16), "blue")
    left_half_red.paste("red", (0, 0, 16, 16))
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be turned by a quarter, clockwise: what was left is on top
    found = images(encoded(left_half_red, "JPEG", quality=95, exif=exif))[0]
    assert found.size == (16, 32)
    top, bottom = found.getpixel((8, 4)), found.getpixel((8, 28))
    assert top[0] > 200 > 60 > top[2]  # type: ignore[index]
    assert bottom[2] > 200 > 60 > bottom[0]  # type: ignore[index]


def test_an_image_may_lie_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(plain("red"))
    assert images(str(tmp_path / "red.png"))[0].getpixel((0, 0)) == (255, 0, 0)


def noisy(seed: int = 0, side: int = 32) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8))


WHERE = "dataset org/scans (revision main), split test: column 'img' holds"
CUT = encoded(noisy())[:1000]
UNREADABLE: dict[str, tuple[bytes, str]] = {
    "cut short": (CUT, f"{WHERE} a damaged image in row 6 (image file is truncated"),
    "a JPEG cut short": (
        encoded(noisy(side=64), "JPEG")[:2000],
        f"{WHERE} a damaged image in row 6 (image file is truncated",
    ),
    "no image": (b"no image", f"{WHERE} a damaged image in row 6 (of no format that Pillow knows)"),
    "empty": (b"", f"{WHERE} a damaged image in row 6 (of no format that Pillow knows)"),
    "floats beyond": (
        encoded(Image.new("F", (3, 2), 300), "TIFF"),
        f"{WHERE} an image in row 6 that cannot be shown: its values, of mode F, run from 300 to 300, where 0 to 1 or "
        "0 to 255 can be shown; convert it in a mirror of the dataset",
    ),
    "32 bits beyond": (
        encoded(Image.new("I", (3, 2), 70_000), "TIFF"),
        f"{WHERE} an image in row 6 that cannot be shown: its values, of mode I, run from 70000 to 70000, where 0 to",
    ),
    "larger than Pillow opens": (
        encoded(Image.new("1", (50, 50))),
        f"{WHERE} an image in row 6 that is larger than Pillow opens (Image size (2500 pixels) exceeds limit of 2000",
    ),
}


def scans(*files: bytes) -> Images:
    """What was chosen of a column: the first of `files` lies in row 6 of the dataset."""
    rows = [{"bytes": file, "path": None} for file in [plain("red")] * 6 + list(files)]
    column = datasets.Dataset.from_dict({"img": rows}, features=datasets.Features({"img": datasets.Image()}))
    origin = Origin.whole("org/scans (revision main)", "split test", len(rows))
    return Images(whole(column), "img", origin).take([2, *range(6, len(rows))])


@pytest.mark.parametrize("tolerant", [False, True], ids=["", "where other code lets Pillow make pixels up"])
@pytest.mark.parametrize("case", UNREADABLE)
def test_an_image_that_cannot_be_read_is_named_by_its_row(
    case: str, tolerant: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, sentence = UNREADABLE[case]
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", tolerant)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000 if "larger" in case else None)
    found = scans(file)
    assert found[0].getpixel((0, 0)) == (255, 0, 0)
    with pytest.raises(DatasetError) as refusal:
        found[1]
    assert str(refusal.value).startswith(sentence)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is tolerant


@pytest.mark.parametrize(
    "error", [struct.error("unpack"), IndexError("4"), MemoryError(), ZeroDivisionError()], ids=repr
)
def test_whatever_a_reader_of_pillow_raises_is_a_damaged_image(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: datasets.Image, *arguments: Any) -> Any:
        raise error

    monkeypatch.setattr(datasets.Image, "decode_example", fail)
    with pytest.raises(DatasetError, match=rf"damaged image in row 6 \({str(error) or type(error).__name__}\); check"):
        scans(plain("red"))[1]


def test_a_file_that_is_not_there_is_a_damaged_image_of_its_row(tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(plain("red"))
    column = images(str(tmp_path / "red.png"), str(tmp_path / "gone.png"), str(tmp_path / "lost.png"))
    assert len(set(column.keys.tolist())) == 3
    with pytest.raises(DatasetError, match=r"damaged image in row 1 \(.*gone.png"):
        column[1]


@pytest.mark.parametrize("action", ["default", "error"])
def test_a_large_image_that_pillow_opens_is_warned_of_at_most(action: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow warns above its limit, and refuses twice as much."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter(action)
        found = images(encoded(Image.new("RGB", (40, 40), (10, 20, 30))))[0]
    assert (found.size, found.getpixel((39, 39))) == ((40, 40), (10, 20, 30))
    assert [warning.category for warning in told] == [Image.DecompressionBombWarning] * (action == "default")
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_threads_that_decode_at_once_leave_pillow_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    decode, seen = datasets.Image.decode_example, []

    def slowly(self: datasets.Image, *arguments: Any) -> Any:
        time.sleep(0.01)
        seen.append(ImageFile.LOAD_TRUNCATED_IMAGES)
        return decode(self, *arguments)

    monkeypatch.setattr(datasets.Image, "decode_example", slowly)
    column = images(*[plain("red")] * 8)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(column.__getitem__, range(8)))
    assert (seen, ImageFile.LOAD_TRUNCATED_IMAGES) == ([False] * 8, True)


def test_reencoding_a_jpeg_loses_a_little_more() -> None:
    once = encoded(noisy(), "JPEG", quality=95)
    twice = encoded(Image.open(io.BytesIO(once)), "JPEG")
    found = np.asarray(images(once, reencode=True)[0])
    assert np.array_equal(found, np.asarray(Image.open(io.BytesIO(twice))))
    assert not np.array_equal(found, np.asarray(images(once)[0]))


@pytest.mark.parametrize("case", FILES)
def test_reencoding_a_lossless_image_changes_nothing(case: str) -> None:
    file, *_ = FILES[case]
    again, once = images(file, reencode=True)[0], images(file)[0]
    assert (again.mode, again.info.get("transparency")) == (once.mode, once.info.get("transparency"))
    assert np.array_equal(np.asarray(again), np.asarray(once))


def test_take_keeps_order_and_repeats() -> None:
    chosen = images(plain("red"), plain("green"), plain("blue")).take([2, 0, 2])
    assert [image.getpixel((0, 0)) for image in chosen] == [(0, 0, 255), (255, 0, 0), (0, 0, 255)]


def test_take_keeps_reencoding() -> None:
    column = images(plain("red"), encoded(noisy(1), "JPEG"), reencode=True)
    assert np.array_equal(np.asarray(column.take([1])[0]), np.asarray(column[1]))
    assert np.array_equal(column.take([1]).keys, column.keys[1:])


def test_a_slice_is_a_sequence_of_images() -> None:
    column = images(plain("red"), plain("green"), plain("blue"))
    assert [image.getpixel((0, 0)) for image in column[1:]] == [(0, 255, 0), (0, 0, 255)]


def test_an_image_is_decoded_when_it_is_asked_for_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    decode = datasets.Image.decode_example

    def count(self: datasets.Image, *arguments: Any, **options: Any) -> Any:
        decoded.append(arguments)
        return decode(self, *arguments, **options)

    monkeypatch.setattr(datasets.Image, "decode_example", count)
    column = images(plain("red"), plain("green"), plain("blue"))
    chosen = Inputs(column, ["a", "b", "c"]).take([1, 2])
    assert (len(column), len(column.keys), len(chosen.keys), len(decoded)) == (3, 3, 2, 0)
    column[1]
    assert len(decoded) == 1
    column[1]
    assert len(decoded) == 2  # nothing is kept


def test_keys_are_of_the_content_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(plain("red"))
    red, green = images(plain("red"), plain("green")).keys.tolist()
    assert red != green
    assert len(red) == 16
    assert images(str(tmp_path / "red.png")).keys.tolist() == [red]
    assert raw(plain("green"), plain("red")).keys.tolist() == [green, red]
    assert Inputs(images=images(plain("red"))).keys.tolist() == [red]


def test_keys_of_more_images_than_are_read_at_once() -> None:
    files = [encoded(Image.new("RGB", (1, 1), (number % 256, number // 256, 0))) for number in range(600)]
    column = images(*files)
    assert len(set(column.keys.tolist())) == 600
    assert column.keys[599] == images(files[599]).keys[0]


def test_an_image_that_comes_in_another_way_is_another_one() -> None:
    ways = [images(plain("red"), reencode=a, in_rgb=b) for a in (False, True) for b in (False, True)]
    assert len({way.keys.tobytes() for way in ways}) == 4
    assert all(way.take([0]).keys.tobytes() == way.keys.tobytes() and way.take([0])[0].mode == "RGB" for way in ways)


def test_keys_tell_modalities_apart() -> None:
    picture = images(plain("red"))
    alone, text, both = Inputs(images=picture), Inputs(texts=["red"]), Inputs(picture, ["red"])
    assert len({each.keys.tobytes() for each in (alone, text, both)}) == 3
    assert Inputs(texts=[plain("red").decode("latin-1")]).keys.tobytes() != alone.keys.tobytes()


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (("red", "a"), ("red", "a"), True),
        (("red", "a"), ("red", "b"), False),
        (("red", "a"), ("green", "a"), False),
        (("red", ""), ("red", "a"), False),
    ],
)
def test_an_image_with_its_text_has_a_key_of_both(one: tuple[str, str], other: tuple[str, str], equal: bool) -> None:
    keys = [Inputs(images(plain(colour)), [text]).keys.tobytes() for colour, text in (one, other)]
    assert (keys[0] == keys[1]) is equal


@pytest.mark.parametrize(("one", "other"), [("a", "a "), ("a", "A"), ("é", "e\N{COMBINING ACUTE ACCENT}"), ("", " ")])
def test_texts_that_differ_have_keys_that_differ(one: str, other: str) -> None:
    keys = Inputs(texts=[one, other, one]).keys
    assert keys[0] == keys[2] != keys[1]


def test_inputs_know_their_modality_and_length() -> None:
    picture = images(plain("red"))
    found = [Inputs(images=picture), Inputs(texts=["a"]), Inputs(picture, ["a"])]
    assert [(each.modality, len(each)) for each in found] == [("image", 1), ("text", 1), ("interleaved", 1)]


def test_iteration_gives_image_and_text() -> None:
    both = list(Inputs(images(plain("red"), plain("blue")), ["a", "b"]))
    assert [(image and image.getpixel((0, 0)), text) for image, text in both] == [
        ((255, 0, 0), "a"),
        ((0, 0, 255), "b"),
    ]
    assert list(Inputs(texts=["a"])) == [(None, "a")]


def test_inputs_of_nothing_or_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="need images, texts or both"):
        Inputs()
    with pytest.raises(ValueError, match="1 images for 2 texts"):
        Inputs(images(plain("red")), ["a", "b"])
