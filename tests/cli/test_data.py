"""`pytest-mieb data` on the tests' own hub, in processes of its own: what it says, and what it does in trouble."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pytest_mieb.cli import main
from pytest_mieb.cli.data.progress import Shown
from pytest_mieb.miniature import mirror
from tests.hub import GRANTED, Hub, Trouble, commit_of

ONE, TWO, THREE = "mini/one", "mini/two", "mini/three"
ALL = (ONE, TWO, THREE)
REVISION = "a" * 40
CARD = """
name: {name}
category: {category}
modalities: i2c
protocol: {protocol}
metric: {metric}
dataset: {{path: {path}, revision: {revision}, layout: labelled, split: test, image: image, label: label{more}}}
scoring: {scoring}
languages: [eng-Latn]
license: {licence}
"""
README = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
  - split: test
    path: data/test-*
---
"""
FEW_ROWS, MANY_ROWS = 1_000, 400_000
# Without the waits of minutes that a real hub is worth.
RUN = """
import sys
from pytest_mieb.cli import main
from pytest_mieb.data.mirroring import fetching, needing
from pytest_mieb.support import retrying
retrying.FIRST_WAIT = 0.05
for patience in (fetching.PATIENCE, needing.PATIENCE):
    object.__setattr__(patience, "stall", 1.0)
{more}
sys.exit(main(["data", *sys.argv[1:]]))
"""


def numbers(rows: int) -> pa.Table:
    return pa.table({"number": [(row * 7919) % 104729 for row in range(rows)]})


