"""The long form of the proof: python tests/resume/torture.py --kills 300

Runs are killed at every filesystem operation, then commands at random moments: with SIGKILL, and with SIGTERM, of which
the time from the signal to the end of the process is printed. Exit code 1 if anything differed. The commands are forks
of a process that has loaded the libraries and trained nothing; whole processes are in test_sigkill.py and
test_signals.py.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Modules that the tests share.
sys.path.insert(0, str(Path(__file__).parents[1]))

from filesystem_driver import newest, starts_after
from test_sigkill import command, logged

from arignote.report.inspection import inspection

N_EPOCHS = 12
KILLS_PER_RUN = 3
COMPARED = ("finished", "epoch", "weights_sha256", "average_sha256", "history_sha256")


@dataclass
class Found:
    """What became of one run, or of all."""

    kills: int = 0
    wrong: list[str] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    def add(self, other: Found) -> None:
        self.kills += other.kills
        self.wrong += other.wrong
        self.latencies += other.latencies


def compared(stem: Path) -> dict[str, Any]:
    """Return what two runs must have in common, as `arignote inspect` prints it."""
    found = inspection(str(stem))
    return {key: found[key] for key in COMPARED} | {"best": found["best"]["value"], "logged": logged(stem)}


def give(stem: Path, output: Path) -> int:
    """Give the command in a process of its own, its words into a file; return the number of the process."""
    import arignote.cli
    import arignote.estimators

    child = os.fork()
    if child == 0:
        words = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(words, 1)
        os.dup2(words, 2)
        sys.argv = command(stem)[1:]
        # As python does at its end, so that what the command did not flush is lost or kept alike.
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        code = 1
        try:
            arignote.cli.main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return child


def ended(child: int) -> int:
    """Wait for a process, and return its exit code, or -signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def interrupt(stem: Path, number: signal.Signals, moments: random.Random, found: Found) -> bool:
    """Give the command and send a signal at a random moment; return whether the run is still to be finished."""
    output = stem.with_suffix(".output")
    output.unlink(missing_ok=True)
    child = give(stem, output)
    # A command that is stopped before it handles signals only ends; when it prints, it handles them.
    while number == signal.SIGTERM and not (output.exists() and output.stat().st_size):
        time.sleep(0.01)
    time.sleep(moments.uniform(0, 1.5))
    asked = time.monotonic()
    os.kill(child, number)
    code = ended(child)
    took = time.monotonic() - asked
    if code == 0:
        return False
    if number == signal.SIGKILL and code != -signal.SIGKILL:
        found.wrong.append(f"{stem}: ended by itself with exit code {code}")
        return False
    found.kills += 1
    if number == signal.SIGTERM:
        found.latencies.append(took)
        stored = newest(stem.parent)
        # After the last epoch there is nothing to stop: the run is complete, the exit code still that of the signal.
        is_kept = stored is not None and (stored.progress.stopped_by == "SIGTERM" or stored.progress.epoch == N_EPOCHS)
        if code != 128 + signal.SIGTERM or not is_kept:
            found.wrong.append(f"{stem}: SIGTERM ended it with {code}, and it was not saved")
    return True


