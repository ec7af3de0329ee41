"""Test error of a config at its best validation, over several seeds, with the time of each: a row of docs/results.md.

Each seed is a run of its own, `arignote fit CONFIG --set rng=SEED`, which is resumed if this is started again.
Run: ``python benchmarks/results.py digits_augmented --seeds 5``; configs of MNIST need the folder of
mnist.npz in the environment variable ARIGNOTE_DATA. ``--set KEY=VALUE`` goes to each fit.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path


def command(*words: str) -> str:
    """Return what a command of arignote prints."""
    done = subprocess.run([sys.executable, "-m", "arignote", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def test_error(config: Path, seed: int, runs: Path, changed: list[str]) -> tuple[float, float]:
    """Fit a config with a seed; return the test error at the best validation, and the seconds of all epochs."""
    stem = str((runs / f"{config.stem}_{seed}").absolute())
    changes = [f"rng={seed}", f"fit.checkpoint={stem}", *changed]
    command("fit", str(config), "--quiet", *(word for change in changes for word in ("--set", change)))
    found = json.loads(command("inspect", stem, "--json"))
    [best] = [row for row in found["history"] if row["examples_seen"] == found["best"]["examples_seen"]]
    return best["test_error"], sum(row["seconds"] for row in found["history"])


def main() -> None:
    """Print the mean, the range and each error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=Path, default=Path("runs/results"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    errors = []
    for seed in range(1, given.seeds + 1):
        error, seconds = test_error(given.config, seed, given.runs, given.set)
        errors.append(error)
        print(f"seed {seed}: test error {error:.2%}, {seconds:.0f} s", flush=True)
    print(f"{given.config.stem}: mean {statistics.mean(errors):.2%}, {min(errors):.2%} to {max(errors):.2%}")


if __name__ == "__main__":
    main()
