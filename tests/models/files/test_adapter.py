"""PEFT adapters: found, merged into their base model, and refused where they do not fit."""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from transformers import AutoModel, AutoProcessor

from pytest_mieb.models import Embedder, ModelError, load_embedder
from pytest_mieb.models.files.adapter import base_of
from tests.models.battery import IMAGES, assert_same, assert_scattered, check_images, check_texts
from tests.models.families.builders_vision import build_vision
from tests.models.folders import Change, Content, change_json, change_weights, copied, plus, refusal, without

TEXTS = ["a dog", "a photo of a dog, a type of animal.", "", "0123 birds by 4 rivers"]
ATTENTION = ["q_proj", "v_proj"]
# Everything that PEFT can merge and that somebody may have trained.
MERGED: Mapping[str, Any] = {
    "lora": peft.LoraConfig(r=4, target_modules=ATTENTION, init_lora_weights=False),
    "dora": peft.LoraConfig(r=4, target_modules=ATTENTION, init_lora_weights=False, use_dora=True),
    "head": peft.LoraConfig(
        r=4, target_modules=ATTENTION, init_lora_weights=False, modules_to_save=["visual_projection"]
    ),
    "bias": peft.LoraConfig(r=4, target_modules=ATTENTION, init_lora_weights=False, bias="lora_only"),
    "ia3": peft.IA3Config(target_modules=ATTENTION, feedforward_modules=[], init_ia3_weights=False),
    "loha": peft.LoHaConfig(r=4, target_modules=ATTENTION, init_weights=False),
}


@contextmanager
def deprecations_of_peft() -> Iterator[None]:
    """In the calls of these tests only: the package must not warn by itself."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        yield


def adapted(base: Path, folder: Path, config: Any) -> Path:
    """Write an adapter with random weights, as `save_pretrained` does, and return its folder."""
    torch.manual_seed(1)
    with deprecations_of_peft():
        wrapped = peft.get_peft_model(AutoModel.from_pretrained(base, dtype=torch.float32), config)
    with torch.no_grad():
        for parameter in wrapped.parameters():
            if parameter.requires_grad:
                parameter.add_(0.3 * torch.randn(parameter.shape))
    wrapped.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def base(checkpoints: dict[str, Path]) -> Path:
    return checkpoints["clip"]


@pytest.fixture(scope="module")
def adapters(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    root = tmp_path_factory.mktemp("adapters")
    return {name: adapted(base, root / name, config) for name, config in MERGED.items()}


@pytest.fixture(scope="module")
def plain(base: Path) -> Embedder:
    return load_embedder(str(base))


def beside(base: Path, folder: Path) -> Any:
    """The adapter as PEFT runs it, not merged."""
    with deprecations_of_peft():
        model = AutoModel.from_pretrained(base, dtype=torch.float32)
        return peft.PeftModel.from_pretrained(model, str(folder)).eval()


def unmerged(base: Path, folder: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Its images and texts."""
    model = beside(base, folder)
    processor = AutoProcessor.from_pretrained(base, backend="torchvision")
    with torch.no_grad():
        images = model.get_image_features(**processor(images=list(IMAGES), return_tensors="pt")).pooler_output
        texts = model.get_text_features(**processor(text=TEXTS, padding=True, return_tensors="pt")).pooler_output
    return images.numpy(), texts.numpy()


@pytest.mark.parametrize("name", MERGED)
def test_embeds_as_peft_computes_it(base: Path, adapters: Mapping[str, Path], plain: Embedder, name: str) -> None:
    images, texts = unmerged(base, adapters[name])
    model = load_embedder(str(adapters[name]))
    assert_scattered(images)
    assert_scattered(texts)
    assert_same(model.embed_images(IMAGES), images)
    assert_same(model.embed_texts(TEXTS), texts)
    assert np.abs(plain.embed_images(IMAGES) - images).max() > 0.01 * np.abs(images).max()
    assert model.fingerprint != plain.fingerprint


def test_stands_the_battery(adapters: Mapping[str, Path]) -> None:
    model = load_embedder(str(adapters["lora"]))
    check_images(model)
    check_texts(model)


