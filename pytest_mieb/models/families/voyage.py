"""Voyage's multimodal models: an API that takes texts, images and both together, and is paid by what goes in.

The key comes from VOYAGE_API_KEY; VOYAGE_API_BASE names another server than Voyage's own.
"""

from __future__ import annotations

import base64
import copy
import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from time import sleep
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pytest_mieb import __version__
from pytest_mieb.data.rgb import ImageMode, as_rgb
from pytest_mieb.models.api import TRIES, Bill, Price, Usage
from pytest_mieb.models.description import Description
from pytest_mieb.models.embedder import Embedder, Purpose, Role
from pytest_mieb.models.errors import ModelError, first_line
from pytest_mieb.models.files.hashing import fingerprint
from pytest_mieb.models.kind import ModelKind
from pytest_mieb.models.request import Request
from pytest_mieb.support.retrying import wait_before, worth_another_try

if TYPE_CHECKING:
    from PIL.Image import Image


# From docs.voyageai.com/docs/pricing as it stood in 2025, without the free allowance of an account. Prices change:
# check them there before setting --mieb-max-cost.
PRICES: Mapping[str, Price] = {
    "voyage-multimodal-3": Price(0.12, 0.60),
    "voyage-multimodal-3.5": Price(0.12, 0.60),
}
DIMENSION = 1024

# Of one request and of one input, from docs.voyageai.com/docs/multimodal-embeddings.
INPUTS = 1_000
TOKENS = 320_000
TOKENS_OF_INPUT = 32_000
PIXELS_OF_TOKEN = 560
IMAGE_BYTES = 20_000_000
# Larger images are made smaller there, smaller ones larger, and paid for at that size.
PAID_PIXELS = (50_000, 2_000_000)
# More than the prompt that the API puts before an input.
PROMPT_TOKENS = 16

# The reference's: an image above the first is scaled to the second; a side above the third is squeezed to it.
MOST_PIXELS, SCALED_SIDE, LONGEST_SIDE = 16_000_000, 4_000, 10_000

TIMEOUT = 300.0

Part = Any  # a text or an image
Content = tuple[Part, ...]


