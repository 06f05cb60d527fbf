"""The mirror in the cache: written once, checked against the content hashes that travel with the package.

python -m pytest_mieb.miniature.content --update    # after a change of the world: record the new hashes
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

HASHES = Path(__file__).with_name("hashes.json")
LIBRARIES = ("pillow", "numpy", "scikit-learn")
DONE = "CONTENT.json"


def expected() -> dict[str, str]:
    """The content hash of each dataset, over decoded pixels, texts, labels and ids."""
    found: dict[str, str] = json.loads(HASHES.read_text(encoding="utf-8"))["datasets"]
    return found


def made_with() -> dict[str, str]:
    """The versions of the drawing libraries with which the hashes were made."""
    found: dict[str, str] = json.loads(HASHES.read_text(encoding="utf-8"))["libraries"]
    return found


def installed() -> dict[str, str]:
    return {name: metadata.version(name) for name in LIBRARIES}


@cache
def version() -> str:
    """Names a mirror: the expected content and the libraries that draw it."""
    return hashlib.sha256(json.dumps([expected(), installed()]).encode()).hexdigest()[:12]


def difference(found: Mapping[str, str]) -> str | None:
    """What to tell the user when datasets differ from the expected ones; `None` when all are as they should be."""
    wanted = expected()
    other = [name for name in found if found[name] != wanted.get(name)]
    if not other:
        return None
    here, there = installed(), made_with()
    changed = [
        f"{name} {here[name]} (made with {there.get(name)})" for name in LIBRARIES if here[name] != there.get(name)
    ]
    named = ", ".join(other[:6]) + (f" and {len(other) - 6} more" if len(other) > 6 else "")
    cause = "; ".join(changed) or "no drawing library differs, so the world's code was changed without --update"
    return (
        f"the miniature's content differs from the recorded one in {len(other)} of {len(found)} datasets ({named}): "
        f"{cause}. Scores on these are not comparable with the miniature's baselines."
    )


def drawn(folder: Path) -> dict[str, str]:
    """The content hash of each dataset in the mirror that `ensure_mirror` wrote to `folder`."""
    found: dict[str, str] = json.loads((_mirror(folder) / DONE).read_text(encoding="utf-8"))
    return found


def ensure_mirror(folder: Path, warn: Callable[[str], None]) -> Path:
    from pytest_mieb.miniature.datasets import write_mirror

    target = _mirror(folder)
    if not (target / DONE).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=folder))
        try:
            hashes = write_mirror(draft)
            (draft / DONE).write_text(json.dumps(hashes, indent=1), encoding="utf-8")
            _rename(draft, target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    if text := difference(drawn(folder)):
        warn(text)
    return target


def _mirror(folder: Path) -> Path:
    return folder / f"miniature-{version()}"


def _rename(draft: Path, target: Path) -> None:
    """Move the draft to its place, unless another process was faster."""
    try:
        os.rename(draft, target)
    except OSError:
        if not (target / DONE).is_file():
            raise


def main(arguments: list[str] | None = None) -> int:
    from pytest_mieb.miniature.datasets import write_mirror

    parser = argparse.ArgumentParser(prog="python -m pytest_mieb.miniature.content", description=__doc__)
    parser.add_argument("--update", action="store_true", help="record the hashes instead of checking them")
    update = parser.parse_args(arguments).update
    with tempfile.TemporaryDirectory() as folder:
        found = write_mirror(Path(folder))
    if update:
        HASHES.write_text(json.dumps({"libraries": installed(), "datasets": found}, indent=1) + "\n", encoding="utf-8")
        return 0
    text = difference(found)
    sys.stdout.write(f"{text or f'all {len(found)} datasets are as recorded'}\n")
    return 1 if text else 0


if __name__ == "__main__":
    sys.exit(main())