def test_a_vision_model_is_adapted(tmp_path: Path) -> None:
    base = build_vision("dinov2", tmp_path / "dinov2")
    config = peft.LoraConfig(r=4, target_modules=ATTENTION, init_lora_weights=False)
    folder = adapted(base, tmp_path / "lora", config)
    model = beside(base, folder)
    with torch.no_grad():
        pixels = AutoProcessor.from_pretrained(base, backend="torchvision")(list(IMAGES), return_tensors="pt")
        expected = model(**pixels).last_hidden_state[:, 0]
    assert_same(load_embedder(str(folder)).embed_images(IMAGES), expected)
    assert np.abs(load_embedder(str(base)).embed_images(IMAGES) - expected.numpy()).max() > 1e-2


def test_half_precision(adapters: Mapping[str, Path]) -> None:
    exact, half = (load_embedder(str(adapters["lora"]), dtype=dtype) for dtype in ("float32", "bfloat16"))
    found, expected = half.embed_images(IMAGES), exact.embed_images(IMAGES)
    assert 0 < np.abs(found - expected).max() < 0.2 * np.abs(expected).max()
    assert half.fingerprint != exact.fingerprint


def test_a_relative_base_is_looked_for_from_here(
    base: Path, adapters: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = configured(adapters["lora"], tmp_path / "elsewhere" / "lora", {"base_model_name_or_path": "models/clip"})
    shutil.copytree(base, tmp_path / "here" / "models" / "clip")
    monkeypatch.chdir(tmp_path / "here")
    found, expected = load_embedder(str(folder)), load_embedder(str(adapters["lora"]))
    np.testing.assert_array_equal(found.embed_images(IMAGES), expected.embed_images(IMAGES))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"models/clip"):
        load_embedder(str(folder))


def test_the_processor_is_the_adapters_own_where_it_has_one(
    base: Path, adapters: Mapping[str, Path], tmp_path: Path
) -> None:
    folder = copied(adapters["lora"], tmp_path / "lora")
    for file in (*base.glob("token*"), *base.glob("*processor_config.json")):
        shutil.copy(file, folder / file.name)
    processor = json.loads((folder / "processor_config.json").read_text())
    processor["image_processor"]["image_mean"] = [0.1, 0.1, 0.1]
    (folder / "processor_config.json").write_text(json.dumps(processor))
    own, other = load_embedder(str(folder)), load_embedder(str(adapters["lora"]))
    given = load_embedder(str(folder), processor=str(base))
    assert not np.allclose(own.embed_images(IMAGES), other.embed_images(IMAGES))
    np.testing.assert_array_equal(given.embed_images(IMAGES), other.embed_images(IMAGES))


def test_the_fingerprint_is_that_of_both(base: Path, adapters: Mapping[str, Path], tmp_path: Path) -> None:
    folder = copied(adapters["lora"], tmp_path / "lora")
    known = load_embedder(str(adapters["lora"])).fingerprint
    assert load_embedder(str(folder)).fingerprint == known
    change(folder, each(lambda value: value * 1.01))
    assert load_embedder(str(folder)).fingerprint != known


def configured(folder: Path, to: Path, changes: Mapping[str, Any]) -> Path:
    """A copy whose adapter_config.json says something else."""
    copy = copied(folder, to)
    change_json(copy / "adapter_config.json", lambda content: content.update(changes))
    return copy


def change(folder: Path, change: Change) -> None:
    change_weights(folder, change, "adapter_model.safetensors")