class VoyageEmbedder(Embedder):
    """A model behind the API, as it embeds for one side of a search.

    Args:
        client: a `voyageai.Client` that does not retry.
        model: its name there.
        bill: shared with the views that `prompted` makes.
        known: what of the server and the client an embedding may depend on.
    """

    def __init__(self, client: Any, model: str, bill: Bill, known: Mapping[str, str], role: Role = "document") -> None:
        self.bill = bill
        self._client = client
        self._model = model
        self._known = known
        self._role = role

    @property
    def modalities(self) -> frozenset[str]:
        return frozenset({"image", "text", "interleaved"})

    @property
    def dimension(self) -> int:
        return DIMENSION

    @property
    def fingerprint(self) -> str:
        return fingerprint([], {**self._known, "preprocessing": self._preprocessing})

    @property
    def image_mode(self) -> ImageMode:
        return "any"

    @property
    def depends_on_batch(self) -> bool:
        return False

    @property
    def metered(self) -> bool:
        return True

    @property
    def description(self) -> Description:
        version = f"behind an API, client {self._known['client']}"
        return Description("Voyage", self._model, version, DIMENSION, "float32", self._preprocessing)

    @property
    def _preprocessing(self) -> dict[str, Any]:
        return {"input type": self._role, "most pixels": MOST_PIXELS, "longest side": LONGEST_SIDE, "format": "WebP"}

    def prompted(self, purpose: Purpose) -> Embedder:
        role = purpose.role or "document"
        if role == self._role:
            return self
        view = copy.copy(self)
        view._role = role
        return view

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        return self._embed([(image,) for image in images])

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        # It refuses an empty text.
        return self._embed([(text or " ",) for text in texts])

    def embed_interleaved(self, images: Sequence[Image], texts: Sequence[str]) -> NDArray[np.float32]:
        pairs = zip(images, texts, strict=True)
        return self._embed([(text, image) if text else (image,) for image, text in pairs])

    def estimate(self, items: Mapping[str, int | Sequence[Any]]) -> float:
        """At most how many US dollars it costs to embed `items`, by modality.

        Args:
            items: under `image`, `text` and `interleaved` the items themselves (interleaved: an image and its text),
                or how many there are: each is then taken for as large as one can be.
        """
        largest = {
            "image": Usage(PROMPT_TOKENS, PAID_PIXELS[1]),
            "text": Usage(TOKENS_OF_INPUT, 0),
            "interleaved": Usage(TOKENS_OF_INPUT, PAID_PIXELS[1]),
        }
        price = PRICES[self._model]
        cost = 0.0
        for modality, those in items.items():
            if isinstance(those, int):
                cost += those * price.of(largest[modality])
            else:
                contents = those if modality == "interleaved" else [(each,) for each in those]
                cost += sum(price.of(_most_usage(content)) for content in contents)
        return cost

    def _embed(self, contents: Sequence[Content]) -> NDArray[np.float32]:
        """Embed what differs: the items that fill a batch up are not paid for."""
        distinct: dict[tuple[object, ...], Content] = {}
        keys = [tuple(part if isinstance(part, str) else id(part) for part in content) for content in contents]
        for key, content in zip(keys, contents, strict=True):
            distinct.setdefault(key, content)
        vectors = [vector for batch in _requests(list(distinct.values())) for vector in self._send(batch)]
        found = dict(zip(distinct, vectors, strict=True))
        return np.stack([found[key] for key in keys])

    def _send(self, contents: Sequence[Content]) -> NDArray[np.float32]:
        """One request, tried again while that may help; shape (n, dimension)."""
        from voyageai.error import APIConnectionError, Timeout, VoyageError

        price = PRICES[self._model]
        most = sum(price.of(_most_usage(content)) for content in contents)
        inputs = [{"content": [_segment(part) for part in content]} for content in contents]
        for attempt in range(TRIES):
            self.bill.check(most)
            self.bill.requests += 1
            try:
                answer = self._client.multimodal_embed(inputs, model=self._model, input_type=self._role)
            except (APIConnectionError, Timeout) as error:
                if _may_have_arrived(error):
                    self.bill.unsure += most
                self._wait(error, attempt)
            except VoyageError as error:
                if not worth_another_try(error.http_status):
                    raise ModelError(f"{self._model}: {_refusal(error)}") from error
                self._wait(error, attempt)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                self.bill.unsure += most
                raise ModelError(
                    f"{self._model}: the server's answer cannot be read ({type(error).__name__}: {first_line(error)}); "
                    "check VOYAGE_API_BASE"
                ) from error
            else:
                usage = Usage(answer.text_tokens, answer.image_pixels)
                self.bill.spent += price.of(usage) if any(usage) else most
                return _vectors(self._model, answer.embeddings, len(contents))
        raise AssertionError("the last try returns or raises")

    def _wait(self, error: Any, attempt: int) -> None:
        """Wait before the next try; after the last one, give up."""
        if attempt + 1 == TRIES:
            raise ModelError(
                f"{self._model}: no answer after {TRIES} tries, at last {_said(error)}; run again later, or with fewer "
                "workers and a smaller --mieb-batch-size"
            ) from error
        sleep(wait_before(attempt, error.headers))


def load(request: Request) -> Embedder:
    """Connect to the API; nothing is sent. Raises ModelError."""
    request.only(())
    if request.name not in PRICES:
        known = ", ".join(PRICES)
        raise ModelError(
            f"--mieb-model={request.spec}: Voyage has no multimodal model {request.name}; known are {known}"
        )
    for flag, value, legal in (
        ("revision", request.revision, (None,)),
        ("dtype", request.dtype, (None, "float32")),
        ("processor", request.processor, (None,)),
    ):
        if value not in legal:
            raise ModelError(f"--mieb-{flag}={value}: {request.name} runs behind an API; leave the option out")
    try:
        from voyageai import __version__ as client_version
        from voyageai.client import Client
    except ImportError as error:
        raise ModelError(
            f'--mieb-model={request.spec} needs the client of Voyage: pip install "pytest-mieb[voyage]"'
        ) from error
    server = os.environ.get("VOYAGE_API_BASE", "").rstrip("/")
    key = os.environ.get("VOYAGE_API_KEY", "").strip()
    if not key:
        raise ModelError(
            f"--mieb-model={request.spec}: the environment variable VOYAGE_API_KEY is not set; put the key of your "
            "account at Voyage there"
        )
    client = Client(api_key=key, max_retries=0, timeout=TIMEOUT, base_url=server or None)
    resolved = {"model": request.name, "client": client_version, "server": server, "version": __version__}
    return VoyageEmbedder(client, request.name, Bill(request.name, request.max_cost), resolved)


