"""The plugin's options, declared in one help group and in the configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mieb.runtime.options import OPTIONS, Option

if TYPE_CHECKING:
    from pytest_mieb.runtime.settings import Settings

YAML = (".yaml", ".yml")


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("mieb", "MIEB, the Massive Image Embedding Benchmark")
    for option in OPTIONS:
        keywords: dict[str, Any] = {"help": option.help, "dest": option.name, "default": None}
        keywords |= {"action": "store_true"} if option.switch else {"metavar": option.metavar}
        if option.repeated:
            keywords["action"] = "append"
        group.addoption(option.flag, **keywords)
        if option.ini:
            kind = "bool" if option.switch else "linelist" if option.repeated else "string"
            parser.addini(option.name, option.help, type=kind, default=None)  # type: ignore[arg-type]


def read_settings(config: pytest.Config) -> Settings | None:
    """The settings of a run that asks for a model, or None.

    Raises:
        pytest.UsageError: a value is wrong; the message names it and the legal ones.
    """
    model = config.getoption("mieb_model")
    if model is None:
        given = [option.flag for option in OPTIONS if config.getoption(option.name)]
        if given:
            raise pytest.UsageError(f"{given[0]} does nothing without --mieb-model; give the model to run MIEB on")
        return None
    from pytest_mieb.runtime.settings import SettingsError, parse_settings

    try:
        return parse_settings(
            {option.name.removeprefix("mieb_"): _value(config, option) for option in OPTIONS},
            given={option.name.removeprefix("mieb_") for option in OPTIONS if config.getoption(option.name)},
            root=config.invocation_params.dir,
            baselines=config.rootpath / "baselines",
        )
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from error


def _value(config: pytest.Config, option: Option) -> Any:
    """The option's value from the command line, else from the configuration file with its paths made absolute."""
    given = config.getoption(option.name)
    if given is not None or not option.ini:
        return given
    value = config.getini(option.name)
    if not (value and option.path and config.inipath) or "://" in value:
        return value
    folder = config.inipath.parent
    if option.repeated:
        return [str(folder / Path(each).expanduser()) for each in value]
    path = folder / Path(value).expanduser()
    can_be_a_name = option.name in ("mieb_data", "mieb_baseline") and "/" not in value and path.suffix not in YAML
    return value if can_be_a_name and not path.exists() else str(path)
