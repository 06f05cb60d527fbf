"""Every distinct item is embedded once, in batches of one size, and what is no embedding is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import sleep
from typing import Any

import datasets
import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray
from PIL.Image import Image

from pytest_mieb.data import DatasetError
from pytest_mieb.data.inputs import Images, Inputs
from pytest_mieb.data.origin import Origin
from pytest_mieb.data.rgb import ImageMode
from pytest_mieb.embedding import EmbeddingError, Pipeline, Store
from pytest_mieb.models import Embedder, Purpose
from pytest_mieb.models.errors import ModelError
from tests.data.mirrors import COLOURS, encoded, pictures, whole
from tests.embedding.stored import find

NATIVE = frozenset({"image", "text", "interleaved"})


class Toy(Embedder):
    """A model whose embeddings can be told by heart; it notes what it is given.

    A text becomes (length, first letter), an image its colour's (red, green) plus 1; both together (1, length).
    """

    modalities = frozenset({"image", "text"})
    dimension = 2
    fingerprint: str | None = "toy"
    image_mode: ImageMode = "RGB on white"

    def __init__(self, modalities: frozenset[str] = frozenset({"image", "text"})) -> None:
        self.modalities = modalities
        self.batches: list[int] = []
        self.seen: list[str] = []

    def text_lengths(self, texts: Sequence[str]) -> list[int]:
        return list(map(len, texts))

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.note(list(texts))
        return np.array([[len(text), ord(text[0])] for text in texts], np.float32)

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        colours = [image.getpixel((0, 0)) for image in images]
        self.note([str(colour) for colour in colours])
        return np.array([[red + 1, green + 1] for red, green, _ in colours], np.float32)  # type: ignore[misc]

    def embed_interleaved(self, images: Sequence[Image], texts: Sequence[str]) -> NDArray[np.float32]:
        assert len(images) == len(texts)
        self.note([f"{image.getpixel((0, 0))} {text}" for image, text in zip(images, texts, strict=True)])
        return np.array([[1, len(text)] for text in texts], np.float32)

    def note(self, items: list[str]) -> None:
        self.batches.append(len(items))
        self.seen += list(dict.fromkeys(items))


class Bare:
    """A model of other make, which has the least that a loaded model must have."""

    modalities = frozenset({"image"})
    dimension = 2
    fingerprint = None
    image_mode: ImageMode = "RGB on white"

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        return np.array([np.asarray(image)[0, 0, :2] for image in images], np.float32) + 1


def texts(*values: str) -> Inputs:
    return Inputs(texts=values)


def images(*colours: str) -> Images:
    return Images(
        whole(datasets.Dataset.from_dict({"img": pictures(*colours)}).cast_column("img", datasets.Image())), "img"
    )


def counts(pipeline: Pipeline) -> tuple[int, int]:
    return pipeline.counts.embedded, pipeline.counts.reused


def test_embeddings_come_in_the_order_of_the_inputs_each_embedded_once() -> None:
    toy = Toy()
    pipeline = Pipeline(toy, batch_size=2)
    found = pipeline.embed(texts("ccc", "a", "bb", "a", "ccc"))
    assert found.tolist() == [[3, 99], [1, 97], [2, 98], [1, 97], [3, 99]]
    assert found.dtype == np.float32
    assert sorted(toy.seen) == ["a", "bb", "ccc"]
    assert counts(pipeline) == (3, 0)


def test_images_come_in_the_order_of_the_inputs_each_embedded_once() -> None:
    toy = Toy()
    found = Pipeline(toy, batch_size=2).embed(Inputs(images("green", "red", "blue", "green")))
    assert found.tolist() == [[1, 256], [256, 1], [1, 1], [1, 256]]
    assert len(toy.seen) == 3


def test_what_has_a_default_may_be_lacking() -> None:
    bare: Any = Bare()
    found = Pipeline(bare, batch_size=2).embed(Inputs(images("green", "red", "blue")))
    assert found.tolist() == [[1, 256], [256, 1], [1, 1]]


@pytest.mark.parametrize(
    ("mode", "seen"), [("any", "(200, 0, 0, 0)"), ("RGB", "(200, 0, 0)"), ("RGB on white", "(255, 255, 255)")]
)
def test_an_image_comes_as_the_model_takes_it(mode: ImageMode, seen: str) -> None:
    class Looking(Toy):
        image_mode = mode

        def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
            self.note([str(image.getpixel((0, 0))) for image in images])
            return np.ones((len(images), 2), np.float32)

        def embed_interleaved(self, images: Sequence[Image], texts: Sequence[str]) -> NDArray[np.float32]:
            return self.embed_images(images)

    file = {"bytes": encoded(PIL.Image.new("RGBA", (4, 4), (200, 0, 0, 0))), "path": None}
    column = Images(whole(datasets.Dataset.from_dict({"img": [file]}).cast_column("img", datasets.Image())), "img")
    toy = Looking(NATIVE)
    Pipeline(toy, batch_size=1).embed(Inputs(column))
    Pipeline(toy, batch_size=1).embed(Inputs(column, ["a"]))
    assert toy.seen == [seen] * 2


def test_an_image_that_cannot_be_converted_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(image: Image, mode: str) -> Image:
        raise ValueError(f"conversion from {image.mode} to {mode} not supported")

    files = [{"bytes": encoded(PIL.Image.new(mode, (4, 4))), "path": None} for mode in ("RGB", "L")]
    column = datasets.Dataset.from_dict({"img": files}).cast_column("img", datasets.Image())
    toy = Toy()
    monkeypatch.setattr(PIL.Image.Image, "convert", refuse)
    with pytest.raises(EmbeddingError, match=r"fails for the image in row 1 .*conversion from L to RGB not supported"):
        Pipeline(toy, batch_size=2).embed(Inputs(Images(whole(column), "img")))
    assert toy.seen == ["(0, 0, 0)"]


@pytest.mark.parametrize(
    ("items", "batch_size", "batches"), [(1, 4, 1), (4, 4, 1), (5, 4, 2), (9, 2, 5), (3, 1, 3), (130, 1, 130)]
)
def test_the_model_sees_batches_of_one_size_only(items: int, batch_size: int, batches: int) -> None:
    toy = Toy()
    found = Pipeline(toy, batch_size=batch_size).embed(
        texts(*(f"{number:03}" + "x" * number for number in range(items)))
    )
    assert toy.batches == [batch_size] * batches
    assert found[:, 0].tolist() == [number + 3 for number in range(items)]


def test_the_last_batch_is_filled_up_with_its_last_item() -> None:
    given: list[list[str]] = []

    class Noting(Toy):
        def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            given.append(list(texts))
            return super().embed_texts(texts)

    Pipeline(Noting(), batch_size=4).embed(texts("a", "bb", "ccc", "dddd", "eeeee", "ffffff"))
    assert given[1] == ["bb", "a", "a", "a"]


@pytest.mark.parametrize("interleaved", [False, True])
def test_texts_of_like_length_share_a_batch_and_the_longest_come_first(interleaved: bool) -> None:
    """As the model counts: for this one a text is as long as it has letters x."""

    class Counting(Toy):
        def text_lengths(self, texts: Sequence[str]) -> list[int]:
            return [text.count("x") for text in texts]

    values = ("ax", "bxxx", "cccccc", "dxxx", "exx", "fx")
    toy = Counting(NATIVE)
    inputs = Inputs(images(*["red"] * len(values)), values) if interleaved else texts(*values)
    Pipeline(toy, batch_size=2).embed(inputs)
    assert [item.split()[-1] for item in toy.seen] == ["bxxx", "dxxx", "exx", "ax", "fx", "cccccc"]


def test_the_lengths_of_many_texts_are_asked_for_chunk_by_chunk() -> None:
    asked: list[int] = []

    class Counting(Toy):
        def text_lengths(self, texts: Sequence[str]) -> list[int]:
            asked.append(len(texts))
            return super().text_lengths(texts)

    values = [f"{number:04}" + "x" * (number % 7) for number in range(1100)]
    found = Pipeline(Counting(), batch_size=50).embed(texts(*values))
    assert found[:, 0].tolist() == list(map(len, values))
    assert asked == [800, 300]


@pytest.mark.parametrize("scale", [1e-9, 1e5], ids=["small", "large"])
def test_what_float16_cannot_hold_is_refused_and_not_stored(scale: float, tmp_path: Path) -> None:
    class Scaled(Toy):
        def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return super().embed_texts(texts) * np.float32(scale)

    with pytest.raises(EmbeddingError, match="too large or too small for float16; leave --mieb-store-dtype out"):
        Pipeline(Scaled(), Store(tmp_path, precision="float16"), 2).embed(Inputs(texts=["a", "bb", "ccc"]))
    assert not list(tmp_path.iterdir())
    Pipeline(Scaled(), Store(tmp_path), 2).embed(Inputs(texts=["a", "bb", "ccc"]))


def test_what_float16_cannot_hold_costs_nothing_that_it_can(tmp_path: Path) -> None:
    class Growing(Toy):
        def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            found = super().embed_texts(texts)
            return found * np.float32(1e5) if len(self.batches) > 1 else found

    with pytest.raises(EmbeddingError, match="too large or too small for float16"):
        Pipeline(Growing(), Store(tmp_path, precision="float16"), 2).embed(texts("a", "bb", "ccc"))
    second = Toy()
    Pipeline(second, Store(tmp_path, precision="float16"), 2).embed(texts("a", "bb", "ccc"))
    assert len(second.seen) == 1


def test_what_was_embedded_is_taken_from_the_store(tmp_path: Path) -> None:
    first = Pipeline(Toy(), Store(tmp_path), 2)
    one = first.embed(texts("a", "bb", "ccc"))
    again = Toy()
    second = Pipeline(again, Store(tmp_path), 2)
    other = second.embed(texts("ccc", "dddd", "a", "a"))
    assert again.seen == ["dddd"]
    assert counts(second) == (1, 2)
    assert other.tolist() == [one[2].tolist(), [4, 100], one[0].tolist(), one[0].tolist()]


def test_nothing_is_embedded_where_all_is_known(tmp_path: Path) -> None:
    pipeline = Pipeline(Toy(), Store(tmp_path), 2)
    inputs = texts("a", "bb")
    assert pipeline.embed(inputs).tolist() == pipeline.embed(inputs).tolist()
    assert counts(pipeline) == (2, 2)
    assert pipeline.counts.seconds.embed > 0


def test_the_time_of_each_stage_is_known() -> None:
    class Slow(Toy):
        def prepare_images(self, images: Sequence[Image]) -> list[Image]:
            sleep(0.02)
            return list(images)

        def embed_prepared(self, prepared: list[Image]) -> NDArray[np.float32]:
            sleep(0.04)
            return self.embed_images(prepared)

    pipeline = Pipeline(Slow(), batch_size=1)
    pipeline.embed(Inputs(images("green", "red", "blue")))
    found = pipeline.counts.seconds
    assert found.preprocess >= 0.06 and found.embed >= 0.12 and found.decode > 0
    assert 0.02 <= found.waited_read < found.preprocess + found.decode
    assert (found.load, found.score, found.total) == (0, 0, 0)


def test_without_a_store_embeddings_last_as_long_as_the_pipeline() -> None:
    for _ in range(2):
        pipeline = Pipeline(Toy(), batch_size=2)
        assert pipeline.embed(texts("a")).tolist() == pipeline.embed(texts("a")).tolist() == [[1, 97]]
        assert counts(pipeline) == (1, 1)


@pytest.mark.parametrize("end", [ModelError("may cost too much"), KeyboardInterrupt()])
def test_what_was_embedded_before_the_model_stopped_is_kept(tmp_path: Path, end: BaseException) -> None:
    class Stopping(Toy):
        def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            if len(self.batches) == 3:
                raise end
            return super().embed_texts(texts)

    inputs = texts(*"abcdefghij")
    stopped = Pipeline(Stopping(), Store(tmp_path), 2)
    with pytest.raises(type(end)):
        stopped.embed(inputs)
    assert counts(stopped) == (6, 0)
    resumed = Pipeline(Toy(), Store(tmp_path), 2)
    resumed.embed(inputs)
    assert counts(resumed) == (4, 6)


def test_many_items_are_stored_as_the_work_goes_on(tmp_path: Path) -> None:
    # No end of the process, however hard, loses more than a chunk, which is here the smallest there is.
    stored: list[int] = []

    class Looking(Toy):
        def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            stored.append(len(find(Store(tmp_path), inputs.keys.tolist())))
            return super().embed_texts(texts)

    inputs = texts(*(chr(ord("a") + number) for number in range(130)))
    Pipeline(Looking(), Store(tmp_path), 1).embed(inputs)
    assert stored == [number - number % 16 for number in range(130)]


def test_an_image_with_its_text_is_the_sum_of_both_for_a_model_of_two_towers(tmp_path: Path) -> None:
    toy = Toy()
    pipeline = Pipeline(toy, Store(tmp_path), 2)
    found = pipeline.embed(Inputs(images("red", "green", "red"), ["a", "bb", "bb"]))
    red, green = [256, 1], [1, 256]
    assert found.tolist() == [
        [red[0] + 1, red[1] + 97],
        [green[0] + 2, green[1] + 98],
        [red[0] + 2, red[1] + 98],
    ]
    assert counts(pipeline) == (4, 0)  # two images and two texts, which other tasks may use again
    pipeline.embed(texts("bb"))
    assert counts(pipeline) == (4, 1)


def test_a_model_that_takes_both_together_gets_both_together() -> None:
    toy = Toy(NATIVE)
    pipeline = Pipeline(toy, batch_size=2)
    found = pipeline.embed(Inputs(images("red", "red", "red"), ["a", "bb", "a"]))
    assert found.tolist() == [[1, 1], [1, 2], [1, 1]]
    assert toy.seen == [f"{COLOURS['red']} bb", f"{COLOURS['red']} a"]
    assert counts(pipeline) == (2, 0)


def returning(make: Callable[[int], Any]) -> Toy:
    class Returning(Toy):
        def embed_texts(self, texts: Sequence[str]) -> Any:
            self.batches.append(len(texts))
            return make(len(texts))

    return Returning()


def one_bad(value: float) -> Callable[[int], NDArray[np.float32]]:
    def make(n: int) -> NDArray[np.float32]:
        vectors = np.arange(2 * n, dtype=np.float32).reshape(n, 2) + 1
        vectors[1, 1] = value
        return vectors

    return make


REFUSED = {
    "NaN": (one_bad(float("nan")), "the model gave NaN or infinite values for text inputs; check its weights, or try"),
    "infinite": (one_bad(float("-inf")), "the model gave NaN or infinite values for text inputs"),
    "zeros": (lambda n: np.eye(n, 2), "the model gave an embedding of zeros for text inputs; check its weights"),
    "constant": (
        lambda n: np.ones((n, 2)),
        "the model gives the same embedding for all 4 distinct text inputs; check its weights and its preprocessing",
    ),
    "too few": (
        lambda n: np.ones((n - 1, 2)),
        "the model gave an array of shape (3, 2) for 4 text inputs; it must be (4, dimension)",
    ),
    "a vector for all": (
        lambda n: np.ones(n),
        "the model gave an array of shape (4,) for 4 text inputs; it must be (4, dimension)",
    ),
    "one a token": (
        lambda n: np.ones((n, 7, 2)),
        "the model gave an array of shape (4, 7, 2) for 4 text inputs; it must be (4, dimension)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_embedding_is_refused_and_not_stored(tmp_path: Path, case: str) -> None:
    make, sentence = REFUSED[case]
    inputs = texts("a", "bb", "ccc", "dddd")
    for _ in range(2):  # the second time as well: nothing of the first was kept
        with pytest.raises(EmbeddingError) as refusal:
            Pipeline(returning(make), Store(tmp_path), 4).embed(inputs)
        assert str(refusal.value).startswith(sentence)
    assert not list(tmp_path.rglob("*.npy"))


def test_two_items_may_have_the_same_embedding() -> None:
    assert Pipeline(returning(lambda n: np.ones((n, 2))), batch_size=4).embed(texts("a", "A")).tolist() == [[1, 1]] * 2


def test_a_few_items_of_one_embedding_among_others_are_no_trouble(tmp_path: Path) -> None:
    # Long texts are cut to the same tokens; that they make up a chunk of their own is chance.
    class Cutting(Toy):
        def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return np.array([[min(len(text), 64), 1] for text in texts], np.float32)

    store = Store(tmp_path)
    found = Pipeline(Cutting(), store, 1).embed(texts(*("x" * n for n in range(1, 71))))
    assert found[:, 0].tolist() == [min(n, 64) for n in range(1, 71)]
    found = Pipeline(Cutting(), store, 1).embed(texts("x", *("x" * n for n in range(71, 75))))
    assert found[:, 0].tolist() == [1, 64, 64, 64, 64]


def test_embeddings_of_several_dimensions_are_refused() -> None:
    class Growing(Toy):
        def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            self.batches.append(len(texts))
            return np.ones((len(texts), 1 + len(self.batches)), np.float32)

    with pytest.raises(EmbeddingError, match="dimension 2 and of 3 for text inputs"):
        Pipeline(Growing(), batch_size=1).embed(texts("a", "bb"))


def test_a_model_that_changed_its_dimension_needs_a_new_fingerprint(tmp_path: Path) -> None:
    Pipeline(Toy(), Store(tmp_path), 2).embed(texts("a", "bb"))
    wider = returning(lambda n: np.arange(3 * n).reshape(n, 3) + 1)
    with pytest.raises(EmbeddingError, match=r"dimension 2 and of 3 .* give it a new fingerprint"):
        Pipeline(wider, Store(tmp_path), 2).embed(texts("a", "ccc"))


def test_an_embedding_depends_on_its_item_and_on_nothing_embedded_before(tmp_path: Path) -> None:
    # A linear layer over batches: with batches of one size, its result for a row has the same bits in every batch.
    weights = np.random.default_rng(0).normal(size=(64, 48)).astype(np.float32)

    class Linear(Toy):
        def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            rows = [np.random.default_rng(list(text.encode())).normal(size=64) for text in texts]
            return np.array(rows, np.float32) @ weights

    def after(*before: str) -> bytes:
        store = Store(tmp_path / f"{len(before)}")
        pipeline = Pipeline(Linear(), store, 8)
        if before:
            pipeline.embed(texts(*before))
        return pipeline.embed(texts("one", "two", "three")).tobytes()

    assert after() == after("two") == after("another", "two", *map(str, range(40)))


SCANS = "dataset org/scans (revision main), split test: "
DAMAGED = "column 'img' holds a damaged image in row {} (image file is truncated"
REFUSED_BY_MODEL = (
    "the model fails for the image in row {} (ValueError: aspect ratio 300, in test_pipeline.py line {}); let the "
    "model take it, or change it in a mirror of the dataset"
)


def scans(kinds: str) -> Inputs:
    """Images in the rows from 10 on: `.` any, `x` one that `Choosy` does not take, `d` one whose file is cut short."""
    files = []
    for number, kind in enumerate(kinds):
        file = encoded(PIL.Image.new("RGB", (4, 4), (number + 1, 255 if kind == "x" else 0, 0)))
        files.append({"bytes": file[:-30] + bytes([number]) if kind == "d" else file, "path": None})
    column = datasets.Dataset.from_dict({"img": files}).cast_column("img", datasets.Image())
    origin = Origin.whole("org/scans (revision main)", "split test", 10 + len(files))
    return Inputs(Images(whole(column), "img", origin.take(range(10, 10 + len(files)))))


class Choosy(Toy):
    """It takes no picture that is green, and no text that begins with x."""

    def __init__(self, modalities: frozenset[str] = frozenset({"image", "text"})) -> None:
        super().__init__(modalities)
        self.given: list[int] = []

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        self.choose([image.getpixel((0, 0))[1] == 255 for image in images])  # type: ignore[index]
        return super().embed_images(images)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.choose([text.startswith("x") for text in texts])
        return super().embed_texts(texts)

    def embed_interleaved(self, images: Sequence[Image], texts: Sequence[str]) -> NDArray[np.float32]:
        self.choose([text.startswith("x") for text in texts])
        return super().embed_interleaved(images, texts)

    def choose(self, refused: list[bool]) -> None:
        self.given.append(len(refused))
        if any(refused):
            raise ValueError("aspect ratio 300\nand more")


LINE = Choosy.choose.__code__.co_firstlineno + 3


@pytest.mark.parametrize("batch_size", [1, 4, 5, 64])
@pytest.mark.parametrize(
    ("kinds", "first", "others"),
    [
        ("..d..", DAMAGED, ""),
        ("..x..", REFUSED_BY_MODEL, ""),
        ("x...", REFUSED_BY_MODEL, ""),
        ("...x", REFUSED_BY_MODEL, ""),
        ("....x", REFUSED_BY_MODEL, ""),
        (".x.dx.", REFUSED_BY_MODEL, "row 13 of split test, row 14 of split test"),
        (".d.xx.", DAMAGED, "row 13 of split test, row 14 of split test"),
        ("dddd.", DAMAGED, "row 11 of split test, row 12 of split test, row 13 of split test"),
        (
            ".xxxxxxxx",
            REFUSED_BY_MODEL,
            ", ".join(f"row {row} of split test" for row in range(12, 17)) + " and 2 more",
        ),
    ],
)
def test_an_image_that_fails_is_named_by_its_row_and_costs_no_other(
    tmp_path: Path, kinds: str, first: str, others: str, batch_size: int
) -> None:
    """What can be embedded is, and never again."""
    inputs = scans(kinds)
    sound = [place for place, kind in enumerate(kinds) if kind == "."]
    before = Pipeline(Choosy(), Store(tmp_path), batch_size)
    with pytest.raises((DatasetError, EmbeddingError)) as refusal:
        before.embed(inputs)
    row = 10 + next(place for place, kind in enumerate(kinds) if kind != ".")
    assert isinstance(refusal.value, DatasetError) is (first is DAMAGED)
    assert str(refusal.value).startswith(SCANS + first.format(row, LINE))
    assert str(refusal.value).partition("; failed too: ")[2] == others
    assert counts(before) == (len(sound), 0)
    after = Pipeline(Choosy(), Store(tmp_path), batch_size)
    assert after.embed(inputs.take(sound)).tolist() == [[place + 2, 1] for place in sound]
    assert counts(after) == (0, len(sound))


def test_the_others_are_embedded_in_full_batches_all_the_same() -> None:
    """An embedding's last digits may depend on how many are computed at once."""
    toy = Choosy()
    with pytest.raises(EmbeddingError):
        Pipeline(toy, batch_size=4).embed(scans("..x...."))
    assert toy.given == [4] * 6  # all four, the first two, the last two, each of these, and the second batch


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (
            Inputs(texts=["a", "xyz" * 50, "b"]),
            f"the model fails for the text '{'xyz' * 20}' (ValueError: aspect ratio",
        ),
        (
            Inputs(scans("...").images, ["a", "xyz", "b"]),
            f"{SCANS}the model fails for the image in row 11 (ValueError: aspect ratio 300, in test_pipeline.py line",
        ),
    ],
    ids=["a text", "an image with its text"],
)
def test_what_else_fails_is_named_too(inputs: Inputs, sentence: str) -> None:
    pipeline = Pipeline(Choosy(NATIVE), batch_size=2)
    with pytest.raises(EmbeddingError) as refusal:
        pipeline.embed(inputs)
    assert str(refusal.value).startswith(sentence)
    assert counts(pipeline) == (2, 0)


