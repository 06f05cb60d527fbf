"""nomic-embed-vision and -text against computations written out here.

The reference's wrapper runs code that its repositories fetch from a third one; none of it is at hand without a network.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn.functional import layer_norm, linear, silu
from transformers import AutoImageProcessor, AutoTokenizer, CLIPImageProcessor, NomicBertConfig, NomicBertModel

from pytest_mieb.models import Embedder, ModelError, load_embedder
from tests.models.battery import IMAGES, TEXTS, assert_same, assert_scattered, check_images, check_texts
from tests.models.families.builders_vista import bge_tokenizer
from tests.models.folders import Change, change_json, change_weights, copied
from tests.models.hub_cache import go_offline, lay

WIDTH, HEADS, DEPTH, HIDDEN, PATCH, GRID, TRAINED = 32, 2, 2, 256, 8, 4, 6
PIXELS = PATCH * GRID
HEAD = WIDTH // HEADS
TOWER = {
    "activation_function": "swiglu",
    "architectures": ["NomicVisionModel"],
    "auto_map": {"AutoModel": "nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert.NomicVisionModel"},
    "img_size": PIXELS,
    "layer_norm_epsilon": 1e-6,
    "model_type": "nomic_bert",
    "n_embd": WIDTH,
    "n_head": HEADS,
    "n_inner": 200,  # rounded up to 256
    "n_layer": DEPTH,
    "n_positions": 0,
    "norm_mlp": True,
    "patch_size": PATCH,
    "prenorm": True,
    "ref_feat_shape": [TRAINED, TRAINED],
    "rotary_emb_fraction": 0.0,
    "use_rotary_pos_emb": True,
    "vocab_size": 0,
}
Weights = dict[str, torch.Tensor]


def tower_weights() -> Weights:
    """Random ones, under the names that the published file has."""
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.cls_token": (1, 1, WIDTH),
        "embeddings.pos_embed": (1, 1 + GRID**2, WIDTH),
    }

    def layer(name: str, outputs: int, inputs: int) -> None:
        shapes.update({f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)})

    def norm(name: str, width: int) -> None:
        shapes.update({f"{name}.weight": (width,), f"{name}.bias": (width,)})

    layer("embeddings.proj", WIDTH, 3 * PATCH**2)
    for place in (*(f"layers.{number}" for number in range(DEPTH)), "selector"):
        norm(f"{place}.norm1", WIDTH)
        layer(f"{place}.attn.out_proj", WIDTH, WIDTH)
        layer(f"{place}.mlp.fc11", HIDDEN, WIDTH)
        layer(f"{place}.mlp.fc12", HIDDEN, WIDTH)
        layer(f"{place}.mlp.fc2", WIDTH, HIDDEN)
        if place != "selector":
            norm(f"{place}.norm2", WIDTH)
            norm(f"{place}.mlp.norm", HIDDEN)
            layer(f"{place}.attn.Wqkv", 3 * WIDTH, WIDTH)
    layer("selector.attn.Wq", WIDTH, WIDTH)
    layer("selector.attn.Wkv", 2 * WIDTH, WIDTH)
    shapes["selector.attn.latent"] = (1, 1, WIDTH)
    torch.manual_seed(0)
    weights = {name: torch.randn(shape) * 0.3 + (".norm" in name) for name, shape in shapes.items()}
    for name in weights:
        if "layers" in name and "fc11" in name:  # so small that what is added to a variance counts
            weights[name] *= 0.002
    return weights


def text_model() -> NomicBertModel:
    torch.manual_seed(1)
    config = NomicBertConfig(
        vocab_size=99,
        hidden_size=WIDTH,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        max_position_embeddings=48,
        layer_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 500.0},
    )
    model = NomicBertModel(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(torch.randn_like(weight) * 0.3 + ("norm" in name.lower()))
    return model


def in_old_names(model: NomicBertModel) -> Weights:
    """As the published checkpoint has them."""
    own, old = model.state_dict(), {}
    for name, value in own.items():
        for new, given in (
            ("embeddings.LayerNorm", "emb_ln"),
            ("layers.", "encoder.layers."),
            ("self_attn.o_proj", "attn.out_proj"),
            ("mlp.up_proj", "mlp.fc11"),
            ("mlp.gate_proj", "mlp.fc12"),
            ("mlp.down_proj", "mlp.fc2"),
            ("post_attention_layernorm", "norm1"),
            ("post_mlp_layernorm", "norm2"),
        ):
            name = name.replace(new, given)
        if "self_attn" not in name:
            old[name] = value
    for number in range(model.config.num_hidden_layers):
        parts = [own[f"layers.{number}.self_attn.{each}_proj.weight"] for each in "qkv"]
        old[f"encoder.layers.{number}.attn.Wqkv.weight"] = torch.cat(parts)
    return old


OLD_TEXT = {
    "activation_function": "swiglu",
    "architectures": ["NomicBertModel"],
    "auto_map": {"AutoModel": "nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert.NomicBertModel"},
    "layer_norm_epsilon": 1e-5,
    "max_trained_positions": 16,
    "model_type": "nomic_bert",
    "n_embd": WIDTH,
    "n_head": HEADS,
    "n_inner": 48,
    "n_layer": 2,
    "n_positions": 48,
    "prenorm": False,
    "rotary_emb_base": 500,
    "rotary_emb_fraction": 1.0,
    "rotary_emb_interleaved": False,
    "rotary_scaling_factor": None,
    "type_vocab_size": 2,
    "vocab_size": 99,
}


@dataclass(frozen=True)
class Built:
    vision: Path
    text: Path
    old_text: Path
    weights: Weights
    encoder: NomicBertModel
    embedder: Embedder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    root = tmp_path_factory.mktemp("nomic")
    vision, text, old_text = (root / name for name in ("vision", "text", "old_text"))
    weights, encoder = tower_weights(), text_model()
    CLIPImageProcessor(size={"height": PIXELS, "width": PIXELS}, do_center_crop=False).save_pretrained(vision)
    (vision / "config.json").write_text(json.dumps(TOWER))
    save_file(weights, vision / "model.safetensors")
    encoder.save_pretrained(text)
    old_text.mkdir()
    (old_text / "config.json").write_text(json.dumps(OLD_TEXT))
    save_file(in_old_names(encoder), old_text / "model.safetensors")
    tokenizer = bge_tokenizer(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))
    tokenizer.model_max_length = 48
    for folder in (text, old_text):
        tokenizer.save_pretrained(folder)
    return Built(vision, text, old_text, weights, encoder, load_embedder(str(vision), options={"text": str(text)}))


def changed(folder: Path, copy: Path, *, config: Change | None = None, weights: Change | None = None) -> Path:
    """A copy of a folder with its config.json, or its weights, changed."""
    copied(folder, copy)
    if config:
        change_json(copy / "config.json", config)
    if weights:
        change_weights(copy, weights)
    return copy


def attend(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Of tokens by numbers, head by head."""
    heads = []
    for start in range(0, WIDTH, HEAD):
        q, k, v = (each[:, start : start + HEAD] for each in (queries, keys, values))
        heads.append(torch.softmax(q @ k.T / math.sqrt(HEAD), dim=-1) @ v)
    return torch.cat(heads, dim=-1)


