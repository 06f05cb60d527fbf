"""open_clip: folders, checkpoints, tags and hub ids, against open_clip itself and the reference's wrapper."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import open_clip
import pytest
import torch
from numpy.typing import NDArray
from open_clip import factory, pretrained
from PIL import Image
from safetensors.torch import load_file, save_file

from pytest_mieb.models import Embedder, ModelError, load_embedder
from pytest_mieb.models.loading.registry import MODELS as MODELS_OF_THE_PAPER
from tests.hub import MODELS, Hub
from tests.models.battery import (
    IMAGES,
    ODD_MODES,
    TEXTS,
    TRANSPARENT,
    assert_same,
    assert_scattered,
    check_images,
    check_texts,
    description_of,
    largest_made,
    noise,
)
from tests.models.families.builders_open_clip import EVA, PREPROCESSING, TINY, TINY_COCA, TINY_EVA, build, save
from tests.models.folders import Change, change_json, change_weights, copied, plus, refusal, without
from tests.models.hub_cache import REVISION, go_offline, lay

ARCHITECTURE = "Tiny-ViT-for-tests"
PREPROCESSING_GIVEN = {
    "mean": "0.4,0.5,0.6",
    "std": "0.2,0.3,0.25",
    "interpolation": "bilinear",
    "resize_mode": "squash",
}


@pytest.fixture(scope="module", autouse=True)
def architecture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make the tiny architecture one that open_clip knows by name."""
    file = tmp_path_factory.mktemp("architectures") / f"{ARCHITECTURE}.json"
    file.write_text(json.dumps(TINY))
    open_clip.add_model_config(file)
    yield
    factory._MODEL_CONFIG_PATHS.remove(file)
    del factory._MODEL_CONFIGS[ARCHITECTURE]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("open_clip")
    configs = {"tiny": TINY, "eva02": TINY_EVA, "coca": TINY_COCA, "quick": TINY | {"quick_gelu": True}}
    return {name: save(build(config), config, root / name) for name, config in configs.items()}


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, Embedder]:
    return {name: load_embedder(str(folder)) for name, folder in folders.items()}


@pytest.fixture(scope="module")
def weights(folders: dict[str, Path]) -> Path:
    return folders["tiny"] / "open_clip_model.safetensors"


