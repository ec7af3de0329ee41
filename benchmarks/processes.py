"""Two processes of one thread beside one of two threads, and beside DistributedDataParallel on the same network.

W1: 784-400-400-10 relu, batches of 128 of 12,800 rows in memory, float32, Nesterov 0.9 at 0.01. Each round starts the
two processes anew; within it fits with `shards` 2 and 4, and the loop of DistributedDataParallel, take turns. Seconds
are those of an epoch without the first one. Bytes are those of the loopback device, of both processes, for an update.

Run: ``python benchmarks/processes.py [ROUNDS]``; ``--estimate`` prints what the exchange would take with 8 and 64 GPUs,
as it follows from the bytes that were measured here and from the assumptions in `estimate`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from arignote import NNClassifier

N_ROWS, BATCH, N_EPOCHS = 12_800, 128, 4
LAYERS = [*[["FCLayer", {"n_units": 400, "activation": "relu"}]] * 2, ["ClassificationOutputLayer"]]

# Of the gradients, in float32.
N_BYTES = 4 * (784 * 400 + 400 + 400 * 400 + 400 + 400 * 10 + 10)


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return features and labels."""
    rng = np.random.default_rng(0)
    return rng.random((N_ROWS, 784), dtype=np.float32), rng.integers(0, 10, N_ROWS)


def fit(n_threads: int, shards: int) -> tuple[float, float]:
    """Return the seconds of an epoch, and the bytes that were sent for an update, of a fit."""
    before = sent_bytes()
    settings = {"batch_size": BATCH, "n_epochs": N_EPOCHS, "sgd_type": "nag", "lr_rule": 0.01, "rng": 1}
    classifier = NNClassifier(LAYERS, n_threads=n_threads, shards=shards, **settings).fit(*data())
    seconds = [row["seconds"] for row in classifier.state_.history.records()][1:]
    return statistics.median(seconds), (sent_bytes() - before) / (N_EPOCHS * N_ROWS // BATCH)


def ddp() -> tuple[float, float]:
    """Return the same of a loop with DistributedDataParallel, in which each process has half of each batch."""
    before = sent_bytes()
    dist.init_process_group("gloo")
    torch.set_num_threads(1)
    torch.manual_seed(1)
    sizes = [784, 400, 400, 10]
    parts = [part for n_in, n_out in pairwise(sizes) for part in (nn.Linear(n_in, n_out), nn.ReLU())]
    model = nn.parallel.DistributedDataParallel(nn.Sequential(*parts[:-1]))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, fused=True)
    x, y = map(torch.from_numpy, data())
    half, rank, seconds = BATCH // 2, dist.get_rank(), []
    for epoch in range(N_EPOCHS):
        began = time.perf_counter()
        order = torch.from_numpy(np.random.default_rng(epoch).permutation(N_ROWS))
        total = torch.zeros((), dtype=torch.float64)
        for first in range(0, N_ROWS, BATCH):
            rows = order[first + rank * half : first + (rank + 1) * half]
            loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.detach()
        float(total)
        seconds.append(time.perf_counter() - began)
    dist.barrier()
    dist.destroy_process_group()
    return statistics.median(seconds[1:]), (sent_bytes() - before) / (N_EPOCHS * N_ROWS // BATCH)


def sent_bytes() -> int:
    """Return the bytes that the loopback device has sent."""
    [line] = [line for line in Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("lo:")]
    return int(line.split(":")[1].split()[8])


def measured(*words: str) -> dict[str, tuple[float, float]]:
    """Return what a run of this script with these words prints."""
    output = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True).stdout
    return json.loads(output)


def main(n_rounds: int) -> None:
    """Print medians, and the range of the ratios."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", __file__, "--two"]
    rounds = [measured(*torchrun) | measured(__file__, "--one") for _ in range(n_rounds)]
    print(f"{n_rounds} rounds; gradients of {N_BYTES / 1e6:.2f} MB")
    for name in rounds[0]:
        seconds, sent = (statistics.median(one[name][at] for one in rounds) for at in (0, 1))
        ratios = sorted(one["DDP"][0] / one[name][0] for one in rounds)
        print(
            f"{name}: epoch {seconds:.3f} s, DDP / it {statistics.median(ratios):.2f} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f}), {sent / N_BYTES:.2f} times the gradients sent for an update"
        )


def estimate() -> None:
    """Print the time of the exchange of an update, and its share in steps of which the gradients take so long.

    Assumed: as many shards as GPUs (H100 or H200, 8 in a machine); 450 GB/s in each direction within a machine (NVLink,
    NVIDIA's data sheets), 50 GB/s between machines (400 Gb/s for each GPU), of which 0.8 are reached; 5 us a message,
    to each other process twice; nothing is sent while gradients are computed; additions take no time, and all are
    equally fast.
    """
    for n_bytes, network in ((N_BYTES, "W1"), (100e6, "25M parameters")):
        for n_gpus, rate in ((8, 450e9), (64, 50e9)):
            # Slices of the vector of each shard, then of the sum: what the loopback device has sent, of each process.
            sent = 2 * (n_gpus - 1) / n_gpus * n_bytes
            seconds = sent / (0.8 * rate) + 2 * (n_gpus - 1) * 5e-6
            shares = ", ".join(f"{seconds / (seconds + step):.1%} of {step * 1e3:g} ms" for step in (0.001, 0.01, 0.1))
            print(f"{network}, {n_gpus} GPUs: {sent / 1e6:.1f} MB sent by each, {seconds * 1e3:.2f} ms; {shares}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--two"]:
        found = {"shards 2": fit(1, 2), "DDP": ddp(), "shards 4": fit(1, 4)}
        if int(os.environ["RANK"]) == 0:
            print(json.dumps(found))
    elif sys.argv[1:] == ["--one"]:
        print(json.dumps({"one process, two threads": fit(2, 1)}))
    elif sys.argv[1:] == ["--estimate"]:
        estimate()
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
