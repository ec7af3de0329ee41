"""Peak memory of training W1 above its data: the command, `fit` and the plain loop, each in a process of its own.

Above the data is the peak of the resident memory less the bytes of the features, with Python and all that it imported
in it; "by training" is the peak less what was resident before (in the plain loop with what torch imports on first use).
The command reads a config and two .npy files, which the others have as arrays.
Needs the /proc of Linux. Run: python benchmarks/memory.py [rounds [rows]], where only the package is installed, as in
`.peers/`: scikit-learn imports pandas and pyarrow wherever they are, which takes 67 MB.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

N_ROWS = 32_000


def resident_mb(what: str) -> float:
    """Return VmRSS (now) or VmHWM (the peak) of this process; that of its parent is not in it, as in `ru_maxrss`."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith(what))
    return int(line.split()[1]) * 1.024 / 1000


def child(kind: str, n_rows: int) -> None:
    """Train an epoch in this process, and print the peak less the data, and less all that was there before."""
    import numpy as np

    # The plain loop shall not pay for what we import, nor we for what it does not need.
    from throughput import W1, ours, plain_loop, plain_w1

    if kind == "command":
        from arignote.cli import app
    if kind == "fit":
        from arignote import NNClassifier  # noqa: F401
    rng = np.random.default_rng(0)
    x, y = rng.random((n_rows, 784), dtype=np.float32), rng.integers(0, 10, n_rows)
    n_bytes, before = x.nbytes, resident_mb("VmRSS")
    if kind == "fit":
        ours(W1, x, y, 128)
    elif kind == "command":
        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/x.npy", x)
            np.save(f"{folder}/y.npy", y)
            del x
            config = {
                "layers": W1,
                "rng": 1,
                "data": {"train": {"features": "x.npy", "labels": "y.npy"}},
                "fit": {"n_epochs": 2, "batch_size": 128, "sgd_type": "nag", "lr_rule": 0.01, "checkpoint": None},
            }
            (Path(folder) / "w1.json").write_text(json.dumps(config))
            app(["fit", f"{folder}/w1.json", "--quiet"], standalone_mode=False)
    else:
        for _ in range(2):
            plain_loop(plain_w1, x, y, 128, 0.001)
    peak = resident_mb("VmHWM")
    print(peak - n_bytes / 1e6, peak - before)


def measured(kind: str, n_rows: int) -> list[float]:
    """Return what a child process prints."""
    args = [sys.executable, __file__, "--child", kind, str(n_rows)]
    said = subprocess.run(args, check=True, stdout=subprocess.PIPE, text=True).stdout
    return list(map(float, said.splitlines()[-1].split()))


def main(n_rounds: int, n_rows: int) -> None:
    """Print both peaks and their ratio."""
    rounds = [{kind: measured(kind, n_rows) for kind in ("plain", "fit", "command")} for _ in range(n_rounds)]
    extras = [name for name in ("pandas", "pyarrow") if importlib.util.find_spec(name)]
    print(f"with {' and '.join(extras)} installed; " if extras else "", end="")
    print(f"load {os.getloadavg()[0]:.1f}; W1, 2 epochs of {n_rows:,} rows ({n_rows * 784 * 4 / 1e6:.0f} MB); ", end="")
    print(f"median of {n_rounds} interleaved rounds")
    columns = "peak MB | plain loop | fit | of the plain loop | the command | of the plain loop"
    print(f"\n| {columns} |\n|{'---|' * 6}")
    for at, name in enumerate(("above the data", "by training")):
        plain, ours, command = (statistics.median(one[kind][at] for one in rounds) for kind in rounds[0])
        print(f"| {name} | {plain:.0f} | {ours:.0f} | {ours / plain:.2f} | {command:.0f} | {command / plain:.2f} |")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], int(sys.argv[3]))
    else:
        given = dict(enumerate(sys.argv))
        main(int(given.get(1, 3)), int(given.get(2, N_ROWS)))