def computed(
    name: str, images: Sequence[Image.Image] = IMAGES, **keywords: Any
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Images and texts as open_clip's own functions load and embed them."""
    model, _, transform = open_clip.create_model_and_transforms(name, **keywords)
    model.eval()
    tokens = open_clip.tokenize(list(TEXTS), context_length=76 if name.endswith("coca") else 77)
    with torch.no_grad():
        pixels = torch.stack([transform(image) for image in images])
        return model.encode_image(pixels).numpy(), model.encode_text(tokens).numpy()


def assert_embeds(model: Embedder, expected: tuple[NDArray[np.float32], NDArray[np.float32]]) -> None:
    assert_same(model.embed_images(IMAGES), expected[0])
    assert_same(model.embed_texts(TEXTS), expected[1])


def given(options: dict[str, str]) -> dict[str, Any]:
    """`--mieb-model-arg` as `create_model_and_transforms` calls it."""
    content: dict[str, Any] = {
        f"image_{name}": options[name] for name in ("interpolation", "resize_mode") if name in options
    }
    for name in ("mean", "std"):
        if name in options:
            content[f"image_{name}"] = tuple(float(part) for part in options[name].split(","))
    return content


@pytest.mark.parametrize("name", ["tiny", "eva02", "coca", "quick"])
def test_a_folder_as_open_clip_computes_it(folders: dict[str, Path], models: dict[str, Embedder], name: str) -> None:
    expected = computed(f"local-dir:{folders[name]}")
    for each in expected:
        assert_scattered(each)
    assert_embeds(models[name], expected)


@pytest.mark.parametrize("name", ["tiny", "eva02"])
def test_a_batch_changes_nothing(models: dict[str, Embedder], name: str) -> None:
    check_images(models[name], alpha=None)
    check_texts(models[name])


def test_an_image_with_a_text_is_their_sum(models: dict[str, Embedder]) -> None:
    model = models["tiny"]
    assert model.modalities == {"image", "text"}
    together = model.embed_interleaved(IMAGES[:2], TEXTS[:2])
    np.testing.assert_array_equal(together, model.embed_images(IMAGES[:2]) + model.embed_texts(TEXTS[:2]))


def test_what_was_loaded_is_said(models: dict[str, Embedder]) -> None:
    description = description_of(models["tiny"])
    assert (description.family, description.architecture) == ("open_clip", ARCHITECTURE)
    assert (description.dimension, description.dtype) == (24, "float32")
    assert description.preprocessing == PREPROCESSING | {
        "size": "32x32",
        "activation": "GELU",
        "text": "77 tokens",
    }
    assert description.warnings == ()
    assert description_of(models["quick"]).preprocessing["activation"] == "QuickGELU"
    assert description_of(models["eva02"]).architecture == EVA


def test_weights_of_the_older_format_are_the_same(
    folders: dict[str, Path], models: dict[str, Embedder], tmp_path: Path
) -> None:
    model = load_embedder(str(save(build(TINY), TINY, tmp_path / "older", safe=False)))
    np.testing.assert_array_equal(model.embed_images(IMAGES), models["tiny"].embed_images(IMAGES))


def test_half_precision(folders: dict[str, Path], models: dict[str, Embedder]) -> None:
    model = load_embedder(str(folders["eva02"]), dtype="bfloat16")
    found, exact = model.embed_images(IMAGES), models["eva02"].embed_images(IMAGES)
    assert torch.equal(torch.from_numpy(found).bfloat16().float(), torch.from_numpy(found))
    assert 0 < np.abs(found - exact).max() < 0.2 * np.abs(exact).max()
    assert model.fingerprint != models["eva02"].fingerprint


def test_other_weights_have_another_fingerprint(
    models: dict[str, Embedder], folders: dict[str, Path], tmp_path: Path
) -> None:
    moved = copied(folders["tiny"], tmp_path / "moved")
    assert load_embedder(str(moved)).fingerprint == models["tiny"].fingerprint
    change(moved, lambda content: content["visual.proj"].add_(1e-6))
    assert load_embedder(str(moved)).fingerprint != models["tiny"].fingerprint


# Bare weights: the architecture is named, and the rest given or guessed.


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_a_training_checkpoint(models: dict[str, Embedder], weights: Path, tmp_path: Path, prefix: str) -> None:
    state = {f"{prefix}{name}": value for name, value in load_file(weights).items()}
    file = tmp_path / "epoch_10.pt"
    optimizer = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    torch.save({"epoch": 10, "name": "run", "state_dict": state, "optimizer": optimizer}, file)
    model = load_embedder(f"open_clip:{ARCHITECTURE}@{file}", options=PREPROCESSING_GIVEN)
    np.testing.assert_array_equal(model.embed_images(IMAGES), models["tiny"].embed_images(IMAGES))
    np.testing.assert_array_equal(model.embed_texts(TEXTS), models["tiny"].embed_texts(TEXTS))


@pytest.mark.parametrize("options", [{}, PREPROCESSING_GIVEN, {"mean": "0.5,0.5,0.5"}, {"quick_gelu": "true"}])
def test_bare_weights_as_open_clip_computes_them(weights: Path, options: dict[str, str]) -> None:
    model = load_embedder(f"open_clip:{ARCHITECTURE}@{weights}", options=options)
    quick = "quick_gelu" in options
    assert_embeds(model, computed(ARCHITECTURE, pretrained=str(weights), force_quick_gelu=quick, **given(options)))


def test_images_fitted_by_their_longer_edge(weights: Path) -> None:
    """open_clip fails where nothing is left of the shorter one, as of the last image here."""
    options = {"resize_mode": "longest"}
    model = load_embedder(f"open_clip:{ARCHITECTURE}@{weights}", options=options)
    images, _ = computed(ARCHITECTURE, images=IMAGES[:-1], pretrained=str(weights), **given(options))
    assert_same(model.embed_images(IMAGES[:-1]), images)
    check_images(model, alpha=None)


def test_of_a_very_thin_image_that_is_cropped_little_is_made(weights: Path) -> None:
    model = load_embedder(f"open_clip:{ARCHITECTURE}@{weights}")
    thin = [noise(1, 8000), noise(4000, 2)]
    images, _ = computed(ARCHITECTURE, images=thin, pretrained=str(weights))
    assert_same(model.embed_images(thin), images)
    assert max(largest_made(model, image) for image in thin) < 200_000


def test_what_bare_weights_leave_open_is_guessed_aloud(weights: Path) -> None:
    warnings = description_of(load_embedder(f"open_clip:{ARCHITECTURE}@{weights}", options={"std": "0.3"})).warnings
    assert len(warnings) == 2
    assert "for mean, interpolation, resize_mode open_clip's defaults are taken" in warnings[0]
    assert f"activation: {ARCHITECTURE}'s own is taken, GELU" in warnings[1]
    told = PREPROCESSING_GIVEN | {"quick_gelu": "false"}
    assert description_of(load_embedder(f"open_clip:{ARCHITECTURE}@{weights}", options=told)).warnings == ()


def test_the_guess_names_what_published_weights_of_the_architecture_take(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = pretrained._slpcfg(hf_hub="team/tiny/")
    monkeypatch.setitem(pretrained._PRETRAINED, ARCHITECTURE, {"webli": tag})
    guess = description_of(load_embedder(f"open_clip:{ARCHITECTURE}@{weights}")).warnings[0]
    assert "(webli takes mean=0.5,0.5,0.5, std=0.5,0.5,0.5, resize_mode=squash)" in guess


def test_the_activation_counts(models: dict[str, Embedder], weights: Path) -> None:
    options = PREPROCESSING_GIVEN | {"quick_gelu": "true"}
    quick = load_embedder(f"open_clip:{ARCHITECTURE}@{weights}", options=options)
    np.testing.assert_array_equal(quick.embed_texts(TEXTS), models["quick"].embed_texts(TEXTS))
    assert np.abs(quick.embed_texts(TEXTS) - models["tiny"].embed_texts(TEXTS)).max() > 1e-2


def test_weights_for_another_size_of_pictures_are_refused_until_it_is_given(weights: Path, tmp_path: Path) -> None:
    larger = TINY | {"vision_cfg": TINY["vision_cfg"] | {"image_size": 48}}
    file = tmp_path / "larger.pt"
    torch.save(build(larger).state_dict(), file)
    with pytest.raises(ModelError, match=r"trained on pictures of 48 pixels, and .* takes 32; .*size=48"):
        load_embedder(f"open_clip:{ARCHITECTURE}@{file}")
    as_trained = load_embedder(f"open_clip:{ARCHITECTURE}@{file}", options={"size": "48"})
    assert_embeds(as_trained, computed(ARCHITECTURE, pretrained=str(file), force_image_size=48))
    assert not any("resized" in warning for warning in description_of(as_trained).warnings)
    resized = load_embedder(f"open_clip:{ARCHITECTURE}@{file}", options={"size": "64"})
    assert_embeds(resized, computed(ARCHITECTURE, pretrained=str(file), force_image_size=64))
    assert "trained on pictures of 48 pixels: its positional embeddings are resized" in description_of(resized).warnings
    assert description_of(resized).preprocessing["size"] == "64x64"


def test_a_tower_of_timm_at_another_size(folders: dict[str, Path]) -> None:
    model = load_embedder(str(folders["eva02"]), options={"size": "64"})
    assert_embeds(model, computed(f"local-dir:{folders['eva02']}", force_image_size=64))
    assert f"{EVA} takes another size" in description_of(model).warnings[0]


def test_biases_of_the_loss_are_no_reason_to_refuse(models: dict[str, Embedder], weights: Path, tmp_path: Path) -> None:
    """Training with SigLIP's loss adds one to any architecture."""
    file = tmp_path / "siglip_loss.pt"
    torch.save(load_file(weights) | {"logit_bias": torch.tensor([-10.0])}, file)
    model = load_embedder(f"open_clip:{ARCHITECTURE}@{file}", options=PREPROCESSING_GIVEN)
    np.testing.assert_array_equal(model.embed_images(IMAGES), models["tiny"].embed_images(IMAGES))


def test_a_text_tower_in_the_older_layout(
    folders: dict[str, Path], models: dict[str, Embedder], tmp_path: Path
) -> None:
    folder = copied(folders["eva02"], tmp_path / "older")
    state = load_file(folder / "open_clip_model.safetensors")
    save_file(
        {name.removeprefix("text."): value for name, value in state.items()}, folder / "open_clip_model.safetensors"
    )
    assert_same(load_embedder(str(folder)).embed_texts(TEXTS), models["eva02"].embed_texts(TEXTS))


# By name: tags of open_clip and hub ids, from a cache.


@pytest.fixture
def cache(folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub's cache with the tiny model, and a tag of open_clip that lies there and states other preprocessing."""
    go_offline(monkeypatch, tmp_path / "hub")
    lay(tmp_path / "hub", "team/tiny", folders["tiny"])
    tag = pretrained._pcfg(hf_hub="team/tiny/", mean=(0.5,) * 3, std=(0.25,) * 3, quick_gelu=True)
    elsewhere = pretrained._pcfg(url="https://example.org/tiny.pt")
    monkeypatch.setitem(pretrained._PRETRAINED, ARCHITECTURE, {"first_1m": tag, "elsewhere": elsewhere})
    return tmp_path / "hub"


def test_a_pretrained_tag_has_its_own_preprocessing_and_activation(cache: Path, weights: Path) -> None:
    model = load_embedder(f"open_clip:{ARCHITECTURE}/first_1m", revision=REVISION)
    stated: dict[str, Any] = {"force_quick_gelu": True, "image_mean": (0.5,) * 3, "image_std": (0.25,) * 3}
    assert_embeds(model, computed(ARCHITECTURE, pretrained=str(weights), **stated))
    description = description_of(model)
    assert description.architecture == f"{ARCHITECTURE}/first_1m"
    assert description.version == f"revision {REVISION[:12]}"
    assert description.preprocessing["activation"] == "QuickGELU"
    assert description.warnings == ()


def test_a_hub_id_is_the_folder_that_it_holds(cache: Path, models: dict[str, Embedder]) -> None:
    for model in (load_embedder("open_clip:team/tiny"), load_embedder("team/tiny", revision=REVISION)):
        np.testing.assert_array_equal(model.embed_images(IMAGES), models["tiny"].embed_images(IMAGES))
        assert description_of(model).preprocessing == description_of(models["tiny"]).preprocessing


def test_a_repository_of_the_older_format(cache: Path, models: dict[str, Embedder], tmp_path: Path) -> None:
    lay(cache, "team/older", save(build(TINY), TINY, tmp_path / "older", safe=False))
    model = load_embedder("open_clip:team/older")
    np.testing.assert_array_equal(model.embed_images(IMAGES), models["tiny"].embed_images(IMAGES))


NAMES = {
    "open_clip:ViT-B-23@{weights}": "no architecture 'ViT-B-23'. Did you mean ViT-B-32",
    "open_clip:vit-b-32/openai": "no architecture 'vit-b-32'. Did you mean ViT-B-32",
    "open_clip:Something-else/openai": "no architecture 'Something-else'.",
    f"open_clip:{ARCHITECTURE}": f"name some: open_clip:{ARCHITECTURE}@FILE or",
    f"open_clip:{ARCHITECTURE}/first_2m": "tag 'first_2m'. Did you mean first_1m? Legal are first_1m, elsewhere",
    f"open_clip:{ARCHITECTURE}/elsewhere": "not on the hub; download https://example.org/tiny.pt and give",
    "open_clip:team/gone": "the hub was not reached and the model is not cached",
}


@pytest.mark.parametrize("spec", NAMES)
def test_a_name_that_means_nothing(cache: Path, weights: Path, spec: str) -> None:
    assert NAMES[spec] in refusal(spec.format(weights=weights))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"interpolation": "nearest"}, "interpolation=nearest: legal are bicubic, bilinear"),
        ({"resize_mode": "crop"}, "resize_mode=crop: legal are shortest, longest, squash"),
        ({"quick_gelu": "yes"}, "quick_gelu=yes: legal are true, false"),
        ({"size": "big"}, "size=big: give the side of the picture in pixels"),
        ({"quickgelu": "true"}, "did you mean quick_gelu"),
    ],
)
def test_an_option_that_means_nothing(weights: Path, options: dict[str, str], sentence: str) -> None:
    assert sentence in refusal(f"open_clip:{ARCHITECTURE}@{weights}", options=options)