@pytest.mark.parametrize(("batch_size", "tried"), [(64, 40), (40, 40), (4, 16), (1, 16)])
def test_a_model_that_fails_for_all_is_told_from_images_that_fail(batch_size: int, tried: int) -> None:
    with pytest.raises(EmbeddingError) as refusal:
        Pipeline(Choosy(), batch_size=batch_size).embed(scans("x" * 40))
    assert str(refusal.value) == (
        f"the model fails for every one of {tried} image inputs (ValueError: aspect ratio 300, in test_pipeline.py "
        f"line {LINE}); check its code, its weights and its preprocessing"
    )
    assert isinstance(refusal.value.__cause__, ValueError)


def test_the_only_image_there_is_may_be_the_one_that_fails() -> None:
    with pytest.raises(EmbeddingError, match="the model fails for the image in row 10"):
        Pipeline(Choosy(), batch_size=4).embed(scans("x"))


def test_after_many_failures_it_is_given_up() -> None:
    pipeline = Pipeline(Choosy(), batch_size=4)
    with pytest.raises(EmbeddingError, match=r"the image in row 11 .* and 10 more$"):
        pipeline.embed(scans(".x" * 30))
    assert counts(pipeline) == (16, 0)


def test_images_that_fail_only_together_are_the_models_trouble(tmp_path: Path) -> None:
    class Stacking(Toy):
        def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
            if len({image.getpixel((0, 0)) for image in images}) > 1:
                raise ValueError("all input arrays must have the same shape")
            return super().embed_images(images)

    with pytest.raises(EmbeddingError) as refusal:
        Pipeline(Stacking(), Store(tmp_path), 4).embed(scans("....."))
    assert str(refusal.value).startswith(
        "the model fails for 2 image inputs at once, and for none of them alone (ValueError: all input arrays must"
    )
    assert not list(tmp_path.rglob("*.npy"))


