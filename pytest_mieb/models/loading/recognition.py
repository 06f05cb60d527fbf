"""Which family a folder belongs to, by what lies in it; nothing is loaded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from pytest_mieb.models.errors import ModelError
from pytest_mieb.models.files.hub import commit_of, read_json
from pytest_mieb.models.marks import TUNED, VISUALIZED, Tuned

WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth")
_SHOWN = 8
# Types of `config.json` that have a module of their own; the rest is told by what the architecture offers.
FAMILIES = {
    "blip": "blip",
    "blip-2": "blip2",
    "nomic_bert": "nomic",
    "jina_clip": "jina_clip",
}


# Models that give an input several vectors, which are compared one by one.
_LATE = re.compile(
    r"(?<![a-z])(?:hf_?)?col(?:bert|pali|qwen|idefics|smol|flor|modernvbert|nomic|gemma|intern|llama)\w*|multi_?vector\w*|"
    r"pylate[\w.]*",
    re.IGNORECASE,
)
# By any of them a folder says that it holds a model.
CONFIGURATIONS = ("open_clip_config.json", "adapter_config.json", "config.json", "modules.json")
_CHAIN, _SENTENCE = "modules.json", "config_sentence_transformers.json"
_LIBRARY = "sentence_transformers."
_GENERATIVE = ("AutoModelForImageTextToText", "AutoModelForVision2Seq")


class Recognised(NamedTuple):
    """What lies in a folder: the family's module, and the class that config.json names, as far as one is named."""

    family: str
    architecture: str


def recognise(
    folder: Path,
    *,
    transformers: bool = False,
    trust_remote_code: bool = False,
    told: str | None = None,
    adapter: Path | None = None,
) -> Recognised:
    """The family of the model in `folder`; with `transformers`, that of its config.json whatever lies beside it.

    Args:
        trust_remote_code: whether code that lies in the folder may be run, to see what its model offers.
        told: the family that the user says it is, of those in `TUNED`.
        adapter: the folder of an adapter to the model, which may say of which family the two are.

    Raises:
        ModelError: nothing is recognised, or more than one thing; it lists what was found and what would be needed. Or
            it is a model that gives several vectors an input.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder}: no such folder; give one that save_pretrained wrote")
    _refuse_late_interaction(folder)
    there = [name for name in CONFIGURATIONS if (folder / name).is_file() and name != _CHAIN]
    if not (told or transformers) and (folder / _CHAIN).is_file() and _is_chain(folder):
        return Recognised("sentence_transformers", "SentenceTransformer")
    if "adapter_config.json" in there:
        if list(folder.glob("model*.safetensors")) or list(folder.glob("pytorch_model*.bin")):
            raise ModelError(
                f"{folder}: ambiguous, it holds a PEFT adapter (adapter_config.json) and a whole model "
                f"({_found(folder)}); keep one of the two in the folder"
            )
        return Recognised("adapter", str(read_json(folder / "adapter_config.json").get("peft_type", "")))
    if transformers and "config.json" in there:
        return _by_config(folder, trust_remote_code, told, adapter)
    if there == ["open_clip_config.json"]:
        return Recognised("open_clip", _open_clip_architecture(folder))
    if "open_clip_config.json" in there:
        raise ModelError(
            f"{folder}: ambiguous, it holds a model of open_clip (open_clip_config.json) and one of transformers "
            f"(config.json); say which with --mieb-model=open_clip:{folder} or --mieb-model=hf:{folder}"
        )
    if any(folder.glob(VISUALIZED)):
        return Recognised("vista", "Visualized_BGE")
    if not there:
        raise ModelError(
            f"{folder}: no config.json among {_found(folder)}; give a folder that save_pretrained wrote{_hint(folder)}"
        )
    return _by_config(folder, trust_remote_code, told, adapter)


def _is_chain(folder: Path) -> bool:
    """Whether its chain of modules is the model; that of a family here may name code, which the family does without."""
    file = folder / "config.json"
    if all(kind.startswith(_LIBRARY) for kind in _modules(folder)) or not file.is_file():
        return True
    config = read_json(file)
    kind = str(config.get("model_type"))
    return kind not in FAMILIES and not (kind in TUNED and _is_tuned(folder, config, TUNED[kind]))


def _modules(folder: Path) -> list[str]:
    """The types in a chain of modules; a damaged chain is for whoever loads it to tell."""
    return [str(entry.get("type")) for entry in _listed(folder / _CHAIN) if isinstance(entry, dict)]


def _listed(file: Path) -> list[Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return content if isinstance(content, list) else []


def _is_tuned(folder: Path, config: Mapping[str, Any], tuned: Tuned) -> bool:
    if any((folder / name).is_file() for name in tuned.files):
        return True
    said = [*_strings([config.get("_name_or_path"), config.get("architectures")]), _head(folder / "README.md")]
    repository = folder.parent.parent.name if commit_of(folder) else ""
    return any(tuned.named.search(text) for text in (*said, repository))


def _head(file: Path) -> str:
    """The beginning of a model card: its metadata and its title."""
    try:
        with open(file, encoding="utf-8", errors="replace") as content:
            return content.read(4096)
    except OSError:
        return ""


def _strings(value: Any) -> Iterator[str]:
    """All texts in a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