def each(of: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    return lambda weights: weights.update({name: of(value) for name, value in weights.items()})


def drop(folder: Path) -> None:
    change(folder, lambda weights: weights.pop(min(weights)))


def add(folder: Path) -> None:
    change(folder, plus("base_model.model.more.lora_A.weight", 2, 2))


def rename(folder: Path) -> None:
    """As if it had been trained inside another model, such as a classifier."""

    def nest(weights: Content) -> None:
        for name in list(weights):
            weights[f"base_model.model.clip.{name[17:]}"] = weights.pop(name)

    change(folder, nest)


def narrow(folder: Path) -> None:
    change(folder, each(lambda value: value[:, :2].contiguous()))


def spoil(folder: Path) -> None:
    change(folder, each(lambda value: torch.full_like(value, torch.nan)))


def truncate(folder: Path) -> None:
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def unweight(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()


REFUSED: Mapping[str, tuple[Callable[[Path], None], str]] = {
    "weights missing": (drop, "weights and the base model do not fit: 1 missing keys (base_model.model."),
    "weights of nothing": (add, "weights and the base model do not fit: 1 unexpected keys (base_model.model.more"),
    "weights of another class": (rename, "weights and the base model do not fit: 16 missing keys"),
    "weights of another size": (narrow, "the adapter does not fit its base model: size mismatch for base_model"),
    "weights that are no numbers": (spoil, "the adapter cannot be merged into its base model: NaNs detected"),
    "weights cut short": (truncate, "its weights are damaged or cut short ("),
    "no weights": (unweight, "no adapter weights (adapter_model.safetensors or adapter_model.bin)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_adapter_that_cannot_be_used(adapters: Mapping[str, Path], tmp_path: Path, case: str) -> None:
    damage, sentence = REFUSED[case]
    folder = copied(adapters["lora"], tmp_path / "lora")
    damage(folder)
    assert refusal(folder).startswith(f"{folder}: {sentence}")


def test_a_saved_head_may_not_be_missing(adapters: Mapping[str, Path], tmp_path: Path) -> None:
    folder = copied(adapters["head"], tmp_path / "head")
    change(folder, without("base_model.model.visual_projection"))
    with pytest.raises(ModelError, match=r"base model: it lacks base_model\.model\.visual_projection\.weight; if"):
        load_embedder(str(folder))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"base_model_name_or_path": None}, "adapter_config.json names no base model"),
        ({"base_model_name_or_path": ""}, "adapter_config.json names no base model"),
        ({"base_model_name_or_path": 7}, "adapter_config.json names no base model"),
        ({"peft_type": "UNHEARD_OF"}, "adapter_config.json: cannot be loaded: "),
        (
            {"target_modules": ["nowhere"]},
            "does not fit its base model: Target modules {'nowhere'} not found in the base model",
        ),
    ],
)
def test_a_configuration_that_cannot_be_used(
    adapters: Mapping[str, Path], tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    folder = configured(adapters["lora"], tmp_path / "lora", changes)
    said = refusal(folder)
    assert sentence in said
    assert said.startswith(str(folder))


@pytest.mark.parametrize("base_name", ["another", "itself"])
def test_an_adapter_of_an_adapter_is_refused(adapters: Mapping[str, Path], tmp_path: Path, base_name: str) -> None:
    folder = tmp_path / "itself"
    named = {"another": adapters["dora"], "itself": folder}[base_name]
    configured(adapters["lora"], folder, {"base_model_name_or_path": str(named)})
    assert refusal(folder).startswith(f"{folder}: its base model {named} is an adapter itself; merge that one first")


def test_an_adapter_that_changes_no_weights_is_refused(base: Path, tmp_path: Path) -> None:
    content = {"peft_type": "PREFIX_TUNING", "base_model_name_or_path": str(base), "num_virtual_tokens": 4}
    (tmp_path / "adapter_config.json").write_text(json.dumps(content))
    save_file({"prompt_embeddings": torch.zeros(4, 32)}, tmp_path / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=r"an adapter of type PREFIX_TUNING cannot be merged .* such as LORA"):
        load_embedder(str(tmp_path))


def test_peft_is_asked_for(adapters: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ModelError, match=r'needs peft; run: pip install "pytest-mieb\[peft\]"$'):
        load_embedder(str(adapters["lora"]))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"base_model_name_or_path": "org/name"}, ("org/name", None)),
        ({"base_model_name_or_path": "org/name", "revision": None}, ("org/name", None)),
        ({"base_model_name_or_path": "org/name", "revision": "0123abc"}, ("org/name", "0123abc")),
        ({"base_model_name_or_path": "../base"}, ("../base", None)),
    ],
)
def test_the_base_model_is_read(tmp_path: Path, content: dict[str, Any], expected: tuple[str, str | None]) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps(content))
    assert base_of(tmp_path) == expected


@pytest.mark.parametrize("content", ["", "[]", "{", '"text"'])
def test_a_damaged_configuration_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "adapter_config.json").write_text(content)
    with pytest.raises(ModelError, match=r"adapter_config\.json cannot be used: "):
        base_of(tmp_path)


def test_a_base_that_points_elsewhere_is_named_and_not_what_lies_there(tmp_path: Path) -> None:
    elsewhere = tmp_path / "private"
    elsewhere.mkdir()
    (elsewhere / "passwords.txt").write_text("")
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    content = {"peft_type": "LORA", "base_model_name_or_path": str(elsewhere)}
    (adapter / "adapter_config.json").write_text(json.dumps(content))
    with pytest.raises(ModelError) as refusal:
        load_embedder(str(adapter))
    assert str(refusal.value) == (
        f"{adapter}: the adapter's base model {str(elsewhere)!r} is a folder without a model; correct "
        "base_model_name_or_path in its adapter_config.json"
    )
