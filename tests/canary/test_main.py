"""The command, and what the package costs whoever only imports it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from time import perf_counter

import pytest

from pytest_mieb.canary import CanaryError, CanaryReport, Deviation, Station, __main__, check, golden
from pytest_mieb.canary.__main__ import main

HEAVY = ("torch", "PIL", "datasets", "transformers", "numpy", "tokenizers")


def test_package_is_light_to_import() -> None:
    code = f"import sys, pytest_mieb.canary; print([name for name in {HEAVY} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"


def test_a_check_takes_seconds_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    check()
    start = perf_counter()
    check()
    assert perf_counter() - start < 3
    assert capfd.readouterr() == ("", "")


def test_every_station_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "decode",
        "preprocess",
        "tokenise",
        "image embedding",
        "text embedding",
    ]
    assert all(": as recorded (" in line for line in lines)


def test_what_moved_is_printed_with_the_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = CanaryReport((Station("decode", (Deviation("a.png", 3.0, 0.0, "levels"),)),), {"torch": "1"}, {})
    monkeypatch.setattr(__main__, "check", lambda device: report)
    assert main([]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "decode: moved (a.png: 3 levels, where 0 is allowed)",
        report.sentence,
    ]


def test_what_cannot_be_checked_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(device: str) -> CanaryReport:
        raise CanaryError(f"no {device}")

    monkeypatch.setattr(__main__, "check", refuse)
    assert main(["--device", "cuda"]) == 2
    assert capsys.readouterr().err == "no cuda\n"


def test_record_writes_the_golden_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(golden, "FILE", tmp_path / "golden.npz")
    assert main(["--record"]) == 0
    assert golden.read(tmp_path / "golden.npz").fingerprint == golden.current_fingerprint()
    assert capsys.readouterr().out.startswith(f"recorded in {tmp_path / 'golden.npz'}: model and probes ")
