"""A dataset's repository as `datasets` understands it: configs, their splits, and the files of each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pytest_mieb.support.atomic import written

# What a repository says of itself beside its data.
ABOUT = ("README.md", ".huggingface.yaml", "dataset_infos.json")
# More files than this are pictures one by one, which `datasets` had better list itself.
MOST_FILES = 20_000


@dataclass(frozen=True)
class Split:
    """Files as paths in the repository, in order, and the number of rows where the repository declares it."""

    files: tuple[str, ...]
    rows: int | None = None


@dataclass(frozen=True)
class Config:
    """The splits of a config, in order; `features` are declared, else those of the first split's first file.

    `parquet` says whether all of it is plain parquet, and `problem` why it has no files.
    """

    splits: Mapping[str, Split]
    features: Mapping[str, Any] | None = None
    parquet: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Repository:
    """What is in a repository; `default` is the config that is meant where none is named."""

    configs: Mapping[str, Config]
    default: str | None

    def config(self, name: str | None) -> Config:
        """A config by its name, or the one that is meant by none.

        Raises:
            ValueError: there is none; in the words of `datasets`, of which a remedy is made.
        """
        if name is None and self.default is None:
            raise ValueError(f"Config name is missing; available: {', '.join(self.configs)}")
        chosen = self.configs.get(name or self.default or "")
        if chosen is None:
            raise ValueError(f"BuilderConfig {name!r} not found. Available: {', '.join(self.configs)}")
        if chosen.problem:
            raise FileNotFoundError(chosen.problem)
        return chosen

    def split(self, config: str | None, name: str) -> Split:
        """Raises as `config` does, ValueError where the split is not there, FileNotFoundError where it has no file."""
        splits = self.config(config).splits
        if name not in splits:
            raise ValueError(f"Unknown split {name!r}. Should be one of {', '.join(splits)}.")
        if not splits[name].files:
            raise FileNotFoundError(f"no file of {name!r}")
        return splits[name]

    def write(self, file: Path) -> None:
        """Keep it for the next process. Raises OSError."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with written(file) as temporary:
            temporary.write_text(json.dumps(self.content()), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> Repository | None:
        """What was kept; None where nothing was, or it cannot be read."""
        try:
            return cls.of_content(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def content(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        return asdict(self)

    @classmethod
    def of_content(cls, content: Mapping[str, Any]) -> Repository:
        """Raises ValueError, KeyError, TypeError or AttributeError where it is not what `content` gives."""
        configs = {
            name: Config(
                {split: Split(tuple(own["files"]), own["rows"]) for split, own in config["splits"].items()},
                config["features"],
                config["parquet"],
                config["problem"],
            )
            for name, config in content["configs"].items()
        }
        return cls(configs, content["default"])


# One that `datasets` had better list itself.
UNLISTED = Repository({}, None)


def in_folder(folder: Path) -> Repository:
    """The repository that lies in a folder, its files as paths in it."""
    from datasets.load import LocalDatasetModuleFactory

    module = LocalDatasetModuleFactory(str(folder)).get_module()
    parameters = module.builder_configs_parameters
    plain = module.module_path.endswith(".parquet")
    configs = {each.name: _config(each, folder, module.dataset_infos, plain) for each in parameters.builder_configs}
    default = parameters.default_config_name if parameters.default_config_name in configs else None
    if default is None and len(configs) == 1:
        default = next(iter(configs))
    return Repository(configs, default)


def of_listing(listing: Iterable[str], about: Mapping[str, Path]) -> Repository:
    """The repository that a hub lists, of which only the files that say something about it are there.

    Args:
        listing: all files, as paths in the repository.
        about: those of `ABOUT` that there are, each with the place where it lies.

    It is laid out in a temporary folder, of empty files: for `datasets` goes by their names.
    """
    with TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        for name in listing:
            place = folder / name
            if not place.resolve().is_relative_to(folder):  # a name with ".."
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            if name in about:
                place.write_bytes(about[name].read_bytes())
            else:
                place.touch()
        return in_folder(folder)


def _config(builder: Any, folder: Path, infos: Mapping[str, Any], plain: bool) -> Config:
    import datasets

    info = infos.get(builder.name)
    try:
        builder._resolve_data_files(base_path=folder.resolve().as_posix(), download_config=datasets.DownloadConfig())
    except (FileNotFoundError, ValueError) as error:
        return Config({}, problem=f"{type(error).__name__}: {error}")
    declared = {name: split.num_examples for name, split in ((info and info.splits) or {}).items()}
    splits = {
        str(name): Split(
            tuple(Path(str(file)).relative_to(folder.resolve()).as_posix() for file in files), declared.get(str(name))
        )
        for name, files in (builder.data_files or {}).items()
    }
    options = {name: getattr(builder, name, None) for name in ("columns", "filters", "features", "batch_size")}
    features = info.features.to_dict() if info is not None and info.features else None
    files = [file for split in splits.values() for file in split.files]
    parquet = plain and not any(options.values()) and all(file.endswith(".parquet") for file in files)
    return Config(splits, features, parquet)
