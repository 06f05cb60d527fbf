"""Folders whose architecture is code that lies in them: run only if the user says so, and then as transformers does."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pytest_mieb.models import ModelError, load_embedder
from tests.models.battery import TINTED, check_images, check_texts
from tests.models.builders import PIXELS, build_clip

RUN = "OWN_CODE_WAS_RUN"
pytestmark = pytest.mark.usefixtures("code_cache")
CODE = Path(__file__).parent / "own_code"


def _with_code(folder: Path, **changes: Any) -> Path:
    shutil.copytree(CODE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    return folder


def tower(folder: Path) -> Path:
    """A CLIP whose configuration says that its class comes with it."""
    code = {"AutoConfig": "configuration_tower.TowerConfig", "AutoModel": "modeling_tower.TowerModel"}
    return _with_code(build_clip(folder), model_type="tower", architectures=["TowerModel"], auto_map=code)


def grid(folder: Path) -> Path:
    from transformers import ViTImageProcessor

    from tests.models.families.own_code.configuration_tower import GridConfig
    from tests.models.families.own_code.modeling_tower import GridModel

    torch.manual_seed(0)
    GridModel(GridConfig()).save_pretrained(folder)
    ViTImageProcessor(size={"height": PIXELS, "width": PIXELS}).save_pretrained(folder)
    code = {"AutoConfig": "configuration_tower.GridConfig", "AutoModel": "modeling_tower.GridModel"}
    return _with_code(folder, auto_map=code)


BUILDERS = [tower, grid]


@pytest.mark.parametrize("build", BUILDERS)
def test_without_the_flag_nothing_is_run_and_the_flag_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: Callable[[Path], Path]
) -> None:
    folder = build(tmp_path / "model")
    monkeypatch.delenv(RUN, raising=False)
    with pytest.raises(ModelError) as refusal:
        load_embedder(str(folder))
    assert str(refusal.value) == (
        f"{folder}: its architecture ({build.__name__}) is Python code that comes with the model; read it, and give "
        "--mieb-trust-remote-code to run it"
    )
    assert RUN not in os.environ


def test_a_dual_encoder_embeds_as_transformers_does(tmp_path: Path) -> None:
    from transformers import AutoModel, AutoProcessor

    folder = tower(tmp_path / "model")
    model = load_embedder(str(folder), trust_remote_code=True)
    theirs = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
    processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True, backend="torchvision")
    texts = ["a dog", "a photo of a dog"]
    with torch.inference_mode():
        images = theirs.get_image_features(**processor.image_processor(TINTED, return_tensors="pt")).pooler_output
        words = theirs.get_text_features(**processor.tokenizer(texts, padding=True, return_tensors="pt")).pooler_output
    np.testing.assert_allclose(model.embed_images(TINTED), images.numpy(), rtol=0, atol=1e-5)
    np.testing.assert_allclose(model.embed_texts(texts), words.numpy(), rtol=0, atol=1e-5)
    check_images(model)
    check_texts(model)
    assert model.description and model.description.architecture == "TowerModel"
    assert os.environ[RUN] == "yes"


def test_a_model_of_pictures_embeds_as_transformers_does(tmp_path: Path) -> None:
    from transformers import AutoImageProcessor, AutoModel

    folder = grid(tmp_path / "model")
    model = load_embedder(str(folder), trust_remote_code=True, options={"pooling": "pooler"})
    theirs = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
    processor = AutoImageProcessor.from_pretrained(folder, backend="torchvision")
    with torch.inference_mode():
        expected = theirs(**processor(TINTED, return_tensors="pt")).pooler_output
    np.testing.assert_allclose(model.embed_images(TINTED), expected.numpy(), rtol=0, atol=1e-5)
    assert model.modalities == {"image"}


def test_other_code_is_another_model(tmp_path: Path) -> None:
    folder = grid(tmp_path / "model")
    before = load_embedder(str(folder), trust_remote_code=True).fingerprint
    file = folder / "modeling_tower.py"
    file.write_text(file.read_text().replace("hidden.amax(dim=1)", "hidden.amin(dim=1)"))
    assert load_embedder(str(folder), trust_remote_code=True).fingerprint != before


@pytest.mark.parametrize(
    ("auto_map", "sentence"),
    [
        ({"AutoConfig": "configuration_tower.TowerConfig"}, "names no AutoModel, but AutoConfig; write a factory"),
        (
            {"AutoConfig": "configuration_tower.TowerConfig", "AutoModel": "modeling_tower.Gone"},
            "cannot be loaded: ",
        ),
        (
            {"AutoConfig": "configuration_tower.TowerConfig", "AutoModel": "configuration_tower.TowerConfig"},
            "a model of type 'tower'; loaded are dual encoders",
        ),
    ],
)
def test_code_that_is_no_model(tmp_path: Path, auto_map: dict[str, str], sentence: str) -> None:
    folder = tower(tmp_path / "model")
    _with_code(folder, auto_map=auto_map)
    with pytest.raises(ModelError) as refusal:
        load_embedder(str(folder), trust_remote_code=True)
    assert sentence in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_processor_that_is_code_names_the_flag(tmp_path: Path) -> None:
    folder = build_clip(tmp_path / "model")
    file = folder / "processor_config.json"
    content = json.loads(file.read_text())
    content |= {"processor_class": "OwnProcessor", "auto_map": {"AutoProcessor": "processing_own.OwnProcessor"}}
    file.write_text(json.dumps(content))
    (folder / "processing_own.py").write_text("raise RuntimeError('it was run')\n")
    with pytest.raises(ModelError) as refusal:
        load_embedder(str(folder))
    assert "comes with code of its own" in str(refusal.value) and "--mieb-trust-remote-code" in str(refusal.value)
