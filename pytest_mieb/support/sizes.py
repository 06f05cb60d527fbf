"""Numbers of bytes as people write and read them."""

from __future__ import annotations

import re

_UNITS = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(_UNITS)})")


def size_shown(n_bytes: float) -> str:
    """`20.1 GB`, in the largest unit of which there is one."""
    unit = max((unit for unit in _UNITS if _UNITS[unit] <= n_bytes), key=_UNITS.__getitem__, default="kB")
    return f"{n_bytes / _UNITS[unit]:.1f} {unit}"


def size_read(text: str) -> float | None:
    """The number of bytes that `20.1 GB` or `500MB` is; None where it is none."""
    match = _SIZE.fullmatch(text.strip())
    return float(match[1]) * _UNITS[match[2]] if match else None
