"""The models of the MIEB paper (Table 23), by name: family, pinned revision, dtype, modalities and size."""

from __future__ import annotations

from typing import NamedTuple

from pytest_mieb.models import errors


class KnownModel(NamedTuple):
    """A model that loads by its name alone.

    `repository` is where its files lie on the hub (None: its family finds them, or it is an API); `architecture` is
    what open_clip or timm call it, what its API calls it, or the text model that it is built on; `files` are the only
    ones fetched; `parameters` counts them, None where unknown.
    """

    name: str
    family: str
    revision: str | None
    dtype: str
    modalities: str
    parameters: int | None
    repository: str | None
    architecture: str = ""
    files: tuple[str, ...] | None = None


_IMAGE = "image"
_BOTH = "image, text"
_TOGETHER = "image, text, interleaved"
_FP32, _FP16, _BF16 = "float32", "float16", "bfloat16"


def _on_hub(
    name: str,
    family: str,
    revision: str,
    parameters: int,
    modalities: str = _BOTH,
    *,
    dtype: str = _FP32,
    architecture: str = "",
    files: tuple[str, ...] | None = None,
) -> KnownModel:
    """A model whose repository goes by its own name."""
    return KnownModel(name, family, revision, dtype, modalities, parameters, name, architecture, files)


def _eva02(name: str, parameters: int, tag: str) -> KnownModel:
    """An EVA02-CLIP, by open_clip's architecture and tag: the repository of that tag has no revision in the paper."""
    return KnownModel(f"QuanSun/EVA02-CLIP-{name}", "open_clip", None, _FP32, _BOTH, parameters, None, tag)


def _open_clip(name: str, revision: str, parameters: int) -> KnownModel:
    """A repository that holds the weights of two libraries: open_clip's are fetched alone."""
    return KnownModel(name, "open_clip", revision, _FP32, _BOTH, parameters, None, name)


def _vista(name: str, parameters: int, base: str, weights: str) -> KnownModel:
    """A visualized BGE: both lie in one repository, and hold no configuration: that is the base's."""
    revision = "98db10b10d22620010d06f11733346e1c98c34aa"
    repository = "BAAI/bge-visualized"
    return KnownModel(name, "vista", revision, _FP32, _TOGETHER, parameters, repository, base, (weights,))


