"""Models that code of the user's makes: `package.module:factory`."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Mapping

from pytest_mieb.models.embedder import Embedder
from pytest_mieb.models.errors import ModelError, did_you_mean, named
from pytest_mieb.models.kind import ModelKind

_MEMBERS = (
    "modalities",
    "dimension",
    "fingerprint",
    "description",
    "image_mode",
    "prompted",
    "text_lengths",
    "embed_images",
    "embed_texts",
    "embed_interleaved",
)


def _from_factory(text: str, options: Mapping[str, str]) -> Embedder:
    module_name, _, attribute = text.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ModelError(
            f"--mieb-model={text}: the module {module_name} cannot be imported ({error}); "
            "put its folder on PYTHONPATH or install it"
        ) from error
    except (Exception, SystemExit) as error:
        raise ModelError(f"--mieb-model={text}: importing {module_name} failed: {named(error)}") from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        names = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        near = difflib.get_close_matches(attribute, names, n=3) or names
        raise ModelError(
            f"--mieb-model={text}: {module_name} has no function {attribute}; it has {', '.join(near) or 'none'}"
        )
    _check_keywords(text, attribute, factory, options)
    try:
        embedder = factory(**options)
    except ModelError:
        raise
    except (Exception, SystemExit) as error:
        raise ModelError(f"--mieb-model={text}: {attribute}() failed: {named(error)}") from error
    missing = [name for name in _MEMBERS if not _has(embedder, name)]
    if missing:
        raise ModelError(
            f"--mieb-model={text}: what {attribute}() returns lacks {', '.join(missing)}; "
            "return a pytest_mieb.FunctionEmbedder, or a subclass of pytest_mieb.Embedder"
        )
    found: Embedder = embedder
    return found


def _check_keywords(text: str, name: str, factory: Callable[..., object], options: Mapping[str, str]) -> None:
    """Refuse `--mieb-model-arg` that the factory has no parameter for, and the lack of one that it needs."""
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):  # of a class in C, say: whether it takes them is seen as it is called
        return
    by_name = {
        each.name: each for each in parameters.values() if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
    }
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    for option in options:
        if option not in by_name and not takes_any:
            raise ModelError(
                f"--mieb-model-arg={option}=...: {name}() of {text} takes no {option}.{did_you_mean(option, by_name)} "
                f"Legal are {', '.join(by_name) or 'none'}"
            )
    lacking = [each.name for each in parameters.values() if _needed(each) and each.name not in options]
    if lacking:
        raise ModelError(
            f"--mieb-model={text}: {name}() needs {', '.join(lacking)}; give "
            + " ".join(f"--mieb-model-arg={each}=..." for each in lacking)
        )


def _needed(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind not in (
        parameter.VAR_POSITIONAL,
        parameter.VAR_KEYWORD,
    )


def _has(embedder: object, name: str) -> bool:
    """A member that is there and fails, as a dimension does that asks a broken model, is for `checked` to tell."""
    try:
        return hasattr(embedder, name)
    except (Exception, SystemExit):
        return True


FACTORY = ModelKind(
    name="factory",
    load=lambda spec, request: _from_factory(spec.text, request.options),
    such_as="package.module:factory",
    prefixed=False,
    options=frozenset({"model_arg", "calibrate"}),
    by_code=True,
)
