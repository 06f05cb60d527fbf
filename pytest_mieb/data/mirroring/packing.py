"""A mirror of a part of another: some rows of every split that tasks read, chosen by a seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pytest_mieb.data import layouts
from pytest_mieb.data.columns import Columns
from pytest_mieb.data.digest import Digest
from pytest_mieb.data.errors import DatasetError
from pytest_mieb.data.mirroring.manifest import FileRecord, Manifest
from pytest_mieb.data.parts import Draw
from pytest_mieb.data.repository import Config, Repository, Split
from pytest_mieb.data.sources import Mirror
from pytest_mieb.data.table import Asked, Opener
from pytest_mieb.suite import DatasetRef, Task

# Rows of pictures that are read at once from what was packed.
_ROWS_A_GROUP = 100


@dataclass(frozen=True)
class Packed:
    """What became of a part: rows and bytes by dataset, and why datasets failed."""

    rows: Mapping[str, int]
    n_bytes: int
    problems: Mapping[str, str]


def pack(
    source: Mirror,
    out: Path,
    tasks: Mapping[str, Sequence[Task]],
    draw: Callable[[str], Draw],
    done: Callable[[str], None],
) -> Packed:
    """Write a part of every dataset to the mirror `out`; those that fail do not stop the others.

    Args:
        source: the mirror to take it from.
        tasks: by the dataset that they read.
        draw: the choice of rows in a dataset, org/name.
        done: told of each dataset.

    Raises:
        OSError: it cannot be written.
    """
    rows: dict[str, int] = {}
    problems: dict[str, str] = {}
    n_bytes = 0
    for path, own in tasks.items():
        try:
            record = _packed(source, out, own, draw(path))
            record.write(out)
            rows[path] = sum(
                split.rows or 0 for config in record.repository.configs.values() for split in config.splits.values()
            )
            n_bytes += sum(each.size for each in record.files.values())
        except DatasetError as error:
            problems[path] = str(error)
        done(path)
    return Packed(rows, n_bytes, problems)


def _packed(source: Mirror, out: Path, tasks: Sequence[Task], draw: Draw) -> Manifest:
    """Raises DatasetError where the source lacks the dataset, or what a task reads of it."""
    ref, folder = tasks[0].dataset, out / tasks[0].dataset.path
    chosen = _chosen(source, tasks, draw)
    default = source.default_config(ref)
    configs: dict[str, dict[str, Split]] = defaultdict(dict)
    features: dict[str, Mapping[str, Any]] = {}
    for asked, rows in sorted(chosen.items(), key=lambda item: (item[0].config or default or "", item[0].split)):
        config = asked.config or default or "default"
        columns = source.columns(ref, asked.config, asked.split)
        name = f"{config}/{asked.split}-00000-of-00001.parquet"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        _write(columns, rows, folder / name)
        configs[config][asked.split] = Split((name,), len(rows))
        features[config] = source.features(ref, asked.config, asked.split)
    part = _described(draw)
    repository = Repository(
        {name: Config(splits, features[name], parquet=True) for name, splits in configs.items()},
        default if default in configs else None,
    )
    (folder / "README.md").write_text(_readme(repository, ref, part), encoding="utf-8")
    commit = source.commit(ref)
    names = ["README.md", *(split.files[0] for splits in configs.values() for split in splits.values())]
    files = {name: _record(folder / name) for name in names}
    return Manifest(ref.path, ref.revision, commit, files, repository, part)


def _chosen(source: Mirror, tasks: Sequence[Task], draw: Draw) -> dict[Asked, list[int]]:
    """The rows that any task takes, in order, by split; a config that is meant by none is named."""
    ref = tasks[0].dataset
    default = source.default_config(ref)
    taken: dict[Asked, set[int]] = defaultdict(set)
    for task in tasks:
        layout = layouts.known()[task.dataset.layout]
        for subset in task.subsets:
            opener = Opener(source, task.dataset)
            if layout.part:
                part = layout.part(task, subset, opener, draw)
            elif layout.splits:
                part = {each: range(len(opener.table(*each))) for each in layout.splits(task, subset, opener)}
            else:
                raise DatasetError(
                    f"dataset {ref.path}: the layout {layout.name} does not say what it reads, so no part can be made "
                    f"of it; copy {source.folder / ref.path} whole"
                )
            for asked, rows in part.items():
                taken[Asked(asked.split, asked.config or default)].update(rows)
    return {asked: sorted(rows) for asked, rows in taken.items()}


def _write(columns: Columns, rows: Sequence[int], file: Path) -> None:
    import pyarrow.parquet as pq

    writer = None
    for table in columns.tables(np.array(rows, dtype=np.int64)):
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table, row_group_size=_ROWS_A_GROUP)
    if writer is None:
        raise DatasetError(f"{file}: no row was chosen; take a larger share")
    writer.close()


def _described(draw: Draw) -> str:
    size = f"{draw.rows} rows" if draw.rows is not None else f"{draw.share:g} of the rows"
    return f"{size} of each split, by seed {draw.seed}"


def _readme(repository: Repository, ref: DatasetRef, part: str) -> str:
    configs = [
        {
            "config_name": name,
            **({"default": True} if name == repository.default else {}),
            "data_files": [{"split": each, "path": split.files[0]} for each, split in config.splits.items()],
        }
        for name, config in repository.configs.items()
    ]
    head = yaml.safe_dump({"configs": configs}, allow_unicode=True, sort_keys=False)
    return f"---\n{head}---\n\nA part of {ref.path}, for smoke tests: {part}.\n"


def _record(file: Path) -> FileRecord:
    size = file.stat().st_size
    return FileRecord(size, Digest("sha256", "").of(file, size))