@pytest.mark.parametrize("error", [ModelError("spent"), KeyboardInterrupt()], ids=repr)
def test_what_is_no_items_fault_is_not_tried_again(error: BaseException) -> None:
    class Failing(Toy):
        def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
            self.batches.append(len(images))
            raise error

    toy = Failing()
    with pytest.raises((EmbeddingError, type(error))):
        Pipeline(toy, batch_size=4).embed(scans("...."))
    assert toy.batches == [4]


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("CUDA out of memory"), RuntimeError("not enough memory: you tried")], ids=repr
)
@pytest.mark.parametrize("room", [1, 2, 3, 7])
def test_where_there_is_no_room_for_a_batch_smaller_ones_go_on(error: Exception, room: int) -> None:
    class Cramped(Toy):
        def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            if len(texts) > room:
                raise error
            return super().embed_texts(texts)

    toy, warned = Cramped(), list[str]()
    words = ["a", "bb", "ccc", "dddd", "eeeee", "ffffff", "ggggggg", "hhhhhhhh", "iiiiiiiii"]
    found = Pipeline(toy, batch_size=8, warn=warned.append).embed(texts(*words))
    assert found[:, 0].tolist() == list(range(1, 10))
    fits = {1: 1, 2: 2, 3: 2, 7: 4}[room]
    assert set(toy.batches) == {fits}
    assert warned[-1] == (
        f"the device has no room for {2 * fits} text inputs at once: the run goes on with {fits}; give "
        f"--mieb-batch-size={fits} to spare it the try"
    )
    assert len(warned) == {1: 3, 2: 2, 4: 1}[fits]


