"""Tables as the hub keeps them: parquet files whose metadata name the features, and a README that lists the files."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

Feature = Mapping[str, Any]
TEXT: Feature = {"dtype": "string", "_type": "Value"}
INTEGER: Feature = {"dtype": "int64", "_type": "Value"}
NUMBER: Feature = {"dtype": "float64", "_type": "Value"}
FLAG: Feature = {"dtype": "bool", "_type": "Value"}
IMAGE: Feature = {"_type": "Image"}
RAW_BYTES: Feature = {
    "bytes": {"dtype": "binary", "_type": "Value"},
    "path": {"dtype": "string", "_type": "Value"},
}


def list_of(feature: Feature) -> Feature:
    return {"feature": feature, "_type": "List"}


def class_label(names: Sequence[str]) -> Feature:
    return {"names": list(names), "_type": "ClassLabel"}


@dataclass(frozen=True)
class Encoded:
    """An image file's bytes and a hash of the pixels that a reader gets from them."""

    content: bytes
    pixels: str


def encoded(image: Image.Image, form: str = "PNG") -> Encoded:
    """The image as a file in memory: PNG and WEBP without loss, JPEG with a little."""
    buffer = io.BytesIO()
    options: dict[str, dict[str, Any]] = {
        "PNG": {"compress_level": 5},
        "JPEG": {"quality": 88},
        "WEBP": {"lossless": True, "quality": 20, "method": 0},
    }
    image.save(buffer, form, **options[form])
    content = buffer.getvalue()
    seen = Image.open(io.BytesIO(content)) if form == "JPEG" else image
    about = f"{seen.mode}{seen.size}"
    if "transparency" in seen.info:
        about += f"{seen.getpalette()}{seen.info['transparency']}"
    return Encoded(content, hashlib.sha256(about.encode() + seen.tobytes()).hexdigest())


@dataclass(frozen=True)
class Table:
    """One split of one config: its features and its rows, column by column."""

    features: Mapping[str, Feature]
    columns: Mapping[str, Sequence[Any]]
    split: str = "test"
    config: str = "default"

    @property
    def folder(self) -> str:
        return "data" if self.config == "default" else self.config


Repository = Callable[[], Iterable[Table]]


def table(
    features: Mapping[str, Feature], rows: Sequence[Sequence[Any]], split: str = "test", config: str = "default"
) -> Table:
    """A table from rows whose cells stand in the features' order."""
    columns = {name: [row[i] for row in rows] for i, name in enumerate(features)}
    return Table(features, columns, split, config)


def write_repository(folder: Path, tables: Iterable[Table]) -> str:
    """Write a repository's snapshot into the folder and return its content hash."""
    import yaml

    content = hashlib.sha256()
    configs: dict[str, list[dict[str, str]]] = {}
    for one in tables:
        (folder / one.folder).mkdir(parents=True, exist_ok=True)
        _write_parquet(folder / one.folder / f"{one.split}-00000-of-00001.parquet", one)
        files = configs.setdefault(one.config, [])
        files.append({"split": one.split, "path": f"{one.folder}/{one.split}-*"})
        content.update(_described(one))
    head = {"configs": [{"config_name": name, "data_files": files} for name, files in configs.items()]}
    body = f"A miniature stand-in for {folder.parent.name}/{folder.name}: synthetic, for tests only.\n"
    readme = f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n\n{body}"
    (folder / "README.md").write_text(readme, encoding="utf-8")
    return content.hexdigest()[:16]


def _write_parquet(path: Path, one: Table) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [pa.field(name, _arrow(feature)) for name, feature in one.features.items()]
    metadata = {"huggingface": json.dumps({"info": {"features": one.features}})}
    arrays = [pa.array([_cell(value) for value in one.columns[field.name]], type=field.type) for field in fields]
    pq.write_table(pa.table(arrays, schema=pa.schema(fields, metadata=metadata)), path, compression="zstd")


def _arrow(feature: Feature) -> Any:
    import pyarrow as pa

    kind = feature.get("_type")
    if kind == "Image" or feature is RAW_BYTES:
        return pa.struct({"bytes": pa.binary(), "path": pa.string()})
    if kind == "ClassLabel":
        return pa.int64()
    if kind == "List":
        return pa.list_(_arrow(feature["feature"]))
    return {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}[feature["dtype"]]


def _cell(value: Any) -> Any:
    return {"bytes": value.content, "path": None} if isinstance(value, Encoded) else value


def _described(one: Table) -> bytes:
    """Everything that a reader of the table sees, as bytes to hash."""
    cells = {
        name: [value.pixels if isinstance(value, Encoded) else value for value in column]
        for name, column in one.columns.items()
    }
    return json.dumps([one.config, one.split, one.features, cells], ensure_ascii=False, sort_keys=True).encode()