def torture(folder: Path, number: signal.Signals, n_kills: int, moments: random.Random, whole: dict[str, Any]) -> Found:
    """Kill one run several times, check each time where it resumes, and compare its end."""
    folder.mkdir()
    found, stem = Found(), folder / "run"
    starts: list[list[int]] = []
    for _ in range(n_kills):
        expected = starts_after(newest(folder), N_EPOCHS)
        unfinished = interrupt(stem, number, moments, found)
        stored = newest(folder)
        # Nothing was saved in between where the starts are still those of the process before.
        if stored is not None and stored.starts not in (expected, starts):
            found.wrong.append(f"{stem}: starts are {stored.starts}, not {expected}")
        starts = stored.starts if stored is not None else []
        if not unfinished:
            break
    expected = starts_after(newest(folder), N_EPOCHS)
    output = stem.with_suffix(".output")
    code = ended(give(stem, output))
    if code != 0 or "damaged" in output.read_text():
        found.wrong.append(f"{stem}: exit code {code}: {output.read_text()}")
        return found
    output.unlink()
    last = newest(folder)
    if last is None or last.starts != expected:
        found.wrong.append(f"{stem}: starts are {last and last.starts}, not {expected}")
    if compared(stem) != whole:
        found.wrong.append(f"{stem}: {compared(stem)}, not {whole}")
    left = [path.name for path in folder.iterdir() if path.suffix not in (".ckpt", ".jsonl")]
    if left:
        found.wrong.append(f"{stem}: left {left}")
    return found


def at_random_moments(folder: Path, number: signal.Signals, n_kills: int, seed: int, whole: dict[str, Any]) -> Found:
    """Kill as often as asked."""
    all_found, run = Found(), 0
    while all_found.kills < n_kills:
        run += 1
        moments = random.Random(f"{seed} {number.name} {run}")
        share = min(KILLS_PER_RUN, n_kills - all_found.kills)
        found = torture(folder / f"{number.name}{run}", number, share, moments, whole)
        all_found.add(found)
        print(*found.wrong, sep="\n", end="\n" if found.wrong else "", file=sys.stderr, flush=True)
        if run % 10 == 0:
            print(f"{number.name}: {all_found.kills} of {n_kills}, {len(all_found.wrong)} mismatches", flush=True)
    return all_found


def at_every_operation(folder: Path, more: list[str]) -> Found:
    """Run the driver over all its scenarios."""
    driver = Path(__file__).with_name("filesystem_driver.py")
    driven = subprocess.run([sys.executable, str(driver), str(folder), *more], stdout=subprocess.PIPE, text=True)
    if driven.returncode != 0:
        return Found(wrong=[f"the driver ended with {driven.returncode}"])
    found = Found()
    for name, scenario in json.loads(driven.stdout).items():
        n_wrong, n_operations = len(scenario["mismatches"]), scenario["operations"]
        print(f"{name}: {n_operations} operations, {scenario['kills']} kills, {n_wrong} mismatches", flush=True)
        print(*scenario["mismatches"], sep="\n", end="\n" if n_wrong else "", file=sys.stderr)
        found.add(Found(scenario["kills"], [f"{name}: {wrong}" for wrong in scenario["mismatches"]]))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300, help="SIGKILLs at random moments; SIGTERMs are a fifth of it")
    parser.add_argument("--seed", type=int, default=5, help="of the random moments")
    parser.add_argument("--pieces", action="store_true", help="kill at each piece of a file that is written, too")
    parser.add_argument("--skip-driver", action="store_true", help="random moments only")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        driven = Found()
        if not arguments.skip_driver:
            more = ["--pieces"] if arguments.pieces else []
            driven = at_every_operation(folder / "driver", ["--twice", "20", *more])
        code = ended(give(folder / "whole", folder / "whole.output"))
        assert code == 0, (folder / "whole.output").read_text()
        whole = compared(folder / "whole")
        assert whole["finished"] and whole["epoch"] == N_EPOCHS
        killed = at_random_moments(folder, signal.SIGKILL, arguments.kills, arguments.seed, whole)
        stopped = at_random_moments(folder, signal.SIGTERM, arguments.kills // 5, arguments.seed, whole)
    for what, found in (("every operation", driven), ("SIGKILL", killed), ("SIGTERM", stopped)):
        print(f"{what}: {found.kills} kills, {len(found.wrong)} mismatches")
    if stopped.latencies:
        median, most = statistics.median(stopped.latencies), max(stopped.latencies)
        print(f"SIGTERM to exit: median {median:.3f} s, max {most:.3f} s")
    return 1 if driven.wrong or killed.wrong or stopped.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
