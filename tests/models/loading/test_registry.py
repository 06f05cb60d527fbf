"""The registry: the paper's models, their pins, and the reference's facts about them."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from typing import Any

import pytest

from pytest_mieb.models.loading.registry import MODELS, KnownModel, find, near

COUNTS = {
    "kakaobrain/align": 1,
    "Salesforce/blip-": 8,
    "Salesforce/blip2-": 2,
    "openai/clip-": 3,
    "facebook/dinov2-": 4,
    "royokong/e5-v": 1,
    "QuanSun/EVA02-": 4,
    "jinaai/jina-clip-": 1,
    "nyu-visionx/moco-v3-": 2,
    "nomic-ai/nomic-embed-vision-": 1,
    r"laion/CLIP-ViT-.*DataComp": 3,
    r"laion/CLIP-ViT-.*laion2B": 5,
    "Alibaba-NLP/gme-": 2,
    "google/siglip-": 10,
    "BAAI/bge-visualized-": 2,
    "TIGER-Lab/VLM2Vec-": 2,
    "voyageai/voyage-multimodal-": 1,
}
# An adapter's module lies beside the families: what it is merged into decides the family.
NO_MODULE = {"adapter"}
# An API has no revisions. The reference pins the generative BLIP-2, whose scores come from other repositories here.
# They load from other repositories than those that the paper pins, or from none.
UNPINNED = {
    "QuanSun/EVA02-CLIP-B-16",
    "QuanSun/EVA02-CLIP-L-14",
    "QuanSun/EVA02-CLIP-bigE-14",
    "QuanSun/EVA02-CLIP-bigE-14-plus",
    "Salesforce/blip2-opt-2.7b",
    "Salesforce/blip2-opt-6.7b-coco",
    "voyageai/voyage-multimodal-3",
}
RENAMED = {"voyageai/voyage-multimodal-3": "mongodb/voyage-multimodal-3"}
DTYPES = {"float32": {None}, "float16": {"float16"}, "bfloat16": {"bfloat16"}}
# Its weights are float16, and so the reference says of what it gives; both compute in float32 unless told otherwise.
OTHER_DTYPE = {"royokong/e5-v"}


def test_all_models_of_the_paper_are_there_once() -> None:
    names = [model.name for model in MODELS]
    assert {pattern: sum(bool(re.match(pattern, name)) for name in names) for pattern in COUNTS} == COUNTS
    assert len(names) == len(set(names)) == sum(COUNTS.values()) == 52


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_row_holds_together(model: KnownModel) -> None:
    if model.name in UNPINNED:
        assert model.revision is None
    else:
        assert re.fullmatch(r"[0-9a-f]{40}", str(model.revision))
    assert model.dtype in DTYPES
    assert model.modalities in ("image", "image, text", "image, text, interleaved")
    assert model.repository or model.architecture
    assert (model.family == "open_clip") == ("/" in model.architecture and not model.repository)


def test_every_revision_is_of_one_repository() -> None:
    pins = Counter((model.revision, model.repository) for model in MODELS if model.revision)
    shared = {repository: count for (_, repository), count in pins.items() if count > 1}
    assert shared == {"BAAI/bge-visualized": 2}
    assert len({revision for revision, _ in pins}) == len(pins)


@pytest.mark.parametrize("family", sorted({model.family for model in MODELS} - NO_MODULE))
def test_every_family_is_a_module_that_loads(family: str) -> None:
    assert importlib.util.find_spec(f"pytest_mieb.models.families.{family}"), family
    assert callable(importlib.import_module(f"pytest_mieb.models.families.{family}").load)


@pytest.fixture(scope="module")
def reference() -> Any:
    pytest.importorskip("mteb")
    from mteb.models.model_implementations import MODEL_REGISTRY

    return MODEL_REGISTRY


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_facts_are_the_references(model: KnownModel, reference: Any) -> None:
    meta = reference[RENAMED.get(model.name, model.name)]
    if model.name not in UNPINNED:
        assert model.revision == meta.revision
    assert model.parameters == meta.n_parameters
    assert set(model.modalities.split(", ")) - {"interleaved"} == set(meta.modalities)
    said = {None if meta.output_dtypes is None else str(getattr(meta.output_dtypes, "value", meta.output_dtypes))}
    assert (said == DTYPES[model.dtype]) != (model.name in OTHER_DTYPE)


def test_a_model_is_found_by_its_exact_name_only() -> None:
    known = find("BAAI/bge-visualized-m3")
    assert known is not None
    assert (known.repository, known.files) == ("BAAI/bge-visualized", ("Visualized_m3.pth",))
    assert find("BAAI/bge-visualized-M3") is find("bge-visualized-m3") is find("") is None


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("openai/clip-vit-base-patch23", "openai/clip-vit-base-patch32"),
        ("google/siglip-base-patch-16-224", "google/siglip-base-patch16-224"),
        ("OpenAI/CLIP-ViT-base-patch32", "openai/clip-vit-base-patch32"),
        ("dinov2_small", "facebook/dinov2-small"),
        ("voyage-multimodal-3.5", "voyageai/voyage-multimodal-3"),
    ],
)
def test_near_names_are_offered(name: str, first: str) -> None:
    assert near(name)[0] == first
    assert len(near(name)) <= 3


def test_a_name_unlike_all_others_gets_no_offer() -> None:
    assert near("zzz/qqq") == near("") == []
