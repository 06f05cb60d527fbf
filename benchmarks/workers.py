"""One worker against several, on a model that is bound by one processor: `python -m benchmarks.workers`.

The tasks are those of MIEB-lite on the miniature, which is drawn before, and every run starts with nothing embedded.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--milliseconds", default="4", help="of a processor's time for each item")
    parser.add_argument("--select", default="lite", help="tasks, as -m of pytest takes them")
    options = parser.parse_args()
    first = None
    with TemporaryDirectory() as folder:
        root = Path(folder)
        run(root, 0, "-k", "AROFlickrOrder")  # draws the miniature
        for count in options.workers:
            seconds, said = run(
                root,
                count,
                "-m",
                options.select,
                f"--mieb-model-arg=milliseconds={options.milliseconds}",
                "--mieb-fresh",
            )
            first = first or seconds
            print(
                f"-n {count}  {seconds:6.1f} s  {first / seconds:.2f} times as fast as the first   {said}", flush=True
            )


def run(root: Path, workers: int, *arguments: str) -> tuple[float, str]:
    command = [sys.executable, "-m", "pytest", "--mieb-model=benchmarks.busy:model", "--mieb-data=miniature", "-q"]
    command += [f"--mieb-cache={root / 'cache'}", f"--mieb-results={root / 'results'}", "--mieb-baseline=none"]
    command += [f"-n{workers}", "-p", "no:cacheprovider", *arguments]
    started = perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = perf_counter() - started
    if done.returncode != 0:
        sys.stderr.write(done.stdout[-4000:] + done.stderr[-4000:])
    return seconds, "; ".join(re.findall(r"[\d,]+ items were embedded.*|\d+ passed[^=]*", done.stdout))


if __name__ == "__main__":
    main()
