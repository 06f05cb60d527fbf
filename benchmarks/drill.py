"""Runs that are killed and started again, and how many items were embedded twice: `python -m benchmarks.drill`.

A run on workers, with the miniature's data and a model that notes what it embeds, is killed by SIGKILL when it has
embedded a share of all items: its controller, one of its workers, or all processes at once. Where it ends by that, it
is started again. What is embedded twice is counted, and what is never embedded.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Literal, NamedTuple

Victim = Literal["nobody", "the controller", "a worker", "all"]
MOMENTS = (0.1, 0.3, 0.5, 0.7, 0.9)
WORKERS = 2


class Ended(NamedTuple):
    """How a run ended, and what it said."""

    code: int
    said: str

    @property
    def summary(self) -> str:
        found = re.findall(r"\d+ (?:passed|failed|errors?)[^=]*? in |[\d,]+ finished tasks? [^\n]*", self.said)
        return "; ".join(each.removesuffix(" in ") for each in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--select", default="lite and not linear_probing", help="tasks, as -m of pytest takes them")
    parser.add_argument("--milliseconds", default="1", help="of a processor's time for each item")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        drill = Drill(Path(folder), options.select, options.milliseconds)
        drill.run("nobody", 0.0)
        again = drill.run("nobody", 0.0, clear=False)
        drill.probes = set(drill.embedded())
        drill.expected = 0
        drill.run("nobody", 0.0)
        drill.expected = len(drill.counted())
        print(f"{drill.expected:,} items on {WORKERS} workers; a second run embeds none: {again.summary}\n")
        print("| killed | at | started again | embedded twice | never | ends with |")
        print("|---|---|---|---|---|---|")
        victims: tuple[Victim, ...] = ("the controller", "a worker", "all")
        for victim in victims:
            for moment in MOMENTS:
                first = drill.run(victim, moment)
                second = first if first.code >= 0 else drill.run("nobody", 0.0, clear=False, keep_log=True)
                counts = drill.counted()
                twice = sum(count - 1 for count in counts.values())
                restarted = "no" if second is first else "yes"
                print(
                    f"| {victim} | {moment:.0%} | {restarted} | {twice} | {drill.expected - len(counts)} "
                    f"| {second.summary} |",
                    flush=True,
                )


class Drill:
    """Runs in one folder; `probes` are what every start embeds to look at the model."""

    def __init__(self, root: Path, select: str, milliseconds: str) -> None:
        self.root, self.log = root, root / "log"
        self.select, self.milliseconds = select, milliseconds
        self.probes: set[str] = set()
        self.expected = 0

    def embedded(self) -> list[str]:
        return [
            line.split()[0]
            for line in self.log.read_text(encoding="utf-8").splitlines()
            if line.endswith(tuple("0123456789"))
        ]

    def counted(self) -> Counter[str]:
        return Counter(name for name in self.embedded() if name not in self.probes)

    def run(self, victim: Victim, moment: float, *, clear: bool = True, keep_log: bool = False) -> Ended:
        if clear:
            for folder in ("embeddings", "claims"):
                subprocess.run(["rm", "-rf", str(self.root / "cache" / folder)], check=True)
        if not keep_log:
            self.log.write_text("")
        command = [sys.executable, "-m", "pytest", "--mieb-model=benchmarks.busy:model", "--mieb-data=miniature", "-q"]
        command += [f"--mieb-model-arg=log={self.log}", f"--mieb-model-arg=milliseconds={self.milliseconds}"]
        command += [f"--mieb-cache={self.root / 'cache'}", f"--mieb-results={self.root / 'results'}", f"-n{WORKERS}"]
        command += ["--mieb-baseline=none", "-p", "no:cacheprovider", "-m", self.select]
        with open(self.root / "said", "w+", encoding="utf-8") as said:
            process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
            if victim != "nobody":
                self._kill(process, victim, moment)
            process.wait()
            self._until_gone(process.pid)
            said.seek(0)
            return Ended(process.returncode, said.read())

    def _kill(self, process: subprocess.Popen[bytes], victim: Victim, moment: float) -> None:
        while len(self.counted()) < moment * self.expected and process.poll() is None:
            sleep(0.02)
        if victim == "all":
            os.killpg(process.pid, signal.SIGKILL)
        elif victim == "the controller":
            process.kill()
        else:
            os.kill(_workers(process.pid)[0], signal.SIGKILL)

    def _until_gone(self, group: int) -> None:
        """Until no process of a run is left: those of a killed controller end by themselves."""
        deadline = monotonic() + 120
        while monotonic() < deadline:
            try:
                os.killpg(group, 0)
            except ProcessLookupError:
                return
            sleep(0.05)
        raise SystemExit("processes of a killed run are still there")


def _workers(controller: int) -> list[int]:
    """The workers among the processes that a controller has started."""
    children = [
        child
        for file in Path(f"/proc/{controller}/task").glob("*/children")
        for child in file.read_text(encoding="utf-8").split()
    ]
    return [int(child) for child in children if b"exec(eval(" in Path(f"/proc/{child}/cmdline").read_bytes()]


if __name__ == "__main__":
    main()
