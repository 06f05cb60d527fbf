"""Vision models from folders, against a plain computation with transformers and the reference's wrapper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoImageProcessor, AutoModel

from pytest_mieb.models import Embedder, ModelError, load_embedder
from tests.models.battery import TINTED, TRANSPARENT, assert_same, assert_scattered, check_images, given, tinted
from tests.models.families.builders_vision import build_vision
from tests.models.folders import change_json, copied, plus, refusal, with_weights, without


class Expected(NamedTuple):
    pooling: str
    dimension: int
    compute: Callable[[Any], Any]


def first(output: Any) -> Any:
    return output.last_hidden_state[:, 0]


def pooled(output: Any) -> Any:
    return output.pooler_output.reshape(len(output.pooler_output), -1)


def mean(output: Any) -> Any:
    return output.last_hidden_state.mean(dim=1)


EXPECTED = {
    "beit": Expected("pooler", 32, pooled),
    "clip_vision_model": Expected("pooler", 32, pooled),
    "convnext": Expected("pooler", 32, pooled),
    "deit": Expected("cls", 32, first),
    "dinov2": Expected("cls", 32, first),
    "dinov2_with_registers": Expected("cls", 32, first),
    "dinov3_convnext": Expected("pooler", 32, first),
    "dinov3_vit": Expected("cls", 32, first),
    "ijepa": Expected("mean", 32, mean),
    "resnet": Expected("pooler", 32, lambda output: output.last_hidden_state.mean(dim=(2, 3))),
    "siglip_vision_model": Expected("pooler", 32, pooled),
    "swin": Expected("pooler", 16, mean),
    "swinv2": Expected("pooler", 16, mean),
    "vit": Expected("cls", 32, first),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    root = tmp_path_factory.mktemp("vision")
    return {kind: build_vision(kind, root / kind) for kind in EXPECTED}


@pytest.fixture(scope="module")
def models(folders: Mapping[str, Path]) -> Mapping[str, Embedder]:
    return {kind: load_embedder(str(folder)) for kind, folder in folders.items()}


def processed(folder: Path) -> Any:
    return AutoImageProcessor.from_pretrained(folder, backend="torchvision")(TINTED, return_tensors="pt")


@pytest.mark.parametrize("kind", EXPECTED)
def test_embeds_as_transformers_computes_it(
    folders: Mapping[str, Path], models: Mapping[str, Embedder], kind: str
) -> None:
    pooling, dimension, compute = EXPECTED[kind]
    reference = AutoModel.from_pretrained(folders[kind], dtype=torch.float32).eval()
    with torch.no_grad():
        expected = compute(reference(**processed(folders[kind]))).numpy()
    found = models[kind].embed_images(TINTED)
    assert (found.dtype, found.shape) == (np.dtype(np.float32), (len(TINTED), dimension))
    assert_scattered(expected)
    assert_same(found, expected)
    description = models[kind].description
    assert description is not None
    assert (description.preprocessing["pooling"], description.dimension) == (pooling, dimension)
    assert description.warnings == ()


@pytest.mark.parametrize("kind", ["dinov2", "dinov2_with_registers", "dinov3_vit"])
def test_embeds_as_the_references_wrapper_does(
    folders: Mapping[str, Path], models: Mapping[str, Embedder], kind: str
) -> None:
    from mteb.models.model_implementations.dino_models import DINOModel

    reference: Any = DINOModel(str(folders[kind]), revision="", device="cpu")
    images = [*TINTED, *TRANSPARENT.values()]
    batches = [{"image": images}]
    found = models[kind].embed_images(given(models[kind], images))
    assert_same(found, reference.get_image_embeddings(batches, show_progress_bar=False))
    averaged = load_embedder(str(folders[kind]), options={"pooling": "mean"})
    expected = reference.get_image_embeddings(batches, show_progress_bar=False, pooling="mean")
    assert_same(averaged.embed_images(given(averaged, images)), expected)
    assert np.abs(averaged.embed_images(TINTED) - models[kind].embed_images(TINTED)).max() > 1e-2


def test_the_class_token_of_dinov2_is_its_pooled_output(folders: Mapping[str, Path]) -> None:
    poolings = (load_embedder(str(folders["dinov2"]), options={"pooling": name}) for name in ("cls", "pooler"))
    by_token, pooled = (model.embed_images(TINTED) for model in poolings)
    np.testing.assert_array_equal(by_token, pooled)


@pytest.mark.parametrize("kind", EXPECTED)
def test_stands_the_battery(models: Mapping[str, Embedder], kind: str) -> None:
    model = models[kind]
    assert model.modalities == {"image"}
    check_images(model)
    with pytest.raises(ModelError, match=r"Model does not embed texts$"):
        model.embed_texts(["a dog"])


@pytest.mark.parametrize(
    ("kind", "pooling", "sentence"),
    [
        ("swin", "cls", "pooling=cls: legal for SwinModel are pooler, mean"),
        ("resnet", "cls", "pooling=cls: legal for ResNetModel are pooler, mean"),
        ("ijepa", "pooler", "pooling=pooler: legal for IJepaModel are mean"),
        ("dinov2", "max", "pooling=max: legal for Dinov2Model are cls, pooler, mean"),
    ],
)
def test_poolings_that_an_architecture_lacks_are_refused(
    folders: Mapping[str, Path], kind: str, pooling: str, sentence: str
) -> None:
    with pytest.raises(ModelError) as refusal:
        load_embedder(str(folders[kind]), options={"pooling": pooling})
    assert sentence in str(refusal.value)


def test_pooling_is_part_of_the_fingerprint(folders: Mapping[str, Path]) -> None:
    folder = str(folders["vit"])
    found = {load_embedder(folder, options={"pooling": name}).fingerprint for name in ("cls", "pooler", "mean")}
    assert len(found) == 3


@pytest.mark.parametrize(("kind", "guess"), [("yolos", "cls"), ("poolformer", "mean")])
def test_what_was_guessed_is_warned_of(tmp_path: Path, kind: str, guess: str) -> None:
    model = load_embedder(str(build_vision(kind, tmp_path / kind)))
    assert model.description is not None
    assert model.description.preprocessing["pooling"] == guess
    (warning,) = model.description.warnings
    assert warning.startswith(f"pooling={guess} was guessed for ")
    told = load_embedder(str(tmp_path / kind), options={"pooling": guess})
    assert told.description is not None
    assert told.description.warnings == ()
    np.testing.assert_array_equal(told.embed_images(TINTED), model.embed_images(TINTED))


def test_the_mean_of_a_feature_map_is_over_its_places(tmp_path: Path) -> None:
    folder = build_vision("poolformer", tmp_path / "poolformer")
    reference = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        expected = reference(**processed(folder)).last_hidden_state.mean(dim=(2, 3))
    assert_same(load_embedder(str(folder)).embed_images(TINTED), expected)


def test_mae_masks_nothing(tmp_path: Path) -> None:
    """It is published with its decoder, and would hide three quarters of each picture, other ones every time."""
    folder = build_vision("vit_mae", tmp_path / "mae", "ViTMAEForPreTraining")
    model = load_embedder(str(folder))
    torch.manual_seed(1)
    once = model.embed_images(TINTED)
    torch.manual_seed(2)
    np.testing.assert_array_equal(model.embed_images(TINTED), once)
    reference = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        tokens = reference.embeddings.patch_embeddings(processed(folder)["pixel_values"])
        tokens = tokens + reference.embeddings.position_embeddings[:, 1:]
        token = reference.embeddings.cls_token + reference.embeddings.position_embeddings[:, :1]
        hidden = torch.cat([token.expand(len(tokens), -1, -1), tokens], dim=1)
        for layer in reference.layers:
            hidden = layer(hidden, None)
        expected = reference.layernorm(hidden)[:, 0]
    assert_scattered(expected.numpy())
    assert_same(once, expected)
    check_images(model)


def test_heads_are_left_and_an_unused_pooler_may_be_missing(tmp_path: Path) -> None:
    """As classifiers are published; the pooler that AutoModel then draws at random is not looked at."""
    folder = build_vision("vit", tmp_path / "vit", "ViTForImageClassification")
    weights = load_file(folder / "model.safetensors")
    assert {"classifier.weight"} <= set(weights)
    assert not any("pooler" in name for name in weights)
    model = load_embedder(str(folder))
    with torch.no_grad():
        reference = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        expected = first(reference(**processed(folder)))
    assert_same(model.embed_images(TINTED), expected)
    assert model.description is not None
    assert model.description.warnings == ()
    with pytest.raises(ModelError, match=r"no weights of its pooler.*give --mieb-model-arg=pooling=cls\|mean$"):
        load_embedder(str(folder), options={"pooling": "pooler"})


def test_a_pooler_that_is_needed_may_not_be_missing(folders: Mapping[str, Path], tmp_path: Path) -> None:
    folder = with_weights(folders["beit"], tmp_path / "beit", without("pooler."))
    with pytest.raises(ModelError, match=r"no weights of its pooler.*pooling=cls\|mean$"):
        load_embedder(str(folder))
    assert load_embedder(str(folder), options={"pooling": "cls"}).dimension == 32


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [("vit", "layernorm.weight"), ("dinov2", "embeddings.cls_token"), ("siglip_vision_model", "vision_model.head.")],
)
def test_weights_that_matter_may_not_be_missing(
    folders: Mapping[str, Path], tmp_path: Path, kind: str, prefix: str
) -> None:
    prefix = prefix if any(key.startswith(prefix) for key in keys(folders[kind])) else prefix.split(".", 1)[1]
    folder = with_weights(folders[kind], tmp_path / kind, without(prefix))
    with pytest.raises(ModelError, match=r"weights and config\.json do not fit: \d+ missing keys"):
        load_embedder(str(folder))


def test_a_mask_token_may_be_missing(
    folders: Mapping[str, Path], models: Mapping[str, Embedder], tmp_path: Path
) -> None:
    folder = with_weights(folders["dinov2"], tmp_path / "dinov2", without("embeddings.mask_token"))
    np.testing.assert_array_equal(
        load_embedder(str(folder)).embed_images(TINTED), models["dinov2"].embed_images(TINTED)
    )


def test_other_weights_are_refused(folders: Mapping[str, Path], tmp_path: Path) -> None:
    folder = with_weights(folders["vit"], tmp_path / "vit", plus("text_model.weight"))
    assert "1 unexpected keys (text_model.weight" in refusal(folder)


def test_pictures_that_keep_their_shape_are_embedded_one_by_one(folders: Mapping[str, Path], tmp_path: Path) -> None:
    """DINOv2 takes any shape, and an image processor need not crop."""
    folder = copied(folders["dinov2"], tmp_path / "dinov2")
    file = next(folder.glob("*processor_config.json"))
    change_json(file, lambda content: content.update(do_center_crop=False))
    images = [tinted(40, 40, 1, 1, 1), tinted(40, 80, 1, 0, 0), tinted(90, 40, 0, 1, 0)]
    processor = AutoImageProcessor.from_pretrained(folder, backend="torchvision")
    reference = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        expected = [first(reference(**processor([image], return_tensors="pt")))[0].numpy() for image in images]
    model = load_embedder(str(folder))
    assert_same(model.embed_images(images), expected)
    assert_same(model.embed_images(images[::-1])[::-1], expected)


def test_a_picture_that_the_model_does_not_take_is_found_at_once(folders: Mapping[str, Path], tmp_path: Path) -> None:
    folder = copied(folders["vit"], tmp_path / "vit")
    file = next(folder.glob("*processor_config.json"))
    change_json(file, lambda content: content.update(do_center_crop=False))
    with pytest.raises(ModelError, match=r"ViTModel embeds no single picture \(.*size"):
        load_embedder(str(folder))


def test_a_model_of_timm_in_transformers_is_prepared_by_timm(tmp_path: Path) -> None:
    from timm.data.transforms_factory import create_transform
    from transformers import TimmWrapperConfig, TimmWrapperImageProcessor

    steps: dict[str, Any] = {
        "input_size": (3, 32, 32),
        "interpolation": "bicubic",
        "crop_pct": 0.9,
        "mean": [0.5] * 3,
        "std": [0.3] * 3,
    }
    torch.manual_seed(0)
    settings: dict[str, Any] = {"architecture": "test_vit", "pretrained_cfg": steps}
    AutoModel.from_config(TimmWrapperConfig(**settings)).save_pretrained(tmp_path)
    processor = TimmWrapperImageProcessor(steps)
    reference = AutoModel.from_pretrained(tmp_path, dtype=torch.float32).eval()
    with torch.no_grad():
        pixels = torch.stack([create_transform(**processor.data_config)(image) for image in TINTED])
        expected = reference.timm_model.forward_head(reference.timm_model.forward_features(pixels), pre_logits=True)
    model = load_embedder(str(tmp_path))
    assert_same(model.embed_images(TINTED), expected)
    assert model.description is not None
    assert {"input_size": [3, 32, 32], "crop_pct": 0.9}.items() <= model.description.preprocessing.items()
    with pytest.raises(ModelError, match="this model takes no mean; legal are pooling"):
        load_embedder(str(tmp_path), options={"mean": "0.5"})


@pytest.mark.parametrize(
    ("option", "value"),
    [("mean", "0.5"), ("std", "0.5,0.4,0.3"), ("interpolation", "bilinear"), ("size", "48")],
)
def test_how_images_are_prepared_can_be_corrected(
    folders: Mapping[str, Path], models: Mapping[str, Embedder], option: str, value: str
) -> None:
    other = load_embedder(str(folders["dinov2"]), options={option: value})
    assert not np.allclose(models["dinov2"].embed_images(TINTED), other.embed_images(TINTED), atol=1e-4)
    assert other.fingerprint != models["dinov2"].fingerprint


def test_half_precision(folders: Mapping[str, Path], models: Mapping[str, Embedder]) -> None:
    exact, half = models["dinov2"], load_embedder(str(folders["dinov2"]), dtype="bfloat16")
    found, expected = half.embed_images(TINTED), exact.embed_images(TINTED)
    assert found.dtype == np.float32
    assert 0 < np.abs(found - expected).max() < 0.2 * np.abs(expected).max()
    assert half.fingerprint != exact.fingerprint


def test_a_checkpoint_takes_the_processor_of_another_folder(
    folders: Mapping[str, Path], models: Mapping[str, Embedder], tmp_path: Path
) -> None:
    checkpoint = copied(folders["dinov2"], tmp_path / "checkpoint-500")
    next(checkpoint.glob("*processor_config.json")).unlink()
    with pytest.raises(ModelError, match=r"checkpoint-500: no image processor .* with --mieb-processor"):
        load_embedder(str(checkpoint))
    model = load_embedder(str(checkpoint), processor=str(folders["dinov2"]))
    np.testing.assert_array_equal(model.embed_images(TINTED), models["dinov2"].embed_images(TINTED))


def keys(folder: Path) -> set[str]:
    return set(load_file(folder / "model.safetensors"))
