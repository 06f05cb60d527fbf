"""Hand-made mirrors of the hub: small parquet files, laid out as repositories have them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from PIL import Image

from pytest_mieb.data.columns import ArrowColumns, Part
from pytest_mieb.data.inputs import Images, Inputs
from pytest_mieb.data.sources import Mirror
from tests.builders import a_task

Columns = Mapping[str, Sequence[Any]]
Tables = Mapping[str, Mapping[str, Columns]]  # config -> split -> columns
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255), "grey": (9, 9, 9)}


class Numbered(list[Any]):
    """The values of a column of class numbers, or of lists of them, with the names of the classes."""

    def __init__(self, values: Sequence[Any], *names: str) -> None:
        super().__init__(values)
        self.names = names

    @property
    def feature(self) -> Any:
        label = datasets.ClassLabel(names=list(self.names))
        return datasets.List(label) if isinstance(self[0], list) else label


def whole(dataset: datasets.Dataset) -> list[Part]:
    """All rows of an open dataset."""
    return [Part(ArrowColumns(dataset), np.arange(len(dataset)))]


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def plain(colour: str, form: str = "PNG") -> bytes:
    """The file of an image of one colour."""
    return encoded(Image.new("RGB", (4, 4), COLOURS[colour]), form)


def pictures(*colours: str | None) -> list[dict[str, Any] | None]:
    """Values of an image column, one a colour; None is a missing image."""
    return [{"bytes": plain(colour), "path": None} if colour else None for colour in colours]


def write(repository: Path, tables: Tables, images: Sequence[str] = ("image",)) -> None:
    """Write tables as a repository; of the config "" the files lie in data/."""
    head = ["---", "configs:"]
    for config, splits in tables.items():
        folder = config or "data"
        head += [f"- config_name: '{config or 'default'}'", "  data_files:"]
        for split, columns in splits.items():
            head += [f"  - split: '{split}'", f"    path: {folder}/{split}-*.parquet"]
            (repository / folder).mkdir(parents=True, exist_ok=True)
            rows = datasets.Dataset.from_dict(dict(columns))
            for column in images:
                if column in columns and not isinstance(columns[column][0], bytes):
                    rows = rows.cast_column(column, datasets.Image())
            for column, values in columns.items():
                if isinstance(values, Numbered):
                    rows = rows.cast_column(column, values.feature)
            rows.to_parquet(repository / folder / f"{split}-00000-of-00001.parquet")
    (repository / "README.md").write_text("\n".join([*head, "---", ""]))


def mirror(folder: Path, tables: Tables, images: Sequence[str] = ("image",)) -> Mirror:
    """A mirror with one repository, that of `a_task`."""
    write(folder / "mirror" / a_task().dataset.path, tables, images)
    return Mirror(folder / "mirror", folder / "cache")


def colours(images: Images | Inputs | None) -> list[str]:
    """The colour names of a sequence of plain images."""
    found = images.images if isinstance(images, Inputs) else images
    assert found is not None
    names = {value: name for name, value in COLOURS.items()}
    return [names[image.getpixel((0, 0))] for image in found]  # type: ignore[index]
