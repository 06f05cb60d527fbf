"""What is said of items that cannot be embedded."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path

from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.inputs import Inputs
from pytest_mieb.models.errors import first_line

_NAMED = 5


class EmbeddingError(Exception):
    """The model gave something that is no embedding, or nothing; the message says what and where to look."""


def failure(inputs: Inputs, failed: Mapping[int, Exception], *, broken: bool) -> Exception:
    """The error of the first row that failed, which names others; `broken`: none could be embedded at all."""
    row, *others = sorted(failed)
    error, images = failed[row], inputs.images
    if broken and others and not any(isinstance(each, DatasetError) for each in failed.values()):
        return EmbeddingError(
            f"the model fails for every one of {len(failed)} {inputs.modality} inputs ({described(error)}); check its "
            "code, its weights and its preprocessing"
        )
    if isinstance(error, DatasetError):
        said = str(error)
    elif images is None:
        said = f"the model fails for {name_of(inputs, row)} ({described(error)})"
    else:
        place = images.origin.place(row)
        said = images.origin.sentence(
            f"the model fails for the image in {place} ({described(error)})",
            place,
            "let the model take it, or change it in a mirror of the dataset",
        )
    if others:
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        said += f"; failed too: {', '.join(name_of(inputs, other) for other in others[:_NAMED])}{more}"
    return DatasetError(said) if isinstance(error, DatasetError) else EmbeddingError(said)


def name_of(inputs: Inputs, row: int) -> str:
    """An item in an error: where its image lies, or the beginning of its text."""
    if inputs.images is None:
        return f"the text {(inputs.texts or '')[row][:60]!r}"
    place = inputs.images.origin.place(row)
    return f"{place} of {place.split}"


def described(error: Exception) -> str:
    """Type, message and place of an error in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f", in {Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {first_line(error)}{where}"