def turned(tokens: torch.Tensor) -> torch.Tensor:
    """Pairs of numbers as complex ones, turned by row in a head's first half, by column in its second."""
    result = tokens.clone()
    for token in range(1, 1 + GRID**2):
        row, column = divmod(token - 1, GRID)
        for pair in range(WIDTH // 2):
            within = pair % (HEAD // 2)
            place = row if within < HEAD // 4 else column
            angle = place * TRAINED / GRID * 10000 ** (-(within % (HEAD // 4)) / (HEAD // 4))
            number = complex(*tokens[token, 2 * pair : 2 * pair + 2].tolist()) * complex(
                math.cos(angle), math.sin(angle)
            )
            result[token, 2 * pair], result[token, 2 * pair + 1] = number.real, number.imag
    return result


def see(image: Image.Image, folder: Path, w: Weights) -> torch.Tensor:
    pixels = AutoImageProcessor.from_pretrained(folder, backend="torchvision")(image, return_tensors="pt")[
        "pixel_values"
    ]

    def full(tokens: torch.Tensor, name: str) -> torch.Tensor:
        return linear(tokens, w[f"{name}.weight"], w[f"{name}.bias"])

    def norm(tokens: torch.Tensor, name: str, epsilon: float = 1e-6) -> torch.Tensor:
        return layer_norm(tokens, tokens.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"], epsilon)

    tiles = [
        pixels[0, :, PATCH * row : PATCH * (row + 1), PATCH * column : PATCH * (column + 1)].reshape(-1)
        for row in range(GRID)
        for column in range(GRID)
    ]
    tokens = torch.cat((w["embeddings.cls_token"][0], full(torch.stack(tiles), "embeddings.proj")))
    tokens = tokens + w["embeddings.pos_embed"][0]
    for number in range(DEPTH):
        place = f"layers.{number}"
        queries, keys, values = full(norm(tokens, f"{place}.norm1"), f"{place}.attn.Wqkv").split(WIDTH, dim=-1)
        tokens = tokens + full(attend(turned(queries), turned(keys), values), f"{place}.attn.out_proj")
        inner = norm(tokens, f"{place}.norm2")
        gated = full(inner, f"{place}.mlp.fc11") * silu(full(inner, f"{place}.mlp.fc12"))
        tokens = tokens + full(norm(gated, f"{place}.mlp.norm", 1e-5), f"{place}.mlp.fc2")
    keys, values = full(tokens, "selector.attn.Wkv").split(WIDTH, dim=-1)
    answer = attend(full(w["selector.attn.latent"][0], "selector.attn.Wq"), keys, values)
    inner = norm(full(answer, "selector.attn.out_proj"), "selector.norm1")
    gated = full(inner, "selector.mlp.fc11") * silu(full(inner, "selector.mlp.fc12"))
    vector = tokens[0] + full(gated, "selector.mlp.fc2")[0]
    return vector / vector.norm()


def read(text: str, folder: Path, encoder: NomicBertModel) -> torch.Tensor:
    """Of one text, so that nothing is padded."""
    tokens = AutoTokenizer.from_pretrained(folder)(text, truncation=True, return_tensors="pt")
    mean = encoder(input_ids=tokens["input_ids"]).last_hidden_state[0].mean(dim=0)
    scaled = (mean - mean.mean()) / (mean.var(correction=0) + 1e-5).sqrt()
    return scaled / scaled.norm()


def test_embeds_images_as_written_out_here(built: Built) -> None:
    expected = np.stack([see(image, built.vision, built.weights) for image in IMAGES])
    assert_scattered(expected)
    assert_same(built.embedder.embed_images(IMAGES), expected)


def test_embeds_texts_as_one_by_one(built: Built) -> None:
    with torch.no_grad():
        expected = np.stack([read(text, built.text, built.encoder) for text in TEXTS])
    assert_scattered(expected)
    assert_same(built.embedder.embed_texts(TEXTS), expected)


def test_stands_the_battery(built: Built) -> None:
    check_images(built.embedder)
    check_texts(built.embedder)
    assert built.embedder.modalities == {"image", "text"}
    assert_same(
        built.embedder.embed_interleaved(IMAGES, TEXTS[: len(IMAGES)]),
        built.embedder.embed_images(IMAGES) + built.embedder.embed_texts(TEXTS[: len(IMAGES)]),
    )


def test_reads_a_text_encoder_that_the_repositorys_own_code_saved(built: Built) -> None:
    """Sizes, epsilon and rotary base of its config.json, which the native configuration calls otherwise."""
    model = load_embedder(str(built.vision), options={"text": str(built.old_text)})
    assert_same(model.embed_texts(TEXTS), built.embedder.embed_texts(TEXTS))


def test_says_what_it_is(built: Built) -> None:
    description = built.embedder.description
    assert description is not None
    assert (description.family, description.dimension) == ("Nomic Embed", WIDTH)
    assert description.preprocessing["size"] == "32x32"
    assert description.preprocessing["text padding"] == "longest 48"


def test_where_the_text_encoder_lies_does_not_matter_but_what_it_holds_does(built: Built, tmp_path: Path) -> None:
    moved = shutil.copytree(built.text, tmp_path / "moved")
    other = changed(
        built.text, tmp_path / "other", weights=lambda content: content["embeddings.word_embeddings.weight"].mul_(2)
    )
    assert load_embedder(str(built.vision), options={"text": str(moved)}).fingerprint == built.embedder.fingerprint
    assert load_embedder(str(built.vision), options={"text": str(other)}).fingerprint != built.embedder.fingerprint


def test_fetches_the_pinned_text_encoder(built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, revision = "nomic-ai/nomic-embed-text-v1.5", "a03db6748c80237063eb0546ac6b627eca2318cb"
    go_offline(monkeypatch, tmp_path)
    with pytest.raises(ModelError, match=rf"--mieb-model-arg=text: {name} \(revision {revision}\).*not cached"):
        load_embedder(str(built.vision))
    lay(tmp_path, name, built.old_text, revision)
    lay(tmp_path, "nomic-ai/nomic-embed-vision-v1.5", built.vision, "af2246fffdab78d8458418480e4886a8e48b70a7")
    model = load_embedder("nomic-ai/nomic-embed-vision-v1.5", trust_remote_code=True)
    assert_same(model.embed_texts(TEXTS), built.embedder.embed_texts(TEXTS))
    assert_same(model.embed_images(IMAGES), built.embedder.embed_images(IMAGES))


def test_a_text_encoder_alone_is_refused(built: Built) -> None:
    for folder in (built.text, built.old_text):
        with pytest.raises(
            ModelError, match="a text-only model of type 'nomic_bert'; give the folder of nomic-embed-v"
        ):
            load_embedder(str(folder))


def test_only_the_text_half_is_taken_as_such(built: Built, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="it is the images' half"):
        load_embedder(str(built.vision), options={"text": str(built.vision)})
    clip = changed(built.text, tmp_path / "clip", config=lambda content: content.update(model_type="clip"))
    with pytest.raises(ModelError, match="it is of type 'clip'"):
        load_embedder(str(built.vision), options={"text": str(clip)})
    with pytest.raises(ModelError, match="--mieb-model-arg=text=no/such/thing: no such folder, and no hub id"):
        load_embedder(str(built.vision), options={"text": "no/such/thing"})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda weights: weights.pop("selector.attn.latent"), r"1 missing keys \(selector\.attn\.latent"),
        (lambda weights: weights.pop("layers.1.mlp.norm.bias"), r"1 missing keys \(layers\.1\.mlp\.norm\.bias"),
        (lambda weights: weights.update({"embeddings.reg_token": torch.ones(1)}), "1 unexpected keys"),
        (lambda weights: weights.update({"tower.cls_token": torch.ones(1, 1, WIDTH)}), "1 unexpected keys"),
        (lambda weights: weights.update({"embeddings.pos_embed": torch.ones(1, 10, WIDTH)}), "1 mismatched keys"),
    ],
)
def test_a_tower_with_other_weights_is_refused(built: Built, tmp_path: Path, change: Any, sentence: str) -> None:
    folder = changed(built.vision, tmp_path / "other", weights=change)
    with pytest.raises(ModelError, match=sentence):
        load_embedder(str(folder), options={"text": str(built.text)})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("activation_function", "gelu"),
        ("prenorm", False),
        ("use_rotary_pos_emb", False),
        ("rotary_emb_fraction", 0.5),
        ("sinusoidal_pos_embedding", True),
        ("global_pool", "avg"),
    ],
)
def test_a_tower_that_computes_otherwise_is_refused(built: Built, tmp_path: Path, name: str, value: Any) -> None:
    folder = changed(built.vision, tmp_path / "other", config=lambda content: content.update({name: value}))
    with pytest.raises(ModelError, match=f"config.json has {name} {value!r}"):
        load_embedder(str(folder), options={"text": str(built.text)})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda content: content.pop("n_head"), "KeyError 'n_head'"),
        (lambda content: content.update(n_head=3), r"ValueError n_embd 32 is no multiple of 4 \* n_head 3"),
    ],
)
def test_a_tower_without_sizes_that_fit_is_refused(built: Built, tmp_path: Path, change: Change, sentence: str) -> None:
    folder = changed(built.vision, tmp_path / "other", config=change)
    with pytest.raises(ModelError, match=rf"config\.json cannot be used: {sentence}"):
        load_embedder(str(folder), options={"text": str(built.text)})


