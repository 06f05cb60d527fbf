"""A session that does not ask for MIEB: the plugin is installed, and nobody notices."""

from __future__ import annotations

import pytest

from pytest_mieb.runtime.options import OPTIONS
from pytest_mieb.suite import CATEGORIES, SUITES

HEAVY = ("torch", "transformers", "datasets", "numpy", "sklearn", "PIL", "yaml", "xdist.scheduler")

OPTIONS_ONLY = ("pytest_mieb.runtime", "pytest_mieb.runtime.options")


def test_without_a_model_nothing_is_imported_or_printed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import sys

        def test_that_little_is_imported():
            assert "pytest_mieb.plugin" in sys.modules
            heavy = set({HEAVY!r}) & set(sys.modules)
            assert not heavy
            assert not [name for name in sys.modules if name.startswith("pytest_mieb.") and not name.startswith(
                        ("pytest_mieb.plugin", "pytest_mieb.suite")) and name not in {OPTIONS_ONLY!r}]
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:xdist", "-v")
    result.assert_outcomes(passed=1)
    printed = [line for line in result.outlines if "mieb" in line.lower() and not line.startswith("plugins: ")]
    assert not printed


def test_without_a_model_a_test_that_uses_the_fixtures_is_skipped_with_the_reason(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        def test_every_task(mieb_task): ...

        @pytest.mark.parametrize("mieb_task", ["CIFAR10"], indirect=True)
        def test_one_task(mieb_result): ...

        def test_model(mieb_embedder): ...
        """
    )
    result = pytester.runpytest_inprocess("-rs")
    result.assert_outcomes(skipped=3)
    result.stdout.fnmatch_lines(["SKIPPED * needs --mieb-model"])


def test_help_lists_every_option_in_one_group(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--help")
    start = result.outlines.index("MIEB, the Massive Image Embedding Benchmark:")
    group = "\n".join(result.outlines[start : result.outlines.index("", start)])
    for option in OPTIONS:
        assert option.flag in group
    settings = [line.split()[0] for line in result.outlines if line.startswith("  mieb_")]
    assert settings == [option.name for option in OPTIONS if option.ini]


def test_markers_lists_every_category_and_suite(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--markers")
    for name in (*CATEGORIES, *SUITES):
        result.stdout.fnmatch_lines([f"@pytest.mark.{name}: *"])
