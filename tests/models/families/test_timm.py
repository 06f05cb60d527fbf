"""timm: folders, bare weights, pretrained names and hub ids, against timm itself; MoCo-v3 against the reference."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from timm.data.config import resolve_model_data_config
from timm.data.transforms_factory import create_transform
from timm.models import _registry, save_for_hf
from timm.models.vision_transformer import _create_vision_transformer

from pytest_mieb.models import Embedder, ModelError, load_embedder
from tests.models.battery import IMAGES, assert_same, assert_scattered, check_images, description_of, given, opaque
from tests.models.folders import Change, change_json, check_keys, copied, refusal
from tests.models.hub_cache import REVISION, go_offline, lay

# timm's own miniatures, of about 0.4 million parameters.
ARCHITECTURES = ("test_vit", "test_resnet", "test_convnext", "test_efficientnet", "test_byobnet")
CLASSES = 7
MOCO = "nyu-visionx/moco-v3-vit-b"
MOCO_REVISION = "7d091cd70772c5c0ecf7f00b5f12ca609a99d69d"


def build(architecture: str, **keywords: Any) -> Any:
    """With a classifier; as initialised, all its embeddings would lie close together."""
    torch.manual_seed(0)
    model = timm.create_model(architecture, num_classes=CLASSES, **keywords).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and architecture in ("test_vit", "vit_base_patch16_224"):
                weight.mul_(20.0 if "embed" in name else 3.0)
    return model


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("timm")
    for architecture in ARCHITECTURES:
        save_for_hf(build(architecture), str(root / architecture), safe_serialization=True)
    return {architecture: root / architecture for architecture in ARCHITECTURES}


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, Embedder]:
    return {name: load_embedder(str(folder)) for name, folder in folders.items()}


@pytest.fixture(scope="module")
def weights(folders: dict[str, Path]) -> Path:
    return folders["test_vit"] / "model.safetensors"


def computed(name: str, args: dict[str, Any] | None = None, **keywords: Any) -> NDArray[np.float32]:
    """Images as timm's own functions load and embed them."""
    model = timm.create_model(name, num_classes=0, **keywords).eval()
    transform = create_transform(**resolve_model_data_config(model, args=args), is_training=False)
    with torch.no_grad():
        embeddings: NDArray[np.float32] = model(torch.stack([transform(image) for image in IMAGES])).numpy()
    return embeddings


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_folder_as_timm_computes_it(folders: dict[str, Path], models: dict[str, Embedder], name: str) -> None:
    expected = computed(f"local-dir:{folders[name]}", pretrained=True)
    if name == "test_vit":
        assert_scattered(expected)
    assert len(np.unique(expected.round(4), axis=0)) == len(IMAGES)
    assert_same(models[name].embed_images(IMAGES), expected)
    assert models[name].dimension == expected.shape[1]


@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
def test_a_batch_changes_nothing(models: dict[str, Embedder], name: str) -> None:
    check_images(models[name], alpha=opaque)


def test_what_was_loaded_is_said(models: dict[str, Embedder]) -> None:
    model = models["test_vit"]
    assert model.modalities == {"image"}
    description = description_of(model)
    assert (description.family, description.architecture) == ("timm", "test_vit.r160_in1k")
    assert description.preprocessing == {
        "size": "160x160",
        "interpolation": "bicubic",
        "crop_pct": 0.95,
        "crop_mode": "center",
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
        "pooling": "token",
        "left out": "head.bias, head.weight",
    }
    assert description.warnings == ()


def test_half_precision(folders: dict[str, Path], models: dict[str, Embedder]) -> None:
    model = load_embedder(str(folders["test_vit"]), dtype="bfloat16")
    found, exact = model.embed_images(IMAGES), models["test_vit"].embed_images(IMAGES)
    assert torch.equal(torch.from_numpy(found).bfloat16().float(), torch.from_numpy(found))
    assert 0 < np.abs(found - exact).max() < 0.2 * np.abs(exact).max()


CORRECTIONS: dict[str, dict[str, Any]] = {
    "mean=0.5,0.4,0.3": {"mean": (0.5, 0.4, 0.3)},
    "std=0.2": {"std": (0.2,)},
    "interpolation=bilinear": {"interpolation": "bilinear"},
    "crop_pct=0.5": {"crop_pct": 0.5},
    "size=64": {"input_size": (3, 64, 64)},
}


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_preprocessing_can_be_corrected(folders: dict[str, Path], models: dict[str, Embedder], correction: str) -> None:
    name, _, value = correction.partition("=")
    model = load_embedder(str(folders["test_vit"]), options={name: value})
    keywords = {"img_size": 64} if name == "size" else {}
    expected = computed(f"local-dir:{folders['test_vit']}", CORRECTIONS[correction], pretrained=True, **keywords)
    assert_same(model.embed_images(IMAGES), expected)
    assert np.abs(expected - models["test_vit"].embed_images(IMAGES)).max() > 1e-3
    assert model.fingerprint != models["test_vit"].fingerprint
    assert description_of(model).warnings == ()


