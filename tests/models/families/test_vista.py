"""VISTA against timm's EVA-02 and a text encoder run layer by layer.

The reference's wrapper needs `visual_bge`, which is not on PyPI and downloads EVA02-CLIP's code with it: it cannot run
here. That the names are those of the published files rests on its public source, and on two counts, tested below.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torchvision import transforms
from transformers import AutoTokenizer, BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel

from pytest_mieb.models import Embedder, ModelError, load_embedder
from tests.models.battery import (
    IMAGES,
    ODD_MODES,
    TEXTS,
    TRANSPARENT,
    assert_same,
    assert_scattered,
    check_images,
    check_interleaved,
    check_texts,
)
from tests.models.families.builders_vista import GRID, PIXELS, POSITIONS, build_bge, build_vista, published
from tests.models.hub_cache import go_offline, lay

KINDS = ("bert", "xlm-roberta")
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
Weights = dict[str, torch.Tensor]


class Built:
    """A VISTA on disk, what it was made of, and how one text, one image or both are embedded: without padding."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.kind, self.folder = kind, folder
        self.encoder, self.tower, self.projection = build_vista(folder, kind)
        self.tokenizer = AutoTokenizer.from_pretrained(folder / "bge")
        self.embedder: Embedder = load_embedder(str(folder), options={"bge": str(folder / "bge")})

    def embed(self, text: str, image: Image.Image | None = None) -> np.ndarray[Any, Any]:
        room = POSITIONS - (GRID**2 if image else 0)
        ids = self.tokenizer(text, truncation=True, max_length=room, return_tensors="pt")["input_ids"]
        table = self.encoder.embeddings
        first = 0 if image or self.kind == "bert" else self.encoder.config.pad_token_id + 1
        places = torch.arange(ids.shape[1]) + first
        if image:
            places[1:] += GRID**2
        words = table.word_embeddings(ids) + table.token_type_embeddings.weight[0] + table.position_embeddings(places)
        hidden = table.LayerNorm(words)
        if image:
            seen = self.projection(self.see(image)) + table.position_embeddings(torch.arange(1, 1 + GRID**2))
            hidden = torch.cat((hidden[:, :1], table.LayerNorm(seen), hidden[:, 1:]), dim=1)
        for layer in self.encoder.encoder.layer:
            output = layer(hidden)
            hidden = output[0] if isinstance(output, tuple) else output
        vector = hidden[0, 0]
        return np.asarray(vector / vector.norm())

    def see(self, image: Image.Image) -> torch.Tensor:
        """The tokens of the patches, as they come out of the last block."""
        small = transforms.functional.center_crop(
            transforms.functional.resize(image, PIXELS, transforms.InterpolationMode.BICUBIC), PIXELS
        )
        pixels = transforms.functional.normalize(transforms.functional.to_tensor(small.convert("RGB")), MEAN, STD)
        tokens, turn = self.tower._pos_embed(self.tower.patch_embed(pixels[None]))
        for block in self.tower.blocks:
            tokens = block(tokens, rope=turn)
        return tokens[:, 1:]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Built]:
    root = tmp_path_factory.mktemp("vista")
    return {kind: Built(root / kind, kind) for kind in KINDS}


def copied(built: Built, folder: Path, change: Any = None) -> Path:
    """The weights alone in a folder of their own, changed."""
    folder.mkdir()
    source = next(built.folder.glob("*.pth"))
    weights: Weights = torch.load(source, weights_only=True)
    if change:
        change(weights)
    torch.save(weights, folder / source.name)
    return folder


@pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_embeds_as_timm_and_the_text_encoder_compute_it(built: Mapping[str, Built], kind: str) -> None:
    reference, model = built[kind], built[kind].embedder
    pairs = list(zip(IMAGES, TEXTS, strict=False))
    odd = [*TRANSPARENT.values(), *ODD_MODES.values()]
    with torch.no_grad():
        texts = np.stack([reference.embed(text) for text in TEXTS])
        images = np.stack([reference.embed("", image) for image in IMAGES])
        both = np.stack([reference.embed(text, image) for image, text in pairs])
        of_other_modes = np.stack([reference.embed("", image) for image in odd])
    for vectors in (texts, images, both):
        assert_scattered(vectors)
    assert_same(model.embed_texts(TEXTS), texts)
    assert_same(model.embed_images(IMAGES), images)
    assert_same(model.embed_images(odd), of_other_modes)
    assert_same(model.embed_interleaved([image for image, _ in pairs], [text for _, text in pairs]), both)
    assert model.modalities == {"image", "text", "interleaved"}


