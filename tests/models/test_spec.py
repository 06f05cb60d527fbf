"""What the text after --mieb-model means."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from pytest_mieb.models import Embedder, ModelError, load_embedder, parse_spec
from pytest_mieb.models.spec import LEGAL, ModelSpec


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with runs/exp7 and a file in it, which is also where Python looks for modules."""
    (tmp_path / "runs" / "exp7").mkdir(parents=True)
    (tmp_path / "runs" / "notes.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "kind", "name", "baseline"),
    [
        ("miniature", "miniature", "miniature", "miniature"),
        ("miniature:damaged", "miniature", "miniature__damaged", "miniature"),
        ("runs/exp7", "folder", "exp7", "exp7"),
        ("runs/exp7/", "folder", "exp7", "exp7"),
        ("./runs/exp7/../exp7", "folder", "exp7", "exp7"),
        ("runs", "folder", "runs", "runs"),
        ("package.module:factory", "factory", "package.module__factory", "package.module__factory"),
        ("module:Factory_2", "factory", "module__Factory_2", "module__Factory_2"),
        ("openai/clip-vit-base-patch32", "hub", "openai__clip-vit-base-patch32", "openai__clip-vit-base-patch32"),
        ("org/name_1.5", "hub", "org__name_1.5", "org__name_1.5"),
    ],
)
def test_what_a_text_means(text: str, kind: str, name: str, baseline: str) -> None:
    spec = parse_spec(text)
    assert (spec.kind, spec.name, spec.baseline) == (kind, name, baseline)


def test_a_folder_goes_before_all_else(somewhere: Path) -> None:
    (somewhere / "openai" / "clip").mkdir(parents=True)
    assert parse_spec("openai/clip").kind == "folder"


def test_the_home_folder_may_be_written_as_a_tilde(somewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(somewhere))
    assert parse_spec("~/runs/exp7") == ModelSpec(str(somewhere / "runs" / "exp7"), "folder")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("miniatur", " Did you mean miniature"),
        ("miniature:damage", " Did you mean miniature:damaged or miniature?"),
        ("runs/exp8", " Did you mean runs/exp7 "),  # not taken for a hub id: there is a folder runs
        ("nothing", ""),
        ("a/b/c", ""),
        ("./no/such", ""),
        ("not a:function!", ""),
    ],
)
def test_a_text_that_means_nothing_names_near_ones_and_the_legal_ones(text: str, hint: str) -> None:
    with pytest.raises(ModelError) as refusal:
        parse_spec(text)
    said = str(refusal.value)
    assert said.startswith(f"--mieb-model={text}: no such model.{hint}")
    assert said.endswith(f" Legal are {LEGAL}.")
    assert ("Did you mean" in said) is bool(hint)


def test_a_file_is_no_model() -> None:
    with pytest.raises(ModelError) as refusal:
        parse_spec("runs/notes.txt")
    assert str(refusal.value) == "--mieb-model=runs/notes.txt: this is a file; give the folder that holds it"


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

def breaking():
    return 1 / 0

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
            "what half() returns lacks modalities, fingerprint, embed_texts, embed_interleaved; return a "
            "pytest_mieb.FunctionEmbedder, or a subclass of pytest_mieb.Embedder",
        ),
        ("my_factories:breaking", "breaking() failed: ZeroDivisionError: division by zero"),
    ],
)
def test_a_factory_that_cannot_be_used(text: str, sentence: str) -> None:
    with pytest.raises(ModelError) as refusal:
        load_embedder(text)
    assert str(refusal.value).startswith(f"--mieb-model={text}: {sentence}")


@pytest.mark.usefixtures("factories")
def test_a_factory_may_refuse_in_its_own_words() -> None:
    with pytest.raises(ModelError) as refusal:
        load_embedder("my_factories:refusing")
    assert str(refusal.value) == "buy more memory"


def test_a_folder_is_loaded_as_it_is_named(checkpoints: dict[str, Path]) -> None:
    from pytest_mieb.models.dual_encoder import load

    folder = checkpoints["clip"]
    named, loaded = load_embedder(str(folder), dtype="bfloat16"), load(folder, dtype="bfloat16")
    assert named.fingerprint == loaded.fingerprint
    np.testing.assert_array_equal(named.embed_texts(["a dog"]), loaded.embed_texts(["a dog"]))


def test_a_folder_without_a_model_is_refused(somewhere: Path) -> None:
    with pytest.raises(ModelError, match=r"exp7: no config\.json among nothing"):
        load_embedder("runs/exp7")
