"""A folder of sentence-transformers embeds as that library encodes, in every form, or is refused by name."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pytest_mieb.models import ModelError, load_embedder
from pytest_mieb.models.embedder import Purpose, Role
from pytest_mieb.models.probing import probed
from tests.models.battery import TINTED, check_texts, largest_made, noise
from tests.models.families.builders_sentence_transformers import BUILDERS, build_dense, build_prompts, build_text
from tests.models.folders import change_json

sentence_transformers = pytest.importorskip("sentence_transformers")

TEXTS = ["a dog", "a photo of a dog, a type of animal.", "", "dog " * 100, "犬が走る"]
ALIKE = 1e-5


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @cache
    def built(form: str) -> Path:
        return BUILDERS[form](tmp_path_factory.mktemp("chains"))

    return built


def purpose(role: Role | None) -> Purpose:
    return Purpose("T", "retrieval", role)


def theirs(folder: Path, inputs: list[Any], role: Role | None) -> Any:
    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    method = {"query": model.encode_query, "document": model.encode_document}.get(role or "", model.encode)
    return method(inputs, show_progress_bar=False)


@pytest.mark.parametrize("form", BUILDERS)
@pytest.mark.parametrize("role", [None, "query", "document"])
def test_as_the_library_encodes(folders: Callable[[str], Path], form: str, role: Role | None) -> None:
    folder = folders(form)
    model = load_embedder(str(folder)).prompted(purpose(role))
    like = "document" if form == "routes" and role is None else role  # the library has no route for what is neither
    for modality, inputs in (("image", TINTED), ("text", TEXTS)):
        if modality not in model.modalities:
            continue
        found = model.embed_images(TINTED) if modality == "image" else model.embed_texts(TEXTS)
        expected = theirs(folder, list(inputs), like)
        assert found.shape == expected.shape == (len(inputs), model.dimension)
        np.testing.assert_allclose(found, expected, rtol=0, atol=ALIKE * np.abs(expected).max())


@pytest.mark.parametrize("form", BUILDERS)
def test_each_is_steady_and_stands_the_battery(folders: Callable[[str], Path], form: str) -> None:
    model = load_embedder(str(folders(form)))
    probed(form, model)
    check_texts(model)
    if "image" in model.modalities:
        assert largest_made(model, noise(1, 8000)) < 3_000_000


@pytest.mark.parametrize(
    ("form", "modalities", "dimension", "line"),
    [
        ("text", {"text"}, 16, "(Transformer(BertModel) > Pooling > Dense > Normalize)"),
        ("old CLIP", {"image", "text"}, 24, "(CLIPModel(CLIPModel))"),
        ("dense", {"image", "text"}, 20, "(Transformer(CLIPModel) > Dense > LayerNorm > Normalize)"),
        ("truncated", {"image", "text"}, 10, "truncated to 10"),
        (
            "prompts",
            {"image", "text"},
            24,
            "query prompt 'find: ', passage prompt 'read: ', plain prompt 'a photo of '",
        ),
        (
            "routes",
            {"image", "text"},
            24,
            "(Router(query: Transformer(CLIPModel); document: Transformer(CLIPModel) > Dense))",
        ),
    ],
)
def test_what_it_says_of_itself(
    folders: Callable[[str], Path], form: str, modalities: set[str], dimension: int, line: str
) -> None:
    model = load_embedder(str(folders(form)))
    assert (set(model.modalities), model.dimension) == (modalities, dimension)
    assert model.description and line in model.description.line
    assert model.description.line.startswith("sentence-transformers (")
    assert bool(model.description.warnings) == (modalities == {"text"})


def test_steps_of_the_processor_are_shown(folders: Callable[[str], Path]) -> None:
    description = load_embedder(str(folders("dense"))).description
    assert description
    for part in ("size shortest edge 32", "mean 0.4815/0.4578/0.4082", "text case lower", "text length 77"):
        assert part in description.line


def test_what_is_encoded_otherwise_has_another_fingerprint(folders: Callable[[str], Path]) -> None:
    def fingerprints(form: str) -> list[str | None]:
        model = load_embedder(str(folders(form)))
        return [model.fingerprint, *(model.prompted(purpose(role)).fingerprint for role in ("query", "document"))]

    assert len(set(fingerprints("prompts"))) == 3
    plain, query, document = fingerprints("routes")
    assert plain == document != query


def test_another_dense_layer_is_another_model(tmp_path: Path) -> None:
    folder = build_dense(tmp_path)
    before = load_embedder(str(folder)).fingerprint
    (file,) = folder.glob("1_Dense/*.safetensors")
    from safetensors.torch import load_file, save_file

    save_file({name: value * 2 for name, value in load_file(file).items()}, file)
    assert load_embedder(str(folder)).fingerprint != before


def test_transparent_pictures_come_on_white(folders: Callable[[str], Path]) -> None:
    assert load_embedder(str(folders("dense"))).image_mode == "RGB on white"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_in_another_dtype(folders: Callable[[str], Path], dtype: str) -> None:
    sound, short = (load_embedder(str(folders("dense")), dtype=each) for each in (None, dtype))
    for one, other in (
        (sound.embed_images(TINTED), short.embed_images(TINTED)),
        (sound.embed_texts(TEXTS), short.embed_texts(TEXTS)),
    ):
        assert 0 < np.abs(one - other).max() < 0.1
    assert short.description and short.description.dtype == dtype


def test_hf_takes_the_model_alone(folders: Callable[[str], Path]) -> None:
    model = load_embedder(f"hf:{folders('dense')}")
    assert model.description and (model.description.family, model.dimension) == ("CLIP", 24)


def test_a_similarity_other_than_cosine_is_warned_of(tmp_path: Path) -> None:
    folder = build_prompts(tmp_path)
    change_json(folder / "config_sentence_transformers.json", lambda content: content.update(similarity_fn_name="dot"))
    description = load_embedder(str(folder)).description
    assert description and "trained for similarity by dot, and MIEB compares by cosine" in description.warnings


@pytest.mark.parametrize(
    ("chain", "sentence"),
    [
        ("{}", "modules.json names no module; save the model again"),
        ("[1]", "modules.json cannot be used: it is no list of modules with type and path"),
        ("not JSON", "modules.json cannot be used: it is no list of modules"),
        (
            '[{"type": "sentence_transformers.models.WordWeights", "path": ""}]',
            "modules.json names the module 'sentence_transformers.models.WordWeights', which is not understood; "
            "understood are Asym, CLIPModel, Dense",
        ),
        (
            '[{"type": "custom_st.Transformer", "path": ""}]',
            "modules.json names the module 'custom_st.Transformer', which is code that comes with the model; read it, "
            "and give --mieb-trust-remote-code to run it",
        ),
        (
            '[{"type": "sentence_transformers.models.Dense", "path": "../elsewhere"}]',
            "modules.json names a folder outside of it",
        ),
    ],
)
def test_a_chain_that_cannot_be_used(tmp_path: Path, chain: str, sentence: str) -> None:
    (tmp_path / "modules.json").write_text(chain)
    with pytest.raises(ModelError) as refusal:
        load_embedder(str(tmp_path))
    assert str(refusal.value).startswith(f"{tmp_path}: {sentence}")


def test_a_module_behind_a_router_is_looked_at_too(folders: Callable[[str], Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders("routes"), tmp_path / "routes")
    (file,) = folder.rglob("router_config.json")
    content = json.loads(file.read_text())
    content["types"] = dict.fromkeys(content["types"], "custom_st.Transformer")
    file.write_text(json.dumps(content))
    with pytest.raises(ModelError, match=r"names the module 'custom_st\.Transformer', which is code that comes with"):
        load_embedder(str(folder))


@pytest.mark.parametrize("kind", ["CrossEncoder", "SparseEncoder"])
def test_another_kind_of_encoder_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    folder = build_text(tmp_path)
    change_json(folder / "config_sentence_transformers.json", lambda content: content.update(model_type=kind))
    with pytest.raises(ModelError, match=f"a {kind} of sentence-transformers; MIEB compares one dense vector"):
        load_embedder(str(folder))


class Code:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._folder / "was-run"),)


def test_weights_of_a_module_that_hold_code_are_not_run(tmp_path: Path) -> None:
    folder = build_dense(tmp_path)
    (file,) = folder.glob("1_Dense/*.safetensors")
    file.unlink()
    torch.save({"linear.weight": Code(tmp_path)}, file.with_name("pytorch_model.bin"))
    with pytest.raises(ModelError, match=r"its weights hold posix\.mkdir, which would have to run as code"):
        load_embedder(str(folder))
    assert not (tmp_path / "was-run").exists()


def test_without_the_library_the_error_says_how_to_get_it(
    folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ModelError, match=r'pip install "pytest-mieb\[sentence-transformers\]"'):
        load_embedder(str(folders("dense")))


def test_an_old_library_is_refused(folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_mieb.models.families.sentence_transformers._version", lambda: "5.3.1")
    with pytest.raises(ModelError, match=r"needs sentence-transformers 5\.4, here is 5\.3\.1; run: pip install -U"):
        load_embedder(str(folders("dense")))


def test_options_and_processors_of_others_are_refused(folders: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="this model takes no mean; legal are none"):
        load_embedder(str(folders("dense")), options={"mean": "0.5"})
    with pytest.raises(ModelError, match="this model does not take one"):
        load_embedder(str(folders("dense")), processor=str(folders("dense")))


def test_pictures_of_the_size_that_it_takes_are_not_touched(folders: Callable[[str], Path]) -> None:
    picture = Image.new("RGB", (32, 32), "teal")
    found = load_embedder(str(folders("old CLIP"))).embed_images([picture])
    np.testing.assert_allclose(found, theirs(folders("old CLIP"), [picture], None), rtol=0, atol=1e-5)