def test_builds_files_with_as_many_names_and_numbers_as_the_published_ones() -> None:
    """What was published of them: how many keys of each part the base's has, and how many parameters the m3."""
    with torch.device("meta"):
        tower = timm.create_model("eva02_base_patch16_clip_224", num_classes=512)
        names = published(BertModel(BertConfig()), tower, torch.nn.Linear(768, 768))
        config = XLMRobertaConfig(
            hidden_size=1024,
            intermediate_size=4096,
            num_hidden_layers=24,
            num_attention_heads=16,
            vocab_size=250002,
            max_position_embeddings=8194,
            type_vocab_size=1,
        )
        large = timm.create_model("eva02_large_patch14_clip_224", num_classes=768)
        parts = XLMRobertaModel(config), large, torch.nn.Linear(1024, 1024)
    counted = Counter(name.partition(".")[0] for name in names)
    assert counted == {"model_visual": 287, "bge_encoder": 192, "bge_embeddings": 5, "bge_pooler": 2, "visual_proj": 2}
    assert sum(weight.numel() for part in parts for weight in part.parameters()) + 1 == 872_909_505


@pytest.mark.parametrize("kind", KINDS)
def test_stands_the_battery(built: Mapping[str, Built], kind: str) -> None:
    check_images(built[kind].embedder, alpha=None)
    check_texts(built[kind].embedder)
    check_interleaved(built[kind].embedder)


def test_a_text_beside_an_image_is_cut_to_the_room_that_is_left(built: Mapping[str, Built]) -> None:
    reference, image = built["bert"], IMAGES[0]
    room = POSITIONS - GRID**2
    texts = ["dog " * (room - 2), "dog " * (room - 2) + "photo", "dog " * (room - 3)]
    vectors = reference.embedder.embed_interleaved([image] * 3, texts)
    assert_same(vectors[:1], vectors[1:2])
    assert np.abs(vectors[0] - vectors[2]).max() > 1e-4


def test_says_what_it_is(built: Mapping[str, Built]) -> None:
    description = built["bert"].embedder.description
    assert description is not None
    assert (description.family, description.dimension, description.dtype) == ("VISTA", 32, "float32")
    assert {
        **description.preprocessing,
        "size": "shortest edge 32",
        "interpolation": "bicubic",
        "crop": "32x32",
        "mean": list(MEAN),
        "std": list(STD),
        "text padding": "longest 64",
        "text beside an image": 48,
    } == description.preprocessing


def test_finds_the_text_encoder_beside_the_weights_or_as_the_processor(
    built: Mapping[str, Built], tmp_path: Path
) -> None:
    """Wherever it lies, the same files are the same model."""
    expected = built["bert"].embedder
    alone = copied(built["bert"], tmp_path / "alone")
    beside = Path(shutil.copytree(alone, tmp_path / "beside"))
    shutil.copytree(built["bert"].folder / "bge", beside, dirs_exist_ok=True)
    elsewhere = load_embedder(str(alone), processor=str(built["bert"].folder / "bge"))
    for model in (elsewhere, load_embedder(str(beside))):
        assert model.fingerprint == expected.fingerprint
        np.testing.assert_array_equal(model.embed_texts(TEXTS), expected.embed_texts(TEXTS))