@pytest.mark.parametrize(("name", "value"), [("rotary_scaling_factor", 2.0), ("prenorm", True)])
def test_a_text_encoder_that_computes_otherwise_is_refused(built: Built, tmp_path: Path, name: str, value: Any) -> None:
    folder = changed(built.old_text, tmp_path / "other", config=lambda content: content.update({name: value}))
    with pytest.raises(ModelError, match=f"config.json has {name} {value!r}"):
        load_embedder(str(built.vision), options={"text": str(folder)})


def test_a_text_encoder_with_other_weights_is_refused(built: Built, tmp_path: Path) -> None:
    folder = changed(
        built.old_text, tmp_path / "less", weights=lambda content: content.pop("encoder.layers.1.attn.Wqkv.weight")
    )
    with pytest.raises(ModelError, match="3 missing keys"):
        load_embedder(str(built.vision), options={"text": str(folder)})


def test_pictures_of_another_size_are_refused(built: Built, tmp_path: Path) -> None:
    folder = shutil.copytree(built.vision, tmp_path / "large")
    CLIPImageProcessor(size={"height": 64, "width": 64}, do_center_crop=False).save_pretrained(folder)
    with pytest.raises(ModelError, match="gives pictures of 64x64 pixels, and the model takes 32x32"):
        load_embedder(str(folder), options={"text": str(built.text)})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [({"size": "64"}, "takes no size; legal are interpolation, mean, std, text"), ({"mean": "x"}, "=mean=x")],
)
def test_wrong_options_are_refused(built: Built, options: Mapping[str, str], sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence):
        load_embedder(str(built.vision), options={"text": str(built.text)} | dict(options))
