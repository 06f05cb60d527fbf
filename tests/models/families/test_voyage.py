"""Voyage's API, spoken to by its own client, on a server of the tests' own that fails when it is told to."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image
from PIL.Image import Resampling

from pytest_mieb.models import Embedder, ModelError, Purpose, load_embedder
from pytest_mieb.models.api import Bill, Price, Usage, dollars
from pytest_mieb.models.families import voyage
from pytest_mieb.models.loading.registry import MODELS
from pytest_mieb.support.retrying import wait_before, worth_another_try
from tests.models.battery import (
    IMAGES,
    ODD_MODES,
    TEXTS,
    TRANSPARENT,
    check_images,
    check_interleaved,
    check_texts,
    noise,
    opaque,
)
from tests.voyage import KEY, Answer, Voyage, expected, picture, serving

SPEC = "voyage:voyage-multimodal-3"
PRICE = Price(million_tokens=0.12, billion_pixels=0.60)
RED, BLUE = (Image.new("RGB", (300, 200), colour) for colour in ("red", "blue"))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Voyage]:
    with serving(monkeypatch) as server:
        yield server


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited."""
    waited: list[float] = []
    monkeypatch.setattr(voyage, "sleep", waited.append)
    return waited


def bill_of(model: Embedder) -> Bill:
    assert isinstance(model, voyage.VoyageEmbedder)
    return model.bill


@pytest.mark.usefixtures("api")
def test_it_stands_what_every_family_must() -> None:
    model = load_embedder(SPEC)
    assert (model.modalities, model.dimension) == (frozenset({"image", "text", "interleaved"}), 1024)
    check_images(model, alpha=opaque)
    check_texts(model)
    check_interleaved(model)


def test_loading_sends_nothing(api: Voyage) -> None:
    model = load_embedder(SPEC)
    assert model.fingerprint and model.description and model.prompted(Purpose("Task", "retrieval", "query")).fingerprint
    assert api.requests == []


@pytest.mark.parametrize("spec", [SPEC, "voyageai/voyage-multimodal-3"])
def test_what_is_sent(spec: str, api: Voyage) -> None:
    model = load_embedder(spec)
    vectors = model.embed_texts(["a dog", "犬"]), model.embed_images([RED]), model.embed_interleaved([RED], ["a dog"])
    texts, images, both = api.requests
    for request in (texts, images, both):
        assert (request["model"], request["input_type"]) == ("voyage-multimodal-3", "document")
        assert request["truncation"] is True
    assert [content["content"] for content in texts["inputs"]] == [
        [{"type": "text", "text": "a dog"}],
        [{"type": "text", "text": "犬"}],
    ]
    assert [[part["type"] for part in content] for content in api.inputs[2:]] == [
        ["image_base64"],
        ["text", "image_base64"],
    ]
    np.testing.assert_array_equal(picture(api.inputs[2][0]), RED)
    found = np.concatenate(vectors)
    np.testing.assert_array_equal(found, [expected(content, "document") for content in api.inputs])
    assert set(api.keys) == {f"Bearer {KEY}"}


@pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")
def test_the_client_itself_would_send_the_same(api: Voyage) -> None:
    from voyageai.client import Client
    from voyageai.video_utils import Video

    images = [noise(40, 60), *TRANSPARENT.values(), *ODD_MODES.values()]
    texts = [f"picture {number}" for number in range(len(images))]
    model = load_embedder(SPEC)
    model.embed_interleaved(images, texts)
    client = Client(base_url=api.url)
    contents: list[list[str | Image.Image | Video]] = [[*pair] for pair in zip(texts, images, strict=True)]
    client.multimodal_embed(contents, "voyage-multimodal-3", "document")
    ours, theirs = api.requests
    assert ours == theirs


