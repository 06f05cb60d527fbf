"""Outcomes as a file: the same bytes for the same outcomes, and no guess at what a damaged one held."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_mieb.gate.statistics.influence import Examples
from pytest_mieb.measurement.outcomes import OutcomesError, compact, digest, read, write

SUBSETS = {
    "no": Examples(np.array([0.1, 1 / 3]), np.array([1.5, 2.5]), np.array([-1, 2**62])),
    "en-Latn.v2": Examples(np.array([[1, 0, 1], [0, 0, 1]], dtype=np.int8)),
    "default": Examples(np.arange(5, dtype=np.int32), np.array([1, 1, 0, 0, 2], dtype=np.int32)),
    "fitted": Examples(
        np.arange(2, dtype=np.int32), fits=np.array([[3, 255], [0, 1]], np.int32), restarts=np.array([1 / 3, 0.5])
    ),
}


def same(left: Examples, right: Examples) -> bool:
    return all(
        (a is None) == (b is None) and (a is None or (a.dtype == b.dtype and np.array_equal(a, b)))
        for a, b in zip(vars(left).values(), vars(right).values(), strict=True)
    )


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write(tmp_path / "t.npz", SUBSETS)
    found = read(tmp_path / "t.npz")
    assert list(found) == list(SUBSETS)
    assert all(same(found[name], compact(SUBSETS[name])) for name in SUBSETS)
    assert [path.name for path in tmp_path.iterdir()] == ["t.npz"]


def test_outcomes_are_kept_in_single_precision_and_truth_as_it_is() -> None:
    kept = compact(SUBSETS["no"])
    assert kept.outcomes.dtype == np.float32
    assert kept.truth is not None and kept.truth.dtype == np.float64
    assert same(compact(kept), kept)
    assert compact(SUBSETS["default"]).outcomes.dtype == np.int32


@pytest.mark.parametrize(("largest", "kind"), [(9, np.uint8), (255, np.uint8), (256, np.uint16), (70_000, np.uint32)])
def test_repeated_fits_take_as_few_bytes_as_they_can(largest: int, kind: type) -> None:
    fits = np.array([[0, largest], [1, 2]], np.int32)
    kept = compact(Examples(np.zeros(2, np.int32), fits=fits, restarts=np.ones(3))).fits
    assert kept is not None and kept.dtype == kind and np.array_equal(kept, fits)


def test_the_same_outcomes_give_the_same_bytes_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "first.npz", SUBSETS)
    year_ago, local = time.time() - 3e7, time.localtime
    monkeypatch.setattr(time, "time", lambda: year_ago)
    monkeypatch.setattr(time, "localtime", lambda seconds=year_ago: local(seconds))
    write(tmp_path / "second.npz", {name: compact(each) for name, each in SUBSETS.items()})
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    assert digest(tmp_path / "first.npz") == digest(tmp_path / "second.npz")


def test_other_outcomes_have_another_digest(tmp_path: Path) -> None:
    write(tmp_path / "t.npz", {"default": Examples(np.array([0.0, 1.0]))})
    before = digest(tmp_path / "t.npz")
    write(tmp_path / "t.npz", {"default": Examples(np.array([1.0, 0.0]))})
    assert digest(tmp_path / "t.npz") != before
    assert len(before) == 16


def test_a_write_that_fails_leaves_the_old_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.npz"
    write(path, SUBSETS)
    before = path.read_bytes()

    def full_disk(*_arguments: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="no space left"):
        write(path, {"default": Examples(np.zeros(3))})
    assert path.read_bytes() == before


def an_array(path: Path) -> None:
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))


def archive(path: Path, arrays: dict[str, Any]) -> None:
    np.savez(path, **arrays)


def a_pickle(path: Path) -> None:
    archive(path, {"default.outcomes": np.array([{"a": 1}], dtype=object)})


DAMAGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no such file": (lambda path: None, "cannot be read (FileNotFoundError)"),
    "nothing": (lambda path: path.write_bytes(b""), "cannot be read"),
    "text": (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "cannot be read"),
    "a single array": (an_array, "cannot be read"),
    "a pickle": (a_pickle, "cannot be read (ValueError)"),
    "an archive without arrays": (lambda path: archive(path, {}), "holds no outcomes"),
    "something else": (lambda path: archive(path, {"x": np.zeros(2)}), "holds 'x', which are no outcomes"),
    "truth alone": (lambda path: archive(path, {"en.truth": np.zeros(2)}), "holds no outcomes"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_file_that_holds_no_outcomes_is_an_error(tmp_path: Path, case: str) -> None:
    make, sentence = DAMAGED[case]
    path = tmp_path / "t.npz"
    make(path)
    with pytest.raises(OutcomesError) as problem:
        read(path)
    assert str(problem.value).startswith(f"{path}: {sentence}")


@pytest.mark.filterwarnings("ignore")  # a damaged heading can make NumPy warn
def test_a_file_with_one_bit_wrong_or_cut_short_gives_no_other_outcomes(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    write(path, SUBSETS)
    whole = path.read_bytes()
    flipped = (whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :] for at in range(0, len(whole), 2))
    cut = (whole[:at] for at in range(0, len(whole), 5))
    refused = 0
    for damaged in (*flipped, *cut):
        path.write_bytes(damaged)
        try:
            found = read(path)
        except OutcomesError:
            refused += 1
        else:  # in a date, or in the list of the parts, which the digest alone guards
            written = [compact(each).outcomes for each in SUBSETS.values()]
            assert all(any(np.array_equal(each.outcomes, own) for own in written) for each in found.values())
    assert refused > len(whole) / 3
