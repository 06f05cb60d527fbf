"""What lies in a folder, told without loading it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pytest_mieb.models import ModelError, load_embedder
from pytest_mieb.models.loading.recognition import recognise
from tests.models.families.builders_mllm import build_e5v, build_gme


def lay(folder: Path, **files: Mapping[str, object] | str) -> Path:
    """Write files; a name's first underscores in a row of two stand for a slash, its last one for the dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        stem, _, suffix = name.rpartition("_")
        path = folder / f"{stem.replace('__', '/')}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("files", "family"),
    [
        ({"config_json": {"model_type": "clip", "architectures": ["CLIPModel"]}}, "dual_encoder"),
        ({"config_json": {"model_type": "siglip2"}}, "dual_encoder"),
        ({"config_json": {"model_type": "align"}}, "dual_encoder"),
        ({"config_json": {"model_type": "dinov2"}}, "vision"),
        ({"config_json": {"model_type": "blip"}}, "blip"),
        ({"config_json": {"model_type": "blip-2"}}, "blip2"),
        ({"config_json": {"model_type": "qwen2_vl"}}, "mllm"),
        ({"config_json": {"model_type": "qwen2_vl"}, "gme_inference_py": ""}, "gme"),
        ({"config_json": {"model_type": "qwen2_vl", "architectures": ["GmeQwen2VL"]}}, "gme"),
        ({"config_json": {"model_type": "qwen2_vl", "_name_or_path": "Alibaba-NLP/gme-Qwen2-VL-2B-Instruct"}}, "gme"),
        ({"config_json": {"model_type": "qwen2_vl", "_name_or_path": "Qwen/Qwen2-VL-2B-Instruct"}}, "mllm"),
        ({"config_json": {"model_type": "qwen2_vl"}, "README_md": "base_model: x/GME-Qwen2-VL-7B"}, "gme"),
        ({"config_json": {"model_type": "llava_next"}}, "mllm"),
        ({"config_json": {"model_type": "llava_next"}, "README_md": "# E5-V: Universal Embeddings"}, "e5v"),
        ({"config_json": {"model_type": "llava_next", "_name_or_path": "royokong/e5-v"}}, "e5v"),
        ({"config_json": {"model_type": "llava_next", "_name_or_path": "runs/e5-vision"}}, "mllm"),
        ({"config_json": {"model_type": "phi3_v"}, "README_md": "# VLM2Vec"}, "vlm2vec"),
        ({"modules_json": [{"type": "sentence_transformers.models.Transformer"}]}, "sentence_transformers"),
        (
            {
                "modules_json": [{"type": "sentence_transformers.models.CLIPModel"}],
                "config_json": {"model_type": "clip"},
            },
            "sentence_transformers",
        ),
        ({"modules_json": [{"type": "custom_st.Transformer"}]}, "sentence_transformers"),
        (
            {
                "modules_json": [{"type": "sentence_transformers.models.Transformer"}],
                "adapter_config_json": {"peft_type": "LORA"},
                "adapter_model_safetensors": "",
            },
            "sentence_transformers",
        ),
        (
            {"modules_json": [{"type": "custom_st.Transformer"}], "config_json": {"model_type": "jina_clip"}},
            "jina_clip",
        ),
        (
            {
                "modules_json": [{"type": "custom_st.MultiModalTransformer"}],
                "config_json": {"model_type": "qwen2_vl"},
                "gme_inference_py": "",
            },
            "gme",
        ),
        ({"config_json": {"architecture": "resnet18", "num_features": 512}}, "timm"),
        ({"open_clip_config_json": {"model_cfg": {}}}, "open_clip"),
        ({"adapter_config_json": {"peft_type": "LORA"}, "adapter_model_safetensors": ""}, "adapter"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_family_is_told_by_its_files(tmp_path: Path, files: dict[str, object], family: str) -> None:
    assert recognise(lay(tmp_path, **files)).family == family  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "family"), [("qwen2_vl", "gme"), ("llava_next", "e5v"), ("phi3_v", "vlm2vec")])
def test_what_the_files_do_not_say_the_user_may(tmp_path: Path, kind: str, family: str) -> None:
    folder = lay(tmp_path, config_json={"model_type": kind})
    assert recognise(folder, told=family).family == family
    with pytest.raises(ModelError) as refusal:
        recognise(folder, told="gmee")
    assert str(refusal.value) == (
        f"--mieb-model-arg=family=gmee: {folder} is of type {kind}; legal are e5v for a model of type llava_next and "
        "gme for a model of type qwen2_vl and vlm2vec for a model of type phi3_v"
    )


def test_an_adapter_may_say_of_which_family_it_and_its_base_are(tmp_path: Path) -> None:
    base = lay(tmp_path / "base", config_json={"model_type": "phi3_v"})
    with pytest.raises(ModelError, match=r"does not say that it is VLM2Vec; .*--mieb-model-arg=family=vlm2vec"):
        recognise(base)
    assert recognise(base, adapter=lay(tmp_path / "lora", README_md="# VLM2Vec-LoRA")).family == "vlm2vec"