def test_open_clip_knows_the_models_of_the_registry() -> None:
    known = [model for model in MODELS_OF_THE_PAPER if model.family == "open_clip" and model.architecture.count("/")]
    tags = [tuple(model.architecture.split("/")) for model in known if not model.architecture.startswith("laion/")]
    assert len(tags) == 4
    assert all(pretrained.get_pretrained_cfg(*tag).get("hf_hub") for tag in tags)


# Weights and folders that cannot be used.


def change(folder: Path, change: Change) -> None:
    change_weights(folder, change, "open_clip_model.safetensors")


def reconfigure(folder: Path, change: Change) -> None:
    change_json(folder / "open_clip_config.json", change)


def unsafe(folder: Path) -> None:
    (folder / "open_clip_model.safetensors").unlink()
    torch.save({"state_dict": {}, "model": object}, folder / "open_clip_pytorch_model.bin")


def script(folder: Path) -> None:
    """What tells a TorchScript archive from another one."""
    (folder / "open_clip_model.safetensors").unlink()
    with ZipFile(folder / "open_clip_pytorch_model.bin", "w") as archive:
        archive.writestr("model/constants.pkl", b"")


def plain(folder: Path) -> None:
    (folder / "open_clip_model.safetensors").unlink()
    torch.save({"epoch": 3, "args": "none"}, folder / "open_clip_pytorch_model.bin")