def test_images_fitted_by_their_longer_edge(folders: dict[str, Path], tmp_path: Path) -> None:
    """timm fails where nothing is left of the shorter one, as of the last image here."""
    folder = copied(folders["test_vit"], tmp_path / "border")
    reconfigure(folder, lambda content: content["pretrained_cfg"].update(crop_mode="border"))
    model = load_embedder(str(folder))
    assert description_of(model).preprocessing["crop_mode"] == "border"
    check_images(model, alpha=opaque)


# Bare weights: the architecture is named, and the rest is the architecture's, or given.


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_a_training_checkpoint(models: dict[str, Embedder], weights: Path, tmp_path: Path, prefix: str) -> None:
    state = {f"{prefix}{name}": value for name, value in load_file(weights).items()}
    file = tmp_path / "last.pth.tar"
    torch.save({"epoch": 3, "arch": "test_vit", "state_dict": state, "args": argparse.Namespace(lr=0.1)}, file)
    model = load_embedder(f"timm:test_vit.r160_in1k@{file}")
    np.testing.assert_array_equal(model.embed_images(IMAGES), models["test_vit"].embed_images(IMAGES))
    assert description_of(model).warnings == ()


def test_averaged_weights_are_taken_where_there_are_any(
    models: dict[str, Embedder], weights: Path, tmp_path: Path
) -> None:
    state = load_file(weights)
    last = {name: torch.zeros_like(value) for name, value in state.items()}
    file = tmp_path / "last.pth.tar"
    torch.save({"state_dict": last, "state_dict_ema": state}, file)
    model = load_embedder(f"timm:test_vit.r160_in1k@{file}")
    np.testing.assert_array_equal(model.embed_images(IMAGES), models["test_vit"].embed_images(IMAGES))
    assert "last.pth.tar: the averaged weights (state_dict_ema) are taken" in description_of(model).warnings[0]


def test_what_bare_weights_leave_open_is_guessed_aloud(weights: Path) -> None:
    guess = description_of(load_embedder(f"timm:test_vit@{weights}", options={"std": "0.5"})).warnings
    assert len(guess) == 1
    assert "mean, interpolation, crop_pct are those of test_vit.r160_in1k" in guess[0]
    given = {"mean": "0.5", "std": "0.5", "interpolation": "bicubic", "crop_pct": "0.95"}
    assert description_of(load_embedder(f"timm:test_vit@{weights}", options=given)).warnings == ()


def test_weights_for_another_size_of_pictures_are_refused_until_it_is_given(tmp_path: Path) -> None:
    file = tmp_path / "larger.pt"
    torch.save(build("test_vit", img_size=192).state_dict(), file)
    with pytest.raises(ModelError, match=r"another size than test_vit has \(pos_embed\); .*size=PIXELS"):
        load_embedder(f"timm:test_vit@{file}")
    model = load_embedder(f"timm:test_vit@{file}", options={"size": "128"})
    overlay = {"file": str(file), "num_classes": CLASSES}
    args = {"input_size": (3, 128, 128)}
    expected = computed("test_vit", args, pretrained=True, pretrained_cfg_overlay=overlay, img_size=128)
    assert_same(model.embed_images(IMAGES), expected)
    assert "resized from another size of pictures or patches: pos_embed" in description_of(model).warnings[1]


# By name: what timm knows, and hub ids, from a cache.


@pytest.fixture
def cache(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    go_offline(monkeypatch, tmp_path / "hub")
    lay(tmp_path / "hub", "timm/test_vit.r160_in1k", folders["test_vit"])
    lay(tmp_path / "hub", "team/fine-tuned", folders["test_resnet"])
    return tmp_path / "hub"


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("timm:test_vit", "test_vit"),
        ("timm:test_vit.r160_in1k", "test_vit"),
        ("timm:team/fine-tuned", "test_resnet"),
        ("team/fine-tuned", "test_resnet"),
    ],
)
def test_a_name(cache: Path, models: dict[str, Embedder], spec: str, name: str) -> None:
    model = load_embedder(spec, revision=REVISION if "/" in spec else None)
    np.testing.assert_array_equal(model.embed_images(IMAGES), models[name].embed_images(IMAGES))
    assert description_of(model).preprocessing == description_of(models[name]).preprocessing
    assert description_of(model).version == f"revision {REVISION[:12]}"
    assert description_of(model).warnings == ()


NAMES = {
    "timm:test_vti": "timm has no architecture 'test_vti'. Did you mean test_vit",
    "timm:test_vit.r161_in1k": "test_vit has no tag 'r161_in1k'. Did you mean r160_in1k? Legal are r160_in1k",
    "timm:test_resnet": "the hub was not reached and the model is not cached",
    "timm:gcvit_tiny": "not on the hub; download https://",
    "timm:vit_base_patch16_18x2_224": "timm has no weights for vit_base_patch16_18x2_224; give your own",
    "timm:team/gone": "the hub was not reached and the model is not cached",
    "timm:nothing@{weights}": "timm has no architecture 'nothing'.",
}


