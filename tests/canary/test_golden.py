"""The golden values: small, readable, of this model, and the same when recorded again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pytest_mieb.canary import CanaryError, check, golden, stations
from pytest_mieb.canary.probes import IMAGES, TEXTS


def test_what_ships_is_small() -> None:
    assert sum(file.stat().st_size for file in [golden.FILE, *IMAGES.iterdir()]) < 150_000


def test_what_ships_is_of_the_probes_and_the_model_that_ship() -> None:
    found = golden.read()
    assert list(found.decoded) == sorted(file.name for file in IMAGES.iterdir())
    assert found.levels.shape[:2] == (2, len(found.decoded))
    assert len(found.image_embeddings) == len(found.decoded)
    assert len(found.input_ids) == len(found.text_embeddings) == len(TEXTS)
    assert {"torch", "pillow", "processor", "device"} <= set(found.environment)


def test_probes_are_of_the_kinds_that_decoders_treat_differently() -> None:
    from PIL import Image

    kinds = set()
    for file in IMAGES.iterdir():
        with Image.open(file) as image:
            kinds.add((image.format, image.mode))
            assert all(side % 2 for side in image.size)
            assert (image.getexif().get(0x0112) == 6) is (file.name == "turned.jpg")
    assert kinds == {("JPEG", "RGB"), ("PNG", "P"), ("PNG", "RGBA"), ("PNG", "L")}
    assert golden.read().decoded["turned.jpg"].shape == (111, 75, 3)


def test_probes_reach_beyond_the_context_and_below_it() -> None:
    lengths = golden.read().attention_mask.sum(axis=1)
    assert lengths.max() == 48
    assert lengths.min() == 2


def test_written_values_are_read_back(tmp_path: Path) -> None:
    before = golden.read()
    golden.write(before, tmp_path / "golden.npz")
    after = golden.read(tmp_path / "golden.npz")
    assert [file.name for file in tmp_path.iterdir()] == ["golden.npz"]
    assert (after.fingerprint, after.environment) == (before.fingerprint, before.environment)
    for name, pixels in before.decoded.items():
        np.testing.assert_array_equal(after.decoded[name], pixels)
    for name in golden._ARRAYS:
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
        assert getattr(after, name).dtype == getattr(before, name).dtype


def test_recording_again_gives_values_from_which_nothing_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden, "FILE", tmp_path / "golden.npz")
    golden.write(stations.measure())
    assert check().moved == ()


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04 cut short"])
def test_values_that_cannot_be_read_are_an_error_with_the_remedy(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "golden.npz"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CanaryError, match=r"cannot be read .* python -m pytest_mieb\.canary --record"):
        golden.read(file)


def test_values_of_another_model_are_an_error_that_says_how_to_record(tmp_path: Path) -> None:
    other = dataclasses.replace(golden.read(), fingerprint="0123456789abcdef")
    golden.write(other, tmp_path / "golden.npz")
    with pytest.raises(CanaryError, match=r"0123456789ab.*record the values anew with python -m pytest_mieb\.canary"):
        golden.read(tmp_path / "golden.npz")


@pytest.mark.parametrize("changed", ["MODEL_DIR", "IMAGES", "TEXTS"])
def test_model_pictures_and_texts_count_in_the_fingerprint(
    changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = golden.current_fingerprint()
    monkeypatch.setattr(golden, changed, (*TEXTS, "one more") if changed == "TEXTS" else tmp_path)
    assert golden.current_fingerprint() != before
