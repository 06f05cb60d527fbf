"""The README's commands and programs are run as they stand there; commands on the miniature only on one cheap task."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from pytest_mieb.runtime.options import OPTIONS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHEAP = "CIFAR100ZeroShot"
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]+) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    """A fenced block; `mark` is the comment on the line above it."""

    language: str
    mark: str | None
    text: str


class Command(NamedTuple):
    """One program of a command line: `HF_HUB_OFFLINE=1 .venv/bin/pytest -m lite`."""

    environment: dict[str, str]
    program: str
    arguments: list[str]


def blocks(markdown: str, *languages: str) -> list[Block]:
    found = (Block(match["language"], match["mark"], match["text"]) for match in BLOCK.finditer(markdown))
    return [block for block in found if block.language in languages]


def command_lines(block: Block) -> list[str]:
    """The lines of a block as the shell would read them; where some stand behind a prompt, the others are output."""
    lines = block.text.replace("\\\n", "").splitlines()
    prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return prompted or [line for line in lines if line.strip()]


def commands(line: str) -> Iterator[Command]:
    """The programs of a line that `&&` joins, in order."""
    words = shlex.split(line, comments=True)
    while words:
        end = words.index("&&") if "&&" in words else len(words)
        first = next(place for place, word in enumerate(words) if not re.match(r"\w+=", word))
        environment = dict(word.split("=", 1) for word in words[:first])
        yield Command(environment, words[first], words[first + 1 : end])
        words = words[end + 1 :]


def marked(mark: str) -> list[Command]:
    (block,) = (block for block in blocks(README, "console", "bash") if block.mark == mark)
    (line,) = command_lines(block)
    return list(commands(line))


def of_the_miniature() -> list[Command]:
    lines = (line for block in blocks(README, "console", "bash") for line in command_lines(block))
    found = (command for line in lines for command in commands(line))
    return [one for one in found if any(word.startswith("--mieb-model=miniature") for word in one.arguments)]


def run(program: Sequence[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, *program],
        cwd=folder,
        env={**kept, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )


def test_commands_are_read_as_a_shell_reads_them() -> None:
    prompted = "<!-- mark -->\n```console\n$ A=1 x 'a b' \\\n  c && y  # why\nsays this\n```\n"
    plain = "```bash\nz\n```\n```python\nno\n```\n"
    first, second = blocks(f"{prompted}\n{plain}", "console", "bash")
    assert (first.mark, second.mark) == ("mark", None)
    (line,) = command_lines(first)
    assert list(commands(line)) == [Command({"A": "1"}, "x", ["a b", "c"]), Command({}, "y", [])]
    assert command_lines(second) == ["z"]


@pytest.mark.parametrize("mark", ["first command", "test command"])
def test_the_two_commands_set_up_all_they_need(mark: str) -> None:
    venv, pip, last = marked(mark)
    assert [venv.program, *venv.arguments] == ["python3", "-m", "venv", ".venv"]
    assert pip.program == ".venv/bin/pip"
    assert last.program == ".venv/bin/pytest"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wanted = re.fullmatch(r"\.(\[(?P<extra>\w+)\])?", pip.arguments[-1])
    assert wanted is not None
    assert wanted["extra"] in {None, *extras}


def test_the_test_command_runs_all_tests() -> None:
    assert marked("test command")[-1].arguments == ["-n", "auto", "--dist", "loadfile"]


@pytest.mark.parametrize("command", of_the_miniature(), ids=lambda command: command.arguments[0])
def test_a_command_on_the_miniature_does_what_the_readme_says(
    command: Command, miniature_cache: Path, tmp_path: Path
) -> None:
    """A sound model passes, the damaged one is caught."""
    own = ["-k", CHEAP, f"--mieb-cache={miniature_cache}", f"--mieb-results={tmp_path}"]
    finished = run(["-m", "pytest", *command.arguments, *own], ROOT, **command.environment)
    damaged = "miniature:damaged" in command.arguments[0]
    assert finished.returncode == (pytest.ExitCode.TESTS_FAILED if damaged else pytest.ExitCode.OK), (
        finished.stdout + finished.stderr
    )
    assert (f"{CHEAP} regressed: accuracy" in finished.stdout) == damaged
    assert f"1 {'failed' if damaged else 'passed'}" in finished.stdout


def test_the_readmes_own_test_passes_on_the_miniature(miniature_cache: Path, tmp_path: Path) -> None:
    (program,) = (block.text for block in blocks(README, "python") if "def test_" in block.text)
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "test_own.py").write_text(program, encoding="utf-8")
    options = ["--mieb-model=miniature", "--mieb-baseline=none", f"--mieb-cache={miniature_cache}"]
    (test,) = re.findall(r"^def (test_\w+)", program, re.MULTILINE)
    finished = run(["-m", "pytest", f"test_own.py::{test}", *options], tmp_path, HF_HUB_OFFLINE="1")
    assert finished.returncode == pytest.ExitCode.OK, finished.stdout + finished.stderr
    assert "1 passed" in finished.stdout


def test_the_readmes_script_prints_a_score(miniature_cache: Path, tmp_path: Path) -> None:
    (program,) = (block.text for block in blocks(README, "python") if "evaluate(" in block.text)
    (tmp_path / "cache").symlink_to(miniature_cache)
    finished = run(["-c", program], tmp_path, HF_HUB_OFFLINE="1")
    assert finished.returncode == 0, finished.stderr
    assert 0 < float(finished.stdout.splitlines()[-1]) <= 1


def test_the_table_of_options_is_complete_and_stars_those_of_the_configuration_file() -> None:
    rows = re.findall(r"^\| `(--mieb-[\w-]+)(?:=[A-Z=]+)?`( \*)? \|", README, re.MULTILINE)
    assert [(flag, bool(star)) for flag, star in rows] == [(option.flag, option.ini) for option in OPTIONS]


def test_every_option_that_is_named_exists() -> None:
    assert set(re.findall(r"--mieb-[a-z-]*[a-z]", README)) <= {option.flag for option in OPTIONS}
