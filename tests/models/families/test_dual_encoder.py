"""Dual encoders from folders, against a plain computation with transformers and the reference's wrappers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from transformers import AutoModel, AutoProcessor, AutoTokenizer

from pytest_mieb.models import Embedder, ModelError, load_embedder
from pytest_mieb.models.families.dual_encoder import _max_length
from pytest_mieb.models.request import Request
from tests.models.battery import (
    ODD_MODES,
    TINTED,
    TRANSPARENT,
    assert_same,
    assert_scattered,
    check_images,
    check_texts,
    given,
    on_white,
    opaque,
    opaque_first,
)
from tests.models.builders import build_clip
from tests.models.families.builders_dual_encoder import BUILDERS
from tests.models.folders import change_json, change_weights, check_keys, copied, refusal

TEXTS = ["a dog", "a photo of a dog, a type of animal.", "", "dog " * 700, "0123 birds by 4 rivers"]


class Expected(NamedTuple):
    """How a family's texts are padded is what goes wrong without an error, so it is spelt out."""

    family: str
    padding: str
    length: int
    dimension: int
    activation: str


EXPECTED = {
    "clip": Expected("CLIP", "longest", 77, 24, "quick_gelu"),
    "siglip": Expected("SigLIP", "max_length", 64, 64, "gelu_pytorch_tanh"),
    "siglip2": Expected("SigLIP", "max_length", 64, 32, "gelu_pytorch_tanh"),
    "siglip2-naflex": Expected("SigLIP 2", "max_length", 64, 32, "gelu_pytorch_tanh"),
    "align": Expected("ALIGN", "longest", 64, 24, "text gelu, image swish"),
    "metaclip-2": Expected("MetaCLIP 2", "longest", 77, 24, "quick_gelu"),
    "altclip": Expected("AltCLIP", "longest", 80, 24, "text gelu, image quick_gelu"),
    "chinese-clip": Expected("Chinese-CLIP", "longest", 512, 24, "text gelu, image quick_gelu"),
    "vision-text": Expected("vision-text dual encoder", "longest", 98, 24, "gelu"),
    "flava": Expected("FLAVA", "longest", 77, 24, "gelu"),
    "clipseg": Expected("CLIPSeg", "longest", 77, 24, "quick_gelu"),
}
# What becomes of alpha where it is not put on white: by the reference's wrapper, or as the image processor converts
# nothing.
ALPHA = {"siglip": opaque_first, "siglip2": opaque_first} | dict.fromkeys(
    ("siglip2-naflex", "align", "vision-text", "flava", "clipseg"), opaque
)
SIGLIPS = ("siglip", "siglip2", "siglip2-naflex")


