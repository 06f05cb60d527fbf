"""From a spec to a loaded and checked model."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pytest_mieb.models import Embedder, ModelError, load_embedder


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder where one works and where Python looks for modules."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


FACTORIES = """
from pytest_mieb import FunctionEmbedder
from pytest_mieb.models import ModelError

def sound():
    return FunctionEmbedder(images=lambda images: [[1.0, 2.0]] * len(images))

def half():
    class Half:
        dimension = 3
        def embed_images(self, images): ...
    return Half()

def lopsided():
    return FunctionEmbedder(lambda images: [[1.0, 2.0]] * len(images), lambda texts: [[1.0]] * len(texts))

def colourful():
    class Colourful(FunctionEmbedder):
        image_mode = "RGBA"
    return Colourful(lambda images: [[1.0, 2.0]] * len(images))

def boasting():
    return FunctionEmbedder(lambda images: [[1.0, 2.0]] * len(images), dimension=3)

def flat():
    return FunctionEmbedder(lambda images: [1.0, 2.0], dimension=2)

def stumbling():
    return FunctionEmbedder(lambda images: images[0].no_such_thing, dimension=2)

def breaking():
    return 1 / 0

def outputs():
    from transformers.modeling_outputs import BaseModelOutputWithPooling
    import torch
    return FunctionEmbedder(lambda images: BaseModelOutputWithPooling(pooler_output=torch.ones(len(images), 2)))

def keyed():
    return FunctionEmbedder(lambda images: {"image_embeds": [[1.0]], "loss": 0})

def paired():
    return FunctionEmbedder(lambda images: ([[1.0, 2.0]], [[3.0]]))

def lazy():
    return FunctionEmbedder(lambda images: ([1.0, 2.0] for _ in images), dimension=2)

def ragged():
    return FunctionEmbedder(texts=lambda texts: [[1.0], [1.0, 2.0]])

def wordy():
    return FunctionEmbedder(texts=lambda texts: texts)

def exiting():
    return FunctionEmbedder(texts=lambda texts: exit(1))

def unreachable():
    def ask(texts):
        import urllib.request
        urllib.request.urlopen("http://127.0.0.1:9/embed", timeout=1)
    return FunctionEmbedder(texts=ask)

def verbose():
    raise RuntimeError("size mismatch" + chr(10) + "for layer 1")

def tensors():
    import torch
    return FunctionEmbedder(lambda images: [torch.ones(2, requires_grad=True) for _ in images])

class Odd(FunctionEmbedder):
    def __init__(self, **members):
        super().__init__(texts=lambda texts: [[1.0]] * len(texts))
        self.members = members

    def __getattribute__(self, name):
        members = object.__getattribute__(self, "__dict__").get("members", {})
        if isinstance(members.get(name), Exception):
            raise members[name]
        return members[name] if name in members else object.__getattribute__(self, name)

def listing():
    return Odd(modalities=["text"])

def misnamed():
    return Odd(modalities={"texts"})

def unsure():
    return Odd(modalities=RuntimeError("not yet"))

def hashed():
    return Odd(fingerprint=b"abc")

def described():
    return Odd(description="CLIP")

def broken_dimension():
    return Odd(dimension=ConnectionError("the server is down"))

def at(path, scale="1", *, layers="12"):
    return FunctionEmbedder(lambda images: [[len(path), float(scale)]] * len(images), fingerprint=path)

def anything(**options):
    return FunctionEmbedder(lambda images: [[len(options), 1.0]] * len(images))

def leaving():
    raise SystemExit(3)

def numbered():
    return FunctionEmbedder(lambda images: images, fingerprint=5)

def empty():
    return FunctionEmbedder(lambda images: None)

def refusing():
    raise ModelError("buy more memory")

