"""The golden values: what every station gave where they were recorded, with the fingerprint of what gave it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.canary.probes import IMAGES, TEXTS
from pytest_mieb.canary.report import CanaryError
from pytest_mieb.miniature import MODEL_DIR
from pytest_mieb.models.files.hashing import fingerprint
from pytest_mieb.support.atomic import written

FILE = Path(__file__).parent / "golden.npz"
RECORD = "python -m pytest_mieb.canary --record"
_PICTURE = "decoded/"


@dataclass(frozen=True)
class Golden:
    """All stations' values for n pictures and m texts.

    Args:
        decoded: each probe's file name to its pixels, uint8 of shape (height, width, 3).
        levels: what the image processor gave, before it normalised, in levels of 0..255; uint8 of shape
            (2, n, 3, side, side): resized to a square as the miniature does it, and resized by the shorter edge with
            the centre cropped as CLIP does it.
        mean, std: with which it normalised; float32 of shape (3,).
        input_ids, attention_mask: int32 of shape (m, length).
        image_embeddings, text_embeddings: float32 of shape (n, d) and (m, d), not normalised.
        fingerprint: of the model's and the probes' files, and the texts.
        environment: versions of libraries, and the machine.
    """

    decoded: Mapping[str, NDArray[np.uint8]]
    levels: NDArray[np.uint8]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    input_ids: NDArray[np.int32]
    attention_mask: NDArray[np.int32]
    image_embeddings: NDArray[np.float32]
    text_embeddings: NDArray[np.float32]
    fingerprint: str
    environment: Mapping[str, str]

    @cached_property
    def pixel_values(self) -> NDArray[np.float32]:
        """The resized pictures as the model takes them; float32 of shape (n, 3, side, side)."""
        values = self.levels[0].astype(np.float32) / np.float32(255)
        normalised: NDArray[np.float32] = (values - self.mean[:, None, None]) / self.std[:, None, None]
        return normalised


_ARRAYS = tuple(field.name for field in fields(Golden) if field.name not in ("decoded", "fingerprint", "environment"))


def current_fingerprint() -> str:
    """Of the model and the probes as they lie here; versions of libraries do not count."""
    return fingerprint([MODEL_DIR, IMAGES], {"texts": TEXTS}, inside=_all_but_cards)


def _all_but_cards(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file() and file.suffix != ".md"]


def read(file: Path | None = None) -> Golden:
    """The golden values in `file`, by default those that ship.

    Raises:
        CanaryError: missing, damaged, or of another model or other probes.
    """
    file = file or FILE
    try:
        with open(file, "rb") as source, np.load(source, allow_pickle=False) as content:
            about = json.loads(str(content["about"]))
            golden = Golden(
                decoded={name[len(_PICTURE) :]: content[name] for name in content.files if name.startswith(_PICTURE)},
                **{name: content[name] for name in _ARRAYS},
                fingerprint=about["fingerprint"],
                environment=about["environment"],
            )
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise CanaryError(
            f"{file}: the canary's golden values cannot be read ({error}); install pytest-mieb again, or record them "
            f"with {RECORD}"
        ) from error
    now = current_fingerprint()
    if golden.fingerprint != now:
        raise CanaryError(
            f"{file}: the canary's golden values are of model and probes {golden.fingerprint[:12]}, and here lie "
            f"{now[:12]}; where these were changed on purpose, record the values anew with {RECORD}, else install "
            "pytest-mieb again"
        )
    return golden


def write(golden: Golden, file: Path | None = None) -> None:
    """Write the whole file or nothing; the same values give the same arrays, none pickled."""
    file = file or FILE
    about = json.dumps({"fingerprint": golden.fingerprint, "environment": dict(golden.environment)})
    arrays: dict[str, Any] = {"about": np.array(about)}
    arrays |= {name: getattr(golden, name) for name in _ARRAYS}
    arrays |= {_PICTURE + name: pixels for name, pixels in golden.decoded.items()}
    with written(file) as unfinished, open(unfinished, "wb") as target:
        np.savez_compressed(target, **arrays)
