"""jina-clip from a folder with code of the tests' own, against its plain computation and the reference's wrapper.

The published code cannot be tried: it lies in repositories of its own, and imports what transformers 5 has no more.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from pytest_mieb.models import Embedder, ModelError, load_embedder
from pytest_mieb.models.families.jina_clip import CODE_REVISION
from tests.models.battery import (
    IMAGES,
    TEXTS,
    TRANSPARENT,
    assert_same,
    assert_scattered,
    check_images,
    check_texts,
    given,
    opaque,
)
from tests.models.families.builders_vista import bge_tokenizer
from tests.models.folders import Content, change_json, check_keys, code_of, copied, with_weights
from tests.models.hub_cache import go_offline, lay

CODE = Path(__file__).parent / "remote_code"
FILES = ("configuration_clip.py", "modeling_clip.py")
SIDE, WIDTH = 16, 24
NEWEST = "f" * 40
# As the published code begins.
BROKEN = "from transformers.models.clip.modeling_clip import clip_loss\n"

pytestmark = pytest.mark.usefixtures("code_cache")


@pytest.fixture(autouse=True)
def _nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers asks on standard input whether code may run, where it was not told."""

    def asked(prompt: str = "") -> str:
        raise AssertionError(f"asked: {prompt}")

    monkeypatch.setattr("builtins.input", asked)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In half precision, as the published weights may be, and with the code beside them."""
    folder = tmp_path_factory.mktemp("jina") / "model"
    folder.mkdir()
    auto_map = {"AutoConfig": "configuration_clip.JinaCLIPConfig", "AutoModel": "modeling_clip.JinaCLIPModel"}
    (folder / "config.json").write_text(
        json.dumps(
            {
                "architectures": ["JinaCLIPModel"],
                "auto_map": auto_map,
                "dtype": "float16",
                "model_type": "jina_clip",
                "projection_dim": WIDTH,
                "side": SIDE,
                "vocab_size": 100,
            }
        )
    )
    (folder / "preprocessor_config.json").write_text('{"size": 16, "mean": [0.5, 0.5, 0.5], "std": [1.0, 1.0, 1.0]}')
    torch.manual_seed(0)
    shapes = {
        "words.weight": (100, WIDTH),
        "order.weight": (WIDTH, WIDTH),
        "order.bias": (WIDTH,),
        "pixels.weight": (WIDTH, 3 * SIDE**2),
        "pixels.bias": (WIDTH,),
    }
    weights = {name: torch.randn(shape).half() for name, shape in shapes.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer = bge_tokenizer(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))
    tokenizer.model_max_length = 8192
    tokenizer.save_pretrained(folder)
    for name in FILES:
        shutil.copy(CODE / name, folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> Embedder:
    return load_embedder(str(folder), trust_remote_code=True)


def read(text: str, folder: Path) -> NDArray[Any]:
    weights = {name: value.double() for name, value in load_file(folder / "model.safetensors").items()}
    ids = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)(text, truncation=True, max_length=512)
    words = weights["words.weight"][ids["input_ids"]]
    mean = torch.tanh(words @ weights["order.weight"].T + weights["order.bias"]).mean(dim=0)
    return np.asarray(mean / mean.norm())


def see(image: Image.Image, folder: Path) -> NDArray[Any]:
    weights = {name: value.double() for name, value in load_file(folder / "model.safetensors").items()}
    pixels = torch.from_numpy(np.asarray(image.resize((SIDE, SIDE)), np.float64)).flatten() / 255
    vector = weights["pixels.weight"] @ pixels + weights["pixels.bias"]
    return np.asarray(vector / vector.norm())


def test_embeds_by_its_own_code(folder: Path, model: Embedder) -> None:
    images = np.stack([see(image, folder) for image in IMAGES])
    texts = np.stack([read(text, folder) for text in TEXTS])
    assert_scattered(images)
    assert_scattered(texts)
    assert_same(model.embed_images(IMAGES), images)
    assert_same(model.embed_texts(TEXTS), texts)


@pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")
def test_embeds_as_the_references_wrapper_does(folder: Path, model: Embedder, tmp_path: Path) -> None:
    """The wrapper computes in the dtype of the weights, so it gets a copy in ours."""
    from mteb.models.model_implementations.jina_clip import JinaCLIPModel

    def widen(weights: Content) -> None:
        weights.update({name: value.float() for name, value in weights.items()})

    copy = with_weights(folder, tmp_path / "model", widen)
    (copy / "config.json").write_text((copy / "config.json").read_text().replace("float16", "float32"))
    reference: Any = JinaCLIPModel(str(copy), revision="", device="cpu")
    seen = [*IMAGES, *TRANSPARENT.values()]
    images = reference.get_image_embeddings([{"image": seen}], show_progress_bar=False)
    texts = reference.get_text_embeddings([{"text": list(TEXTS)}], show_progress_bar=False)
    assert_same(model.embed_images(given(model, seen)), images)
    assert_same(model.embed_texts(TEXTS), texts)


def test_stands_the_battery(model: Embedder) -> None:
    check_images(model, alpha=opaque)
    check_texts(model)
    assert model.modalities == {"image", "text"}
    assert_same(
        model.embed_interleaved(IMAGES, TEXTS[: len(IMAGES)]),
        model.embed_images(IMAGES) + model.embed_texts(TEXTS[: len(IMAGES)]),
    )


def test_says_what_it_is(model: Embedder) -> None:
    description = model.description
    assert description is not None
    assert (description.family, description.architecture) == ("Jina CLIP", "JinaCLIPModel")
    assert (description.dimension, description.dtype, description.warnings) == (WIDTH, "float32", ())
    assert description.preprocessing["text padding"] == "longest 512"
    assert description.preprocessing["mean"] == [0.5, 0.5, 0.5]


def test_its_code_runs_only_when_that_is_allowed(folder: Path, tmp_path: Path) -> None:
    copy = copied(folder, tmp_path / "model")
    for name in FILES:
        ran = f"from pathlib import Path; Path({str(tmp_path / 'ran')!r}).touch()\n"
        (copy / name).write_text(ran + (copy / name).read_text())
    with pytest.raises(ModelError, match="if you trust it, allow it to run with --mieb-trust-remote-code"):
        load_embedder(str(copy))
    assert not (tmp_path / "ran").exists()
    load_embedder(str(copy), trust_remote_code=True)
    assert (tmp_path / "ran").exists()


def test_other_code_is_another_model(folder: Path, model: Embedder, tmp_path: Path) -> None:
    copy = copied(folder, tmp_path / "model")
    assert load_embedder(str(copy), trust_remote_code=True).fingerprint == model.fingerprint
    source = copy / "modeling_clip.py"
    source.write_text(source.read_text().replace("torch.tanh", "torch.sin"))
    other = load_embedder(str(copy), trust_remote_code=True)
    assert other.fingerprint != model.fingerprint
    assert np.abs(other.embed_texts(TEXTS[:1]) - model.embed_texts(TEXTS[:1])).max() > 1e-3


@pytest.fixture
def elsewhere(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The model with its code in another repository, whose newest revision does not run."""
    copy = Path(shutil.copytree(folder, tmp_path / "model", ignore=shutil.ignore_patterns("*.py")))
    change_json(copy / "config.json", code_of("tests/code"))
    code, newest = tmp_path / "code", tmp_path / "newest"
    for place in (code, newest):
        place.mkdir()
        for name in FILES:
            shutil.copy(CODE / name, place)
    (newest / "modeling_clip.py").write_text(BROKEN + (newest / "modeling_clip.py").read_text())
    lay(tmp_path / "hub", "tests/code", code, CODE_REVISION)
    lay(tmp_path / "hub", "tests/code", newest, NEWEST)
    go_offline(monkeypatch, tmp_path / "hub")
    return copy


