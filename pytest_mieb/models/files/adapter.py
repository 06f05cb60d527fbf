"""PEFT adapters, such as LoRA: which model they belong to, and merging them into it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from pytest_mieb.models.errors import ModelError, first_line
from pytest_mieb.models.files.hub import read_json
from pytest_mieb.models.files.refusing import as_model_errors, check_keys

CONFIGURATION = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_NAME = "default"


def base_of(folder: Path) -> tuple[str, str | None]:
    """The base model of the adapter in `folder`, a path or a hub id, and its revision.

    A relative path counts from the current folder, as PEFT writes it.

    Raises:
        ModelError: adapter_config.json does not name one.
    """
    config = read_json(folder / CONFIGURATION)
    base = config.get("base_model_name_or_path")
    if not isinstance(base, str) or not base:
        raise ModelError(
            f"{folder}: {CONFIGURATION} names no base model; write its folder or hub id there, as "
            "base_model_name_or_path"
        )
    return base, config.get("revision") or None


def merge(model: Any, folder: Path) -> Any:
    """The model with the adapter in `folder` added to its own weights.

    Raises:
        ModelError: PEFT is missing, or the adapter is damaged, another model's, or of a kind that cannot be merged.
    """
    try:
        from peft import PeftConfig
    except ImportError as error:
        raise ModelError(f'{folder}: a PEFT adapter needs peft; run: pip install "pytest-mieb[peft]"') from error
    if not any((folder / name).is_file() for name in WEIGHTS):
        raise ModelError(f"{folder}: no adapter weights ({' or '.join(WEIGHTS)}) beside {CONFIGURATION}")
    with as_model_errors(folder / CONFIGURATION):
        config = PeftConfig.from_pretrained(str(folder))
    if config.is_prompt_learning or config.is_adaption_prompt:
        raise _unmergeable(folder, config)
    with warnings.catch_warnings():
        # PEFT 0.21 asks transformers 5.23 by a name that the latter calls deprecated.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        adapted = _beside(model, folder, config)
    if not hasattr(adapted.base_model, "merge_and_unload"):
        raise _unmergeable(folder, config)
    try:
        return adapted.merge_and_unload(safe_merge=True)
    except (ValueError, NotImplementedError, AttributeError, RuntimeError, TypeError) as error:
        raise ModelError(f"{folder}: the adapter cannot be merged into its base model: {first_line(error)}") from error


def _beside(model: Any, folder: Path, config: Any) -> Any:
    """The model with the adapter's modules beside its own, all of them loaded."""
    from peft import PeftModel, load_peft_weights, set_peft_model_state_dict

    config.inference_mode = True
    with as_model_errors(folder):
        weights = load_peft_weights(str(folder), device="cpu")
    try:
        adapted = PeftModel(model, config, _NAME)
        loaded: Any = set_peft_model_state_dict(adapted, weights, _NAME)
    except (ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        why = next((line for line in lines if "size mismatch" in line), first_line(error))
        why = f"it lacks {error.args[0]}" if isinstance(error, KeyError) else why
        raise ModelError(
            f"{folder}: the adapter does not fit its base model: {why.rstrip('.')}; if it was trained with another "
            "version of transformers, merge it there with merge_and_unload, and give the folder of the whole model"
        ) from error
    own = [key for key in loaded.missing_keys if _NAME in key.split(".")]
    check_keys(folder, missing=own, unexpected=loaded.unexpected_keys, what="the base model")
    return adapted


def _unmergeable(folder: Path, config: Any) -> ModelError:
    kind = getattr(config.peft_type, "value", config.peft_type)
    return ModelError(
        f"{folder}: an adapter of type {kind} cannot be merged into its base model; taken are those that change "
        "weights, such as LORA. For this one write a factory and give --mieb-model=package.module:factory"
    )