def test_the_references_wrapper_gives_the_same(api: Voyage, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mteb")
    import voyageai
    from datasets import Dataset
    from mteb.models.model_implementations.voyage_v import voyage_v_loader
    from mteb.types import PromptType
    from torch.utils.data import DataLoader
    from voyageai.client import Client

    monkeypatch.setattr(voyageai, "Client", lambda: Client(base_url=api.url))
    wrapper: Any = voyage_v_loader("mongodb/voyage-multimodal-3")
    images, texts = [RED, TRANSPARENT["RGBA"], noise(3, 10001).quantize(8)], ["a dog", "a cat", "犬"]

    class Items(Dataset):
        def __init__(self, columns: dict[str, list[Any]]) -> None:
            self.columns, self._length = columns, len(images)

        features = property(lambda self: self.columns)

        def __len__(self) -> int:
            return self._length

        def __getitem__(self, row: int) -> dict[str, Any]:
            return {name: column[row] for name, column in self.columns.items()}

        __getitems__ = None

    def encode(role: str | None, **columns: list[Any]) -> Any:
        loader: DataLoader[dict[str, Any]] = DataLoader(
            Items(columns),
            batch_size=2,
            collate_fn=lambda rows: {name: [row[name] for row in rows] for name in columns},
        )
        prompt = PromptType(role) if role else None
        return wrapper.encode(
            loader,
            task_metadata=None,
            hf_split="test",
            hf_subset="default",
            prompt_type=prompt,
            show_progress_bar=False,
        ).numpy()

    for role in ("query", "document", None):
        model = load_embedder(SPEC).prompted(Purpose("Task", "retrieval", role))
        np.testing.assert_array_equal(model.embed_images(images), encode(role, image=images))
        np.testing.assert_array_equal(model.embed_texts(texts), encode(role, text=texts))
        np.testing.assert_array_equal(model.embed_interleaved(images, texts), encode(role, image=images, text=texts))


def test_queries_are_embedded_as_queries(api: Voyage) -> None:
    model = load_embedder(SPEC)
    query = model.prompted(Purpose("Task", "retrieval", "query"))
    assert model.prompted(Purpose("Task", "sts")) is model
    assert model.prompted(Purpose("Task", "retrieval", "document")) is model
    assert query.prompted(Purpose("Task", "sts")).fingerprint == model.fingerprint != query.fingerprint
    assert query.fingerprint == model.prompted(Purpose("Another", "retrieval", "query")).fingerprint
    model.embed_texts(["a"])
    query.embed_texts(["a"])
    assert [request["input_type"] for request in api.requests] == ["document", "query"]
    assert bill_of(query) is bill_of(model)


def test_the_fingerprint_names_model_client_and_server_but_not_the_key(
    api: Voyage, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_embedder(SPEC)
    first = model.fingerprint
    assert load_embedder("voyage:voyage-multimodal-3.5").fingerprint != first
    monkeypatch.setenv("VOYAGE_API_KEY", "another")
    assert load_embedder(SPEC).fingerprint == first
    monkeypatch.setattr("voyageai.__version__", "9.9.9")
    assert load_embedder(SPEC).fingerprint != first
    monkeypatch.undo()
    monkeypatch.setenv("VOYAGE_API_KEY", KEY)
    assert load_embedder(SPEC).fingerprint != first
    assert model.description is not None
    assert "Voyage (voyage-multimodal-3)" in model.description.line
    assert "dimension 1024" in model.description.line
    assert KEY not in str(model.description.to_json()) + repr(vars(model))


def test_what_fills_a_batch_up_is_sent_once(api: Voyage) -> None:
    model = load_embedder(SPEC)
    images = [RED, BLUE, BLUE, BLUE]
    np.testing.assert_array_equal(model.embed_images(images)[1:], model.embed_images(images)[[1, 1, 1]])
    model.embed_texts(["a", "b", "b"])
    model.embed_interleaved([RED, RED, BLUE, BLUE], ["a", "b", "b", "b"])
    assert [len(request["inputs"]) for request in api.requests] == [2, 2, 2, 3]


def test_an_empty_text_is_never_sent(api: Voyage) -> None:
    model = load_embedder(SPEC)
    model.embed_texts([""])
    model.embed_interleaved([RED], [""])
    assert [[part.get("text", "image") for part in content] for content in api.inputs] == [[" "], ["image"]]


class Sized(NamedTuple):
    """An image that remembers what it was made from, and has no pixels."""

    size: tuple[int, int]
    source: Sized | None = None
    by: Resampling = Resampling.LANCZOS
    mode: str = "RGB"

    def resize(self, size: tuple[int, int], by: Resampling) -> Sized:
        return Sized(size, self, by)


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        ((4000, 4000), (4000, 4000)),
        ((4001, 4000), (4000, 3999)),
        ((4000, 4001), (3999, 4000)),
        ((5000, 5000), (4000, 4000)),
        ((12_000, 500), (10_000, 500)),
        ((500, 12_000), (500, 10_000)),
        ((9_000_000, 2), (4000, 1)),
        ((1, 1), (1, 1)),
    ],
)
def test_an_image_is_made_no_larger_than_the_api_takes(size: tuple[int, int], sent: tuple[int, int]) -> None:
    reference = pytest.importorskip("mteb.models.model_implementations.voyage_v")
    image: Any = Sized(size)
    assert voyage.fitted(image) == Sized(sent, image if sent != size else None, Resampling.LANCZOS)
    if min(size) > 2:  # there it scales a side to nothing
        assert reference._downsample_image(image) == voyage.fitted(image)


