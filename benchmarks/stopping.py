"""From SIGTERM to "stopped and saved", and to the end of the process: `arignote fit` of a digits config.

python benchmarks/stopping.py [--rounds N]. The signal comes at another moment of training in each round.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = Path(__file__).parents[1] / "arignote" / "configs" / "digits_mlp.yaml"


def measure(stem: Path, seconds: float) -> tuple[float, float]:
    """Return the seconds from SIGTERM to the line that says it is saved, and to the end of the process."""
    settings = [f"fit.checkpoint={stem}", "fit.n_epochs=1000000"]
    words = [word for setting in settings for word in ("--set", setting)]
    command = [sys.executable, "-u", "-m", "arignote", "fit", str(CONFIG), *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    # The first line of an epoch: it trains.
    next(line for line in process.stdout if "epoch" in line)
    time.sleep(seconds)
    began = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    saved = next(time.perf_counter() for line in process.stdout if "stopped and saved" in line)
    code = process.wait()
    ended = time.perf_counter()
    assert code == 128 + signal.SIGTERM, code
    return saved - began, ended - began


def main() -> None:
    """Measure, and print medians and the longest."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    n_rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        found = [measure(Path(folder) / f"run{n}", 0.5 + 0.037 * n) for n in range(n_rounds)]
    for name, seconds in zip(("stopped and saved", "end of the process"), zip(*found, strict=True), strict=True):
        print(f"{name:>20}: median {1000 * statistics.median(seconds):.0f} ms, longest {1000 * max(seconds):.0f} ms")


if __name__ == "__main__":
    main()