# fmt: off
MODELS: tuple[KnownModel, ...] = (
    _on_hub("kakaobrain/align-base", "dual_encoder", "e96a37facc7b1f59090ece82293226b817afd6ba", 172_117_841),

    _on_hub("Salesforce/blip-image-captioning-base", "blip", "89b09ea1789f7addf2f6d6f0dfc4ce10ab58ef84", 224_726_017),
    _on_hub("Salesforce/blip-image-captioning-large", "blip", "2227ac38c9f16105cb0412e7cab4759978a8fd90", 446_128_642),
    _on_hub("Salesforce/blip-itm-base-coco", "blip", "7eaa90c11850c0b17fc38c6a11e7d88bd6ac231f", 223_744_258),
    _on_hub("Salesforce/blip-itm-base-flickr", "blip", "1de29e660d91ae1786c1876212ea805a22eab251", 223_744_258),
    _on_hub("Salesforce/blip-itm-large-coco", "blip", "fef05cafc05298067cbbca00b125749394a77a6f", 446_128_642),
    _on_hub("Salesforce/blip-itm-large-flickr", "blip", "bda12e6506758f54261b5ab174b2c55a3ba143fb", 446_128_642),
    _on_hub("Salesforce/blip-vqa-base", "blip", "c7df8e7cd7aa2ee9af18f56e2b29e59a92651b64", 384_672_572),
    _on_hub("Salesforce/blip-vqa-capfilt-large", "blip", "e53f95265aeab69013fabb5380500ab984adbbb4", 384_672_572),

    # The repositories by these names are generative and cannot embed text. Their scores come from the Q-Formers that
    # lie, for the same training stages, in the repositories for retrieval; no revision of those is known to be right.
    KnownModel("Salesforce/blip2-opt-2.7b", "blip2", None, _FP32, _TOGETHER, 3_740_000_000,
               "Salesforce/blip2-itm-vit-g"),
    KnownModel("Salesforce/blip2-opt-6.7b-coco", "blip2", None, _FP32, _TOGETHER, 7_750_000_000,
               "Salesforce/blip2-itm-vit-g-coco"),

    _on_hub("openai/clip-vit-base-patch16", "dual_encoder", "57c216476eefef5ab752ec549e440a49ae4ae5f3", 149_620_737),
    _on_hub("openai/clip-vit-base-patch32", "dual_encoder", "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268", 151_277_313),
    _on_hub("openai/clip-vit-large-patch14", "dual_encoder", "32bd64288804d66eefd0ccbe215aa642df71cc41", 427_616_513),

    _on_hub("facebook/dinov2-small", "vision", "ed25f3a31f01632728cabb09d1542f84ab7b0056", 22_056_576, _IMAGE),
    _on_hub("facebook/dinov2-base", "vision", "f9e44c814b77203eaa57a6bdbbd535f21ede1415", 86_580_480, _IMAGE),
    _on_hub("facebook/dinov2-large", "vision", "47b73eefe95e8d44ec3623f8890bd894b6ea2d6c", 304_368_640, _IMAGE),
    _on_hub("facebook/dinov2-giant", "vision", "611a9d42f2335e0f921f1e313ad3c1b7178d206d", 1_136_480_768, _IMAGE),

    _on_hub("royokong/e5-v", "e5v", "0c1f22679417b3ae925d779442221c40cd1861ab", 8_355_276_800, _TOGETHER),

    _eva02("B-16", 149_000_000, "EVA02-B-16/merged2b_s8b_b131k"),
    _eva02("L-14", 428_000_000, "EVA02-L-14/merged2b_s4b_b131k"),
    _eva02("bigE-14", 4_700_000_000, "EVA02-E-14/laion2b_s4b_b115k"),
    _eva02("bigE-14-plus", 5_000_000_000, "EVA02-E-14-plus/laion2b_s9b_b144k"),

    _on_hub("jinaai/jina-clip-v1", "jina_clip", "06150c7c382d7a4faedc7d5a0d8cdb59308968f4", 222_647_041),

    _on_hub("nyu-visionx/moco-v3-vit-b", "timm", "7d091cd70772c5c0ecf7f00b5f12ca609a99d69d", 86_600_000, _IMAGE,
            architecture="vit_base_patch16_224"),
    _on_hub("nyu-visionx/moco-v3-vit-l", "timm", "7bf75358d616f39b9716148bf4e3425f3bd35b47", 304_000_000, _IMAGE,
            architecture="vit_large_patch16_224"),

    _on_hub("nomic-ai/nomic-embed-vision-v1.5", "nomic", "af2246fffdab78d8458418480e4886a8e48b70a7", 92_946_688),

    _open_clip("laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K", "f0e2ffa09cbadab3db6a261ec1ec56407ce42912", 151_000_000),
    _open_clip("laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K", "d110532e8d4ff91c574ee60a342323f28468b287", 150_000_000),
    _open_clip("laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K", "84c9828e63dc9a9351d1fe637c346d4c1c4db341", 427_616_513),

    _open_clip("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "08f73555f1b2fb7c82058aebbd492887a94968ef", 151_277_313),
    _open_clip("laion/CLIP-ViT-L-14-laion2B-s32B-b82K", "1627032197142fbe2a7cfec626f4ced3ae60d07a", 427_616_513),
    _open_clip("laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "de081ac0a0ca8dc9d1533eed1ae884bb8ae1404b", 986_109_441),
    _open_clip("laion/CLIP-ViT-g-14-laion2B-s34B-b88K", "15efd0f6ac0c40c0f9da7becca03c974d7012604", 1_367_000_000),
    _open_clip("laion/CLIP-ViT-bigG-14-laion2B-39B-b160k", "bc7788f151930d91b58474715fdce5524ad9a189", 2_539_567_105),

    _on_hub("Alibaba-NLP/gme-Qwen2-VL-2B-Instruct", "gme", "ce765ae71b8cdb208203cd8fb64a170b1b84293a",
            2_208_985_600, _TOGETHER, dtype=_FP16),
    _on_hub("Alibaba-NLP/gme-Qwen2-VL-7B-Instruct", "gme", "477027a6480f8630363be77751f169cc3434b673",
            7_746_378_240, _TOGETHER, dtype=_FP16),

    _on_hub("google/siglip-base-patch16-224", "dual_encoder", "7fd15f0689c79d79e38b1c2e2e2370a7bf2761ed", 203_155_970),
    _on_hub("google/siglip-base-patch16-256", "dual_encoder", "b078df89e446d623010d890864d4207fe6399f61", 203_202_050),
    _on_hub("google/siglip-base-patch16-256-multilingual", "dual_encoder", "8952a4eafcde3cb7ab46b1dd629b33f8784ca9c6",
            370_626_050),
    _on_hub("google/siglip-base-patch16-384", "dual_encoder", "41aec1c83b32e0a6fca20ad88ba058aa5b5ea394", 203_447_810),
    _on_hub("google/siglip-base-patch16-512", "dual_encoder", "753a949581523b60257d93e18391e8c27f72eb22", 203_791_874),
    _on_hub("google/siglip-large-patch16-256", "dual_encoder", "d0da9f876e7d66b4e250cd2450c3ba2ce735e447", 652_150_786),
    _on_hub("google/siglip-large-patch16-384", "dual_encoder", "ce005573a40965dfd21fd937fbdeeebf2439fc35", 652_478_466),
    _on_hub("google/siglip-so400m-patch14-224", "dual_encoder", "d04cf29fca7b6374f74d8bea1969314492266b5e",
            877_360_306),
    _on_hub("google/siglip-so400m-patch14-384", "dual_encoder", "9fdffc58afc957d1a03a25b10dba0329ab15c2a3",
            877_960_498),
    _on_hub("google/siglip-so400m-patch16-256-i18n", "dual_encoder", "365d321c0cfdea96bc28e3a29787a11a062681a1",
            1_128_758_962),

    _vista("BAAI/bge-visualized-base", 196_000_000, "BAAI/bge-base-en-v1.5", "Visualized_base_en_v1.5.pth"),
    _vista("BAAI/bge-visualized-m3", 872_909_505, "BAAI/bge-m3", "Visualized_m3.pth"),

    _on_hub("TIGER-Lab/VLM2Vec-LoRA", "adapter", "7403b6327958071c1e33c822c7453adadccc7298", 4_161_891_328, _TOGETHER,
            dtype=_BF16),
    _on_hub("TIGER-Lab/VLM2Vec-Full", "vlm2vec", "e9afa98002097ac2471827ba23ea1f2ddd229480", 4_146_621_440, _TOGETHER,
            dtype=_BF16),

    KnownModel("voyageai/voyage-multimodal-3", "voyage", None, _FP32, _TOGETHER, None, None, "voyage-multimodal-3"),
)
# fmt: on


def find(name: str) -> KnownModel | None:
    """The registry's row of a hub id, or None."""
    return next((model for model in MODELS if model.name == name), None)


def near(name: str) -> list[str]:
    """Up to three names of the registry that may have been meant; case and a missing organisation are forgiven."""
    names = {model.name if "/" in name else model.name.partition("/")[2]: model.name for model in MODELS}
    return [names[each] for each in errors.near(name, names)]