def test_an_image_of_too_many_bytes_is_made_smaller(api: Voyage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voyage, "IMAGE_BYTES", 3000)
    load_embedder(SPEC).embed_images([noise(100, 50), RED])
    small, whole = (picture(content[0]) for content in api.inputs)
    assert small.width * 2 == pytest.approx(small.height, abs=2)
    assert 600 < small.width * small.height < 1100
    assert whole.size == RED.size


def test_requests_keep_to_the_limits(api: Voyage, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_embedder(SPEC)
    model.embed_texts([str(number) for number in range(1001)])
    assert [len(request["inputs"]) for request in api.requests] == [1000, 1]
    api.requests.clear()
    # At most 31,016 tokens each, or 32,000 and no more.
    model.embed_texts(
        [f"{number}{'x' * 31_000}" for number in range(10, 22)] + [f"{number}" * 99_999 for number in range(9)]
    )
    assert [len(request["inputs"]) for request in api.requests] == [10, 10, 1]
    api.requests.clear()
    monkeypatch.setattr(voyage, "TOKENS", 10_000)  # two images of at most 3,588 tokens fit
    vectors = model.embed_images([Image.new("L", (1000, 2000), shade) for shade in range(5)])
    assert [len(request["inputs"]) for request in api.requests] == [2, 2, 1]
    np.testing.assert_array_equal(vectors, [expected(content, "document") for content in api.inputs])


@pytest.mark.parametrize(
    ("answers", "seconds"),
    [
        ([Answer(500)], [2]),
        ([Answer(502), Answer(503), Answer(504)], [2, 4, 8]),
        ([Answer(529, b"overloaded")], [2]),
        ([Answer(429, {"detail": "slow down"})] * 5, [2, 4, 8, 16, 32]),
        ([Answer(429, {"detail": "slow down"}, {"Retry-After": "7"}), Answer(500)], [7, 4]),
        ([Answer(429, {"detail": "slow down"}, {"retry-after": "0"})], [0]),
        ([Answer(503, headers={"Retry-After": "99999"})], [600]),
        ([Answer(503, headers={"Retry-After": "soon"})], [2]),
        ([Answer(hang_up=True)], [2]),
    ],
)
def test_what_may_pass_is_tried_again(
    answers: list[Answer], seconds: list[float], api: Voyage, waits: list[float]
) -> None:
    api.answers = list(answers)
    model = load_embedder(SPEC)
    found = model.embed_texts(["a dog"])
    np.testing.assert_array_equal(found, [expected([{"type": "text", "text": "a dog"}], "document")])
    assert waits == seconds
    assert len(api.requests) == bill_of(model).requests == len(answers) + 1


def test_a_request_that_takes_too_long_is_tried_again(
    api: Voyage, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voyage, "TIMEOUT", 0.2)
    api.answers = [Answer(seconds=0.6)]
    model = load_embedder(SPEC)
    model.embed_images([RED])
    assert waits == [2]
    assert bill_of(model).unsure == pytest.approx(PRICE.of(Usage(16, 60_000)))
    assert bill_of(model).spent == pytest.approx(PRICE.of(Usage(0, 60_000)))


def test_six_tries_are_enough(api: Voyage, waits: list[float]) -> None:
    api.answers = [Answer(429, {"detail": "3 RPM without a payment method"})] * 9
    model = load_embedder(SPEC)
    with pytest.raises(
        ModelError, match="no answer after 6 tries, at last 429 3 RPM without a payment method; run again"
    ):
        model.embed_texts(["a dog"])
    assert (len(waits), len(api.requests), bill_of(model).unsure) == (5, 6, 0.0)


def test_a_server_that_is_not_there_is_said_and_costs_nothing(
    api: Voyage, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOYAGE_API_BASE", "http://127.0.0.1:9/v1")
    model = load_embedder(SPEC, max_cost=0.00001)
    with pytest.raises(ModelError, match=r"no answer after 6 tries, at last .*127\.0\.0\.1"):
        model.embed_texts(["a dog"])
    assert waits == [2, 4, 8, 16, 32]
    assert bill_of(model).unsure == 0.0


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Answer(401, {"detail": "no such key"}), r"refused the key in VOYAGE_API_KEY \(401 no such key\); check it"),
        (Answer(403, {"detail": "not yours"}), r"refused the key in VOYAGE_API_KEY \(403 not yours\)"),
        (Answer(400, {"detail": "bad image"}), r"refused the request \(400 bad image\)$"),
        (Answer(422, {"detail": "bad field"}), r"refused the request \(422 bad field\)$"),
        (Answer(404, b"<html>"), r"refused the request \(404 HTTP code 404"),
        (Answer(200, b"<html>"), r"refused the request \(200 HTTP code 200"),
        (Answer(200, {"data": 3}), r"answer cannot be read \(TypeError"),
        (Answer(200, {"wrong": 3}), r"answer cannot be read \(AttributeError.*check VOYAGE_API_BASE"),
        (Answer(200, [1, 2]), "answer cannot be read"),
    ],
)
def test_what_will_not_pass_is_not_tried_again(answer: Answer, sentence: str, api: Voyage, waits: list[float]) -> None:
    api.answers = [answer]
    with pytest.raises(ModelError, match=sentence) as error:
        load_embedder(SPEC).embed_texts(["a dog"])
    assert str(error.value).startswith("voyage-multimodal-3: ")
    assert KEY not in str(error.value)
    assert (waits, len(api.requests)) == ([], 1)


