"""`pytest-mieb cache`: what it lists, checks and removes, and how it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import pytest

from pytest_mieb.cli import main
from tests.embedding.test_inventory import shard, stored

DAY = 86_400.0


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Three models, used today, ten and a hundred days ago; the last one has been trained further since."""
    now = time.time()
    folder = tmp_path / "cache"
    stored(folder, "./today", "aaaa", used=now)
    stored(folder, "./ten", "bbbb", used=now - 10 * DAY)
    stored(folder, "./hundred", "cccc", used=now - 100 * DAY)
    stored(folder, "./hundred", "dddd", used=now - 200 * DAY)
    return folder


def called(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str], str]:
    try:
        code = main(["cache", *arguments])
    except SystemExit as left:
        code = int(left.code or 0)
    out, err = capsys.readouterr()
    return code, out.splitlines(), err


@pytest.mark.parametrize("place", ["before", "after", "none"])
@pytest.mark.parametrize("option", ["--cache={}", "--store={}", "--store=file://{}"])
def test_a_row_a_model(place: str, option: str, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    option = option.format(cache)
    arguments = {"before": (option, "list"), "after": ("list", option), "none": (option,)}[place]
    code, (heading, *rows, total), err = called(capsys, *arguments)
    assert (code, err) == (0, "")
    assert heading.split() == ["MODEL", "BATCH", "ITEMS", "SIZE", "LAST", "USED", "FOLDER"]
    assert [row.split()[:3] for row in rows] == [
        [f"./{name}", "64", "5"] for name in ("today", "ten", "hundred", "hundred")
    ]
    assert time.strftime("%Y-%m-%d") in rows[0]
    assert (cache / rows[0].split()[-1]).is_dir()
    assert total.endswith(f" kB in {option.partition('=')[2]}")


def test_the_folder_of_a_run_is_that_of_the_command(
    cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    assert called(capsys)[1] == [f"no embeddings are stored in {cache.parent / 'pytest-mieb'}"]
    cache.rename(cache.parent / "pytest-mieb")
    assert len(called(capsys)[1]) == 6


@pytest.mark.parametrize("option", ["--cache=", "--store=file://"])
def test_verify_names_what_is_damaged(option: str, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    option = f"{option}{cache}"
    assert called(capsys, "verify", option) == (0, ["20 embeddings of 4 models checked, no files damaged"], "")
    file = shard(next(cache.glob("embeddings/bbbb-*/*/")))
    os.truncate(file, file.stat().st_size - 1)
    code, lines, _ = called(capsys, "verify", option)
    assert code == 1
    named = f"{option.partition('=')[2]}{str(file).removeprefix(str(cache))}"
    assert lines == [f"damaged: {named}: it is not whole", "16 embeddings of 4 models checked, 1 file damaged"]


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--model=./hundred"], ["./today", "./ten"]),
        (["--older-than=50"], ["./today", "./ten"]),
        (["--older-than=5", "--model=./ten"], ["./today", "./hundred", "./hundred"]),
        (["--older-than=50", "--model=./ten"], ["./today", "./ten", "./hundred", "./hundred"]),
        (["--down-to=0kB"], []),
        (["--down-to=1GB"], ["./today", "./ten", "./hundred", "./hundred"]),
        (["--down-to=0kB", "--older-than=5"], ["./today"]),
    ],
    ids=" ".join,
)
def test_prune_removes_what_all_options_apply_to(
    options: list[str], left: list[str], cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    option = f"--cache={cache}"
    before = called(capsys, option)
    code, lines, err = called(capsys, "prune", option, "--dry-run", *options)
    assert (code, err, called(capsys, option)) == (0, "", before)
    assert len(lines) - 1 == 4 - len(left) and all(line.startswith("would be removed: ") for line in lines[:-1])
    assert called(capsys, "prune", option, *options)[0] == 0
    assert [row.split()[0] for row in called(capsys, option)[1][1:-1]] == left
    if not left:
        assert list((cache / "embeddings").iterdir()) == []


def test_prune_removes_from_a_shared_place(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fs = fsspec.filesystem("memory")
    fs.put(str(cache), "/team/mieb", recursive=True)
    option = "--store=memory://team/mieb"
    assert called(capsys, "verify", option) == (0, ["20 embeddings of 4 models checked, no files damaged"], "")
    assert called(capsys, "prune", option, "--model=./hundred")[0] == 0
    assert sorted(row.split()[0] for row in called(capsys, option)[1][1:-1]) == ["./ten", "./today"]
    assert called(capsys, "prune", option, "--down-to=0kB")[0] == 0
    assert called(capsys, option)[1] == ["no embeddings are stored in memory://team/mieb"]
    fs.rm("/team", recursive=True)


def test_down_to_a_size_what_was_used_longest_ago_goes_first(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = [
        sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) for place in cache.glob("embeddings/*")
    ]
    code, lines, _ = called(capsys, "prune", f"--cache={cache}", f"--down-to={sum(sizes[:2]) / 1000 + 0.1}kB")
    assert code == 0
    assert lines[-1].startswith("2 models removed, ")
    assert [row.split()[0] for row in called(capsys, f"--cache={cache}")[1][1:-1]] == ["./today", "./ten"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["prune"], "say what to remove with --model, --older-than or --down-to; `list` shows what there is"),
        (["prune", "--model=no"], "nothing is stored of the model no; stored are: ./hundred, ./ten, ./today"),
        (["prune", "--older-than=-1"], "argument --older-than: '-1' is no number of days, such as 30"),
        (["prune", "--older-than=nan"], "argument --older-than: 'nan' is no number of days, such as 30"),
        (["prune", "--older-than=a week"], "argument --older-than: 'a week' is no number of days, such as 30"),
        (["prune", "--down-to=20"], "argument --down-to: '20' is no size, such as 500MB or 20GB"),
        (["empty"], "invalid choice: 'empty'"),
        (["list", "--store=nowhere://team"], "--store=nowhere://team: Protocol not known: nowhere; give a folder"),
        (["list", "--cache=nowhere"], "--cache=nowhere: there is no such folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_refusals(arguments: list[str], sentence: str, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = called(capsys, f"--cache={cache}", *arguments)
    assert (code, out) == (4, [])
    assert sentence in err


def test_nothing_heavy_is_imported(cache: Path) -> None:
    code = f"""
import sys
from pytest_mieb.cli import main
main(["cache", "verify", "--cache={cache}"])
sys.exit(", ".join(sorted({{"torch", "transformers", "datasets", "sklearn"}} & set(sys.modules))) or 0)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