@pytest.mark.parametrize("spec", NAMES)
def test_a_name_that_means_nothing(cache: Path, weights: Path, spec: str) -> None:
    assert NAMES[spec] in refusal(spec.format(weights=weights))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"crop_pct": "90"}, "crop_pct=90: give a share above 0 and up to 1"),
        ({"crop_pct": "most"}, "crop_pct=most: give a share above 0 and up to 1"),
        ({"interpolation": "cubic"}, "interpolation=cubic: legal are"),
        ({"crop": "0.9"}, "did you mean crop_pct"),
    ],
)
def test_an_option_that_means_nothing(weights: Path, options: dict[str, str], sentence: str) -> None:
    assert sentence in refusal(f"timm:test_vit@{weights}", options=options)


# Weights and folders that cannot be used.


def reconfigure(folder: Path, change: Change) -> None:
    change_json(folder / "config.json", change)


def unweight(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def rename(folder: Path) -> None:
    reconfigure(folder, lambda content: content.update(architecture="test_vtt"))


def whiten(folder: Path) -> None:
    """One channel, as of an X-ray."""
    reconfigure(folder, lambda content: content["model_args"].update(in_chans=1))


def scatter(folder: Path) -> None:
    """Features of patches, not of a picture."""
    reconfigure(folder, lambda content: content.update(model_args={"global_pool": "", "num_classes": 0}))


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "no weights": (unweight, "no weights; it should hold model.safetensors"),
    "an unknown architecture": (rename, "timm has no architecture 'test_vtt'. Did you mean test_vit"),
    "one channel": (whiten, "takes images of 1 channels, and not of red, green, blue"),
    "no pooling": (scatter, "gives no single vector for a picture"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_folder_that_cannot_be_used(folders: dict[str, Path], tmp_path: Path, case: str) -> None:
    damage, sentence = REFUSED[case]
    folder = copied(folders["test_vit"], tmp_path / "damaged")
    damage(folder)
    said = refusal(folder)
    assert str(folder) in said
    assert sentence in said


def test_keys_that_do_not_fit_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    check_keys(folders["test_vit"], tmp_path, "norm.weight")


def test_texts_are_not_embedded(models: dict[str, Embedder]) -> None:
    with pytest.raises(ModelError, match="does not embed texts"):
        models["test_vit"].embed_texts(["a dog"])


# MoCo-v3


@pytest.fixture
def moco(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MoCo-v3 in the hub's cache, its ViT-B of two layers: the weights alone, under timm's names and with a head."""

    def vit_base_patch16_224(pretrained: bool = False, **keywords: Any) -> Any:
        size = {"patch_size": 16, "embed_dim": 32, "depth": 2, "num_heads": 2}
        return _create_vision_transformer("vit_base_patch16_224", pretrained=pretrained, **size | keywords)

    monkeypatch.setitem(_registry._model_entrypoints, "vit_base_patch16_224", vit_base_patch16_224)
    folder = tmp_path / "moco"
    folder.mkdir()
    save_file(build("vit_base_patch16_224").state_dict(), folder / "model.safetensors")
    go_offline(monkeypatch, tmp_path / "hub")
    lay(tmp_path / "hub", MOCO, folder, MOCO_REVISION)


def test_moco_as_the_paper_prepares_its_images(moco: None) -> None:
    """Shortest edge to 224 / 0.9, the middle 224 pixels, scaled to -1..1; the class token after the last norm."""
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor

    steps = (Resize(248, InterpolationMode.BICUBIC), CenterCrop(224), ToTensor(), Normalize([0.5] * 3, [0.5] * 3))
    transform, network = Compose(steps), build("vit_base_patch16_224")
    with torch.no_grad():
        features = network.forward_features(torch.stack([transform(image) for image in IMAGES]))
    model = load_embedder(MOCO)
    assert_scattered(features[:, 0].numpy())
    assert_same(model.embed_images(IMAGES), features[:, 0].numpy())
    assert model.modalities == {"image"}
    assert description_of(model).preprocessing["left out"] == "head.bias, head.weight"
    assert description_of(model).version == f"revision {MOCO_REVISION[:12]}"
    assert description_of(model).warnings == ()


def test_moco_as_the_reference_wrapper_embeds_it(moco: None) -> None:
    from mteb.models.model_implementations.moco_models import mocov3_loader

    wrapper: Any = mocov3_loader(MOCO, device="cpu")
    tensors = [torch.from_numpy(np.array(image)).permute(2, 0, 1) for image in IMAGES]
    expected = wrapper.get_image_embeddings([{"image": tensors}], show_progress_bar=False)
    assert_same(load_embedder(MOCO).embed_images(IMAGES), expected.numpy())


def test_greyscale_images_of_moco(moco: None) -> None:
    grey = Image.new("L", (300, 200), 90)
    model = load_embedder(MOCO)
    np.testing.assert_array_equal(model.embed_images(given(model, [grey])), model.embed_images([grey.convert("RGB")]))
