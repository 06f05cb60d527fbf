"""Which form progress takes: by what pytest writes to, and by what it was asked for."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence

import pytest

from pytest_mieb.plugin.watching import form_of

TERMINAL = {"TERM": "xterm"}


class Output(io.StringIO):
    """What pytest writes to: a terminal, a file, or nothing of the system's."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def isatty(self) -> bool:
        return self.kind == "terminal"

    def fileno(self) -> int:
        return super().fileno() if self.kind == "memory" else 1


FORMS: Mapping[str, tuple[str, Sequence[str], Mapping[str, str], str]] = {
    "a terminal": ("terminal", [], TERMINAL, "live"),
    "quiet": ("terminal", ["-q"], TERMINAL, "live"),
    "silent": ("terminal", ["-qq"], TERMINAL, "none"),
    "silent lines": ("terminal", ["-qq", "--mieb-progress=lines"], TERMINAL, "none"),
    "collecting only": ("terminal", ["--collect-only"], TERMINAL, "none"),
    "none": ("terminal", ["--mieb-progress=none"], TERMINAL, "none"),
    "lines on a terminal": ("terminal", ["--mieb-progress=lines"], TERMINAL, "lines"),
    "CI": ("terminal", [], {**TERMINAL, "CI": "true"}, "lines"),
    "live in CI": ("terminal", ["--mieb-progress=live"], {**TERMINAL, "CI": "true"}, "live"),
    "no colour": ("terminal", [], {**TERMINAL, "NO_COLOR": "1"}, "live"),
    "a file": ("file", [], TERMINAL, "lines"),
    "within another pytest": ("memory", [], TERMINAL, "none"),
    "a dumb terminal": ("terminal", [], {"TERM": "dumb"}, "lines"),
    "no name of a terminal": ("terminal", [], {}, "lines"),
    "output let through": ("terminal", ["-s"], TERMINAL, "lines"),
    "output shown too": ("terminal", ["--capture=tee-sys"], TERMINAL, "lines"),
    "Python's output only captured": ("terminal", ["--capture=sys"], TERMINAL, "live"),
    "a live log": ("terminal", ["-o", "log_cli=true"], TERMINAL, "lines"),
    "a live log from a level": ("terminal", ["--log-cli-level=INFO"], TERMINAL, "lines"),
}
REFUSED = {
    "a file": ("file", [], TERMINAL, "pytest does not write to a terminal"),
    "within another pytest": ("memory", [], TERMINAL, "pytest does not write to a terminal"),
    "a dumb terminal": ("terminal", [], {"TERM": "dumb"}, "TERM names a terminal that cannot be drawn on"),
    "output let through": ("terminal", ["-s"], TERMINAL, "with --capture=no tests write to the terminal too"),
    "a live log": ("terminal", ["-o", "log_cli=true"], TERMINAL, "the log is shown live there"),
}


def form(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    output: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
) -> str:
    asked = [argument.rpartition("=")[2] for argument in arguments if argument.startswith("--mieb-progress=")]
    config = pytester.parseconfigure(*(each for each in arguments if not each.startswith("--mieb-progress=")))
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Output(output))
        return form_of(config, [*asked, "auto"][0], environment)


@pytest.mark.parametrize(("output", "arguments", "environment", "expected"), FORMS.values(), ids=FORMS)
def test_the_form_follows_from_where_pytest_writes(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    output: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    expected: str,
) -> None:
    assert form(pytester, monkeypatch, output, arguments, environment) == expected


@pytest.mark.parametrize(("output", "arguments", "environment", "reason"), REFUSED.values(), ids=REFUSED)
def test_live_where_it_cannot_be_is_refused_with_the_reason(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    output: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    reason: str,
) -> None:
    with pytest.raises(pytest.UsageError, match=reason):
        form(pytester, monkeypatch, output, [*arguments, "--mieb-progress=live"], environment)


def test_where_another_plugin_reports_on_the_terminal_it_is_left_alone(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = pytester.parseconfigure()
    own = config.pluginmanager.unregister(name="terminalreporter")

    class Sugar(type(own)):  # type: ignore[misc]
        pass

    config.pluginmanager.register(Sugar(config), "terminalreporter")
    monkeypatch.setattr(sys, "stdout", Output("terminal"))
    assert form_of(config, "auto", TERMINAL) == "lines"
    with pytest.raises(pytest.UsageError, match="another plugin draws there"):
        form_of(config, "live", TERMINAL)
