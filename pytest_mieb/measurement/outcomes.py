"""The outcomes behind a task's scores as one .npz file: arrays `<subset>.<part>`, a part a field of `Examples`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from pytest_mieb.gate.statistics.influence import Examples
from pytest_mieb.support.atomic import written

_PARTS = tuple(part.name for part in fields(Examples))


class OutcomesError(Exception):
    """Outcomes that cannot be read; the message says why."""


def compact(examples: Examples) -> Examples:
    """As the file holds them, and so compare equal to what is read back: float64 outcomes become float32, and cluster
    numbers take as few bytes as they can.
    """
    outcomes, fits = examples.outcomes, examples.fits
    if outcomes.dtype == np.float64:
        outcomes = outcomes.astype(np.float32)
    if fits is not None:
        fits = fits.astype(np.min_scalar_type(int(fits.max(initial=0))))
    return replace(examples, outcomes=outcomes, fits=fits)


def write(path: Path, subsets: Mapping[str, Examples]) -> None:
    """Write the file whole or not at all; the same outcomes give the same bytes."""
    arrays: dict[str, Any] = {}
    for name, examples in subsets.items():
        for part in _PARTS:
            array = getattr(compact(examples), part)
            if array is not None:
                arrays[f"{name}.{part}"] = array
    with written(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)


def read(path: Path) -> dict[str, Examples]:
    """The outcomes by subset.

    Raises:
        OutcomesError: no such file, or not one that `write` wrote.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # a damaged archive fails in a dozen ways
        raise OutcomesError(f"{path}: cannot be read ({type(error).__name__})") from error
    subsets: dict[str, dict[str, Any]] = {}
    for name, array in arrays.items():
        subset, _, part = name.rpartition(".")
        if part not in _PARTS:
            raise OutcomesError(f"{path}: holds {name!r}, which are no outcomes")
        subsets.setdefault(subset, {})[part] = array
    if not subsets or any("outcomes" not in parts for parts in subsets.values()):
        raise OutcomesError(f"{path}: holds no outcomes")
    return {subset: Examples(**parts) for subset, parts in subsets.items()}


def digest(path: Path) -> str:
    """A hash of the file, by which a baseline knows the outcomes that belong to it."""
    return blake2b(path.read_bytes(), digest_size=8).hexdigest()
