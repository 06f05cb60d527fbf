"""Numbers of bytes as people write and read them."""

from __future__ import annotations

import pytest

from pytest_mieb.support.sizes import size_read, size_shown


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0.0 kB"), (999, "1.0 kB"), (2_500_000, "2.5 MB"), (20.1e9, "20.1 GB"), (5e15, "5000.0 TB")],
)
def test_shown(n_bytes: float, text: str) -> None:
    assert size_shown(n_bytes) == text


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("20.1 GB", 20.1e9), ("500MB", 5e8), (" 1 kB ", 1e3), ("20", None), ("many GB", None), ("-1 GB", None)],
)
def test_read(text: str, n_bytes: float | None) -> None:
    assert size_read(text) == n_bytes
