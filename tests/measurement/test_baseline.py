"""Baselines as files that people read and edit."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import yaml

from pytest_mieb.measurement.baseline import Acceptance, Baseline, BaselineError, Estimate, Measurement, read, write
from pytest_mieb.measurement.context import Context

OLD, NEW = (
    Context(
        fingerprint=fingerprint,
        preprocessing={"size": (224, 224), "mean": (0.5, 0.5, 0.5), "interpolation": "no", "padding": None},
        device="NVIDIA H100 80GB",
        dtype="float16",
        batch_size=64,
        canary=("pixels", "tokens"),
        versions={"torch": "2.10", "python": "3.11.7", "timm": "not installed"},
    )
    for fingerprint in ("00000000", "no")
)
FULL = Baseline(
    model="runs/exp7: the best, #1",
    data="hub",
    revision="no",
    date="2026-01-31",
    runs={"12345678": OLD, "0123e456": NEW},
    tasks={
        "CIFAR10": Measurement(0.5, 0.0125, tolerance=0.01, noise=0.002, run_id="12345678"),
        "no": Measurement(
            -0.25,
            0.03,
            tolerance=0.0,
            accepted=Acceptance(date(2027, 3, 1), "no: #1 of {two}"),
            part="30 of 40 rows",
        ),
        "XM3600T2IRetrieval": Measurement(
            0.25,
            0.02,
            accepted=Acceptance(date(2026, 12, 31), "new tokenizer"),
            subsets={
                "no": Estimate(0.5, 0.04),
                "on": Estimate(0.125, 0.1),
                "zh": Estimate(1.0),
                "12": Estimate(0.0),
                "1e3": Estimate(0.0),
            },
            dataset="012345678901",
            examples="1234567890123456",
            outcomes="0000000000000012",
            run_id="0123e456",
        ),
    },
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "exp7.yaml"
    write(FULL, path)
    found = read(path)
    assert {**found.tasks} == {**FULL.tasks}
    assert list(found.tasks["XM3600T2IRetrieval"].subsets) == ["no", "on", "zh", "12", "1e3"]
    assert (found.model, found.data, found.revision, found.date) == (FULL.model, "hub", "no", "2026-01-31")
    assert found.folder == tmp_path / "deeper" / "exp7"
    assert not found.indicative
    assert {name: run.name for name, run in found.runs.items()} == {"12345678": OLD.name, "0123e456": NEW.name}
    assert found.context("XM3600T2IRetrieval") == found.runs["0123e456"]
    assert found.context("no") is None
    again = tmp_path / "again.yaml"
    write(found, again)
    assert again.read_bytes() == path.read_bytes()
    assert [each.name for each in path.parent.iterdir()] == ["exp7.yaml"]


def test_plain_yaml_reads_names_and_hashes_as_text(tmp_path: Path) -> None:
    write(FULL, tmp_path / "m.yaml")
    content = yaml.safe_load((tmp_path / "m.yaml").read_text())
    task = content["tasks"]["XM3600T2IRetrieval"]
    assert set(content["tasks"]) == {"CIFAR10", "no", "XM3600T2IRetrieval"}
    assert set(content["runs"]) == {"12345678", "0123e456"}
    assert set(task["subsets"]) == {"no", "on", "zh", "12", "1e3"}
    assert [task[key] for key in ("dataset", "examples", "outcomes", "run")] == [
        "012345678901",
        "1234567890123456",
        "0000000000000012",
        "0123e456",
    ]
    assert content["runs"]["12345678"]["fingerprint"] == "00000000"
    assert content["runs"]["12345678"]["versions"]["torch"] == "2.10"
    assert (content["revision"], content["date"]) == ("no", "2026-01-31")


def test_a_file_has_one_line_a_task_sorted_and_six_digits(tmp_path: Path) -> None:
    tasks = {
        "b": Measurement(1 / 3, 0.3, noise=1 / 700, run_id="1a"),
        "A": Measurement(0.1 + 0.2, 0.29, tolerance=0.01, part="30 of 40 rows"),
        "c": Measurement(
            0.5,
            0.1,
            accepted=Acceptance(date(2027, 3, 1), "known", ended=True),
            subsets={"en": Estimate(0.25, 0.5), "no": Estimate(0.75)},
            examples="5e",
        ),
    }
    write(Baseline("m", "hub", runs={"1a": Context()}, tasks=tasks), tmp_path / "m.yaml")
    lines = (tmp_path / "m.yaml").read_text().splitlines()
    assert lines[0].startswith("# Scores from 0 to 1") and "tolerance: 0.01" in lines[0]
    assert lines[1].startswith("# ") and "`accepted: {until: 2027-03-01, reason: ...}`" in lines[1]
    assert lines[lines.index("tasks:") :] == [
        "tasks:",
        "  A: {score: 0.3, error: 0.29, tolerance: 0.01, part: 30 of 40 rows}",
        "  b: {score: 0.333333, error: 0.3, run: 1a, noise: 0.001429}",
        "  c:",
        "    score: 0.5",
        "    error: 0.1",
        "    accepted: {until: 2027-03-01, reason: known}",
        "    examples: 5e",
        "    subsets:",
        "      en: {score: 0.25, error: 0.5}",
        "      'no': {score: 0.75, error: 0.0}",
    ]


def test_a_baseline_without_tasks_is_written_and_read(tmp_path: Path) -> None:
    write(Baseline("m", "miniature"), tmp_path / "m.yaml")
    assert read(tmp_path / "m.yaml") == Baseline("m", "miniature", folder=tmp_path / "m")


@pytest.mark.parametrize("step", ["write_text", "replace"])
def test_a_write_that_fails_leaves_the_old_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "m.yaml"
    write(FULL, path)
    before = path.read_bytes()

    def full_disk(*_arguments: object, **_options: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path if step == "write_text" else os, step, full_disk)
    with pytest.raises(OSError, match="no space left"):
        write(Baseline("other", "hub"), path)
    assert path.read_bytes() == before


SOUND = "model: m\ntasks:\n  A: {score: 0.5, error: 0.02}\n"


def one(entry: str) -> str:
    return f"tasks: {{A: {entry}}}\n"


def accepted(entry: str) -> str:
    return one(f"{{score: 0.5, accepted: {entry}}}")


REFUSED = {
    "broken YAML": ("tasks: [", "not valid YAML at line "),
    "a day that is none": ("date: 2024-13-45\n" + SOUND, "line 1: date: 2024-13-45 is no day"),
    "a tag": ("revision: !!python/object:os.system {}\n" + SOUND, "not valid YAML at line 1"),
    "a task that stands twice": (
        "tasks:\n  A: {score: 0.5}\n  A: {score: 0.01}\n",
        "line 3: tasks.A stands there twice, first in line 2; keep one of the two, or remove the file and record",
    ),
    "a conflict that git left": (
        "tasks:\n<<<<<<< HEAD\n  A: {score: 0.5}\n",
        "line 2: '<<<<<<< HEAD' was left by a merge in git; resolve the conflict",
    ),
    "aliases": ("model: &a [x]\nrevision: *a\n" + SOUND, "line 2: *a is an alias; write out what it stands for, or"),
    "a model in a list": ("model: [a, b]\n" + SOUND.replace("model: m\n", ""), "model: ['a', 'b'] is not text; put"),
    "a model that is a mapping": ("model: {a: b}\n" + SOUND.replace("model: m\n", ""), "model: {'a': 'b'} is not"),
    "a model that is a truth": ("model: yes\n" + SOUND.replace("model: m\n", ""), "model: True is not text"),
    "a revision in a list": ("revision: [1]\n" + SOUND, "revision: [1] is not text; put it in quotes"),
    "outcomes in a list": (one("{score: 0.5, outcomes: [1]}"), "tasks.A.outcomes: [1] is not text"),
    "a run that is a number": (one("{score: 0.5, run: 0.5}"), "tasks.A.run: 0.5 is not text"),
    "a score that is long": (one(f"{{score: {'x' * 9999}}}"), "tasks.A.score: '" + 20 * "x"),
    "nothing": ("", "tasks: missing; correct it, or remove the file and record the baseline anew with --mieb-update"),
    "a list": ("- A\n", "tasks: missing"),
    "no tasks": ("model: m\n", "tasks: missing"),
    "tasks in a list": ("tasks: [A]\n", "tasks: missing"),
    "unknown key": (
        "tolerance: 1\n" + SOUND,
        "tolerance: unknown key; the legal ones are model, data, revision, date, runs, tasks",
    ),
    "the versions of an old file": ("versions: {torch: '2'}\n" + SOUND, "versions: unknown key"),
    "runs in a list": ("runs: [1a]\n" + SOUND, "runs: not a mapping"),
    "runs that are false": ("runs: false\n" + SOUND, "runs: not a mapping"),
    "a run that is text": ("runs: {1a: cpu}\n" + SOUND, "runs.1a: not a context as --mieb-update writes it"),
    "a run with an unknown key": ("runs: {1a: {colour: blue}}\n" + SOUND, "runs.1a: not a context"),
    "a run with text for a number": ("runs: {1a: {protocol: '1'}}\n" + SOUND, "runs.1a: not a context"),
    "a run with a list of versions": ("runs: {1a: {versions: [torch]}}\n" + SOUND, "runs.1a: not a context"),
    "a bare score": (one("0.5"), "tasks.A: not a mapping with a score"),
    "no score": (one("{error: 0.1}"), "tasks.A.score: None is not a number from"),
    "a score in points": (one("{score: 50}"), "tasks.A.score: 50 is not a number from"),
    "a score that is text": (one("{score: half}"), "tasks.A.score: 'half' is not a number from"),
    "a score that is true": (one("{score: yes}"), "tasks.A.score: True is not a number from"),
    "a score that is no number": (one("{score: .nan}"), "tasks.A.score: nan is not a number from"),
    "a negative error": (one("{score: 0.5, error: -0.1}"), "tasks.A.error: -0.1 is not a number from 0 to 1"),
    "an infinite error": (one("{score: 0.5, error: .inf}"), "tasks.A.error: inf is not a number from 0 to 1"),
    "an error that is nothing": (one("{score: 0.5, error: }"), "tasks.A.error: None is not a number from 0 to 1"),
    "a tolerance in points": (
        one("{score: 0.5, tolerance: 5}"),
        "tasks.A.tolerance: 5 is not a number from 0 to 1; half a point is 0.005",
    ),
    "a tolerance in points below one": (
        one("{score: 0.5, tolerance: 0.5}"),
        "tasks.A.tolerance: 0.5 would let it lose 50 points; half a point is 0.005",
    ),
    "a tolerance in percent": (one("{score: 0.5, tolerance: 1%}"), "tasks.A.tolerance: '1%' is not a number"),
    "a negative tolerance": (one("{score: 0.5, tolerance: -0.1}"), "tasks.A.tolerance: -0.1 is not a number"),
    "a tolerance that is false": (one("{score: 0.5, tolerance: no}"), "tasks.A.tolerance: False is not a number"),
    "a noise that is no number": (one("{score: 0.5, noise: .nan}"), "tasks.A.noise: nan is not a number"),
    "the threshold of an old file": (
        one("{score: 0.5, threshold: 0.4}"),
        "tasks.A.threshold: unknown key; the legal ones are score, error, tolerance, accepted, noise, spread, dataset, "
        "part, examples, outcomes, run, subsets",
    ),
    "an acceptance that is true": (
        accepted("yes"),
        "tasks.A.accepted: True is not a mapping such as {until: 2027-03-01, reason: why}",
    ),
    "an acceptance of nothing": (accepted(""), "tasks.A.accepted: None is not a mapping such as"),
    "an acceptance with another key": (
        accepted("{until: 2027-03-01, reason: x, drop: 1}"),
        "tasks.A.accepted.drop: unknown key; the legal ones are until, reason",
    ),
    "an acceptance without a reason": (
        accepted("{until: 2027-03-01}"),
        "tasks.A.accepted.reason: None is not text; say why the drop is accepted",
    ),
    "an empty reason": (accepted("{until: 2027-03-01, reason: ' '}"), "tasks.A.accepted.reason: ' ' is not text"),
    "a reason that is a number": (accepted("{until: 2027-03-01, reason: 7}"), "tasks.A.accepted.reason: 7 is not text"),
    "an acceptance for ever": (
        accepted("{reason: x}"),
        "tasks.A.accepted.until: None is not a day such as 2027-03-01, without quotes",
    ),
    "a day in words": (accepted("{until: spring, reason: x}"), "tasks.A.accepted.until: 'spring' is not a day"),
    "a day in quotes": (accepted("{until: '2027-03-01', reason: x}"), "tasks.A.accepted.until: '2027-03-01' is not a"),
    "a day with an hour": (
        accepted("{until: 2027-03-01 12:00:00, reason: x}"),
        "tasks.A.accepted.until: datetime.datetime(2027, 3, 1, 12, 0) is not a day",
    ),
    "a day that is in no year": (
        accepted("{until: 2027-02-30, reason: x}"),
        "line 1: tasks.A.accepted.until: 2027-02-30 is no day; write one such as 2027-03-01",
    ),
    "an acceptance of a subset": (
        one("{score: 0.5, subsets: {en: {score: 0.1, accepted: {until: 2027-03-01, reason: x}}}}"),
        "tasks.A.subsets.en.accepted: unknown key; the legal ones are score, error",
    ),
    "a language that reads as false": (
        one("{score: 0.5, subsets: {no: {score: 0.5}}}"),
        "tasks.A.subsets: the name False is not text; put it in quotes",
    ),
    "a run that is not there": (one("{score: 0.5, run: 1a}"), "tasks.A.run: '1a' is not among the runs"),
    "subsets in a list": (one("{score: 0.5, subsets: [en]}"), "tasks.A.subsets: not a mapping"),
    "subsets in an empty list": (one("{score: 0.5, subsets: []}"), "tasks.A.subsets: not a mapping"),
    "a subset without score": (
        one("{score: 0.5, subsets: {en: {error: 0.1}}}"),
        "tasks.A.subsets.en.score: None is not a number from",
    ),
    "a subset that is no mapping": (
        one("{score: 0.5, subsets: {en: 0.1}}"),
        "tasks.A.subsets.en: not a mapping with a score",
    ),
    "a tolerance for a subset": (
        one("{score: 0.5, subsets: {en: {score: 0.1, tolerance: 0.1}}}"),
        "tasks.A.subsets.en.tolerance: unknown key; the legal ones are score, error",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_cannot_be_used_is_refused_by_file_key_and_remedy(tmp_path: Path, case: str) -> None:
    text, sentence = REFUSED[case]
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(BaselineError) as refusal:
        read(path)
    assert str(refusal.value).startswith(f"{path}: {sentence}")
    assert str(refusal.value).endswith("with --mieb-update")


def test_other_bytes_than_utf_8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_bytes(b"model: \xff\n")
    with pytest.raises(BaselineError, match="cannot be read as text"):
        read(tmp_path / "m.yaml")


def test_a_sparse_file_has_defaults(tmp_path: Path) -> None:
    (tmp_path / "exp7.yaml").write_text("tasks: {A: {score: 0.5}}\nruns:\n")
    expected = Baseline("exp7", "hub", tasks={"A": Measurement(0.5)}, folder=tmp_path / "exp7")
    assert read(tmp_path / "exp7.yaml") == expected
    assert expected.tasks["A"].tolerance is None


def test_a_date_and_a_hash_without_quotes_are_text(tmp_path: Path) -> None:
    text = "date: 2026-01-31\nruns: {12345678: {dtype: float32}}\n" + one("{score: 0.5, run: 12345678, outcomes: 12}")
    (tmp_path / "m.yaml").write_text(text)
    found = read(tmp_path / "m.yaml")
    assert (found.date, found.tasks["A"].outcomes) == ("2026-01-31", "12")
    assert found.context("A") == Context(dtype="float32")


def test_an_acceptance_has_a_day_and_a_reason_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(
        "tasks:\n  A:\n    score: 0.5\n    accepted:\n      until: 2027-03-01\n      reason: |\n        a new\n"
        "        tokenizer\n"
    )
    found = read(tmp_path / "m.yaml").tasks["A"].accepted
    assert found == Acceptance(date(2027, 3, 1), "a new tokenizer", ended=False)


@pytest.mark.parametrize(
    ("day", "ended"), [(date(2027, 2, 28), False), (date(2027, 3, 1), False), (date(2027, 3, 2), True)]
)
def test_an_acceptance_ends_after_its_day(day: date, ended: bool) -> None:
    assert Acceptance(date(2027, 3, 1), "x").on(day) == Acceptance(date(2027, 3, 1), "x", ended)


def test_updating_keeps_other_tasks_what_a_person_set_and_the_runs_that_are_referred_to() -> None:
    old = Baseline(
        "m",
        "hub",
        "r1",
        "2026-01-01",
        runs={"one": OLD, "two": OLD},
        tasks={
            "A": Measurement(0.9, run_id="one", accepted=Acceptance(date(2027, 3, 1), "x")),
            "B": Measurement(
                0.9,
                0.1,
                tolerance=0.02,
                accepted=Acceptance(date(2027, 3, 1), "x"),  # what is recorded now holds the drop
                noise=0.003,
                examples="old",
                outcomes="old",
                run_id="two",
            ),
            "C": Measurement(0.9, tolerance=0.0, noise=0.003, run_id="two"),
        },
    )
    newer = Baseline(
        "n",
        "hub",
        "r2",
        "2026-02-02",
        runs={"three": NEW},
        tasks={
            "B": Measurement(0.1, 0.2, examples="new", outcomes="new", run_id="three"),
            "C": Measurement(0.1, noise=0.001, run_id="three"),
            "D": Measurement(0.1, run_id="three"),
        },
    )
    updated = old.updated(newer)
    assert updated.tasks == {
        "A": old.tasks["A"],
        "B": replace(newer.tasks["B"], tolerance=0.02, noise=0.003),
        "C": replace(newer.tasks["C"], tolerance=0.0),  # and the noise that was measured anew
        "D": newer.tasks["D"],
    }
    assert updated.runs == {"one": OLD, "three": NEW}
    assert (updated.model, updated.revision, updated.date) == ("n", "r2", "2026-02-02")