@pytest.mark.parametrize(("count", "dimension"), [(1, 1024), (2, 512)])
def test_embeddings_of_another_number_or_dimension_are_refused(count: int, dimension: int, api: Voyage) -> None:
    usage = {"text_tokens": 2, "image_pixels": 0, "video_pixels": 0, "total_tokens": 2}
    api.answers = [Answer(body={"data": [{"embedding": [0.5] * dimension}] * count, "usage": usage})]
    with pytest.raises(ModelError, match=rf"shape \({count}, {dimension}\) for 2 inputs; it must be \(2, 1024\)"):
        load_embedder(SPEC).embed_texts(["a", "b"])


def test_the_bill_is_what_the_api_reports(api: Voyage) -> None:
    model = load_embedder(SPEC)
    model.embed_texts(["one two three", "four"])
    assert bill_of(model).spent == pytest.approx(4 * 0.12 / 1e6)
    model.embed_images([RED, Image.new("L", (10, 10)), Image.new("L", (3000, 2000))])
    assert bill_of(model).spent == pytest.approx(4 * 0.12 / 1e6 + (60_000 + 50_000 + 2_000_000) * 0.60 / 1e9)
    assert (bill_of(model).requests, bill_of(model).unsure) == (2, 0.0)


def test_where_the_api_reports_nothing_the_most_is_counted(api: Voyage) -> None:
    body = {"inputs": [{"content": [{"type": "text", "text": "a"}]}], "input_type": "document"}
    nothing = dict.fromkeys(("text_tokens", "image_pixels", "video_pixels", "total_tokens"), 0)
    api.answers = [Answer(body=api.embed(body) | {"usage": nothing})]
    model = load_embedder(SPEC)
    model.embed_texts(["a"])
    assert bill_of(model).spent == pytest.approx(PRICE.of(Usage(17, 0)))


def test_it_stops_before_a_request_that_may_exceed_the_limit(api: Voyage) -> None:
    one = PRICE.of(Usage(16, 60_000))
    model = load_embedder(SPEC, max_cost=2.5 * one)
    model.embed_images([RED])
    model.prompted(Purpose("Task", "retrieval", "query")).embed_images([RED])
    with pytest.raises(ModelError) as error:
        model.embed_images([BLUE])
    assert len(api.requests) == 2
    assert str(error.value) == (
        "voyage-multimodal-3: stopped before --mieb-max-cost is exceeded: $0.000072 spent in 2 requests, the next may "
        "cost up to $0.000038, and this process may spend $0.000095; raise it, or select fewer tasks"
    )
    with pytest.raises(ModelError, match="stopped before"):
        load_embedder(SPEC, max_cost=one / 2).embed_images([BLUE])
    assert len(api.requests) == 2
    model.embed_texts(["a"])