sounds = "no function"
"""


@pytest.fixture
def factories(somewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (somewhere / "my_factories.py").write_text(FACTORIES)
    (somewhere / "my_broken.py").write_text("import nowhere_to_be_found\n")
    (somewhere / "my_typo.py").write_text("def (:\n")
    for module in ("my_factories", "my_broken", "my_typo"):
        monkeypatch.delitem(sys.modules, module, raising=False)


@pytest.mark.usefixtures("factories")
def test_a_factory_returns_the_model() -> None:
    model = load_embedder("my_factories:sound")
    assert isinstance(model, Embedder)
    assert model.modalities == {"image"}
    assert model.embed_images([None, None]).tolist() == [[1, 2], [1, 2]]  # type: ignore[list-item]


@pytest.mark.usefixtures("factories")
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "no_such_module:f",
            "the module no_such_module cannot be imported (No module named 'no_such_module'); put its folder on",
        ),
        ("my_broken:f", "the module my_broken cannot be imported (No module named 'nowhere_to_be_found'); put its"),
        ("my_typo:f", "importing my_typo failed: SyntaxError"),
        ("my_factories:soundly", "my_factories has no function soundly; it has sound"),
        ("my_factories:sounds", "my_factories has no function sounds; it has sound"),
        (
            "my_factories:half",
            "what half() returns lacks modalities, fingerprint, description, image_mode, prompted, text_lengths, "
            "embed_texts, embed_interleaved; "
            "return a pytest_mieb.FunctionEmbedder, or a subclass of pytest_mieb.Embedder",
        ),
        (
            "my_factories:lopsided",
            "its images have 2 dimensions and its texts 1, so they cannot be compared; load it with the projections",
        ),
        ("my_factories:colourful", "its image_mode is 'RGBA'; legal are any, RGB, RGB on white"),
        ("my_factories:boasting", "it says that its dimension is 3, but its images have 2"),
        ("my_factories:flat", "it gave an array of shape (2,) for 1 of its images; it must be (1, dimension)"),
        ("my_factories:stumbling", "it was loaded, but embeds nothing: AttributeError: "),
        ("my_factories:breaking", "breaking() failed: ZeroDivisionError: division by zero"),
        ("my_factories:leaving", "leaving() failed: SystemExit: 3"),
        ("my_factories:empty", "it gave nothing (None) where embeddings should be; return them"),
        (
            "my_factories:outputs",
            "it gave a BaseModelOutputWithPooling, not embeddings; return its pooler_output, or what else",
        ),
        ("my_factories:keyed", "it gave a dict with the keys image_embeds, loss, not embeddings; return the value"),
        ("my_factories:paired", "it gave a tuple of 2, not embeddings; return the part that holds them"),
        ("my_factories:lazy", "it gave a generator, not embeddings; return all of them at once, as one array"),
        ("my_factories:ragged", "it gave a list that makes no array (setting an array element with a sequence."),
        ("my_factories:wordy", "it gave a list that makes no array (could not convert string to float: "),
        ("my_factories:exiting", "it was loaded, but embeds nothing: SystemExit: 1"),
        ("my_factories:unreachable", "it was loaded, but embeds nothing: URLError: <urlopen error "),
        ("my_factories:verbose", "verbose() failed: RuntimeError: size mismatch"),
        ("my_factories:listing", "its modalities are ['text']; they must be a set of some of image, interleaved, text"),
        ("my_factories:misnamed", "its modalities are {'texts'}; they must be a set of some of"),
        ("my_factories:unsure", "it was loaded, but cannot say what it is: RuntimeError: not yet"),
        ("my_factories:hashed", "its fingerprint is b'abc'; it must be a text, or None"),
        ("my_factories:described", "its description is 'CLIP'; it must be a pytest_mieb.models Description, or None"),
        ("my_factories:broken_dimension", "it cannot say what its dimension is: ConnectionError: the server is down"),
        ("my_factories:at", "at() needs path; give --mieb-model-arg=path=..."),
    ],
)
def test_a_factory_that_cannot_be_used(text: str, sentence: str) -> None:
    with pytest.raises(ModelError) as refusal:
        load_embedder(text)
    assert str(refusal.value).startswith(f"--mieb-model={text}: {sentence}")
    assert "\n" not in str(refusal.value)


@pytest.mark.usefixtures("factories")
def test_a_list_of_tensors_is_taken() -> None:
    assert load_embedder("my_factories:tensors").embed_images([None]).tolist() == [[1, 1]]  # type: ignore[list-item]


@pytest.mark.usefixtures("factories")
def test_a_factory_takes_options_as_keyword_arguments() -> None:
    """So that the path of a checkpoint need not stand in its source."""
    model = load_embedder("my_factories:at", options={"path": "step", "scale": "0.5"})
    assert model.embed_images([None]).tolist() == [[4, 0.5]]  # type: ignore[list-item]
    assert load_embedder("my_factories:anything", options={"a": "1", "b": "2"}).embed_images(
        [None]  # type: ignore[list-item]
    ).tolist() == [[2, 1]]


@pytest.mark.usefixtures("factories")
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "my_factories:at",
            "at() of my_factories:at takes no layer. Did you mean layers? Legal are path, scale, layers",
        ),
        ("my_factories:sound", "sound() of my_factories:sound takes no layer. Legal are none"),
    ],
)
def test_an_option_that_a_factory_does_not_take(text: str, sentence: str) -> None:
    with pytest.raises(ModelError) as refusal:
        load_embedder(text, options={"path": "step", "layer": "3"} if text.endswith("at") else {"layer": "3"})
    assert str(refusal.value) == f"--mieb-model-arg=layer=...: {sentence}"


@pytest.mark.usefixtures("factories")
def test_a_fingerprint_is_a_text() -> None:
    with pytest.raises(ModelError, match="takes a text as its fingerprint, not 5"):
        load_embedder("my_factories:numbered")


@pytest.mark.usefixtures("factories")
def test_a_factory_may_refuse_in_its_own_words() -> None:
    with pytest.raises(ModelError) as refusal:
        load_embedder("my_factories:refusing")
    assert str(refusal.value) == "buy more memory"


def test_the_damaged_miniature_differs_in_its_pixels_alone() -> None:
    sound, damaged = load_embedder("miniature"), load_embedder("miniature:damaged")
    picture = Image.new("RGB", (64, 64), "teal")
    assert not np.allclose(sound.embed_images([picture]), damaged.embed_images([picture]))
    np.testing.assert_array_equal(sound.embed_texts(["a dog"]), damaged.embed_texts(["a dog"]))
    assert sound.fingerprint != damaged.fingerprint


def test_what_was_loaded_is_described_in_one_line() -> None:
    description = load_embedder("miniature").description
    assert description is not None
    assert description.line.startswith("CLIP (CLIPModel) hash ")
    for part in (
        "dimension 128",
        "float32",
        "size 64x64",
        "interpolation bicubic",
        "mean 0.48/0.46/0.41",
        "longest 48",
    ):
        assert part in description.line
    assert (
        "mean 0.5, std 0.5"
        in (load_embedder("miniature", options={"mean": "0.5", "std": "0.5"}).description or description).line
    )


def test_a_model_that_is_too_large_for_the_device_is_refused_before_it_is_loaded(
    somewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_mieb.models import local

    monkeypatch.setattr(local, "parameters_in", lambda folder: 1 << 50)
    with pytest.raises(ModelError, match=r"its weights need 4194304\.0 GiB in float32, and cpu has \d+\.\d GiB"):
        load_embedder("miniature")
