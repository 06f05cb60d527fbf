"""The protocol that all models meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.rgb import ImageMode
from pytest_mieb.models.description import Description
from pytest_mieb.models.errors import ModelError, NoArrayError, first_line

if TYPE_CHECKING:
    from PIL.Image import Image


Role = Literal["query", "document"]


@dataclass(frozen=True)
class Purpose:
    """What an embedding is for, for models that are told.

    Args:
        task: the task's name.
        protocol: its protocol, as in its card.
        role: which side of a search; None where a task has no sides.
        instruction: the task's own, where its card has one; it belongs to the queries.
    """

    task: str
    protocol: str
    role: Role | None = None
    instruction: str | None = None


@runtime_checkable
class Embedder(Protocol):
    """A loaded model.

    Embeddings are NumPy float32 of shape (n, dimension), as the model gives them: normalised only if it does so.
    Images come as Pillow images of any size, in `image_mode`. A method whose modality the model lacks is never called.
    """

    @property
    def modalities(self) -> frozenset[str]:
        """`image`, `text`, and `interleaved` where the model takes an image together with a text."""
        ...

    @property
    def dimension(self) -> int:
        """The length of an embedding."""
        ...

    @property
    def fingerprint(self) -> str | None:
        """A hash of all that determines an embedding: weights, preprocessing, pooling, dtype.

        What was embedded under a fingerprint is kept and used again in later runs. None: only within one run.
        """
        ...

    @property
    def description(self) -> Description | None:
        """What was loaded, for people; None where there is nothing to say."""
        return None

    @property
    def image_mode(self) -> ImageMode:
        """In which mode images come, which decides what becomes of what is transparent.

        `RGB on white`: in RGB, with what is transparent on white. `RGB`: in RGB without alpha, as Pillow converts them.
        `any`: in the mode of their file, with 8 bits a channel: grey, with a palette, with alpha.
        """
        return "RGB on white"

    @property
    def metered(self) -> bool:
        """Whether every embedding is paid for, so that nothing is embedded only to look at the model."""
        return False

    @property
    def depends_on_batch(self) -> bool:
        """Whether an item's embedding may depend, if only in its last digits, on how many items come with it.

        Then all batches are filled up to one size.
        """
        return True

    def prepare_images(self, images: Sequence[Image]) -> Any:
        """What the model's preprocessing makes of pictures, for `embed_prepared`; None where it has none apart.

        It is called in other threads, several at once, while the model works.
        """
        return None

    def preparing_apart(self) -> Callable[[Sequence[Image]], Mapping[str, Any]] | None:
        """What does as `prepare_images` does, to tensors by name, without the model: other processes get it, pickled.

        None where there is no such function.
        """
        return None

    def embed_prepared(self, prepared: Any) -> NDArray[np.float32]:
        """Pictures that `prepare_images` prepared, to the same bits as `embed_images` gives."""
        return self.embed_images(prepared)

    def prompted(self, purpose: Purpose) -> Embedder:
        """The embedder for one purpose: itself, unless the model is told what an embedding is for.

        Embedders that embed an item differently have different fingerprints.
        """
        return self

    def text_lengths(self, texts: Sequence[str]) -> Sequence[int]:
        """How long each text is to the model, in any unit: texts of like length come in one batch, longest first."""
        return list(map(len, texts))

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """n images to (n, dimension)."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """n texts, any of them empty or very long, to (n, dimension)."""
        ...

    def embed_interleaved(self, images: Sequence[Image], texts: Sequence[str]) -> NDArray[np.float32]:
        """n images each with its text to (n, dimension); the sum of both where the model has no way of its own."""
        summed: NDArray[np.float32] = self.embed_images(images) + self.embed_texts(texts)
        return summed


class FunctionEmbedder(Embedder):
    """An `Embedder` from functions: what a `package.module:factory` returns in a few lines.

    Args:
        images: a function from a list of RGB Pillow images to their embeddings, (n, d), or None; what is transparent
            comes on white.
        texts: the same for a list of texts, or None.
        dimension: d; by default that of the first embedding made of a blank image or a short text.
        fingerprint: what names these weights and this preprocessing, so that embeddings are kept between runs. Give a
            new one whenever they change. By default they are kept for one run only.
        metered: whether every input is paid for; the model is then not tried before the first task.
    """

    def __init__(
        self,
        images: Callable[[list[Image]], Any] | None = None,
        texts: Callable[[list[str]], Any] | None = None,
        *,
        dimension: int | None = None,
        fingerprint: str | None = None,
        metered: bool = False,
    ) -> None:
        if images is None and texts is None:
            raise ModelError("FunctionEmbedder needs a function for images, for texts, or both")
        if fingerprint is not None and not (isinstance(fingerprint, str) and fingerprint):
            raise ModelError(
                f"FunctionEmbedder takes a text as its fingerprint, not {fingerprint!r}; None keeps nothing"
            )
        self._images, self._texts = images, texts
        self._dimension = dimension
        self._fingerprint = fingerprint
        self._metered = metered

    @property
    def metered(self) -> bool:
        return self._metered

    @property
    def modalities(self) -> frozenset[str]:
        have = {"image": self._images, "text": self._texts}
        return frozenset(name for name, function in have.items() if function)

    @property
    def dimension(self) -> int:
        if self._dimension is None:
            if self._images:
                from PIL import Image

                self._dimension = self.embed_images([Image.new("RGB", (224, 224), "grey")]).shape[1]
            else:
                self._dimension = self.embed_texts(["a photo"]).shape[1]
        return self._dimension

    @property
    def fingerprint(self) -> str | None:
        return self._fingerprint

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        if self._images is None:
            raise ModelError("this model does not embed images")
        return as_array(self._images(list(images)))

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self._texts is None:
            raise ModelError("this model does not embed texts")
        return as_array(self._texts(list(texts)))


def as_array(embeddings: Any) -> NDArray[np.float32]:
    """A torch tensor on any device and of any dtype, an array, or a list of either, as float32 NumPy.

    Raises:
        NoArrayError: it is something else; the message says what, and what to return in its place.
    """
    if isinstance(embeddings, list) and any(hasattr(each, "detach") for each in embeddings):
        embeddings = [as_array(each) for each in embeddings]
    if hasattr(embeddings, "detach"):
        embeddings = embeddings.detach().float().cpu().numpy()
    refusal = _no_array(embeddings)
    try:
        if not refusal:
            return np.asarray(embeddings, dtype=np.float32)
    except (TypeError, ValueError) as error:
        what = f"{_named(embeddings)} that makes no array ({first_line(error)})"
        refusal = f"{what}; return one row an input, all of one length"
    raise NoArrayError(f"it gave {refusal}")


def _no_array(given: Any) -> str:
    """What stands where an array should, and what to return; empty where it may be one."""
    if given is None:
        return "nothing (None) where embeddings should be; return them"
    if hasattr(given, "pooler_output"):
        return f"{_named(given)}, not embeddings; return its pooler_output, or what else the model was trained with"
    if isinstance(given, Mapping):
        keys = ", ".join(map(str, list(given)[:5])) or "none"
        return f"{_named(given)} with the keys {keys}, not embeddings; return the value that holds them"
    if isinstance(given, tuple):
        return f"a tuple of {len(given)}, not embeddings; return the part that holds them"
    if isinstance(given, Iterator):
        return f"{_named(given)}, not embeddings; return all of them at once, as one array"
    return ""


def _named(given: object) -> str:
    name = type(given).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