def _refuse_late_interaction(folder: Path) -> None:
    config, adapter, sentence = (
        read_json(folder / name) if (folder / name).is_file() else {}
        for name in ("config.json", "adapter_config.json", _SENTENCE)
    )
    named = (
        *_strings([config.get("model_type"), config.get("architectures"), config.get("auto_map")]),
        *_strings([adapter.get("base_model_name_or_path"), adapter.get("auto_mapping")]),
        *_strings(sentence.get("model_type")),
        *_modules(folder),
    )
    found = next((match[0] for text in named if (match := _LATE.search(text))), None)
    if found:
        raise ModelError(
            f"{folder}: a late-interaction model ({found}), which gives several vectors an input; MIEB compares one "
            "vector an input. To gate it by a pooled vector write a factory and give "
            "--mieb-model=package.module:factory"
        )


def _by_config(folder: Path, trust_remote_code: bool, told: str | None, adapter: Path | None) -> Recognised:
    config = read_json(folder / "config.json")
    architectures = config.get("architectures") or [""]
    if "model_type" not in config and "architecture" in config:
        return Recognised("timm", str(config["architecture"]))
    if "model_type" not in config:
        raise ModelError(
            f"{folder}: config.json cannot be used: it has neither model_type (transformers) nor architecture (timm)"
        )
    kind = str(config["model_type"])
    tuned = TUNED.get(kind)
    if told and not (tuned and told == tuned.family):
        legal = " and ".join(f"{each.family} for a model of type {kind}" for kind, each in TUNED.items())
        raise ModelError(f"--mieb-model-arg=family={told}: {folder} is of type {kind}; legal are {legal}")
    if family := FAMILIES.get(kind):
        return Recognised(family, architectures[0])
    if tuned:
        return Recognised(_family_of_tuned(folder, config, tuned, told, adapter), architectures[0])
    if (own := _own_code(config)) and (trust_remote_code or not _is_known(kind)):
        if not trust_remote_code:
            raise ModelError(
                f"{folder}: its architecture ({kind}) is Python code that comes with the model; read it, and give "
                "--mieb-trust-remote-code to run it"
            )
        return Recognised(_family_of_code(folder, kind, own), architectures[0])
    return Recognised(_family_of(folder, kind), architectures[0])


def _family_of_tuned(
    folder: Path, config: Mapping[str, Any], tuned: Tuned, told: str | None, adapter: Path | None
) -> str:
    of_adapter = adapter is not None and _is_tuned(adapter, {}, tuned)
    if told or of_adapter or _is_tuned(folder, config, tuned):
        return tuned.family
    if tuned.others is None:
        raise ModelError(
            f"{folder}: a model of type {config['model_type']} that does not say that it is {tuned.title}; for one "
            f"tuned as that give --mieb-model-arg=family={tuned.family}, for another write a factory and give "
            "--mieb-model=package.module:factory"
        )
    return tuned.others