@pytest.mark.parametrize(
    ("kind", "name", "base", "revision"),
    [
        ("bert", "BAAI/bge-visualized-base", "BAAI/bge-base-en-v1.5", "a5beb1e3e68b9ab74eb54cfd186867f64f240e1a"),
        ("xlm-roberta", "BAAI/bge-visualized-m3", "BAAI/bge-m3", "5617a9f61b028005a4858fdac845db406aefb181"),
    ],
)
def test_loads_by_the_registry_with_the_pinned_text_encoder(
    built: Mapping[str, Built],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    name: str,
    base: str,
    revision: str,
) -> None:
    """Both files lie in one repository."""
    weights = tmp_path / "weights"
    weights.mkdir()
    for each in built.values():
        shutil.copy(next(each.folder.glob("*.pth")), weights)
    commit = "98db10b10d22620010d06f11733346e1c98c34aa"
    lay(tmp_path / "hub", "BAAI/bge-visualized", weights, commit)
    lay(tmp_path / "hub", base, built[kind].folder / "bge", revision)
    go_offline(monkeypatch, tmp_path / "hub")
    model = load_embedder(name)
    assert_same(model.embed_images(IMAGES), built[kind].embedder.embed_images(IMAGES))
    assert model.description is not None
    assert model.description.version == f"revision {commit[:12]}"


def test_an_unknown_text_encoder_is_asked_for(
    built: Mapping[str, Built], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(built["bert"], tmp_path / "tuned")
    go_offline(monkeypatch, tmp_path / "hub")
    with pytest.raises(
        ModelError, match=r"--mieb-model-arg=bge: BAAI/bge-base-en-v1\.5 \(revision a5beb1e3.*not cached"
    ):
        load_embedder(str(folder))
    (folder / "Visualized_base_en_v1.5.pth").rename(folder / "Visualized_tuned.pth")
    with pytest.raises(ModelError, match=r"give its folder with --mieb-model-arg=bge=FOLDER"):
        load_embedder(str(folder))
    model = load_embedder(str(folder), options={"bge": str(built["bert"].folder / "bge")})
    assert_same(model.embed_texts(TEXTS), built["bert"].embedder.embed_texts(TEXTS))


@pytest.mark.parametrize(
    "gone",
    [
        "model_visual.visual.blocks.1.mlp.w2.weight",
        "model_visual.visual.blocks.1.attn.v_bias",
        "model_visual.visual.rope.freqs_cos",
        "bge_encoder.layer.1.output.dense.bias",
        "visual_proj.bias",
    ],
)
def test_a_missing_key_is_refused_by_the_name_that_the_file_has_for_it(
    built: Mapping[str, Built], tmp_path: Path, gone: str
) -> None:
    folder = copied(built["bert"], tmp_path / "less", lambda weights: weights.pop(gone))
    with pytest.raises(ModelError, match=re.escape(f"1 missing keys ({gone} ...)")):
        load_embedder(str(folder), processor=str(built["bert"].folder / "bge"))


@pytest.mark.parametrize("name", ["model_visual.visual.blocks.1.gamma_1", "bge_encoder.layer.2.output.dense.bias"])
def test_an_unexpected_key_is_refused(built: Mapping[str, Built], tmp_path: Path, name: str) -> None:
    folder = copied(built["bert"], tmp_path / "more", lambda weights: weights.update({name: torch.zeros(32)}))
    with pytest.raises(ModelError, match="1 unexpected keys"):
        load_embedder(str(folder), processor=str(built["bert"].folder / "bge"))


def test_weights_of_other_shapes_are_refused(built: Mapping[str, Built], tmp_path: Path) -> None:
    bge = str(built["bert"].folder / "bge")
    wide = copied(
        built["bert"], tmp_path / "wide", lambda weights: weights.update({"visual_proj.bias": torch.zeros(48)})
    )
    with pytest.raises(ModelError, match=r"1 mismatched keys \(visual_proj\.bias"):
        load_embedder(str(wide), processor=bge)
    table = "model_visual.visual.rope.freqs_cos"
    turned = copied(built["bert"], tmp_path / "turned", lambda weights: weights.update({table: torch.zeros(9, 16)}))
    with pytest.raises(ModelError, match="mismatched keys"):
        load_embedder(str(turned), processor=bge)
    with pytest.raises(ModelError, match=r"weights and VISTA on .* do not fit"):
        load_embedder(str(built["bert"].folder), processor=str(built["xlm-roberta"].folder / "bge"))


def test_names_that_older_libraries_saved_and_nobody_reads_are_allowed(
    built: Mapping[str, Built], tmp_path: Path
) -> None:
    beside = {
        "bge_embeddings.position_ids": torch.arange(64)[None],
        "model_visual.text.ln_final.weight": torch.ones(3),
    }
    folder = copied(built["bert"], tmp_path / "old", lambda weights: weights.update(beside))
    model = load_embedder(str(folder), processor=str(built["bert"].folder / "bge"))
    assert_same(model.embed_images(IMAGES), built["bert"].embedder.embed_images(IMAGES))


def test_nothing_but_tensors_is_unpickled(tmp_path: Path, built: Mapping[str, Built]) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "was here",))

    folder = tmp_path / "evil"
    folder.mkdir()
    torch.save({"cls_token": Evil()}, folder / "Visualized_m3.pth")
    with pytest.raises(ModelError, match="its weights hold getattr, which would have to run as code"):
        load_embedder(str(folder), processor=str(built["bert"].folder / "bge"))
    assert not (tmp_path / "was here").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"bge": "no/such/folder"}, r"--mieb-model-arg=bge=no/such/folder: no such folder, and no hub id"),
        ({"size": "224"}, r"takes no size; legal are bge, interpolation, mean, std"),
        ({"mean": "grey"}, r"--mieb-model-arg=mean=grey"),
    ],
)
def test_wrong_options_are_refused(built: Mapping[str, Built], options: Mapping[str, str], sentence: str) -> None:
    bge = {"bge": str(built["bert"].folder / "bge")}
    with pytest.raises(ModelError, match=sentence):
        load_embedder(str(built["bert"].folder), options=bge | dict(options))