def test_requests_without_an_answer_count_towards_the_limit(api: Voyage, waits: list[float]) -> None:
    api.answers = [Answer(hang_up=True)] * 9
    most = PRICE.of(Usage(16 + len("a dog"), 0))
    model = load_embedder(SPEC, max_cost=3.5 * most)
    with pytest.raises(
        ModelError, match=r"\$0.00 spent and up to \$0.000008 on requests without an answer in 3 requests"
    ):
        model.embed_texts(["a dog"])
    assert (len(api.requests), len(waits)) == (3, 3)


def test_the_estimate_is_never_below_what_is_spent(api: Voyage) -> None:
    model = load_embedder(SPEC)
    assert isinstance(model, voyage.VoyageEmbedder)
    pairs = list(zip(IMAGES, TEXTS, strict=False))
    texts = [text[:500] for text in TEXTS]
    asked: list[dict[str, int | Sequence[Any]]] = [
        {"image": IMAGES},
        {"text": texts},
        {"interleaved": pairs},
        {"image": [], "text": 0},
    ]
    estimates = [model.estimate(items) for items in asked]
    spent = []
    for embed in (
        lambda: model.embed_images(IMAGES),
        lambda: model.embed_texts(texts),
        lambda: model.embed_interleaved(*zip(*pairs, strict=True)),
    ):
        before = model.bill.spent
        embed()
        spent.append(model.bill.spent - before)
    assert all(real <= estimate < 500 * real for real, estimate in zip(spent, estimates, strict=False))
    assert estimates[-1] == 0
    assert model.estimate({"image": 1000, "text": 10}) == pytest.approx(
        1000 * PRICE.of(Usage(16, 2_000_000)) + 10 * PRICE.of(Usage(32_000, 0))
    )
    assert model.estimate({"interleaved": 3}) == pytest.approx(3 * PRICE.of(Usage(32_000, 2_000_000)))


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"revision": "main"}, "--mieb-revision=main: voyage-multimodal-3 runs behind an API; leave the option out"),
        ({"dtype": "bfloat16"}, "--mieb-dtype=bfloat16: voyage-multimodal-3 runs behind an API"),
        ({"options": {"mean": "0.5"}}, "--mieb-model-arg=mean=...: this model takes no mean; legal are none"),
    ],
)
def test_options_without_a_meaning_are_refused(keywords: dict[str, Any], sentence: str, api: Voyage) -> None:
    with pytest.raises(ModelError) as error:
        load_embedder(SPEC, **keywords)
    assert sentence in str(error.value)


def test_an_unknown_model_is_refused(api: Voyage) -> None:
    with pytest.raises(
        ModelError, match=r"voyage:voyage-3: Voyage has no multimodal model voyage-3; known are voyage-multimodal-3, "
    ):
        load_embedder("voyage:voyage-3")


@pytest.mark.parametrize("key", [None, "", "  "])
def test_without_a_key_nothing_starts(key: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if key is None:
        monkeypatch.delenv("VOYAGE_API_KEY", raising=False)
    else:
        monkeypatch.setenv("VOYAGE_API_KEY", key)
    with pytest.raises(ModelError, match="the environment variable VOYAGE_API_KEY is not set"):
        load_embedder(SPEC)


def test_without_the_client_the_command_that_installs_it_is_named(api: Voyage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "voyageai", None)
    with pytest.raises(ModelError, match=r'pip install "pytest-mieb\[voyage\]"'):
        load_embedder(SPEC)


def test_the_registry_and_the_price_list_name_the_same_model() -> None:
    assert {model.architecture for model in MODELS if model.family == "voyage"} <= set(voyage.PRICES)


@pytest.mark.parametrize(
    ("status", "again"), [(None, False), (200, False), (400, False), (408, True), (429, True), (599, True)]
)
def test_which_answers_may_pass(status: int | None, again: bool) -> None:
    assert worth_another_try(status) is again


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(12.5, "$12.50"), (0.5, "$0.50"), (0.0, "$0.00"), (0.0000357, "$0.000036"), (1234.567, "$1234.57")],
)
def test_amounts_are_shown_in_dollars(amount: float, shown: str) -> None:
    assert dollars(amount) == shown


def test_a_date_to_try_again_after_is_understood() -> None:
    assert wait_before(0, {"Retry-After": formatdate(time.time() + 100, usegmt=True)}) == pytest.approx(99, abs=2)
    assert wait_before(0, {"Retry-After": formatdate(time.time() - 100, usegmt=True)}) == 0
    assert [wait_before(attempt, {"Retry-After": "nan"}) for attempt in (0, 9)] == [2, 60]