def fitted(image: Image) -> Image:
    """The image as it is sent: no larger than the API takes, and then made RGB, without alpha."""
    from PIL.Image import Resampling

    size = _fitted_size(image.size)
    return as_rgb(image if size == image.size else image.resize(size, Resampling.LANCZOS))


def _fitted_size(size: tuple[int, int]) -> tuple[int, int]:
    width, height = size
    if width * height <= MOST_PIXELS:
        return min(width, LONGEST_SIDE), min(height, LONGEST_SIDE)
    other = max(1, int(min(size) * (SCALED_SIDE / max(size))))
    return (SCALED_SIDE, other) if width > height else (other, SCALED_SIDE)


def _segment(part: Part) -> dict[str, str]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    encoded = base64.b64encode(_webp(fitted(part))).decode("ascii")
    return {"type": "image_base64", "image_base64": f"data:image/webp;base64,{encoded}"}


def _webp(image: Image) -> bytes:
    """Losslessly, as the client does it; an image that is too many bytes even so is made smaller."""
    while True:
        content = io.BytesIO()
        image.save(content, format="WEBP", lossless=True)
        if content.tell() <= IMAGE_BYTES:
            return content.getvalue()
        scale = 0.95 * math.sqrt(IMAGE_BYTES / content.tell())
        image = image.resize((max(1, int(image.width * scale)), max(1, int(image.height * scale))))


def _requests(contents: Sequence[Content]) -> Iterator[list[Content]]:
    """Cut to as many inputs as one request takes, and as many tokens as they can have at most."""
    batch: list[Content] = []
    tokens = 0
    for content in contents:
        usage = _most_usage(content)
        more = min(usage.tokens + -(-usage.pixels // PIXELS_OF_TOKEN), TOKENS_OF_INPUT)
        if batch and (len(batch) == INPUTS or tokens + more > TOKENS):
            yield batch
            batch, tokens = [], 0
        batch.append(content)
        tokens += more
    if batch:
        yield batch


def _most_usage(content: Content) -> Usage:
    """No text has more tokens than bytes, and none counts beyond what one input may have."""
    tokens, pixels = PROMPT_TOKENS, 0
    for part in content:
        if isinstance(part, str):
            tokens += len(part.encode(errors="replace"))
        else:
            pixels += min(max(math.prod(_fitted_size(part.size)), PAID_PIXELS[0]), PAID_PIXELS[1])
    return Usage(min(tokens, TOKENS_OF_INPUT), pixels)


def _vectors(model: str, embeddings: Any, count: int) -> NDArray[np.float32]:
    try:
        vectors = np.asarray(embeddings, dtype=np.float32)
    except (TypeError, ValueError):
        vectors = np.empty(0, dtype=np.float32)
    if vectors.shape != (count, DIMENSION):
        raise ModelError(
            f"{model}: the server gave embeddings of shape {vectors.shape} for {count} inputs; it must be "
            f"({count}, {DIMENSION})"
        )
    return vectors


def _may_have_arrived(error: Any) -> bool:
    """Whether the request was sent, and so may be on the account's bill: not where no connection was made."""
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    causes = getattr(error.__cause__, "args", ())
    return not any(
        isinstance(getattr(cause, "reason", None), (ConnectTimeoutError, NewConnectionError)) for cause in causes
    )


def _refusal(error: Any) -> str:
    if error.http_status in (401, 403):
        return f"the API refused the key in VOYAGE_API_KEY ({_said(error)}); check it, and what your account may use"
    return f"the API refused the request ({_said(error)})"


def _said(error: Any) -> str:
    """What the server said, without headers."""
    detail = error.json_body.get("detail") if isinstance(error.json_body, dict) else None
    status = f"{error.http_status} " if error.http_status else ""
    return f"{status}{detail or first_line(error)[:200]}"


KIND = ModelKind(
    name="voyage",
    load=lambda spec, request: load(request),
    such_as="voyage:NAME",
    options=frozenset({"max_cost"}),
    metered=True,
    elsewhere=True,
)
