"""Make `baselines/published/` from the upstream scores: `python benchmarks/pack_published.py FOLDER`.

FOLDER holds one JSON file a model, drawn from MTEB's results repository: `model` (its hub id), `model_revision` and
`tasks`, which maps each task to its `score`, the `mteb` version that measured it, its `dataset_revision` where that is
another than the card's, and `subsets` where it has several. Run it again when models are added: a table that did not
change is written the same to the byte.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pytest_mieb.measurement.published import (
    REVISIONS,
    PublishedModel,
    PublishedScore,
    file_name,
    folder,
    revision_table,
    table,
)
from pytest_mieb.suite.cards import load_tasks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("upstream", type=Path, metavar="FOLDER")
    models = upstream(parser.parse_args().upstream)
    folder().mkdir(parents=True, exist_ok=True)
    for model in models:
        (folder() / file_name(model.model)).write_text(table(model), encoding="utf-8")
    (folder() / REVISIONS).write_text(revision_table(models), encoding="utf-8")
    size = sum(path.stat().st_size for path in folder().glob("*.tsv"))
    print(f"{len(models)} models, {sum(len(model.tasks) for model in models)} scores, {size / 1024:.0f} KiB")


def upstream(place: Path) -> list[PublishedModel]:
    """The models of a folder of upstream JSON."""
    cards = load_tasks()
    models = []
    for path in sorted(place.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        tasks = {
            name: PublishedScore(
                score=float(entry["score"]),
                mteb=entry["mteb"],
                dataset_revision=entry.get("dataset_revision", cards[name].dataset.revision),
                subsets={subset: float(score) for subset, score in entry.get("subsets", {}).items()},
            )
            for name, entry in content["tasks"].items()
        }
        models.append(PublishedModel(content["model"], content["model_revision"], tasks))
    return models


if __name__ == "__main__":
    main()