def test_after_a_batch_that_had_no_room_pictures_are_prepared_in_batches_that_have() -> None:
    class Cramped(Toy):
        def prepare_images(self, images: Sequence[Image]) -> list[Image]:
            prepared.append(len(images))
            return list(images)

        def embed_prepared(self, pixels: list[Image]) -> NDArray[np.float32]:
            return self.embed_images(pixels)

        def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
            if len(images) > 2:
                raise MemoryError
            return super().embed_images(images)

    prepared: list[int] = []
    toy = Cramped()
    pipeline = Pipeline(toy, batch_size=4, warn=lambda sentence: None)
    pipeline.embed(Inputs(images=images("red", "green", "blue")))
    assert prepared == [4]
    pipeline.embed(Inputs(images=images("white", "grey")))
    assert prepared == [4, 2]
    assert set(toy.batches) == {2}


def test_no_room_for_a_single_item_is_said_with_the_remedy() -> None:
    class Full(Toy):
        def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            raise MemoryError

    with pytest.raises(EmbeddingError, match="no room for a single text input; try --mieb-dtype=bfloat16"):
        Pipeline(Full(), batch_size=2, warn=lambda sentence: None).embed(texts("a"))


class Told(Toy):
    """A model that is told the role: queries are as long as their text and one more."""

    def __init__(self, role: str | None = None, name: str | None = None) -> None:
        super().__init__()
        self.more, self.fingerprint = (1, name) if role == "query" else (0, "toy")
        self.views: list[Told] = []
        self.name = name

    def prompted(self, purpose: Purpose) -> Told:
        view = Told(purpose.role, self.name and f"{self.name} {purpose.role}")
        self.views.append(view)
        return view

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return super().embed_texts(texts) + np.array([self.more, 0], np.float32)


@pytest.mark.parametrize("name", ["told", None])
def test_a_text_for_two_purposes_is_embedded_and_kept_twice(tmp_path: Path, name: str | None) -> None:
    query, document = (Purpose("Task", "retrieval", role) for role in ("query", "document"))
    model = Told(name=name)
    pipeline = Pipeline(model, Store(tmp_path), 2)
    for _ in range(2):
        assert pipeline.embed(texts("a"), query).tolist() == [[2, 97]]
        assert pipeline.embed(texts("a"), document).tolist() == [[1, 97]]
    assert [len(each.batches) for each in (model, *model.views)] == [1, 1, 0]  # a document is embedded as ever
    later = Pipeline(Told(name=name), Store(tmp_path), 2)
    assert later.embed(texts("a"), query).tolist() == [[2, 97]]
    assert counts(later) == (0, 1)
    assert later.embed(texts("a")).tolist() == [[1, 97]]


def test_both_parts_of_a_sum_are_for_the_purpose() -> None:
    found = Pipeline(Told(name="told"), batch_size=1).embed(
        Inputs(images("red"), ["a"]), Purpose("Task", "retrieval", "query")
    )
    assert found.tolist() == [[256 + 2, 1 + 97]]