def test_in_the_cache_of_the_hub_the_repository_says_what_it_is(tmp_path: Path) -> None:
    for name, family in (("models--x--gme-Qwen2-VL-2B-ours", "gme"), ("models--x--Qwen2-VL-2B", "mllm")):
        folder = lay(tmp_path / name / "snapshots" / ("0" * 40), config_json={"model_type": "qwen2_vl"})
        assert recognise(folder).family == family


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"config_json": {"model_type": "colpali"}}, "colpali"),
        ({"config_json": {"model_type": "colqwen2", "architectures": ["ColQwen2ForRetrieval"]}}, "colqwen2"),
        ({"config_json": {"model_type": "paligemma", "architectures": ["ColPali"]}}, "ColPali"),
        ({"config_json": {"model_type": "bert", "architectures": ["HF_ColBERT"]}}, "HF_ColBERT"),
        (
            {"adapter_config_json": {"peft_type": "LORA", "base_model_name_or_path": "vidore/colqwen2.5-base"}},
            "colqwen2",
        ),
        (
            {
                "adapter_config_json": {
                    "base_model_name_or_path": "HuggingFaceTB/SmolVLM-256M-Base",
                    "auto_mapping": {"base_model_class": "ColIdefics3", "parent_library": "colpali_engine.models"},
                }
            },
            "ColIdefics3",
        ),
        (
            {
                "modules_json": [{"type": "sentence_transformers.models.Transformer"}],
                "config_sentence_transformers_json": {"model_type": "MultiVectorEncoder"},
            },
            "MultiVectorEncoder",
        ),
        (
            {"modules_json": [{"type": "sentence_transformers.models.Transformer"}, {"type": "pylate.models.Dense"}]},
            "pylate.models.Dense",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_late_interaction_is_refused_by_its_name(tmp_path: Path, files: dict[str, object], named: str) -> None:
    with pytest.raises(ModelError) as refusal:
        recognise(lay(tmp_path, **files))  # type: ignore[arg-type]
    assert str(refusal.value).startswith(f"{tmp_path}: a late-interaction model ({named}), which gives several vectors")


@pytest.mark.parametrize("name", ["color_clip", "collie", "protocol", "dinov2"])
def test_a_name_that_only_begins_alike_is_none(tmp_path: Path, name: str) -> None:
    folder = lay(tmp_path, config_json={"model_type": "dinov2", "architectures": [name]})
    assert recognise(folder).family == "vision"


def test_both_of_open_clip_and_transformers_is_ambiguous_until_one_is_named(tmp_path: Path) -> None:
    folder = lay(tmp_path, config_json={"model_type": "clip"}, open_clip_config_json={})
    with pytest.raises(ModelError) as refusal:
        recognise(folder)
    assert str(refusal.value) == (
        f"{folder}: ambiguous, it holds a model of open_clip (open_clip_config.json) and one of transformers "
        f"(config.json); say which with --mieb-model=open_clip:{folder} or --mieb-model=hf:{folder}"
    )
    assert recognise(folder, transformers=True).family == "dual_encoder"


REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "nothing": ({}, "no config.json among nothing; give a folder that save_pretrained wrote"),
    "a model in a folder inside": (
        {"checkpoint-10__config_json": {"model_type": "clip"}},
        "no config.json among checkpoint-10; give a folder that save_pretrained wrote, such as {folder}/checkpoint-10",
    ),
    "a run of open_clip": (
        {"checkpoints__epoch1_pt": ""},
        "no config.json among checkpoints; give a folder that save_pretrained wrote; an open_clip checkpoint is given "
        "with its architecture: --mieb-model=open_clip:ARCH@{folder}/checkpoints/epoch1.pt",
    ),
    "weights alone": (
        {"model_safetensors": ""},
        "no config.json among model.safetensors; give a folder that save_pretrained wrote; model.safetensors alone "
        "does not say of which architecture it is",
    ),
    "a text model": ({"config_json": {"model_type": "bert"}}, "a text-only model of type 'bert'; loaded are "),
    "no JSON": ({"config_json": "{ this is no JSON"}, "config.json cannot be used: "),
    "a list": ({"config_json": "[]"}, "config.json cannot be used: it holds no object"),
    "no type": ({"config_json": {"hidden_size": 8}}, "config.json cannot be used: it has neither model_type"),
    "an unknown type": ({"config_json": {"model_type": "clap-trap"}}, "config.json cannot be used: "),
    "an adapter in a model": (
        {"adapter_config_json": {}, "model_safetensors": ""},
        "ambiguous, it holds a PEFT adapter (adapter_config.json) and a whole model (adapter_config.json, "
        "model.safetensors); keep one of the two in the folder",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_recognised_is_listed_with_what_would_be_needed(tmp_path: Path, case: str) -> None:
    files, sentence = REFUSED[case]
    folder = lay(tmp_path / "model", **files)  # type: ignore[arg-type]
    with pytest.raises(ModelError) as refusal:
        recognise(folder)
    assert str(refusal.value).startswith(f"{folder}: {sentence.format(folder=folder)}")
    assert "\n" not in str(refusal.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder; give one that save_pretrained wrote"):
        recognise(tmp_path / "gone")


PROMPTS = {"text_prompt": "{text} is", "image_prompt": "<image>is"}


@pytest.mark.parametrize(
    ("build", "marker", "kind", "family"),
    [(build_gme, "gme_inference.py", "qwen2_vl", "gme"), (build_e5v, "README.md", "llava_next", "e5v")],
)
def test_one_that_does_not_say_that_it_was_tuned_so_needs_prompts(
    tmp_path: Path, build: Callable[[Path], Path], marker: str, kind: str, family: str
) -> None:
    folder = build(tmp_path / "model")
    tuned = load_embedder(str(folder)).description
    (folder / marker).unlink()
    with pytest.raises(ModelError) as refusal:
        load_embedder(str(folder))
    assert "give those that it was tuned with: --mieb-model-arg=text_prompt=" in str(refusal.value)
    assert str(refusal.value).endswith(f"give --mieb-model-arg=family={family}")
    assert tuned and tuned.family in ("GME", "E5-V")
    told = load_embedder(str(folder), options={"family": family}).description
    plain = load_embedder(str(folder), options=PROMPTS).description
    assert told and (told.family, told.preprocessing) == (tuned.family, tuned.preprocessing)
    assert plain and plain.family == kind and plain.preprocessing["text prompt"] == "'{text} is'"
