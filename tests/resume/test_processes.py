"""The promise in several processes: as many as there may be, killed and resumed by another number, the same bits."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import processes_driver as driver
import psutil
import pytest

pytestmark = pytest.mark.slow

ENV = os.environ | {"PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def folder(tmp_path):
    driver.write(tmp_path)
    return tmp_path


def torchrun(n_processes: int, folder: Path, *cases: str, n_restarts: int = 0) -> subprocess.Popen[str]:
    """Start processes in a session of their own."""
    words = [f"--nproc-per-node={n_processes}", f"--max-restarts={n_restarts}", "--master-port=0"]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", *words, driver.__file__]
    return subprocess.Popen(
        [*command, str(folder), *cases], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV
    )


def test_any_number_of_processes_ends_in_the_bits_of_one(folder):
    alone = folder / "alone"
    alone.mkdir()
    driver.write(alone)
    expected = [f"{case} {driver.digests(driver.fitted(alone, case))}" for case in driver.CASES]
    assert len({line.split()[1] for line in expected}) == len(driver.CASES)
    # Processes that go on to another fit, with other settings each, are refused before it begins, and once.
    output, errors = torchrun(2, folder, *driver.CASES, "ranks", "different").communicate(timeout=120)
    # Two processes are two shards.
    [two] = [line for line in expected if line.startswith("two ")]
    assert output.splitlines() == [*expected, two.replace("two", "ranks")], errors[-3000:]
    assert "ConfigError: the 2 processes must train the same network on the same data" in errors
    assert "process 1: fit.lr_rule: ['const', {'initial_value': 0.1}] in process 0" in errors
    # Of three processes one has two shards; of two shards one has none.
    for file in folder.glob("*.ckpt"):
        file.unlink()
    output, errors = torchrun(3, folder, "dense", "hdf5", "two").communicate(timeout=120)
    wanted = [line for line in expected if line.startswith(("dense", "hdf5", "two"))]
    assert output.splitlines() == wanted, errors[-3000:]


def wait_for(condition, process):
    until = time.monotonic() + 60
    while not condition():
        assert process.poll() is None and time.monotonic() < until, process.communicate()[1][-3000:]
        time.sleep(0.02)


def test_a_worker_and_torchrun_are_killed_and_one_process_ends_in_the_same_bits(folder):
    n_epochs = 60
    whole = folder / "whole"
    whole.mkdir()
    expected = driver.digests(driver.fitted(whole, "norm", n_epochs))
    last = folder / "norm_last.ckpt"
    agent = torchrun(2, folder, f"norm:{n_epochs}", n_restarts=1)
    wait_for(last.exists, agent)
    workers = psutil.Process(agent.pid).children()
    workers[1].kill()
    # torchrun starts the group anew, which resumes.
    wait_for(
        lambda: {one.pid for one in psutil.Process(agent.pid).children()}.isdisjoint(w.pid for w in workers), agent
    )
    wait_for(lambda: len(psutil.Process(agent.pid).children()) == 2, agent)
    written = last.stat().st_mtime_ns
    wait_for(lambda: last.stat().st_mtime_ns > written, agent)
    agent.send_signal(signal.SIGTERM)
    output, errors = agent.communicate(timeout=60)
    assert output == "" and agent.returncode, errors[-3000:]
    # Killed, it cannot end its processes: these save and end by themselves, so that the run is not locked for long.
    agent = torchrun(2, folder, f"norm:{n_epochs}")
    written = last.stat().st_mtime_ns
    wait_for(lambda: last.stat().st_mtime_ns > written, agent)
    workers = psutil.Process(agent.pid).children()
    agent.kill()
    output, errors = agent.communicate(timeout=60)
    assert output == "" and not psutil.wait_procs(workers, 60)[1], errors[-3000:]
    ended = driver.fitted(folder, "norm", n_epochs)
    assert driver.digests(ended) == expected
    assert ended.state_.causes == ["start", "killed", "SIGTERM", "torchrun ended"]


@pytest.mark.torture
def test_processes_that_read_the_port_later_than_the_first_one_find_it(folder):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    started = []
    for rank in range(2):
        env = ENV | {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
        command = [sys.executable, driver.__file__, str(folder), "dense", "two"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, text=True, env=env, **pipes))
        # By then the first one has written its port, and waits for the others.
        time.sleep(6 * (rank == 0))
    (output, errors), (silent, more) = [process.communicate(timeout=60) for process in started]
    assert [line.split()[0] for line in output.splitlines()] == ["dense", "two"] and silent == "", errors + more
