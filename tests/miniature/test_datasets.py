"""The stand-ins have the hub's layouts, and the content that the package says."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from pytest_mieb.miniature import content
from pytest_mieb.miniature.classes import classes, prompts
from pytest_mieb.miniature.datasets import repositories, write_mirror
from pytest_mieb.suite.cards import load_tasks

SOME = (
    "facebook/winoground",
    "mteb/MMSoc_Memotion_corrected",
    "mteb/blink-it2i-multi",
    "mteb/imagecode-multi",
    "mteb/mbeir_mscoco_task0",
    "mteb/mbeir_oven_task6",
    "mteb/mnist",
    "mteb/tabfquad_test_subsampled_beir",
    "mteb/wds_gtsrb",
    "mteb/xm3600",
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("mirror")
    return folder, write_mirror(folder, SOME, processes=1)


@pytest.fixture(scope="module")
def folder(written: tuple[Path, dict[str, str]]) -> Path:
    return written[0]


def columns(folder: Path, repository: str, config: str, split: str) -> dict[str, list[Any]]:
    head = yaml.safe_load((folder / repository / "README.md").read_text().split("---")[1])
    files = {c["config_name"]: {f["split"]: f["path"] for f in c["data_files"]} for c in head["configs"]}
    (file,) = (folder / repository).glob(files[config][split])
    found: dict[str, list[Any]] = pq.read_table(file).to_pydict()
    return found


def picture(cell: dict[str, Any]) -> Image.Image:
    return Image.open(io.BytesIO(cell["bytes"]))


def test_every_dataset_of_the_suite_has_a_miniature() -> None:
    assert set(repositories()) == {task.dataset.path for task in load_tasks().values()}
    assert set(content.expected()) == set(repositories())


def test_content_is_the_recorded_one(written: tuple[Path, dict[str, str]]) -> None:
    if content.installed() != content.made_with():
        pytest.skip("the hashes were made with other drawing libraries")
    assert content.difference(written[1]) is None


def test_unknown_repositories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no miniature of mteb/nothing"):
        write_mirror(tmp_path, ["mteb/nothing"])


def test_beir_ids_agree(folder: Path) -> None:
    for repository, queries in (("mteb/mbeir_mscoco_task0", "queries"), ("mteb/imagecode-multi", "query")):
        corpus_split = "corpus" if queries == "query" else "test"
        asked = columns(folder, repository, queries, "test")["id"]
        corpus = columns(folder, repository, "corpus", corpus_split)["id"]
        qrels = columns(folder, repository, "qrels", "test")
        assert len(set(asked)) == len(asked) >= 200 and len(set(corpus)) == len(corpus)
        assert set(qrels["query-id"]) == set(asked)
        assert set(qrels["corpus-id"]) <= set(corpus)


def test_unused_modalities_are_none(folder: Path) -> None:
    queries = columns(folder, "mteb/mbeir_mscoco_task0", "queries", "test")
    assert set(queries["image"]) == {None} and all(queries["text"])


def test_encyclopaedia_has_titles(folder: Path) -> None:
    assert all(columns(folder, "mteb/mbeir_oven_task6", "corpus", "test")["title"])


def test_candidates_hold_one_right_answer(folder: Path) -> None:
    qrels = columns(folder, "mteb/blink-it2i-multi", "qrels", "test")
    assert sum(qrels["score"]) * 2 == len(qrels["score"]) == 2 * len(set(qrels["query-id"]))
    frames = columns(folder, "mteb/imagecode-multi", "qrels", "test")
    assert sum(frames["score"]) * 10 == len(frames["score"])


def test_the_same_pictures_in_every_language(folder: Path) -> None:
    english = columns(folder, "mteb/xm3600", "default", "en")
    for language in ("ja", "no", "quz"):
        other = columns(folder, "mteb/xm3600", "default", language)
        assert other["image"] == english["image"]
        assert other["captions"] != english["captions"]


def test_some_pictures_are_not_rgb(folder: Path) -> None:
    assert {picture(cell).mode for cell in columns(folder, "mteb/mnist", "default", "test")["image"]} == {"L"}


@pytest.mark.parametrize(
    ("repository", "config", "split", "column"),
    [
        ("facebook/winoground", "default", "test", "image_0"),
        ("mteb/MMSoc_Memotion_corrected", "default", "test", "image"),
        ("mteb/blink-it2i-multi", "corpus", "test", "image"),
        ("mteb/imagecode-multi", "corpus", "corpus", "image"),
        ("mteb/xm3600", "default", "en", "image"),
    ],
)
def test_some_pictures_are_transparent(folder: Path, repository: str, config: str, split: str, column: str) -> None:
    """In files as the hub has them: Pillow writes a palette's alphas, or its one transparent colour."""
    files = [picture(cell) for cell in columns(folder, repository, config, split)[column]]
    ways = [(file.mode, type(file.info.get("transparency"))) for file in files if file.mode not in ("RGB", "L")]
    known = [("RGBA", type(None)), ("LA", type(None)), ("P", int), ("P", bytes)]
    assert set(ways) == set(known[: len(files) // 25 + 1])
    assert len(ways) == -(-len(files) // 25)


def test_memotion_has_rows_without_text(folder: Path) -> None:
    assert None in columns(folder, "mteb/MMSoc_Memotion_corrected", "default", "test")["text_corrected"]


def test_probes_have_enough_of_every_label(folder: Path) -> None:
    for repository, label in (("mteb/mnist", "label"), ("mteb/wds_gtsrb", "cls")):
        labels = columns(folder, repository, "default", "train")[label]
        assert min(labels.count(value) for value in set(labels)) >= 16
        assert set(labels) >= set(columns(folder, repository, "default", "test")[label])


def test_labels_count_the_prompts() -> None:
    said = prompts()
    for path, own in classes().items():
        if path in said:
            assert len(said[path]) == len(own.names), path
            assert max(own.shown) < len(own.names)


@pytest.mark.filterwarnings("default")
def test_features_come_back(folder: Path, tmp_path: Path) -> None:
    import datasets

    def features(repository: str, config: str | None, split: str) -> Any:
        return datasets.load_dataset(str(folder / repository), config, split=split, cache_dir=str(tmp_path)).features

    assert features("mteb/mnist", None, "test")["label"].names == [str(i) for i in range(10)]
    assert isinstance(features("mteb/mnist", None, "test")["image"], datasets.Image)
    signs = features("mteb/wds_gtsrb", None, "test")
    assert isinstance(signs["webp"], datasets.Image) and signs["cls"].dtype == "int64"
    raw = features("mteb/xm3600", None, "no")
    assert set(raw["image"]) == {"bytes", "path"} and raw["captions"] == datasets.List(datasets.Value("string"))
    pages = features("mteb/tabfquad_test_subsampled_beir", "qrels", "test")
    assert [pages[name].dtype for name in ("query-id", "corpus-id", "score")] == ["int64"] * 3


def test_a_difference_is_told_with_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    found = dict(content.expected())
    assert content.difference(found) is None
    changed: Sequence[str] = list(found)[:2]
    monkeypatch.setattr(content, "installed", lambda: {**content.made_with(), "pillow": "99.0"})
    text = content.difference({**found, **dict.fromkeys(changed, "other")})
    assert text and "2 of 101" in text and changed[0] in text and "pillow 99.0" in text


def test_mirror_is_written_once_and_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pytest_mieb.miniature.datasets as written_by

    calls: list[Path] = []

    def write(root: Path, only: object = None, processes: int = 2) -> dict[str, str]:
        calls.append(root)
        if len(calls) == 1:  # another process finishes first
            content.ensure_mirror(tmp_path, told.append)
        return content.expected()

    told: list[str] = []
    monkeypatch.setattr(written_by, "write_mirror", write)
    first = content.ensure_mirror(tmp_path, told.append)
    assert content.ensure_mirror(tmp_path, told.append) == first
    assert len(calls) == 2 and not told
    assert [path.name for path in tmp_path.iterdir()] == [first.name]
