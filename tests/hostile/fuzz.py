"""Fuzzes every reader of foreign bytes: ``python tests/hostile/fuzz.py --minutes 60``. Exit code 1 after a finding.

Each input is a mutation of a valid file, a function of (seed, format, number). Each must end in a result or an error of
Arignote: any other exception, a signal, ten seconds, or memory beyond the limit is a finding, whose file is saved.
``--replay FILE --format NAME`` reads one again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from hostile.driver import address_space, outcome
from hostile.seeds import FORMATS

MEGABYTES = 1_000
# Of the processor; of the clock, where code does not return to Python.
SECONDS, LONGEST_WAIT = 10, 120
GOOD = ("result", "DataError", "CheckpointError", "ConfigError")


class Hang(BaseException):
    """An input took longer than it may."""


def written(folder: Path, name: str, seed: int, number: int, seeds: Sequence[bytes]) -> Path:
    """Write an input, and return the path to be read."""
    form = FORMATS[name]
    rng = Random(f"{seed} {name} {number}")
    (folder / form.name).write_bytes(form.mutate(rng, rng.choice(seeds), seeds))
    return folder if form.reader == "idx" else folder / form.name


def kept(findings: Path, name: str, seed: int, number: int, folder: Path) -> Path:
    """Save an input, and return where."""
    form = FORMATS[name]
    path = findings / f"{name.replace(' ', '-')}-{seed}-{number}-{form.name}"
    findings.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        shutil.copy(folder / form.name, path)
    return path


def work(name: str, seed: int, start: int, stop: int, folder: Path, findings: Path) -> None:
    """Read inputs one after the other; print each number before it is read, and how it ended."""
    form = FORMATS[name]
    seeds = form.seeds()
    if form.beside is not None:
        form.beside(folder)
    # What is imported at the first read is no memory of an input.
    for valid in seeds:
        (folder / form.name).write_bytes(valid)
        found = outcome(form.reader, folder if form.reader == "idx" else folder / form.name)
        assert found["ended"] == "result", found

    def too_long(*_: Any) -> None:
        raise Hang(f"more than {SECONDS} seconds")

    signal.signal(signal.SIGPROF, too_long)
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + MEGABYTES * 1_000_000, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in range(start, stop):
        path = written(folder, name, seed, number, seeds)
        print(number, flush=True)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        found = outcome(form.reader, path)
        signal.setitimer(signal.ITIMER_PROF, 0)
        if found["ended"] not in GOOD:
            found["message"] = f"{kept(findings, name, seed, number, folder)}: {found['message']}"
        print(json.dumps(found), flush=True)


def _lines(worker: subprocess.Popen[str]) -> Iterator[str]:
    """Yield what a worker prints; it is killed where it prints nothing for too long."""
    assert worker.stdout is not None
    timer = threading.Timer(LONGEST_WAIT, worker.kill)
    timer.start()
    for line in worker.stdout:
        timer.cancel()
        timer = threading.Timer(LONGEST_WAIT, worker.kill)
        timer.start()
        yield line
    timer.cancel()


def fuzz(name: str, seed: int, n_inputs: int, findings: Path) -> tuple[Counter[str], list[str]]:
    """Read inputs of one format in worker processes.

    Returns
    -------
    Counter, list of str
        How many inputs ended how; and the findings, each with the file that is saved for it.
    """
    ends, found = Counter[str](), list[str]()
    start = 0
    while start < n_inputs:
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as errors:
            words = [__file__, "--work", name, str(seed), str(start), str(n_inputs), folder, str(findings)]
            is_reading = False
            with subprocess.Popen(
                [sys.executable, "-X", "faulthandler", *words], stdout=subprocess.PIPE, stderr=errors, text=True
            ) as worker:
                for line in _lines(worker):
                    is_reading = not line.startswith("{")
                    if is_reading:
                        number = int(line)
                        continue
                    told = json.loads(line)
                    ends[told["ended"]] += 1
                    start = number + 1
                    if told["ended"] not in GOOD:
                        found.append(f"{told['ended']}: {told['message']}")
                code = worker.wait()
            errors.seek(0)
            if is_reading:
                ends["death"] += 1
                start = number + 1
                path = kept(findings, name, seed, number, Path(folder))
                found.append(f"signal or hang (exit code {code}): {path}: {errors.read()[-1500:]}")
            elif code:
                found.append(f"{name}: the fuzzer failed after input {start - 1}: {errors.read()[-1500:]}")
                return ends, found
    return ends, found


def fuzz_all(names: Sequence[str], seed: int, n_inputs: int, findings: Path, n_workers: int = 2) -> list[str]:
    """Fuzz formats, several at a time; print how inputs ended, and return the findings."""
    found: list[str] = []
    with ThreadPoolExecutor(n_workers) as pool:
        jobs = [(name, pool.submit(fuzz, name, seed, n_inputs, findings)) for name in names]
        for name, job in jobs:
            ends, new = job.result()
            told = ", ".join(f"{n} {end}" for end, n in sorted(ends.items()))
            print(f"{name:>16}, seed {seed}: {told}", flush=True)
            for finding in new:
                print(f"    {finding}", flush=True)
            found += new
    return found


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1, help="how long")
    parser.add_argument("--seed", type=int, default=None, help="first seed; default the time")
    parser.add_argument("--inputs", type=int, default=1000, help="of each format and seed")
    parser.add_argument("--workers", type=int, default=max(2, (os.cpu_count() or 2)))
    parser.add_argument("--findings", type=Path, default=Path("findings"), help="folder of the files that are saved")
    parser.add_argument("--format", action="append", choices=sorted(FORMATS), help="only these; default all")
    parser.add_argument("--replay", type=Path, help="read one file, and say how that ends")
    parser.add_argument("--work", nargs=6, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        name, seed, start, stop, folder, findings = given.work
        warnings.simplefilter("ignore")
        work(name, int(seed), int(start), int(stop), Path(folder), Path(findings))
        return 0
    if given.replay:
        print(outcome(FORMATS[given.format[0]].reader, given.replay))
        return 0
    end = time.monotonic() + 60 * given.minutes
    seed = int(time.time()) if given.seed is None else given.seed
    found: list[str] = []
    while time.monotonic() < end:
        found += fuzz_all(given.format or list(FORMATS), seed, given.inputs, given.findings, given.workers)
        seed += 1
    print(f"{len(found)} findings")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