@dataclass
class Place:
    """A hub's datasets, the cards of tasks on them, and the folders of whoever fetches them."""

    root: Path
    cards: Path
    home: Path
    mirror: Path

    def start(
        self, hub: Hub, *arguments: str | Path, more: str = "", variables: Sequence[str] = ()
    ) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "ignore", "-c", RUN.format(more=more), *map(str, arguments)]
        environment = hub.environment(self.home) | dict(each.split("=") for each in variables)
        return subprocess.Popen(
            [*command, f"--tasks={self.cards}", "-k", "Mini"],
            env=environment | {"PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "500"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, hub: Hub, *arguments: str | Path, more: str = "", variables: Sequence[str] = ()) -> Said:
        process = self.start(hub, *arguments, more=more, variables=variables)
        out, err = process.communicate(timeout=120)
        assert "Traceback" not in err, err
        return Said(process.returncode, out.splitlines(), err)

    def fetch(self, hub: Hub, *arguments: str, **more: Any) -> Said:
        return self.run(hub, "fetch", self.mirror, *arguments, **more)

    def assert_whole(self, *names: str) -> None:
        for name in names:
            theirs, ours = self.root / name / "data", self.mirror / name / "data"
            assert [file.name for file in ours.iterdir()] == ["test-0.parquet"], name
            assert (ours / "test-0.parquet").read_bytes() == (theirs / "test-0.parquet").read_bytes(), name
            assert (self.mirror / name / "README.md").read_text() == README, name


@dataclass(frozen=True)
class Said:
    code: int
    lines: list[str]
    err: str

    @property
    def failed(self) -> list[str]:
        return [line.removeprefix("failed: ") for line in self.lines if line.startswith("failed: ")]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    root, cards = tmp_path / "served", tmp_path / "cards"
    cards.mkdir()
    for name in ALL:
        data = root / name / "data"
        data.mkdir(parents=True)
        (root / name / "README.md").write_text(README)
        rows = MANY_ROWS if name == TWO else FEW_ROWS
        pq.write_table(numbers(rows), data / "test-0.parquet", compression="none", use_dictionary=False)
        pq.write_table(numbers(FEW_ROWS), data / "train-0.parquet")
        task = f"Mini{name.removeprefix('mini/').title()}"
        content = CARD.format(
            name=task,
            category="clustering",
            protocol="clustering",
            metric="nmi",
            path=name,
            revision=REVISION,
            more="",
            scoring="{}",
            licence="mit",
        )
        (cards / f"{task}.yaml").write_text(content)
    return Place(root, cards, tmp_path / "home", tmp_path / "mirror")


def called(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, list[str], str]:
    try:
        code = main(["data", *map(str, arguments)])
    except SystemExit as left:
        code = int(left.code or 0)
    out, err = capsys.readouterr()
    return code, out.splitlines(), err


def size(place: Place, name: str) -> int:
    return sum((place.root / name / each).stat().st_size for each in ("README.md", "data/test-0.parquet"))


def test_a_row_a_dataset_and_the_total(place: Place) -> None:
    with Hub(place.root, gated=[THREE]) as hub:
        said = place.run(hub)
    assert said.code == 0 and said.err == ""
    heading, *rows, total = said.lines
    assert heading.split()[:5] == ["DATASET", "REVISION", "LICENCE", "GATED", "TASKS"]
    cells = {row.split()[0]: row.split() for row in rows}
    assert cells[ONE][1:5] == [REVISION[:12], "mit", "-", "MiniOne"]
    assert cells[TWO][5:9] == ["3.2", "MB", "3.2", "MB"]
    assert cells[THREE][3] == "gated" and cells[THREE][5] == "about"
    assert total.startswith("3 tasks of 3 datasets: about 3.2 MB to download, about 3.2 MB on disk; ")


def test_the_same_for_machines(place: Place) -> None:
    with Hub(place.root) as hub:
        place.fetch(hub)
        said = place.run(hub, "list", "--json", "--in", place.mirror)
        offline = place.run(hub, "--json", "--in", place.mirror, variables=["HF_HUB_OFFLINE=1"])
    content, later = json.loads("\n".join(said.lines)), json.loads("\n".join(offline.lines))
    first = content["datasets"][0]
    assert first == {
        "dataset": ONE,
        "revision": REVISION,
        "tasks": ["MiniOne"],
        "licences": ["mit"],
        "gated": False,
        "download": size(place, ONE),
        "on_disk": size(place, ONE),
        "there": size(place, ONE),
        "about": False,
        "problem": None,
    }
    assert later["datasets"][0] == {**first, "gated": None}
    assert offline.code == 0 and "HF_HUB_OFFLINE is set, so the hub was not asked" in offline.err


def test_what_is_not_known_is_not_called_zero(place: Place) -> None:
    card = place.cards / "MiniOne.yaml"
    card.write_text(f"{card.read_text()}download: 20.1 GB\n")
    with Hub(place.root) as hub:
        said = place.run(hub, variables=["HF_HUB_OFFLINE=1"])
        assert not hub.requests
    one, two, three = (next(line for line in said.lines if line.startswith(name)).split() for name in ALL)
    assert one[-5:] == ["GB", "about", "20.1", "GB", "unknown"]
    assert two[-3:] == three[-3:] == ["unknown"] * 3
    assert "about 20.1 GB to download" in said.lines[-1]
    assert said.lines[-1].endswith("2 datasets of unknown size not counted")


def test_a_listing_with_a_dataset_that_is_gone_lists_the_others(place: Place) -> None:
    with Hub(place.root, missing=[TWO]) as hub:
        said = place.run(hub)
    assert said.code == 1
    assert [line.split()[0] for line in said.lines[1:4]] == [ONE, THREE, TWO]
    (sentence,) = said.err.splitlines()
    assert sentence.startswith(f"pytest-mieb data: dataset {TWO} (revision {REVISION}) cannot be read from the hub: it")


def test_a_hub_that_is_not_there_is_not_asked_for_each(place: Place) -> None:
    with Hub(place.root) as hub:
        pass
    said = place.run(hub)
    assert said.code == 1 and said.lines[1].split()[-3:] == ["unknown"] * 3
    assert "the hub was not reached" in said.err


def test_a_mirror_holds_what_tasks_read_and_a_second_fetch_asks_for_no_file(place: Place) -> None:
    with Hub(place.root) as hub:
        said = place.fetch(hub)
        assert said.code == 0 and said.lines[0].startswith(f"3 of 3 datasets are whole in {place.mirror}; 3 files, ")
        sent = len(hub.downloads())
        again = place.fetch(hub)
        assert again.lines == [f"3 of 3 datasets are whole in {place.mirror}; 0 files, 0.0 kB, came over the network"]
        assert len(hub.downloads()) == sent
    place.assert_whole(*ALL)
    assert not list(place.mirror.rglob("*.part")) and "fetching 6 files" in said.err


PASSING: dict[str, tuple[dict[str, Any], str]] = {
    "429": (
        {"status": 429, "headers": {"Retry-After": "1"}},
        "the hub answered 429: the hub has trouble; asked again in 1",
    ),
    "500": ({"status": 500}, "the hub answered 500: the hub has trouble; asked again in 0"),
    "stall": ({"drip": 0.2}, "the hub sent nothing for a long time: "),
    "cut": ({"cut": True}, "the hub broke off in the middle of a file; asked again in 0"),
    "wrong hash": ({"spoil": True}, "the hub sent a file whose content is not what it lists: data/test-0.parquet has"),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_is_passed_over(place: Place, fault: str) -> None:
    trouble, sentence = PASSING[fault]
    with Hub(
        place.root, trouble=Trouble(suffix="two/resolve/" + REVISION + "/data/test-0.parquet", times=1, **trouble)
    ) as hub:
        started = time.monotonic()
        said = place.fetch(hub)
        assert hub.trouble and hub.trouble.struck == 1
    assert said.code == 0, said.lines
    place.assert_whole(*ALL)
    (warned,) = [line for line in said.err.splitlines() if "asked again" in line]
    assert warned.startswith(f"dataset {TWO}, data/test-0.parquet: {sentence}"), warned
    assert time.monotonic() - started > 1 or fault not in ("429", "stall")
    assert fault != "cut" or any(request.status == 206 for request in hub.requests)


LASTING: dict[str, tuple[dict[str, Any], str]] = {
    "429": ({"status": 429, "headers": {"Retry-After": "0"}}, "the hub answered 429: the hub has trouble; too many"),
    "429 for hours": ({"status": 429, "headers": {"Retry-After": "7200"}}, "the hub answered 429: the hub has trouble"),
    "500": ({"status": 500}, "the hub answered 500: the hub has trouble; that is trouble of its own: run again later"),
    "403": ({"status": 403}, "the hub answered 403: the hub has trouble; you are not allowed to read it"),
    "stall": (
        {"drip": 0.2},
        "the hub sent nothing for a long time: next to nothing of data/test-0.parquet in 1 seconds",
    ),
    "wrong hash": ({"spoil": True}, "the hub sent a file whose content is not what it lists: data/test-0.parquet has"),
    "gone": ({"status": 404, "headers": {"X-Error-Code": "RepoNotFound"}}, "it or its revision does not exist there"),
}


@pytest.mark.parametrize("fault", LASTING)
def test_a_fault_that_lasts_costs_one_dataset_and_the_next_fetch_goes_on(place: Place, fault: str) -> None:
    trouble, sentence = LASTING[fault]
    with Hub(place.root, trouble=Trouble(suffix="two/resolve/" + REVISION + "/data/test-0.parquet", **trouble)) as hub:
        said = place.fetch(hub)
        assert said.code == 1
        assert said.lines[0].startswith("2 of 3 datasets are whole in ")
        (failed,) = said.failed
        assert failed.startswith(f"{TWO}: (revision {REVISION}) cannot be read from the hub: {sentence}"), failed
        place.assert_whole(ONE, THREE)
        assert not (place.mirror / TWO / "data" / "test-0.parquet").exists()
        code = place.run(hub, "verify", place.mirror)
        assert (code.code, code.lines[0]) == (1, f"{TWO}/data/test-0.parquet: missing")
        hub.trouble = None
        assert place.fetch(hub).code == 0
    place.assert_whole(*ALL)


@pytest.mark.parametrize("kind", ["missing", "gated", "failing"])
def test_a_dataset_that_is_not_given_costs_no_other(place: Place, kind: str) -> None:
    faults: dict[str, dict[str, Any]] = {
        "missing": {"missing": [TWO]},
        "gated": {"gated": [TWO]},
        "failing": {"failing": {TWO: 503}},
    }
    remedies = {
        "missing": "cannot be read from the hub: it or its revision does not exist there, or you may not see it; check",
        "gated": "is gated; accept its terms on the hub and log in with `hf auth login` (or set HF_TOKEN)",
        "failing": "cannot be read from the hub: the hub answered 503: this repository was told to fail; that is",
    }
    with Hub(place.root, **faults[kind]) as hub:
        said = place.fetch(hub)
        assert said.code == 1
        (failed,) = said.failed
        assert failed.startswith(f"{TWO}: (revision {REVISION}) {remedies[kind]}"), failed
        place.assert_whole(ONE, THREE)
        if kind == "gated":
            assert place.fetch(hub, variables=[f"HF_TOKEN={GRANTED}"]).code == 0
            place.assert_whole(*ALL)


def test_a_hub_that_goes_away_is_told_once_for_each_dataset(place: Place) -> None:
    with Hub(place.root) as hub:
        pass
    said = place.fetch(hub)
    assert said.code == 1 and len(said.failed) == 3
    assert all("the hub was not reached" in failed for failed in said.failed)


def test_a_hub_that_went_away_is_not_asked_for_every_dataset(place: Place) -> None:
    for number in range(20):
        card = (place.cards / "MiniOne.yaml").read_text().replace("MiniOne", f"MiniMore{number}")
        (place.cards / f"MiniMore{number}.yaml").write_text(card.replace(ONE, f"mini/more-{number}"))
    with Hub(place.root, failing={f"mini/more-{number}": 500 for number in range(20)}) as hub:
        said = place.fetch(hub, "--jobs=1")
        asked = [request for request in hub.requests if "more-" in request.path]
    assert len(said.failed) == 23 and 4 <= len({request.path for request in asked}) <= 5
    assert sum("was not asked for, as the hub answered 500" in failed for failed in said.failed) == 19


def waited_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_what_was_interrupted_goes_on_from_there(place: Place, sent: signal.Signals) -> None:
    slow = """
import time
at = fetching._Meter.at
fetching._Meter.at = lambda self, n_bytes: (time.sleep(0.02), at(self, n_bytes))
"""
    partial = place.mirror / ".pytest-mieb" / f"{TWO}.parts"
    with Hub(place.root) as hub:
        process = place.start(hub, "fetch", place.mirror, more=slow)
        waited_for(lambda: any(file.stat().st_size > 100_000 for file in partial.glob("*.part")))
        process.send_signal(sent)
        _, err = process.communicate(timeout=60)
        if sent == signal.SIGINT:
            assert process.returncode == 2 and "Traceback" not in err
            assert err.splitlines()[-1] == "pytest-mieb data: interrupted; the same command goes on from here"
        (file,) = partial.glob("*.part")
        have, before = file.stat().st_size, len(hub.requests)
        said = place.fetch(hub)
        later = [
            request for request in hub.requests[before:] if "two/resolve" in request.path and "test-0" in request.path
        ]
    assert said.code == 0 and [request.status for request in later] == [206]
    place.assert_whole(*ALL)
    assert have < size(place, TWO)


def test_a_part_that_is_not_what_it_should_be_is_fetched_anew(place: Place) -> None:
    """As after a power cut: the size is right up to there, the content is not."""
    with Hub(place.root, trouble=Trouble(suffix="two/resolve/" + REVISION + "/data/test-0.parquet", status=500)) as hub:
        place.fetch(hub)
        (folder,) = (place.mirror / ".pytest-mieb" / "mini").glob("two.parts")
        record = json.loads((place.mirror / ".pytest-mieb" / "mini" / "two.json").read_text())
        digest = record["files"]["data/test-0.parquet"]["sha256"]
        name = blake2b(b"data/test-0.parquet", digest_size=4).hexdigest()
        (folder / f"{digest}-{name}.part").write_bytes(b"\0" * 1000)
        hub.trouble = None
        said = place.fetch(hub)
    assert said.code == 0 and "has another sha256; asked again" in said.err
    place.assert_whole(*ALL)


def test_too_little_room_is_said_before_anything_is_fetched(place: Place) -> None:
    more = "import shutil; shutil.disk_usage = lambda folder: shutil._ntuple_diskusage(9, 9, 1_500_000)"
    with Hub(place.root) as hub:
        said = place.fetch(hub, more=more)
        assert not [name for name in hub.downloads() if name.endswith("test-0.parquet")]
    assert said.code == 1
    (sentence,) = [line for line in said.err.splitlines() if "free" in line]
    assert sentence == (
        f"pytest-mieb data: {place.mirror} has 1.5 MB free where 3.2 MB are to be fetched; make room, give a folder on "
        "another disk, or select fewer tasks"
    )


def test_a_disk_that_fills_up_ends_it_with_one_reason(place: Place) -> None:
    more = """
def full(*arguments):
    raise OSError(28, "No space left on device", "somewhere")
fetching.receive = full
"""
    with Hub(place.root) as hub:
        said = place.fetch(hub, "--jobs=1", more=more)
        assert (said.code, len(said.failed)) == (1, 3)
        assert f"{ONE}: somewhere cannot be written (No space left on device)" in said.failed
        assert all(
            "takes no more (No space left on device); make room and fetch again" in each for each in said.failed[1:]
        )
        assert place.fetch(hub).code == 0


def test_a_file_of_the_same_commit_does_not_change(place: Place) -> None:
    with Hub(place.root) as hub:
        place.fetch(hub)
        file = place.root / ONE / "data" / "test-0.parquet"
        pq.write_table(numbers(FEW_ROWS + 1), file)
        said = place.fetch(hub)
    (failed,) = said.failed
    assert "the hub lists another hash than before for data/test-0.parquet of commit" in failed
    assert pq.read_metadata(place.mirror / ONE / "data" / "test-0.parquet").num_rows == FEW_ROWS


def test_another_revision_takes_the_place_of_the_one_before(place: Place) -> None:
    with Hub(place.root) as hub:
        place.fetch(hub)
        card = place.cards / "MiniOne.yaml"
        card.write_text(card.read_text().replace(REVISION, "main"))
        said = place.run(hub, "verify", place.mirror)
        assert said.code == 1
        assert said.lines[0] == f"{ONE}: its revision is {REVISION}, where the card of MiniOne has main"
        (place.root / ONE / "data" / "test-0.parquet").rename(place.root / ONE / "data" / "test-00.parquet")
        assert place.fetch(hub).code == 0
        assert place.run(hub, "verify", place.mirror).code == 0
    assert [file.name for file in (place.mirror / ONE / "data").iterdir()] == ["test-00.parquet"]
    record = json.loads((place.mirror / ".pytest-mieb" / f"{ONE}.json").read_text())
    assert (record["revision"], record["commit"]) == ("main", commit_of(ONE, "main"))


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (Path.unlink, "missing"),
    "short": (lambda file: os.truncate(file, 100), "damaged: 100 bytes where the hub has "),
    "other": (damage, "damaged: its sha256 is another than the hub's"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_verify_names_what_is_wrong_and_the_next_fetch_mends_it(place: Place, kind: str) -> None:
    wrong, sentence = DAMAGE[kind]
    with Hub(place.root) as hub:
        place.fetch(hub)
        assert place.run(hub, "verify", place.mirror).lines == ["3 datasets, 6 files, 3.2 MB checked, no problems"]
        file = place.mirror / TWO / "data" / "test-0.parquet"
        before = file.stat()
        wrong(file)
        if kind == "other":  # as a disk does it, that tells nobody
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        asked = len(hub.requests)
        said = place.run(hub, "verify", place.mirror)
        assert len(hub.requests) == asked
        assert said.code == 1 and said.lines[0].startswith(f"{TWO}/data/test-0.parquet: {sentence}")
        assert said.lines[1] == "3 datasets, 6 files, 3.2 MB checked, 1 problem"
        assert place.fetch(hub).code == 0
    place.assert_whole(*ALL)


def test_verify_of_a_selection_misses_what_was_never_fetched(place: Place) -> None:
    with Hub(place.root) as hub:
        place.run(hub, "fetch", "-m", "clustering", place.mirror)
        shutil.rmtree(place.mirror / ".pytest-mieb" / "mini")
        assert "holds no record of what was fetched" in place.run(hub, "verify", place.mirror).err
        assert place.fetch(hub).lines[0].endswith("0 files, 0.0 kB, came over the network")
        (place.mirror / ".pytest-mieb" / f"{ONE}.json").unlink()
        said = place.run(hub, "verify", place.mirror)
    assert said.code == 1 and said.lines[0] == f"{ONE}: missing, it was not fetched"


def test_two_files_of_one_content_do_not_get_in_each_others_way(place: Place) -> None:
    for name in ("test-1", "test-2", "test-3"):
        shutil.copy(place.root / TWO / "data" / "test-0.parquet", place.root / TWO / "data" / f"{name}.parquet")
    with Hub(place.root) as hub:
        said = place.fetch(hub)
        assert (said.code, place.run(hub, "verify", place.mirror).code) == (0, 0), said
    assert "asked again" not in said.err and len(list((place.mirror / TWO / "data").iterdir())) == 4


def test_a_fetch_of_another_revision_that_fails_leaves_nothing_of_the_one_before(place: Place) -> None:
    with Hub(place.root) as hub:
        place.fetch(hub)
        card = place.cards / "MiniTwo.yaml"
        card.write_text(card.read_text().replace(REVISION, "b" * 40))
        pq.write_table(numbers(FEW_ROWS), place.root / TWO / "data" / "test-0.parquet")
        hub.trouble = Trouble(suffix="two/resolve/" + "b" * 40 + "/data/test-0.parquet", status=500)
        assert place.fetch(hub).code == 1
    assert not list((place.mirror / TWO / "data").iterdir())


def test_a_folder_of_any_name_is_a_mirror(place: Place) -> None:
    place.mirror = place.mirror / "Spiegel für 画像 'n [b] %s"
    with Hub(place.root) as hub:
        assert place.fetch(hub).code == 0
        assert place.run(hub, "verify", place.mirror).code == 0
    place.assert_whole(*ALL)


def test_a_second_fetch_into_the_same_folder_waits_for_nobody(place: Place) -> None:
    with Hub(place.root, trouble=Trouble(suffix="two/resolve/" + REVISION + "/data/test-0.parquet", drip=0.2)) as hub:
        more = "object.__setattr__(fetching.PATIENCE, 'stall', 60.0)"
        process = place.start(hub, "fetch", place.mirror, more=more)
        try:
            waited_for(lambda: hub.trouble and hub.trouble.struck)
            said = place.fetch(hub)
        finally:
            process.kill()
            process.communicate()
    assert said.code == 1
    assert said.err.strip() == f"pytest-mieb data: another fetch into {place.mirror} is at work; wait for it"


REFUSED: dict[str, tuple[tuple[str, ...], str]] = {
    "marker": (("fetch", "-m", "lyte", "{}/mirror"), "-m 'lyte': 'lyte' is no marker; did you mean lite?"),
    "keyword": (("list", "-k", "STL10 and"), "-k 'STL10 and': a name, not, or ( should stand where the end is"),
    "nothing": (("-k", "nothing"), "-k 'nothing' selects none of the 130 tasks"),
    "file": (("fetch", "-k", "STL10", "{}/file"), "{}/file is a file; give a folder"),
    "below a file": (("fetch", "-k", "STL10", "{}/file/mirror"), "give a folder that can be used"),
    "no mirror": (
        ("verify", "{}/mirror"),
        "{}/mirror: there is no such folder; `pytest-mieb data fetch` makes a mirror",
    ),
    "no record": (("verify", "{}"), "{} holds no record of what was fetched"),
    "no source": (("pack", "{}/mirror", "{}/out"), "{}/mirror: there is no such folder"),
    "used": (("pack", "{}", "{}"), "{}: a part is written to a new or an empty folder"),
    "empty": (("pack", "{}", "{}/out"), "{} holds no dataset of the suite as DIR/<org>/<name>"),
    "share": (("pack", "--share=2", "{}", "{}/out"), "argument --share: '2' is no share, such as 0.01; the whole is 1"),
    "rows": (("pack", "--rows=0", "{}", "{}/out"), "argument --rows: '0' is no number above 0"),
    "in": (("--in={}/gone",), "--in={}/gone: there is no such folder"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_mistake_is_one_sentence(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, sentence = REFUSED[case]
    (tmp_path / "file").write_text("")
    code, lines, err = called(capsys, *(each.format(tmp_path) for each in arguments))
    assert (code, lines) == (4, [])
    assert sentence.format(tmp_path) in err.splitlines()[-1] and "Traceback" not in err


def test_a_part_of_a_mirror(tmp_path: Path, capsys: pytest.CaptureFixture[str], miniature_cache: Path) -> None:
    whole = mirror(miniature_cache, print)
    code, lines, err = called(capsys, "pack", "-k", "STL10 or CVBenchCount", whole, tmp_path / "part", "--rows=8")
    assert (code, err) == (0, "")
    assert lines[0].endswith(f" run it with --mieb-data={tmp_path / 'part'} --mieb-sizes=any")
    assert called(capsys, "verify", tmp_path / "part")[0] == 0
    assert called(capsys, "pack", "-k", "STL10 or CVBenchCount", whole, tmp_path / "again", "--rows=8")[0] == 0
    files = [file.relative_to(tmp_path / "part") for file in (tmp_path / "part").rglob("*") if file.is_file()]
    assert files and all(
        (tmp_path / "part" / each).read_bytes() == (tmp_path / "again" / each).read_bytes() for each in files
    )
    code, lines, _ = called(capsys, "pack", "-k", "DTD", tmp_path / "part", tmp_path / "less")
    assert code == 1 and lines[1].startswith("failed: mteb/dtd: dataset mteb/dtd (revision ")


def test_progress_is_a_line_now_and_then_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, clock = io.StringIO(), [0.0]
    monkeypatch.setattr("pytest_mieb.cli.data.progress.time.monotonic", lambda: clock[0])
    with Shown("fetching", stream) as shown:
        shown.listing(2)
        shown.starting(2, 3_000_000)
        for seconds in (1, 11, 12, 25):
            clock[0] = seconds
            shown.moved(500_000)
            shown.finished("org/name", "file")
        shown.warn("dataset [b]: a sentence")
    assert stream.getvalue().splitlines() == [
        "asking for 2 datasets",
        "fetching 2 files",
        "fetching: 1.0 MB of 3.0 MB, 1 of 2 files",
        "fetching: 2.0 MB of 3.0 MB, 3 of 2 files",
        "dataset [b]: a sentence",
    ]


def test_progress_is_a_bar_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for name in ("NO_COLOR", "TERM", "TTY_COMPATIBLE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    stream = Terminal()
    with Shown("checking", stream) as shown:
        shown.starting(2, 3_000_000)
        shown.moved(1_500_000)
    assert "checking 2 files" in stream.getvalue() and "1.5/3.0 MB" in stream.getvalue()
