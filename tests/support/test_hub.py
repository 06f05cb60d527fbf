"""The hub on localhost, tried with the hub's real clients in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from email.message import Message
from http.client import IncompleteRead
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.hub import GRANTED, Hub, byte_range, tree

REVISION = "a" * 40
SEVERAL, PLAIN, MODEL = "mini/several-configs", "mini/plain", "mini/model"
README = """---
configs:
- config_name: corpus
  data_files:
  - split: test
    path: corpus/test-*.parquet
- config_name: queries
  data_files:
  - split: train
    path: queries/train-*.parquet
  - split: test
    path: queries/test-*.parquet
---
"""
PRINT_COLUMN = """
import json, sys
from datasets import load_dataset
repository, revision, config, split, column = sys.argv[1:]
print(json.dumps(load_dataset(repository, config or None, split=split, revision=revision)[column][:]))
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mirror")
    for path, column, values in (
        (f"{SEVERAL}/corpus/test-00000-of-00001.parquet", "text", ["a", "b"]),
        (f"{SEVERAL}/queries/train-00000-of-00001.parquet", "text", ["c"]),
        (f"{SEVERAL}/queries/test-00000-of-00001.parquet", "text", ["d", "e"]),
        (f"{PLAIN}/data/test-00000-of-00001.parquet", "number", list(range(2000))),
    ):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({column: values}), file)
    (root / SEVERAL / "README.md").write_text(README)
    model = root / "models" / MODEL
    model.mkdir(parents=True)
    (model / "config.json").write_text(json.dumps({"model_type": "clip", "projection_dim": 7}))
    return root


@pytest.fixture
def hub(root: Path) -> Iterator[Hub]:
    with Hub(root) as hub:
        yield hub


class Answer(NamedTuple):
    status: int
    headers: Message
    body: bytes