def twice(folder: Path) -> None:
    file = folder / "open_clip_model.safetensors"
    file.rename(folder / "epoch_1.safetensors")
    shutil.copy(folder / "epoch_1.safetensors", folder / "epoch_2.safetensors")


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (
        lambda folder: change(folder, without("visual.proj")),
        f"weights and {ARCHITECTURE} do not fit: 1 missing keys (visual.proj ...)",
    ),
    "unexpected": (
        lambda folder: change(folder, plus("more")),
        "1 unexpected keys (more ...)",
    ),
    "mismatched": (
        lambda folder: change(folder, plus("visual.proj", 64, 25)),
        "1 mismatched keys (visual.proj ...)",
    ),
    "shorter texts": (
        lambda folder: change(folder, plus("positional_embedding", 50, 32)),
        "1 mismatched keys (positional_embedding ...)",
    ),
    "cut short": (
        lambda folder: (folder / "open_clip_model.safetensors").write_bytes(b"1234567"),
        "its weights are damaged or cut short (",
    ),
    "code": (unsafe, "which would have to run as code; save nothing but tensors"),
    "TorchScript": (script, "a TorchScript archive, which would run code"),
    "no weights inside": (plain, "holds no state dict: epoch, args are no tensors"),
    "no weights": (
        lambda folder: (folder / "open_clip_model.safetensors").unlink(),
        "no weights; it should hold open_clip_model.safetensors",
    ),
    "several weights": (twice, "ambiguous weights: epoch_1.safetensors, epoch_2.safetensors"),
    "no model_cfg": (
        lambda folder: reconfigure(folder, lambda content: content.pop("model_cfg")),
        "its model_cfg lacks",
    ),
    "an unknown setting": (
        lambda folder: reconfigure(folder, lambda content: content["model_cfg"].update(depth=3)),
        "cannot be loaded: ",
    ),
    "an unknown tower": (
        lambda folder: reconfigure(
            folder, lambda content: content["model_cfg"]["vision_cfg"].update(timm_model_name="vit_none")
        ),
        "cannot be loaded: Unknown model",
    ),
    "an unknown interpolation": (
        lambda folder: reconfigure(folder, lambda content: content["preprocess_cfg"].update(interpolation="lanczos")),
        "interpolation is 'lanczos'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_folder_that_cannot_be_used(folders: dict[str, Path], tmp_path: Path, case: str) -> None:
    damage, sentence = REFUSED[case]
    folder = copied(folders["tiny"], tmp_path / "damaged")
    damage(folder)
    said = refusal(folder)
    assert said.startswith(str(folder))
    assert sentence in said


def test_a_configuration_without_statistics_is_completed_aloud(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(folders["tiny"], tmp_path / "silent")
    reconfigure(folder, lambda content: content.pop("preprocess_cfg"))
    model = load_embedder(str(folder))
    assert description_of(model).warnings == (
        "open_clip_config.json does not state mean and std: those of OpenAI's CLIP are taken",
    )
    assert_embeds(model, computed(f"local-dir:{folder}"))


def test_a_folder_that_transformers_can_read_too(
    folders: dict[str, Path], models: dict[str, Embedder], tmp_path: Path
) -> None:
    """LAION's repositories hold both, and the weights of both."""
    folder = copied(folders["tiny"], tmp_path / "both")
    (folder / "config.json").write_text('{"model_type": "clip"}')
    save_file({"logit_scale": torch.ones(1)}, folder / "model.safetensors")
    model = load_embedder(f"open_clip:{folder}")
    np.testing.assert_array_equal(model.embed_images(IMAGES), models["tiny"].embed_images(IMAGES))


# Text towers and tokenizers of transformers.


@pytest.fixture(scope="module")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configuration and tokenizer of a text tower, as the hub holds them."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, RobertaConfig

    folder = tmp_path_factory.mktemp("roberta")
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(
        models.BPE(vocab={piece: number for number, piece in enumerate(pieces)}, merges=[], unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=77, **special).save_pretrained(folder)
    RobertaConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=80,
        pad_token_id=1,
    ).save_pretrained(folder)
    return folder


def test_a_text_tower_of_transformers(roberta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its configuration and its tokenizer come from the hub, its weights do not."""
    from transformers import AutoTokenizer

    text = {
        "hf_model_name": str(roberta),
        "hf_tokenizer_name": str(roberta),
        "hf_proj_type": "mlp",
        "hf_pooler_type": "mean_pooler",
    }
    config = TINY | {"text_cfg": text | {"hf_model_pretrained": False}, "custom_text": True}
    model = build(config)
    on_hub = text | {"hf_model_name": "team/roberta", "hf_tokenizer_name": "team/roberta"}
    folder = save(model, TINY | {"text_cfg": on_hub}, tmp_path / "roberta-ViT")
    go_offline(monkeypatch, tmp_path / "hub")
    with pytest.raises(ModelError, match="the configuration of the text tower team/roberta: the hub was not reached"):
        load_embedder(str(folder))
    lay(tmp_path / "hub", "team/roberta", roberta)
    found = load_embedder(str(folder))
    assert description_of(found).preprocessing["text"] == "77 tokens, team/roberta"
    texts = [" ".join(text.split()) for text in TEXTS]
    tokens = AutoTokenizer.from_pretrained(roberta)(
        texts, padding="max_length", truncation=True, max_length=77, return_tensors="pt"
    )
    with torch.no_grad():
        expected = model.encode_text(tokens["input_ids"]).numpy()
    assert_scattered(expected)
    assert_same(found.embed_texts(TEXTS), expected)


def test_a_text_tower_with_code_of_its_own_is_refused(folders: dict[str, Path], roberta: Path, tmp_path: Path) -> None:
    tower = copied(roberta, tmp_path / "tower")
    (tower / "config.json").write_text('{"model_type": "roberta", "auto_map": {"AutoModel": "code.Model"}}')
    folder = copied(folders["tiny"], tmp_path / "folder")
    reconfigure(folder, lambda content: content["model_cfg"]["text_cfg"].update(hf_model_name=str(tower)))
    with pytest.raises(ModelError, match="comes with code of its own"):
        load_embedder(str(folder))


def test_texts_are_not_cut_at_random(folders: dict[str, Path], models: dict[str, Embedder], tmp_path: Path) -> None:
    folder = copied(folders["tiny"], tmp_path / "masked")
    options = {"tokenizer_kwargs": {"reduction_mask": "random"}}
    reconfigure(folder, lambda content: content["model_cfg"]["text_cfg"].update(options))
    model = load_embedder(str(folder))
    np.testing.assert_array_equal(model.embed_texts(TEXTS), models["tiny"].embed_texts(TEXTS))
    assert "long texts are cut at their end" in description_of(model).warnings[0]


# The reference, and a hub over HTTP.


@pytest.mark.filterwarnings(
    "ignore:`torch.cuda.amp.autocast:FutureWarning", "ignore:CUDA is not available", "ignore:Palette images with"
)
@pytest.mark.parametrize("name", ["tiny", "eva02"])
def test_the_reference_wrapper_embeds_alike(
    folders: dict[str, Path], models: dict[str, Embedder], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its wrapper for EVA02 needs a checkout of EVA-CLIP, so EVA02 goes through the one for open_clip here, too."""
    from mteb.models.model_implementations.openclip_models import openclip_loader

    def as_folder(model: str) -> tuple[str, str]:
        return "local-dir", model.removeprefix("hf-hub:")

    monkeypatch.setattr(factory, "parse_model_name", as_folder)
    wrapper: Any = openclip_loader(str(folders[name]), revision="", device="cpu")
    images = wrapper.get_image_embeddings([{"image": list(IMAGES)}], show_progress_bar=False)
    texts = wrapper.get_text_embeddings([{"text": list(TEXTS)}], show_progress_bar=False)
    assert_embeds(models[name], (images.numpy(), texts.numpy()))
    odd = [*TRANSPARENT.values(), *ODD_MODES.values()]
    assert_same(models[name].embed_images(odd), wrapper.get_image_embeddings([{"image": odd}], show_progress_bar=False))


OVER_HTTP = """
import sys
import numpy as np
from PIL import Image
from pytest_mieb.models import load_embedder
model = load_embedder("open_clip:team/tiny", revision=sys.argv[1])
print(model.description.version)
image = Image.open(sys.argv[2])
np.save(sys.argv[3], model.embed_images([image]))
"""


def test_of_a_repository_on_the_hub_one_format_is_fetched(
    folders: dict[str, Path], models: dict[str, Embedder], tmp_path: Path
) -> None:
    served = tmp_path / MODELS / "team" / "tiny"
    shutil.copytree(folders["tiny"], served)
    for name in ("open_clip_pytorch_model.bin", "model.safetensors", "pytorch_model.bin"):
        (served / name).write_bytes(b"not to be fetched")
    IMAGES[1].save(tmp_path / "image.png")
    with Hub(tmp_path) as hub:
        files = str(tmp_path / "image.png"), str(tmp_path / "found.npy")
        command = [sys.executable, "-c", OVER_HTTP, REVISION, *files]
        done = subprocess.run(
            command, env=hub.environment(tmp_path / "home"), capture_output=True, text=True, check=False
        )
        fetched = hub.downloads("team/tiny")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["revision", REVISION[:12]]
    assert sorted(fetched) == ["team/tiny/open_clip_config.json", "team/tiny/open_clip_model.safetensors"]
    assert_same(np.load(tmp_path / "found.npy"), models["tiny"].embed_images([Image.open(tmp_path / "image.png")]))
