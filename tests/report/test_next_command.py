"""The command line to go on with after a run."""

from __future__ import annotations

import pytest

from pytest_mieb.report.next_command import command


@pytest.mark.parametrize(
    ("args", "drop", "expected"),
    [
        (["-m", "lite", "-n", "8"], ["-k"], "pytest -m lite -n 8"),
        (["-k", "A or B", "-x"], ["-k"], "pytest -x"),
        (["-kA", "-x"], ["-k"], "pytest -x"),
        (["-k=A", "-x"], ["-k"], "pytest -x"),
        (["--mieb-update", "-k", "A"], ["-k", "--mieb-update"], "pytest"),
        (["--mieb-baseline", "none", "-k", "A"], ["--mieb-baseline"], "pytest -k A"),
        (["--mieb-baseline=none"], ["--mieb-baseline"], "pytest"),
        (["-m", "clustering or visual_sts"], ["-k"], "pytest -m 'clustering or visual_sts'"),
    ],
)
def test_the_command_of_a_run_is_ready_to_be_pasted(args: list[str], drop: list[str], expected: str) -> None:
    assert command(args, drop) == expected