def ask(url: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
    try:
        with urlopen(Request(url, method=method, headers=dict(headers or {}))) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except HTTPError as refused:
        with refused:
            return Answer(refused.code, refused.headers, refused.read())


def run(code: str, *arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_datasets_loads_a_pinned_revision_once_and_then_from_its_cache(hub: Hub, tmp_path: Path) -> None:
    environment = hub.environment(tmp_path)
    arguments = (SEVERAL, REVISION, "queries", "test", "text")

    first = run(PRINT_COLUMN, *arguments, environment=environment)
    assert (first.stdout, first.returncode) == ('["d", "e"]\n', 0), first.stderr
    assert sorted(hub.downloads(SEVERAL)) == [
        f"{SEVERAL}/README.md",
        f"{SEVERAL}/queries/test-00000-of-00001.parquet",
        f"{SEVERAL}/queries/train-00000-of-00001.parquet",
    ]
    revisions = {part for request in hub.requests for part in request.path.split("/") if len(part) == 40}
    assert revisions == {REVISION}

    asked = len(hub.requests)
    second = run(PRINT_COLUMN, *arguments, environment=environment | {"HF_HUB_OFFLINE": "1"})
    assert second.stdout == '["d", "e"]\n', second.stderr
    assert len(hub.requests) == asked


def test_a_missing_repository_is_named_as_one(root: Path, tmp_path: Path) -> None:
    with Hub(root, missing=[PLAIN]) as hub:
        for repository in (PLAIN, "nobody/nothing"):
            done = run(PRINT_COLUMN, repository, REVISION, "", "test", "number", environment=hub.environment(tmp_path))
            assert "DatasetNotFoundError" in done.stderr
            assert f"Dataset '{repository}' doesn't exist" in done.stderr


def test_a_gated_repository_opens_to_the_granted_token(root: Path, tmp_path: Path) -> None:
    arguments = (PLAIN, REVISION, "", "test", "number")
    with Hub(root, gated=[PLAIN]) as hub:
        stranger = run(PRINT_COLUMN, *arguments, environment=hub.environment(tmp_path))
        assert "gated dataset" in stranger.stderr
        refused = run(PRINT_COLUMN, *arguments, environment=hub.environment(tmp_path) | {"HF_TOKEN": "hf_other"})
        assert "gated dataset" in refused.stderr
        friend = run(PRINT_COLUMN, *arguments, environment=hub.environment(tmp_path) | {"HF_TOKEN": GRANTED})
        assert json.loads(friend.stdout) == list(range(2000)), friend.stderr


def test_a_truncated_file_does_not_arrive(root: Path) -> None:
    with Hub(root, truncated=[PLAIN]) as hub:
        url = f"{hub.url}/datasets/{PLAIN}/resolve/main/data/test-00000-of-00001.parquet"
        announced = ask(url, "HEAD").headers["Content-Length"]
        with pytest.raises(IncompleteRead):
            ask(url)
    assert int(announced) == (root / PLAIN / "data/test-00000-of-00001.parquet").stat().st_size


def test_transformers_loads_a_model(hub: Hub, tmp_path: Path) -> None:
    code = f"from transformers import AutoConfig; print(AutoConfig.from_pretrained({MODEL!r}).projection_dim)"
    done = run(code, environment=hub.environment(tmp_path))
    assert done.stdout == "7\n", done.stderr
    assert hub.downloads() == [f"{MODEL}/config.json"]


def test_files_have_an_etag_and_the_commit_asked_for(hub: Hub, root: Path) -> None:
    url = f"{hub.url}/datasets/{SEVERAL}/resolve/{REVISION}/README.md"
    whole, head = ask(url), ask(url, "HEAD")
    assert (whole.body, head.body) == (README.encode(), b"")
    for answer in (whole, head):
        assert answer.headers["X-Repo-Commit"] == REVISION
        assert answer.headers["Content-Length"] == str(len(README))
    assert whole.headers["ETag"] == head.headers["ETag"]

    part = ask(url, headers={"Range": "bytes=4-10"})
    assert (part.status, part.body, part.headers["Content-Range"]) == (206, b"configs", f"bytes 4-10/{len(README)}")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"datasets/{SEVERAL}/resolve/main/none.txt", 404, "EntryNotFound"),
        (f"datasets/{SEVERAL}/resolve/main/../../README.md", 404, "EntryNotFound"),
        (f"datasets/{SEVERAL}/resolve/v9/README.md", 404, "RevisionNotFound"),
        ("datasets/nobody/nothing/resolve/main/README.md", 404, "RepoNotFound"),
        (f"api/datasets/{SEVERAL}/tree/main/none", 404, "EntryNotFound"),
        (f"api/models/{SEVERAL}", 404, "RepoNotFound"),
        (f"api/datasets/{PLAIN}", 503, None),
        ("elsewhere", 404, None),
    ],
)
def test_refusals_carry_the_hubs_code(root: Path, path: str, status: int, code: str | None) -> None:
    with Hub(root, failing={PLAIN: 503}) as hub:
        refused = ask(f"{hub.url}/{path}")
    assert (refused.status, refused.headers["X-Error-Code"]) == (status, code)


def test_a_long_listing_comes_in_pages(hub: Hub) -> None:
    url: str | None = f"{hub.url}/api/datasets/{SEVERAL}/tree/main?recursive=true&limit=2"
    pages = []
    while url:
        answer = ask(url)
        pages.append([entry["path"] for entry in json.loads(answer.body)])
        link = answer.headers["Link"]
        url = link[1 : link.index(">")] if link else None
    assert pages == [
        ["README.md", "corpus"],
        ["corpus/test-00000-of-00001.parquet", "queries"],
        ["queries/test-00000-of-00001.parquet", "queries/train-00000-of-00001.parquet"],
    ]


def test_a_tree_shows_one_level_unless_it_is_recursive(root: Path) -> None:
    entries = tree(root / SEVERAL, "", recursive=False, expand=True, commit=REVISION)
    kinds = {entry["path"]: entry["type"] for entry in entries}
    assert kinds == {"README.md": "file", "corpus": "directory", "queries": "directory"}
    assert {entry["lastCommit"]["id"] for entry in entries} == {REVISION}
    below = tree(root / SEVERAL, "corpus", recursive=False, expand=False, commit=REVISION)
    assert [entry["path"] for entry in below] == ["corpus/test-00000-of-00001.parquet"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-", (0, 99)),
        ("bytes=10-19", (10, 19)),
        ("bytes=90-500", (90, 99)),
        ("bytes=-5", (95, 99)),
    ],
)
def test_byte_ranges(header: str | None, expected: tuple[int, int] | None) -> None:
    assert byte_range(header, 100) == expected