def test_a_correction_changes_images_and_the_fingerprint(built: Mapping[str, Built]) -> None:
    folder, expected = built["bert"].folder, built["bert"].embedder
    model = load_embedder(str(folder), options={"bge": str(folder / "bge"), "std": "0.5"})
    assert model.fingerprint != expected.fingerprint
    assert np.abs(model.embed_images(IMAGES[:1]) - expected.embed_images(IMAGES[:1])).max() > 1e-3
    np.testing.assert_array_equal(model.embed_texts(TEXTS), expected.embed_texts(TEXTS))


def two_files(built: Mapping[str, Built], folder: Path) -> Path:
    shutil.copy(next(built["xlm-roberta"].folder.glob("*.pth")), copied(built["bert"], folder))
    return folder


def test_folders_that_cannot_be_meant_are_refused(built: Mapping[str, Built], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"ambiguous weights: Visualized_base_en_v1\.5\.pth, Visualized_m3\.pth"):
        load_embedder(str(two_files(built, tmp_path / "both")))
    alone = copied(built["bert"], tmp_path / "alone")
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "config.json").write_text('{"model_type": "clip"}')
    shutil.copy(built["bert"].folder / "bge" / "tokenizer.json", strange)
    with pytest.raises(ModelError, match="text encoder is of type bert or xlm-roberta, and this is clip"):
        load_embedder(str(alone), processor=str(strange))
    short = tmp_path / "short"
    build_bge(short, "bert").config.save_pretrained(short)
    (short / "tokenizer.json").unlink()
    for name in ("vocab.txt", "tokenizer.model"):
        (short / name).unlink(missing_ok=True)
    with pytest.raises(ModelError, match="no tokenizer"):
        load_embedder(str(alone), processor=str(short))


def test_a_picture_that_leaves_no_room_for_a_text_is_refused(built: Mapping[str, Built], tmp_path: Path) -> None:
    bge = Path(shutil.copytree(built["bert"].folder / "bge", tmp_path / "bge"))
    tokenizer = AutoTokenizer.from_pretrained(bge)
    tokenizer.model_max_length = GRID**2 + 1
    tokenizer.save_pretrained(bge)
    with pytest.raises(ModelError, match="has room for 17 tokens, and a picture alone takes 16"):
        load_embedder(str(built["bert"].folder), processor=str(bge))


def test_computes_in_the_dtype_asked_for(built: Mapping[str, Built]) -> None:
    folder, expected = built["bert"].folder, built["bert"].embedder
    model = load_embedder(str(folder), dtype="bfloat16", options={"bge": str(folder / "bge")})
    vectors: Sequence[Any] = model.embed_images(IMAGES), expected.embed_images(IMAGES)
    assert vectors[0].dtype == np.float32
    assert 1e-4 < np.abs(vectors[0] - vectors[1]).max() < 0.2