def _own_code(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The classes that a model brings along, by the class of transformers that loads them."""
    named = config.get("auto_map")
    return named if isinstance(named, Mapping) else {}


def _is_known(kind: str) -> bool:
    from transformers import CONFIG_MAPPING

    return kind in CONFIG_MAPPING


def _family_of_code(folder: Path, kind: str, named: Mapping[str, Any]) -> str:
    """By the methods of the class that the folder brings along, which is imported and so may run anything."""
    from transformers.dynamic_module_utils import get_class_from_dynamic_module

    from pytest_mieb.models.files.refusing import as_model_errors

    if "AutoModel" not in named and any(name in named for name in _GENERATIVE):
        return "mllm"
    if not isinstance(named.get("AutoModel"), str):
        raise ModelError(
            f"{folder}: its code (auto_map of config.json) names no AutoModel, but {', '.join(named) or 'nothing'}; "
            "write a factory and give --mieb-model=package.module:factory"
        )
    with as_model_errors(folder):
        model_class = get_class_from_dynamic_module(named["AutoModel"], folder)
    return _family_by_methods((model_class,)) or _refuse(folder, kind, (model_class,))


def _family_of(folder: Path, kind: str) -> str:
    """By the methods that the architecture's class has."""
    from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText

    from pytest_mieb.models.files.refusing import as_model_errors

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        from pytest_mieb.models.errors import first_line

        raise ModelError(f"{folder}: config.json cannot be used: {first_line(error)}") from error
    with as_model_errors(folder):
        model_class: Any = AutoModel._model_mapping.get(type(config), None)
    classes = model_class if isinstance(model_class, tuple) else (model_class,)
    if family := _family_by_methods(classes):
        return family
    if type(config) in AutoModelForImageTextToText._model_mapping:
        return "mllm"
    _refuse(folder, kind, classes)


def _family_by_methods(classes: Sequence[Any]) -> str | None:
    if all(any(hasattr(each, name) for each in classes) for name in ("get_image_features", "get_text_features")):
        return "dual_encoder"
    if any(getattr(each, "main_input_name", "") == "pixel_values" for each in classes):
        return "vision"
    return None


def _refuse(folder: Path, kind: str, classes: Sequence[Any]) -> NoReturn:
    what = "a text-only model" if any(hasattr(each, "get_input_embeddings") for each in classes) else "a model"
    raise ModelError(
        f"{folder}: {what} of type {kind!r}; loaded are dual encoders such as clip and siglip, vision models such as "
        f"dinov2, {', '.join(sorted((*FAMILIES, *TUNED)))}, open_clip, timm and PEFT adapters. For another one write a "
        "factory and give --mieb-model=package.module:factory"
    )


def _open_clip_architecture(folder: Path) -> str:
    vision = read_json(folder / "open_clip_config.json").get("model_cfg", {}).get("vision_cfg", {})
    return str(vision.get("timm_model_name") or "CLIP")


def _found(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.iterdir())
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) + more) or "nothing"


def _hint(folder: Path) -> str:
    """What the user may have meant by a folder without configuration."""
    inside = sorted(path.parent for path in folder.glob("*/config.json"))
    if inside:
        return f", such as {inside[-1]} inside it"
    checkpoints = sorted([*folder.glob("*.pt"), *folder.glob("checkpoints/*.pt")])
    if checkpoints:
        return (
            f"; an open_clip checkpoint is given with its architecture: --mieb-model=open_clip:ARCH@{checkpoints[-1]}"
        )
    weights = [path.name for pattern in WEIGHTS for path in folder.glob(pattern)]
    return f"; {weights[0]} alone does not say of which architecture it is" if weights else ""
