"""Kinds of models: told once, and open to other packages."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pytest_mieb import FunctionEmbedder
from pytest_mieb.models import load_embedder, parse_spec
from pytest_mieb.models.kind import ModelKind
from pytest_mieb.models.loading import kinds
from pytest_mieb.models.loading.parsing import legal
from pytest_mieb.models.request import Request
from pytest_mieb.models.spec import ModelSpec
from pytest_mieb.runtime.settings import SettingsError, parse_settings
from pytest_mieb.support import extensions


def loaded(spec: ModelSpec, request: Request) -> FunctionEmbedder:
    side = int(request.options.get("side", "2"))
    return FunctionEmbedder(
        lambda images: np.ones((len(images), side)), lambda texts: np.ones((len(texts), side)), fingerprint=request.name
    )


@pytest.fixture
def another(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelKind]:
    """A kind that another package brings along."""
    kind = ModelKind("ours", loaded, "ours:NAME", options=frozenset({"model_arg"}))
    module = ModuleType("another_package")
    module.kind = kind  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, module.__name__, module)
    points = EntryPoints([EntryPoint("ours", "another_package:kind", "pytest_mieb.models")])
    monkeypatch.setattr(extensions, "entry_points", lambda group: points if group == "pytest_mieb.models" else ())
    kinds.known.cache_clear()
    yield kind
    kinds.known.cache_clear()


def test_another_packages_kind_is_named_loaded_and_checked(another: ModelKind) -> None:
    assert parse_spec("ours:large") == ModelSpec("ours:large", "ours", "large")
    model = load_embedder("ours:large", options={"side": "3"})
    assert (model.fingerprint, model.dimension) == ("large", 3)
    assert legal().endswith("ours:NAME")


def test_only_its_own_options_mean_something_to_it(another: ModelKind, tmp_path: Path) -> None:
    values = {"model": "ours:large", "model_arg": ["side=3"], "baseline": "none"}
    assert parse_settings(values, root=tmp_path, baselines=tmp_path).model_args == {"side": "3"}
    with pytest.raises(SettingsError, match="--mieb-dtype does not go with ours:large"):
        parse_settings({**values, "dtype": "float16"}, root=tmp_path, baselines=tmp_path)


def test_every_option_of_a_kind_is_one_that_there_is() -> None:
    options = {option for kind in kinds.known().values() for option in kind.options}
    assert options == {"processor", "dtype", "model_arg", "calibrate", "max_cost"}