def test_code_of_another_repository_is_pinned(elsewhere: Path, model: Embedder) -> None:
    pinned = load_embedder(str(elsewhere), trust_remote_code=True)
    assert_same(pinned.embed_texts(TEXTS), model.embed_texts(TEXTS))
    assert_same(pinned.embed_images(IMAGES), model.embed_images(IMAGES))
    with pytest.raises(ModelError, match=rf"clip_loss.*the code at revision {NEWEST} does not run with transformers"):
        load_embedder(str(elsewhere), trust_remote_code=True, options={"code_revision": NEWEST})


def test_the_registry_pins_both_revisions(elsewhere: Path, tmp_path: Path, model: Embedder) -> None:
    commit = "06150c7c382d7a4faedc7d5a0d8cdb59308968f4"
    lay(tmp_path / "hub", "jinaai/jina-clip-v1", elsewhere, commit)
    loaded = load_embedder("jinaai/jina-clip-v1", trust_remote_code=True)
    assert_same(loaded.embed_texts(TEXTS), model.embed_texts(TEXTS))
    assert loaded.description is not None
    assert loaded.description.version == f"revision {commit[:12]}"


def test_code_that_its_code_fetches_is_said_to_be_unpinned(folder: Path, tmp_path: Path) -> None:
    copy = copied(folder, tmp_path / "model")
    source = copy / "configuration_clip.py"
    inner = "        self.text_config = PretrainedConfig(hf_model_name_or_path='jinaai/other')\n"
    source.write_text(source.read_text().replace("        super()", inner + "        super()"))
    description = load_embedder(str(copy), trust_remote_code=True).description
    assert description is not None
    assert "that of its text tower from jinaai/other" in description.warnings[0]


@pytest.mark.parametrize("key", ["words.weight", "pixels.bias"])
def test_keys_that_do_not_fit_are_refused(folder: Path, tmp_path: Path, key: str) -> None:
    check_keys(folder, tmp_path, key, trust_remote_code=True)


def test_code_without_what_is_called_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = copied(folder, tmp_path / "model")
    source = copy / "modeling_clip.py"
    source.write_text(source.read_text().replace("def encode_image", "def encode_picture"))
    with pytest.raises(ModelError, match="JinaCLIPModel is no jina-clip: it has no encode_image"):
        load_embedder(str(copy), trust_remote_code=True)


def test_a_folder_that_names_no_code_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = copied(folder, tmp_path / "model")
    (copy / "config.json").write_text('{"model_type": "jina_clip"}')
    with pytest.raises(ModelError, match="names no code"):
        load_embedder(str(copy), trust_remote_code=True)


def test_wrong_options_are_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="takes no mean; legal are code_revision"):
        load_embedder(str(folder), trust_remote_code=True, options={"mean": "0.5"})
    with pytest.raises(ModelError, match=r"--mieb-processor=.*this model does not take one"):
        load_embedder(str(folder), trust_remote_code=True, processor=str(folder))