@pytest.fixture(scope="module")
def folders(checkpoints: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    root = tmp_path_factory.mktemp("others")
    return checkpoints | {name: build(root / name) for name, build in BUILDERS.items()}


@pytest.fixture(scope="module")
def models(folders: Mapping[str, Path]) -> Mapping[str, Embedder]:
    return {name: load_embedder(str(folder)) for name, folder in folders.items()}


def computed(folder: Path, method: str, inputs: Any) -> NDArray[np.float32]:
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        pooled = getattr(model, method)(**inputs).pooler_output
    return (pooled[:, 0] if pooled.ndim == 3 else pooled).numpy()  # FLAVA projects all tokens


@pytest.mark.parametrize("name", EXPECTED)
def test_images_as_transformers_computes_them(
    folders: Mapping[str, Path], models: Mapping[str, Embedder], name: str
) -> None:
    inputs = AutoProcessor.from_pretrained(folders[name], backend="torchvision")(images=TINTED, return_tensors="pt")
    expected = computed(folders[name], "get_image_features", inputs)
    found = models[name].embed_images(TINTED)
    assert (found.dtype, found.shape) == (np.dtype(np.float32), (len(TINTED), EXPECTED[name].dimension))
    assert_scattered(expected)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", EXPECTED)
def test_texts_as_transformers_computes_them(
    folders: Mapping[str, Path], models: Mapping[str, Embedder], name: str
) -> None:
    _, padding, length, dimension, _ = EXPECTED[name]
    tokenizer = AutoTokenizer.from_pretrained(folders[name])
    tokens = tokenizer(TEXTS, padding=padding, truncation=True, max_length=length, return_tensors="pt")
    assert tokens["input_ids"].shape == (len(TEXTS), length)
    expected = computed(folders[name], "get_text_features", tokens)
    found = models[name].embed_texts(TEXTS)
    assert (found.dtype, found.shape) == (np.dtype(np.float32), (len(TEXTS), dimension))
    assert_scattered(expected)
    assert_same(found, expected)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_align_is_the_projected_class_token_and_the_pooled_image(
    folders: Mapping[str, Path], models: Mapping[str, Embedder]
) -> None:
    folder, model = folders["align"], AutoModel.from_pretrained(folders["align"], dtype=torch.float32).eval()
    processor = AutoProcessor.from_pretrained(folder, backend="torchvision")
    tokens = processor(text=TEXTS, padding=True, truncation=True, return_tensors="pt")
    pixels = processor(images=TINTED, return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        texts = model.text_projection(model.text_model(**tokens).last_hidden_state[:, 0])
        images = model.vision_model(pixels).last_hidden_state.mean(dim=(2, 3))
    assert_same(models["align"].embed_texts(TEXTS), texts)
    assert_same(models["align"].embed_images(TINTED), images)


@pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")
@pytest.mark.parametrize(
    ("name", "module", "wrapper"),
    [
        ("clip", "clip_models", "CLIPModel"),
        ("metaclip-2", "clip_models", "CLIPModel"),
        ("siglip", "siglip_models", "SiglipModelWrapper"),
        ("siglip2", "siglip_models", "SiglipModelWrapper"),
        ("siglip2-naflex", "siglip_models", "SiglipModelWrapper"),
        ("align", "align_models", "ALIGNModel"),
    ],
)
def test_embeds_as_the_references_wrapper_does(
    folders: Mapping[str, Path], models: Mapping[str, Embedder], name: str, module: str, wrapper: str
) -> None:
    import importlib

    wrappers = importlib.import_module(f"mteb.models.model_implementations.{module}")
    reference = getattr(wrappers, wrapper)(str(folders[name]), revision=None, device="cpu")
    # The reference gives the tokenizer no length, and one without a limit of its own cuts nothing.
    reference.processor.tokenizer.model_max_length = EXPECTED[name].length
    if name == "align":  # its wrapper does not know the object that transformers 5 gives for images
        features = reference.model.get_image_features
        reference.model.get_image_features = lambda **inputs: features(**inputs).pooler_output
    images = reference.get_image_embeddings([{"image": TINTED}], show_progress_bar=False)
    texts = reference.get_text_embeddings([{"text": TEXTS}], show_progress_bar=False)
    assert_same(models[name].embed_images(TINTED), images)
    if name != "align":  # its image processor fails for alpha
        seen = [*TRANSPARENT.values(), *ODD_MODES.values()]
        assert_same(
            models[name].embed_images(given(models[name], seen)),
            reference.get_image_embeddings([{"image": seen}], show_progress_bar=False),
        )
    assert_same(models[name].embed_texts(TEXTS), texts)
    assert_same(models[name].embed_interleaved(TINTED, TEXTS), images + texts)


@pytest.mark.parametrize("name", EXPECTED)
def test_stands_the_battery(models: Mapping[str, Embedder], name: str) -> None:
    model = models[name]
    assert (model.modalities, model.dimension) == (frozenset({"image", "text"}), EXPECTED[name].dimension)
    check_images(model, alpha=ALPHA.get(name, on_white))
    check_texts(model)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_item_has_one_embedding_whatever_its_neighbours(models: Mapping[str, Embedder], name: str) -> None:
    model = models[name]
    short, long = (model.embed_texts(["a dog", neighbour])[0] for neighbour in ("a cat", "a cat " * 40))
    np.testing.assert_array_equal(short, long)
    one, other = (model.embed_images([TINTED[0], neighbour])[0] for neighbour in TINTED[1:3])
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", SIGLIPS)
def test_texts_of_siglip_are_padded_to_full_length_even_alone(
    folders: Mapping[str, Path], models: Mapping[str, Embedder], name: str
) -> None:
    short = AutoTokenizer.from_pretrained(folders[name])(["a dog"], return_tensors="pt")
    collapsed = computed(folders[name], "get_text_features", short)
    alone = models[name].embed_texts(["a dog"])
    np.testing.assert_allclose(alone, models[name].embed_texts(TEXTS)[:1], rtol=1e-4, atol=1e-5)
    assert np.abs(alone - collapsed).max() > 1e-2


@pytest.mark.parametrize("name", EXPECTED)
def test_is_described(models: Mapping[str, Embedder], name: str) -> None:
    family, padding, length, dimension, activation = EXPECTED[name]
    description = models[name].description
    assert description is not None
    assert (description.family, description.dimension, description.dtype) == (family, dimension, "float32")
    assert description.preprocessing["activation"] == activation
    assert description.preprocessing["text padding"].startswith(f"{padding.replace('_', ' ')} {length}")
    assert len(description.warnings) == (name == "siglip2-naflex")


def test_naflex_takes_256_patches_unless_told_otherwise(
    folders: Mapping[str, Path], models: Mapping[str, Embedder]
) -> None:
    folder = folders["siglip2-naflex"]  # its image processor says 16
    description = models["siglip2-naflex"].description
    assert description is not None
    assert description.preprocessing["max_num_patches"] == 256
    (warning,) = description.warnings
    assert "max_num_patches 16, but the processor of SigLIP 2 takes 256" in warning
    told = load_embedder(str(folder), options={"max_num_patches": "16"})
    assert told.description is not None
    assert told.description.warnings == ()
    processor = AutoProcessor.from_pretrained(folder, backend="torchvision").image_processor
    expected = computed(folder, "get_image_features", processor(TINTED, return_tensors="pt", max_num_patches=16))
    np.testing.assert_array_equal(told.embed_images(TINTED), expected)
    assert np.abs(expected - models["siglip2-naflex"].embed_images(TINTED)).max() > 1e-3


@pytest.mark.parametrize("name", ["clip", "align", "chinese-clip", "vision-text"])
def test_position_ids_of_old_checkpoints_are_no_foreign_weights(
    folders: Mapping[str, Path], models: Mapping[str, Embedder], tmp_path: Path, name: str
) -> None:
    folder = copied(folders[name], tmp_path / name)
    buffers = {"text_model.embeddings.position_ids": torch.arange(512)[None]}
    if name == "clip":
        buffers["vision_model.embeddings.position_ids"] = torch.arange(5)[None]
    change_weights(folder, lambda weights: weights.update(buffers))
    np.testing.assert_array_equal(load_embedder(str(folder)).embed_texts(TEXTS), models[name].embed_texts(TEXTS))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_computes_in_it_and_gives_float32(
    folders: Mapping[str, Path], models: Mapping[str, Embedder], dtype: str
) -> None:
    exact, half = models["clip"], load_embedder(str(folders["clip"]), dtype=dtype)
    found, expected = half.embed_images(TINTED), exact.embed_images(TINTED)
    assert found.dtype == np.float32
    assert 0 < np.abs(found - expected).max() < 0.2 * np.abs(expected).max()
    assert np.array_equal(torch.from_numpy(found).to(getattr(torch, dtype)).float().numpy(), found)


@pytest.mark.parametrize(("option", "value"), [("mean", "0.5"), ("std", "0.5,0.4,0.3"), ("interpolation", "bilinear")])
def test_how_images_are_prepared_can_be_corrected(
    folders: Mapping[str, Path], models: Mapping[str, Embedder], option: str, value: str
) -> None:
    sound, other = models["clip"], load_embedder(str(folders["clip"]), options={option: value})
    assert not np.allclose(sound.embed_images(TINTED), other.embed_images(TINTED))
    np.testing.assert_array_equal(sound.embed_texts(TEXTS), other.embed_texts(TEXTS))
    assert sound.fingerprint != other.fingerprint


def test_a_torchvision_that_would_take_another_interpolation_is_refused(
    folders: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers falls back to bicubic where torchvision has no lanczos, which came with 0.27."""
    options = {"interpolation": "lanczos"}
    model = load_embedder(str(folders["clip"]), options=options)
    assert model.description and model.description.preprocessing["interpolation"] == "lanczos"
    monkeypatch.setattr("torchvision.__version__", "0.26.1+cu128")
    with pytest.raises(
        ModelError, match=r"asks for lanczos, which torchvision 0\.26\.1\+cu128 .* upgrade torchvision to 0.27"
    ):
        load_embedder(str(folders["clip"]), options=options)
    load_embedder(str(folders["clip"]), options={"interpolation": "bicubic"})


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("clip", {"meen": "0.5"}, "this model takes no meen (did you mean mean?); legal are"),
        ("clip", {"max_num_patches": "16"}, "this model takes no max_num_patches"),
        ("siglip2-naflex", {"size": "16"}, "this model takes no size"),
        ("siglip2-naflex", {"max_num_patches": "many"}, "max_num_patches=many: give a number"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    folders: Mapping[str, Path], name: str, options: dict[str, str], sentence: str
) -> None:
    assert sentence in refusal(folders[name], options=options)


def bare_checkpoint(folder: Path, to: Path) -> Path:
    """What a trainer writes: weights and config.json, without a processor."""
    bare = copied(folder, to)
    for pattern in ("token*", "vocab*", "merges*", "spiece*", "*processor_config.json"):
        for file in bare.glob(pattern):
            file.unlink()
    return bare


def test_a_checkpoint_takes_the_processor_of_another_folder(
    folders: Mapping[str, Path], models: Mapping[str, Embedder], tmp_path: Path
) -> None:
    checkpoint = bare_checkpoint(folders["clip"], tmp_path / "checkpoint-500")
    with pytest.raises(ModelError, match=r"checkpoint-500: no tokenizer .* with --mieb-processor"):
        load_embedder(str(checkpoint))
    model = load_embedder(str(checkpoint), processor=str(folders["clip"]))
    np.testing.assert_array_equal(model.embed_images(TINTED), models["clip"].embed_images(TINTED))
    np.testing.assert_array_equal(model.embed_texts(TEXTS), models["clip"].embed_texts(TEXTS))


def test_a_processor_alone_is_a_processor(
    folders: Mapping[str, Path], models: Mapping[str, Embedder], tmp_path: Path
) -> None:
    """Without config.json and weights beside it; and it goes before that of the model's own folder."""
    processor = copied(folders["clip"], tmp_path / "processor")
    for name in ("config.json", "model.safetensors"):
        (processor / name).unlink()
    checkpoint = bare_checkpoint(folders["clip"], tmp_path / "checkpoint-500")
    same = load_embedder(str(checkpoint), processor=str(processor))
    np.testing.assert_array_equal(same.embed_images(TINTED), models["clip"].embed_images(TINTED))
    brighten(processor)
    other = load_embedder(str(folders["clip"]), processor=str(processor))
    assert not np.allclose(other.embed_images(TINTED), models["clip"].embed_images(TINTED))
    assert other.fingerprint not in (same.fingerprint, models["clip"].fingerprint)


def test_the_tokenizer_of_another_model_is_refused(folders: Mapping[str, Path], tmp_path: Path) -> None:
    checkpoint = bare_checkpoint(folders["align"], tmp_path / "checkpoint-500")
    with pytest.raises(ModelError, match=r"AlignModel knows \d+ tokens, and its tokenizer gave number 51\d: it is"):
        load_embedder(str(checkpoint), processor=str(folders["clip"]))


def test_a_tokenizer_without_a_limit_is_cut_to_the_positions_or_refused(
    folders: Mapping[str, Path], tmp_path: Path
) -> None:
    folder = copied(folders["clipseg"], tmp_path / "endless")
    change_json(folder / "tokenizer_config.json", lambda content: content.update(model_max_length=10**30))
    model = load_embedder(str(folder))
    assert model.description is not None
    assert model.description.preprocessing["text padding"] == "longest 77"

    class Endless:
        model_max_length = 10**30

    class Model(torch.nn.Module):
        config = SimpleNamespace(model_type="other", text_config=SimpleNamespace())

    with pytest.raises(ModelError, match="says how long a text may be; write model_max_length into tokenizer_config"):
        _max_length(Endless(), Model(), Request("other", folder))


def test_the_fingerprint_is_that_of_the_content_and_not_of_the_name(
    folders: Mapping[str, Path], models: Mapping[str, Embedder], tmp_path: Path
) -> None:
    moved = copied(folders["clip"], tmp_path / "step_40000")
    (moved / "README.md").write_text("# A model card changes no embedding")
    assert load_embedder(str(moved)).fingerprint == models["clip"].fingerprint


def nudge(folder: Path) -> None:
    change_weights(folder, lambda weights: weights["logit_scale"].add_(1e-6))


def brighten(folder: Path) -> None:
    statistics = {"image_mean": [0.4, 0.4, 0.4]}
    change_json(folder / "processor_config.json", lambda content: content["image_processor"].update(statistics))


@pytest.mark.parametrize("change", [nudge, brighten])
def test_the_fingerprint_changes_with_the_content(
    folders: Mapping[str, Path], models: Mapping[str, Embedder], tmp_path: Path, change: Callable[[Path], None]
) -> None:
    folder = copied(folders["clip"], tmp_path / "clip")
    change(folder)
    assert load_embedder(str(folder)).fingerprint != models["clip"].fingerprint


def test_the_fingerprint_changes_with_the_dtype(folders: Mapping[str, Path]) -> None:
    folder = str(folders["clip"])
    found = {load_embedder(folder, dtype=dtype).fingerprint for dtype in ("float32", "float16", "bfloat16")}
    assert len(found) == 3


def test_weights_of_the_older_format_are_told_apart(tmp_path: Path) -> None:
    fingerprints = set()
    for seed in (0, 1):
        folder = build_clip(tmp_path / f"seed-{seed}", seed)
        torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
        fingerprints.add(load_embedder(str(folder)).fingerprint)
    assert len(fingerprints) == 2


def truncate(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def scramble(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"no weights at all" * 10)


def unweight(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def unconfigure(folder: Path) -> None:
    (folder / "config.json").unlink()


def misconfigure(folder: Path) -> None:
    (folder / "config.json").write_text("{ this is no JSON")


def rename(folder: Path) -> None:
    change_json(folder / "config.json", lambda content: content.update(model_type="clap-trap"))


def estrange(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "bert"}')


def unprocess(folder: Path) -> None:
    (folder / "processor_config.json").unlink()


def untokenize(folder: Path) -> None:
    for file in folder.glob("token*"):
        file.unlink()


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "weights cut short": (truncate, "its weights are damaged or cut short ("),
    "weights that are none": (scramble, "its weights are damaged or cut short ("),
    "no weights": (unweight, "no weights there (*.safetensors, *.bin); save"),
    "no config.json": (unconfigure, "no config.json among "),
    "a config.json that is none": (misconfigure, "config.json cannot be used: "),
    "an unknown type": (rename, "config.json cannot be used: "),
    "a text model": (estrange, "a text-only model of type 'bert'; loaded are dual encoders such as clip"),
    "no image processor": (unprocess, "no image processor (preprocessor_config.json or "),
    "no tokenizer": (untokenize, "no tokenizer (tokenizer.json, vocab.json, "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_folder_that_cannot_be_used(folders: Mapping[str, Path], tmp_path: Path, case: str) -> None:
    damage, sentence = REFUSED[case]
    folder = copied(folders["clip"], tmp_path / "clip")
    damage(folder)
    assert refusal(folder).startswith(f"{folder}: {sentence}")


def test_keys_that_do_not_fit_are_refused_in_one_sentence(
    folders: Mapping[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check_keys(folders["clip"], tmp_path, "visual_projection.weight")
    assert not caplog.records


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json among nothing; give a folder that save_pretrained wrote"):
        load_embedder(str(tmp_path))
