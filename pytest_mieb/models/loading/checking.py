"""A model that was loaded, looked at before the first task."""

from __future__ import annotations

from collections.abc import Sequence, Set

from pytest_mieb.data.rgb import MODES
from pytest_mieb.models.description import Description
from pytest_mieb.models.embedder import Embedder
from pytest_mieb.models.errors import ModelError, NoArrayError, named
from pytest_mieb.support.wording import shown


def checked(spec: str, embedder: Embedder) -> Embedder:
    """Embed one picture and one text, so that a model whose two sides do not meet is refused before the first task.

    Raises:
        ModelError: it fails, or its images and texts have different dimensions.
    """
    from PIL import Image

    probes = {}
    _check_members(spec, embedder)
    try:
        if "image" in embedder.modalities:
            probes["images"] = embedder.embed_images([Image.new("RGB", (64, 64), "grey")])
        if "text" in embedder.modalities:
            probes["texts"] = embedder.embed_texts(["a photo"])
    except NoArrayError as error:
        raise ModelError(f"--mieb-model={spec}: {error}") from error
    except ModelError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(f"--mieb-model={spec}: it was loaded, but embeds nothing: {named(error)}") from error
    shapes: dict[str, Sequence[int]] = {name: getattr(vectors, "shape", ()) for name, vectors in probes.items()}
    for name, shape in shapes.items():
        if len(shape) != 2 or shape[0] != 1:
            raise ModelError(
                f"--mieb-model={spec}: it gave an array of shape {tuple(shape)} for 1 of its {name}; "
                "it must be (1, dimension)"
            )
    dimensions = {name: shape[1] for name, shape in shapes.items()}
    if len(set(dimensions.values())) > 1:
        raise ModelError(
            f"--mieb-model={spec}: its images have {dimensions['images']} dimensions and its texts "
            f"{dimensions['texts']}, so they cannot be compared; load it with the projections that it was trained with"
        )
    try:
        said = embedder.dimension
    except (Exception, SystemExit) as error:
        raise ModelError(f"--mieb-model={spec}: it cannot say what its dimension is: {named(error)}") from error
    wrong = {name: number for name, number in dimensions.items() if number != said}
    if wrong:
        name, number = next(iter(wrong.items()))
        raise ModelError(f"--mieb-model={spec}: it says that its dimension is {said}, but its {name} have {number}")
    return embedder


def _check_members(spec: str, embedder: Embedder) -> None:
    """Refuse what says of itself something that nobody can use, or fails where it is asked."""
    try:
        modalities, fingerprint, description = embedder.modalities, embedder.fingerprint, embedder.description
        mode = embedder.image_mode
    except ModelError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(f"--mieb-model={spec}: it was loaded, but cannot say what it is: {named(error)}") from error
    known = {"image", "text", "interleaved"}
    if not isinstance(modalities, Set) or not modalities or not modalities <= known:
        raise ModelError(
            f"--mieb-model={spec}: its modalities are {shown(modalities)}; they must be a set of some of "
            f"{', '.join(sorted(known))}"
        )
    if mode not in list(MODES):
        raise ModelError(f"--mieb-model={spec}: its image_mode is {shown(mode)}; legal are {', '.join(MODES)}")
    if not isinstance(fingerprint, str | None) or fingerprint == "":
        raise ModelError(f"--mieb-model={spec}: its fingerprint is {shown(fingerprint)}; it must be a text, or None")
    if not isinstance(description, Description | None):
        raise ModelError(
            f"--mieb-model={spec}: its description is {shown(description)}; it must be a pytest_mieb.models "
            "Description, or None"
        )
