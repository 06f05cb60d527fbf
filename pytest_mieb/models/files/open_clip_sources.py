"""Which model of open_clip is meant: its configuration, what is known of its preprocessing, and its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from pytest_mieb.models.errors import ModelError, did_you_mean, near
from pytest_mieb.models.files.hub import read_json
from pytest_mieb.models.files.weights import fetch, safe_names, weights_in
from pytest_mieb.models.request import Request

CONFIG = "open_clip_config.json"
ON_HUB = "open_clip_pytorch_model.bin"
# What `local-dir:` of open_clip looks for, in its order.
WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
BESIDE = ("*.json", "*.txt", "*.model")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "interpolation": ("bicubic", "bilinear"),
    "resize_mode": ("shortest", "longest", "squash"),
}


@dataclass(frozen=True)
class Source:
    """What is to be built, and from where.

    Args:
        architecture: its name, for people.
        config: `model_cfg` of open_clip.
        preprocessing: as far as the source states it.
        file: the weights.
        folder: where its tokenizer lies, if anywhere here.
        published: it comes with its own statement of what it is, so that open_clip's conversions are meant.
        warnings: what had to be guessed.
    """

    architecture: str
    config: Mapping[str, Any]
    preprocessing: Mapping[str, Any]
    file: Path
    folder: Path | None = None
    published: bool = True
    warnings: tuple[str, ...] = ()


def find(request: Request) -> tuple[Source, Request]:
    """The source, and the request with the folder that it lies in.

    Raises:
        ModelError: there is no such architecture, tag, folder or repository.
    """
    if request.folder:
        return _in_folder(request.folder), request
    if request.file:
        return _bare(request), request
    source = _pretrained(request)
    return source, replace(request, folder=source.file.parent)


def _in_folder(folder: Path) -> Source:
    """A folder as open_clip saves it for the hub, and as its `local-dir:` reads it."""
    if not (folder / CONFIG).is_file():
        raise ModelError(
            f"{folder}: no {CONFIG}; for bare weights name their architecture: --mieb-model=open_clip:ARCHITECTURE@FILE"
        )
    content = read_json(folder / CONFIG)
    config, preprocessing = content.get("model_cfg"), content.get("preprocess_cfg") or {}
    if not isinstance(config, dict) or not all(name in config for name in ("embed_dim", "vision_cfg", "text_cfg")):
        raise ModelError(f"{folder}: {CONFIG} cannot be used: its model_cfg lacks embed_dim, vision_cfg or text_cfg")
    lacking = [name for name in ("mean", "std") if not preprocessing.get(name)]
    warnings = (
        (f"{CONFIG} does not state {' and '.join(lacking)}: those of OpenAI's CLIP are taken",) if lacking else ()
    )
    return Source(_name_of(config), config, preprocessing, weights_in(folder, WEIGHTS), folder, warnings=warnings)


def _bare(request: Request) -> Source:
    """Weights that do not say what they are, as training leaves them behind."""
    import open_clip

    name, file = request.name, request.file
    assert file is not None
    config = open_clip.get_model_config(name)
    if config is None:
        _refuse_architecture(request.spec, name)
    guessed = [option for option in ("mean", "std", *CHOICES) if option not in request.options]
    warnings = []
    if guessed:
        published = _published_otherwise(name)
        warnings.append(
            f"bare weights do not state their preprocessing: for {', '.join(guessed)} open_clip's defaults are taken"
            f"{published}; give --mieb-model-arg=NAME=VALUE with what they were trained with"
        )
    if "quick_gelu" not in request.options:
        warnings.append(
            f"bare weights do not state their activation: {name}'s own is taken, "
            f"{'QuickGELU' if config.get('quick_gelu') else 'GELU'}; weights that come from OpenAI's need "
            "--mieb-model-arg=quick_gelu=true"
        )
    return Source(name, config, {}, file, published=False, warnings=tuple(warnings))


def _pretrained(request: Request) -> Source:
    """`ARCHITECTURE/TAG` of open_clip, fetched from where open_clip says that it lies; or a hub id."""
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained, list_pretrained_tags_by_model

    name, slash, tag = request.name.partition("/")
    config = open_clip.get_model_config(name)
    tags = list_pretrained_tags_by_model(name)
    misspelt = near(name, open_clip.list_models(), cutoff=0.85) or tag in {known for _, known in list_pretrained()}
    if config is None and slash and not misspelt:
        file = fetch(request.name, request.revision, safe_names(ON_HUB), beside=BESIDE)
        return replace(_in_folder(file.parent), file=file)
    if config is None:
        _refuse_architecture(request.spec, name)
    if not slash:
        raise ModelError(
            f"--mieb-model={request.spec}: an architecture has no weights; name some: open_clip:{name}@FILE"
            + (f" or open_clip:{name}/TAG with TAG one of {', '.join(tags)}" if tags else "")
        )
    published = get_pretrained_cfg(name, tag)
    if not published:
        legal = f"Legal are {', '.join(tags)}" if tags else "It has none; give open_clip:ARCHITECTURE@FILE"
        raise ModelError(
            f"--mieb-model={request.spec}: {name} has no pretrained tag {tag!r}.{did_you_mean(tag, tags)} {legal}"
        )
    repository, _, inside = published.get("hf_hub", "").rpartition("/")
    if not repository:
        raise ModelError(
            f"--mieb-model={request.spec}: these weights are not on the hub; download {published.get('url')} and give "
            f"--mieb-model=open_clip:{name}@FILE"
        )
    file = fetch(repository, request.revision, safe_names(inside or ON_HUB), beside=BESIDE)
    config["quick_gelu"] = bool(config.get("quick_gelu") or published.get("quick_gelu"))
    return Source(request.name, config, published, file, file.parent)


def _name_of(config: Mapping[str, Any]) -> str:
    """What open_clip calls an architecture, where it knows it."""
    import open_clip

    known = (name for name in open_clip.list_models() if open_clip.get_model_config(name) == config)
    kind = "CoCa" if "multimodal_cfg" in config else "CLIP"
    return next(known, None) or config["vision_cfg"].get("timm_model_name") or kind


def _published_otherwise(name: str) -> str:
    """What an architecture's published weights are prepared with, where that is not the default."""
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
    from open_clip.transform import PreprocessCfg

    default, differences = PreprocessCfg(), []
    for tag in list_pretrained_tags_by_model(name):
        published = get_pretrained_cfg(name, tag)
        other = [
            f"{key}={_plain(published[key])}"
            for key in ("mean", "std", *CHOICES)
            if _plain(published[key]) != _plain(getattr(default, key))
        ]
        if other:
            differences.append(f"{tag} takes {', '.join(other)}")
    return f" ({'; '.join(differences)})" if differences else ""


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, str) else ",".join(f"{each:.4g}" for each in value)


def _refuse_architecture(spec: str, name: str) -> NoReturn:
    import open_clip

    hint = did_you_mean(name, open_clip.list_models())
    raise ModelError(
        f"--mieb-model={spec}: open_clip has no architecture {name!r}.{hint} One of your own is given as a folder with "
        f"its weights and {CONFIG}"
    )
