"""VLM2Vec from a folder with code of its own, against a plain computation and the reference's wrapper."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers.dynamic_module_utils
from mteb.models.model_implementations.vlm2vec_models import VLM2VecWrapper
from numpy.typing import NDArray
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoProcessor

from pytest_mieb.models import Embedder, ModelError, load_embedder
from pytest_mieb.models.families import vlm2vec
from tests.models.batches import Batches, columns, embed
from tests.models.battery import (
    IMAGES,
    TEXTS,
    TRANSPARENT,
    assert_same,
    assert_scattered,
    check_images,
    check_interleaved,
    check_texts,
)
from tests.models.families.builders_mllm import build_vlm2vec
from tests.models.folders import change_json, check_keys, code_of, copied

IMAGE = "<|image_1|> Represent the given image."
BOTH = "<|image_1|> Represent the given image with the following question: "
SHORT = (TEXTS[0], TEXTS[1], TEXTS[5], TEXTS[3])  # none empty: the reference makes no token of it, and fails

pytestmark = pytest.mark.usefixtures("code_cache")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_vlm2vec(tmp_path_factory.mktemp("vlm2vec") / "model")


@pytest.fixture(scope="module")
def model(folder: Path) -> Embedder:
    return load_embedder(str(folder), dtype="float32", trust_remote_code=True)


@pytest.fixture(scope="module")
def decoder(folder: Path) -> Any:
    config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
    config._attn_implementation = "eager"
    return AutoModelForCausalLM.from_pretrained(
        folder, config=config, dtype=torch.float32, trust_remote_code=True
    ).eval()


@pytest.fixture(scope="module")
def processor(folder: Path) -> Any:
    return AutoProcessor.from_pretrained(folder, trust_remote_code=True, num_crops=4)


def last(decoder: Any, inputs: Any) -> NDArray[np.float32]:
    """One sequence without padding."""
    with torch.inference_mode():
        state = decoder(**inputs, output_hidden_states=True).hidden_states[-1][0, -1]
    return (state / state.norm()).numpy()


def test_texts_as_computed_by_hand(model: Embedder, decoder: Any, processor: Any) -> None:
    tokens = [processor.tokenizer(text)["input_ids"][:256] for text in SHORT]
    assert max(map(len, tokens)) == 256
    expected = [
        last(decoder, {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)})
        for ids in tokens
    ]
    assert_scattered(np.stack(expected))
    assert_same(model.embed_texts(SHORT), expected)


def test_images_as_computed_by_hand(model: Embedder, decoder: Any, processor: Any) -> None:
    inputs = [processor(IMAGE, [image]) for image in IMAGES]
    assert max(int(each["image_sizes"][0, 1]) for each in inputs) == 4 * 28  # four crops were asked for, not one
    expected = [last(decoder, each) for each in inputs]
    assert_scattered(np.stack(expected))
    assert_same(model.embed_images(IMAGES), expected)


def test_images_with_texts_as_computed_by_hand(model: Embedder, decoder: Any, processor: Any) -> None:
    images = IMAGES[: len(SHORT)]
    expected = [last(decoder, processor(BOTH + text, [image])) for image, text in zip(images, SHORT, strict=True)]
    assert_scattered(np.stack(expected))
    assert_same(model.embed_interleaved(images, SHORT), expected)


def test_whatever_is_embedded_together(model: Embedder) -> None:
    assert model.modalities == {"image", "text", "interleaved"}
    check_images(model)
    check_texts(model)
    check_interleaved(model, texts=(*SHORT, ""))


@pytest.mark.parametrize("what", ["images", "texts", "both"])
def test_as_the_reference_embeds(model: Embedder, decoder: Any, processor: Any, what: str) -> None:
    # Its constructor takes configuration and processor from the hub only, and needs flash attention.
    wrapper: Any = VLM2VecWrapper.__new__(VLM2VecWrapper)
    wrapper.mdl, wrapper.processor, wrapper.device = decoder, processor, "cpu"
    wrapper.pooling, wrapper.normalize = "last", True
    images, texts = [*IMAGES[:4], *TRANSPARENT.values()], [*SHORT, *["a dog"] * len(TRANSPARENT)]
    expected = [
        # One by one: the tests' small model takes one picture at a time.
        wrapper.encode(
            Batches(**{name: [values[row]] for name, values in columns(what, images, texts).items()}),
            task_metadata=None,
            hf_split="",
            hf_subset="",
        )[0].numpy()
        for row in range(len(images))
    ]
    assert_same(embed(model, what, images, texts), expected)


def test_an_image_token_in_a_text_is_taken_out(model: Embedder) -> None:
    found = model.embed_interleaved(IMAGES[:1], ["a <|image_2|>dog"])
    assert_same(found, model.embed_interleaved(IMAGES[:1], ["a dog"]))


def test_bfloat16_is_its_own(folder: Path, model: Embedder) -> None:
    own = load_embedder(str(folder), trust_remote_code=True)
    assert own.description is not None
    assert (own.description.family, own.description.dimension, own.description.dtype) == ("VLM2Vec", 32, "bfloat16")
    assert own.description.preprocessing["crops"] == 4
    assert own.fingerprint != model.fingerprint
    assert 0 < np.abs(own.embed_images(IMAGES) - model.embed_images(IMAGES)).max() < 0.2


def test_code_that_is_not_trusted_neither_runs_nor_is_asked_about(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copied(folder, tmp_path / "model")
    for file in copy.glob("*.py"):
        file.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")

    def asked(*question: object) -> str:
        raise AssertionError(question)

    monkeypatch.setattr(builtins, "input", asked)
    with pytest.raises(ModelError, match="give --mieb-trust-remote-code to run it"):
        load_embedder(str(copy))
    assert not (tmp_path / "ran").exists()
    with pytest.raises(ModelError, match="cannot be loaded"):  # it is that code which would run
        load_embedder(str(copy), trust_remote_code=True)
    assert (tmp_path / "ran").exists()


def test_the_fingerprint_is_also_that_of_the_code(folder: Path, model: Embedder, tmp_path: Path) -> None:
    copy = copied(folder, tmp_path / "model")
    assert load_embedder(str(copy), dtype="float32", trust_remote_code=True).fingerprint == model.fingerprint
    with open(copy / "modeling_phi3_v.py", "a") as code:
        code.write("# another line\n")
    assert load_embedder(str(copy), dtype="float32", trust_remote_code=True).fingerprint != model.fingerprint


def test_a_processor_that_is_missing_is_the_base_models(
    folder: Path, model: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = copied(folder, tmp_path / "bare")
    for name in ("preprocessor_config.json", "processor_config.json", "tokenizer.json"):
        (bare / name).unlink()
    fetched = []

    def download(repository: str, revision: str, **_: Any) -> Path:
        fetched.append((repository, revision))
        return folder

    monkeypatch.setattr(vlm2vec, "download", download)
    own = load_embedder(str(bare), dtype="float32", trust_remote_code=True)
    assert fetched == [("microsoft/Phi-3.5-vision-instruct", "4a0d683eba9f1d0cbfb6151705d1ee73c25a80ca")]
    assert_same(own.embed_images(IMAGES), model.embed_images(IMAGES))


@pytest.mark.parametrize("referring", ["config.json", "preprocessor_config.json"])
def test_code_from_another_repository_is_pinned(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, referring: str
) -> None:
    """What transformers saves names the base model's repository, whose code could change any day."""
    from transformers.models.auto import auto_factory, configuration_auto, image_processing_auto, processing_auto

    # A folder of another name: what this process has imported for the first one is not fetched again.
    copy = copied(folder, tmp_path / referring.partition(".")[0])
    change_json(copy / referring, code_of("org/base"))
    fetched = []
    real = transformers.dynamic_module_utils.get_class_from_dynamic_module

    def fetch(reference: str, place: Any, code_revision: str | None = None, **keywords: Any) -> Any:
        fetched.append((reference, code_revision))
        return real(reference.partition("--")[2] or reference, place, **keywords)

    for module in (auto_factory, configuration_auto, image_processing_auto, processing_auto):
        monkeypatch.setattr(module, "get_class_from_dynamic_module", fetch)
    monkeypatch.setattr(vlm2vec, "download", lambda *_, **__: folder)
    load_embedder(str(copy), trust_remote_code=True)
    elsewhere = {(reference, revision) for reference, revision in fetched if "--" in reference}
    names = ("configuration_phi3_v.Phi3VConfig", "modeling_phi3_v.Phi3VForCausalLM")
    pinned = {(f"org/base--{name}", "4a0d683eba9f1d0cbfb6151705d1ee73c25a80ca") for name in names}
    assert elsewhere == (pinned if referring == "config.json" else set())


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks for it
def test_an_adapter_is_merged(folder: Path, decoder: Any, processor: Any, tmp_path: Path) -> None:
    torch.manual_seed(1)
    name = "model.layers.{}.qkv_proj"
    down, up = torch.randn(2, 4, 32), torch.randn(2, 96, 4)
    content = {}
    for layer in range(2):
        content[f"base_model.model.{name.format(layer)}.lora_A.weight"] = down[layer].clone()
        content[f"base_model.model.{name.format(layer)}.lora_B.weight"] = up[layer].clone()
    save_file(content, tmp_path / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["qkv_proj"]}
    config |= {"base_model_name_or_path": str(folder), "task_type": None}
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    adapted = load_embedder(str(tmp_path), dtype="float32", trust_remote_code=True)
    merged = type(decoder)(decoder.config).eval()
    merged.load_state_dict(decoder.state_dict())
    with torch.no_grad():
        for layer in range(2):
            merged.get_submodule(name.format(layer)).weight += 8 / 4 * up[layer] @ down[layer]
    expected = [last(merged, processor(IMAGE, [image])) for image in IMAGES]
    assert_scattered(np.stack(expected))
    assert_same(adapted.embed_images(IMAGES), expected)


def test_keys_that_do_not_fit_are_refused(folder: Path, tmp_path: Path) -> None:
    check_keys(folder, tmp_path, "model.norm.weight", trust_remote_code=True)


def test_it_takes_no_options(folder: Path) -> None:
    with pytest.raises(ModelError, match="this model takes no crops; legal are none"):
        load_embedder(str(folder), trust_remote_code=True, options={"crops": "16"})
