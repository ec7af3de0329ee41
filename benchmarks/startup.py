"""From the start of the process to the first batch of `arignote fit digits_mlp`, beside `import torch`.

Both processes end at that very moment: the one where the loop hands its first batch to the step (one method of the loop
is replaced, the rest is what the command runs), the other where torch is there. Interleaved, medians; then the dearest
imports on the way, each with all that it brings. Run: python benchmarks/startup.py [rounds].
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIG = Path(__file__).resolve().parents[1] / "arignote" / "configs" / "digits_mlp.yaml"
# What the installed command does, and an end at the first batch. The loop itself brings no torch before its time.
FIRST_BATCH = """
import os, sys
from arignote.cli import main
import arignote.fit.trainer
arignote.fit.trainer.Trainer._step = lambda *_: os._exit(7)
sys.exit(main())
"""
TORCH = "import os, torch; os._exit(7)"


def command(code: str, folder: str, *options: str) -> list[str]:
    """Return a Python process that runs some code with the arguments of `arignote fit`."""
    arguments = ["fit", str(CONFIG), "--set", f"fit.checkpoint={folder}/run"]
    return [sys.executable, *options, "-c", code, *arguments]


def seconds(code: str) -> float:
    """Return the seconds of a process that ends where it shall."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        ended = subprocess.run(command(code, folder), stdout=subprocess.DEVNULL)
        took = time.perf_counter() - began
    if ended.returncode != 7:
        raise SystemExit(f"the process ended with {ended.returncode}, not where it should")
    return took


def imports() -> list[tuple[float, float, str]]:
    """Return seconds with all that it brings, seconds of its own, and name of each import, the dearest first."""
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(
            command(FIRST_BATCH, folder, "-X", "importtime"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
    found: dict[str, tuple[float, float, str]] = {}
    for line in ended.stderr.splitlines():
        own, _, rest = line.removeprefix("import time:").partition("|")
        whole, _, name = rest.partition("|")
        if line.startswith("import time:") and whole.strip().isdigit():
            # A name may come twice, where what it brings asks for it again.
            row = (int(whole) / 1e6, int(own) / 1e6, name.strip())
            found[row[2]] = max(row, found.get(row[2], row))
    return sorted(found.values(), reverse=True)


def main(n_rounds: int) -> None:
    """Print the times, their ratio, and the dearest imports."""
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; median of {n_rounds} interleaved rounds")
    for code in (TORCH, FIRST_BATCH):
        # The first time reads files from the disk and may compile them.
        seconds(code)
    pairs = [(seconds(TORCH), seconds(FIRST_BATCH)) for _ in range(n_rounds)]
    torch, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = sorted(b / a for a, b in pairs)
    print(f"import torch {torch:.2f} s; to the first batch {ours:.2f} s")
    print(f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f}..{ratios[-1]:.2f})")
    dearest = imports()
    print(f"{len(dearest)} imports, {sum(own for _, own, _ in dearest):.2f} s while they are timed")
    print("\n| import | ms with what it brings | ms of its own |\n|---|---|---|")
    for whole, own, name in dearest[:15]:
        print(f"| {name} | {whole * 1000:.0f} | {own * 1000:.1f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
