"""From a batch of items to checked embeddings, whatever the model does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb.data.inputs import Modality
from pytest_mieb.embedding.errors import EmbeddingError, described
from pytest_mieb.embedding.reading import filled
from pytest_mieb.models.embedder import Embedder
from pytest_mieb.models.errors import ModelError

Vectors = NDArray[np.float32]


class Encoder:
    """Embeds batches of one size, each filled up by repeating its last item.

    On the same device an item's embedding then depends on nothing but the item, not on its neighbours, on what was
    embedded before, or on the number of workers. Where the device has no room for a batch, half of it is tried, and the
    size stays what fits.

    Args:
        warn: told once for each size that was too much.
    """

    def __init__(self, size: int, warn: Callable[[str], None]) -> None:
        self.size = size
        self._warn = warn

    def prepared(self, embedder: Embedder, prepared: Any, count: int) -> Vectors | None:
        """The embeddings of the first `count` pictures that the model's own preprocessing prepared; None where it
        fails for them, so that they are to be tried one by one."""
        try:
            return _checked(embedder.embed_prepared(prepared), count, "image")
        except (EmbeddingError, ModelError):
            raise
        except Exception:  # told of the picture that it fails for
            return None

    def each(self, embedder: Embedder, modality: Modality, items: Sequence[Any]) -> list[Vectors | Exception]:
        """Each item's embedding, or what the model raises for it alone.

        A batch for which the model fails is cut in halves, each filled up as any batch is, down to single items.

        Raises:
            EmbeddingError: what the model gives is no embedding, there is no room for a single item, or the model
                fails for several items at once and for none of them alone.
        """
        if not items:
            return []
        if len(items) > self.size:
            return self._halves(embedder, modality, items)
        try:
            return list(self._batch(embedder, modality, items))
        except (EmbeddingError, ModelError):
            raise
        except Exception as error:  # code of others, which raises anything for an item that it does not take
            if out_of_memory(error):
                return self._smaller(embedder, modality, items, error)
            if len(items) == 1:
                return [error]
            outcomes = self._halves(embedder, modality, items)
            if not any(isinstance(outcome, Exception) for outcome in outcomes):
                raise EmbeddingError(
                    f"the model fails for {len(items)} {modality} inputs at once, and for none of them alone "
                    f"({described(error)}); it must take any that come together"
                ) from error
            return outcomes

    def _halves(self, embedder: Embedder, modality: Modality, items: Sequence[Any]) -> list[Vectors | Exception]:
        middle = len(items) // 2
        halves = (items[:middle], items[middle:])
        return [outcome for half in halves for outcome in self.each(embedder, modality, half)]

    def _smaller(
        self, embedder: Embedder, modality: Modality, items: Sequence[Any], error: Exception
    ) -> list[Vectors | Exception]:
        if self.size == 1:
            raise EmbeddingError(
                f"the device has no room for a single {modality} input; try --mieb-dtype=bfloat16, or another "
                "--mieb-device"
            ) from error
        self.size = -(-self.size // 2)
        self._warn(
            f"the device has no room for {2 * self.size} {modality} inputs at once: the run goes on with {self.size}; "
            f"give --mieb-batch-size={self.size} to spare it the try"
        )
        _release()
        return self.each(embedder, modality, items)

    def _batch(self, embedder: Embedder, modality: Modality, items: Sequence[Any]) -> Vectors:
        whole = filled(items, self.size, embedder)
        embed: dict[Modality, Callable[[], Any]] = {
            "image": lambda: embedder.embed_images(whole),
            "text": lambda: embedder.embed_texts(whole),
            "interleaved": lambda: embedder.embed_interleaved(
                [image for image, _ in whole], [text for _, text in whole]
            ),
        }
        return _checked(embed[modality](), len(items), modality, len(whole))


def _checked(found: Any, count: int, modality: Modality, given: int | None = None) -> Vectors:
    """The first `count` of a batch's embeddings. Raises EmbeddingError where they are none."""
    vectors = np.asarray(found, dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != (len(vectors) if given is None else given) or len(vectors) < count:
        raise EmbeddingError(
            f"the model gave an array of shape {vectors.shape} for {given or count} {modality} inputs; "
            f"it must be ({given or count}, dimension)"
        )
    vectors = vectors[:count]
    if not np.isfinite(vectors).all():
        raise EmbeddingError(
            f"the model gave NaN or infinite values for {modality} inputs; check its weights, or try "
            "--mieb-dtype=float32"
        )
    if not vectors.any(axis=1).all():
        raise EmbeddingError(f"the model gave an embedding of zeros for {modality} inputs; check its weights")
    return vectors


def out_of_memory(error: Exception) -> bool:
    """Whether that is what it means: torch has a class for it on a GPU only."""
    said = str(error)
    plainly = isinstance(error, MemoryError)
    return plainly or (isinstance(error, RuntimeError) and ("out of memory" in said or "not enough memory" in said))


def _release() -> None:
    """Give back what a GPU's allocator keeps, which a smaller batch may need in another shape."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
