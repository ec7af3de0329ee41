"""The promise in several processes: as many as there may be, killed and resumed by another number, the same bits."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import forked
import processes_driver as driver
import psutil
import pytest
from torch.distributed import TCPStore

pytestmark = pytest.mark.slow

ENV = os.environ | {"PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def folder(tmp_path):
    driver.write(tmp_path)
    return tmp_path


def torchrun(n_processes: int, folder: Path, *cases: str, n_restarts: int = 0) -> subprocess.Popen[str]:
    """Start processes in a session of their own; errors go to a file, as the processes wait while a pipe is full."""
    words = [f"--nproc-per-node={n_processes}", f"--max-restarts={n_restarts}", "--master-port=0"]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", *words, driver.__file__]
    with (folder / "errors").open("a") as errors:
        return subprocess.Popen([*command, folder, *cases], stdout=subprocess.PIPE, stderr=errors, text=True, env=ENV)


def last_errors(folder: Path) -> str:
    """Return the end of what processes of torchrun have reported."""
    file = folder / "errors"
    return file.read_text()[-3000:] if file.exists() else ""


def started(n_processes: int, folder: Path, *words: str) -> list[forked.Forked]:
    """Start processes without torchrun, which only gives them these variables: forks, which begin sooner.

    Words may have ``{rank}`` for the number of the process.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        env = ENV | {
            "WORLD_SIZE": str(n_processes),
            "MASTER_ADDR": "localhost",
            "MASTER_PORT": str(free.getsockname()[1]),
        }
    return [
        forked.Forked([word.format(rank=rank) for word in words], env=env | {"RANK": str(rank)}, cwd=folder)
        for rank in range(n_processes)
    ]


def first_output(processes: list[forked.Forked]) -> tuple[str, str]:
    """Return what the first process has printed, at its end, and the errors of all; the others print nothing."""
    (output, *silent), errors = zip(*(process.communicate() for process in processes), strict=True)
    assert not any(silent)
    return output, "".join(errors)


def test_any_number_of_processes_ends_in_the_bits_of_one(folder):
    alone = folder / "alone"
    alone.mkdir()
    driver.write(alone)
    expected = [f"{case} {driver.digests(driver.fitted(alone, case))}" for case in driver.CASES]
    assert len({line.split()[1] for line in expected}) == len(driver.CASES)
    # Processes that go on to another fit, with other settings each, are refused before it begins, and once.
    output, errors = first_output(started(2, folder, driver.__file__, ".", *driver.CASES, "ranks", "different"))
    # Two processes are two shards.
    [two] = [line for line in expected if line.startswith("two ")]
    assert output.splitlines() == [*expected, two.replace("two", "ranks")], errors[-3000:]
    assert "ConfigError: the 2 processes must train the same network on the same data" in errors
    assert "process 1: fit.lr_rule: ['const', {'initial_value': 0.1}] in process 0" in errors
    # Of three processes one has two shards; of two shards one has none.
    for file in folder.glob("*.ckpt"):
        file.unlink()
    output, errors = first_output(started(3, folder, driver.__file__, ".", "dense", "hdf5", "two"))
    wanted = [line for line in expected if line.startswith(("dense", "hdf5", "two"))]
    assert output.splitlines() == wanted, errors[-3000:]
    assert errors.count("3 processes share 2 shards of a batch, so that 1 of them only wait. Raise shards") == 1


def test_what_is_wrong_in_the_config_or_data_of_any_process_is_reported_once(folder):
    config = """layers: [[DropoutLayer, {{dropout_p: {}}}], [ClassificationOutputLayer]]
data: {{train: {{features: "{}:x", labels: "x.h5:x"}}}}"""
    for first, other, begins in (
        ((1, "x.h5"), (1, "x.h5"), "error: 0.yaml:1:26: layers[0] (DropoutLayer): dropout_p must be"),
        (
            (0, "x.h5"),
            (1, "x.h5"),
            "error: process 1 of 2 failed: ConfigError: 1.yaml:1:26: layers[0] (DropoutLayer): ",
        ),
        ((0, "x.h5"), (0, "y.h5"), "error: process 1 of 2 failed: DataError: y.h5: there is no such file"),
    ):
        (folder / "0.yaml").write_text(config.format(*first))
        (folder / "1.yaml").write_text(config.format(*other))
        output, errors = first_output(started(2, folder, "-m", "arignote", "fit", "{rank}.yaml"))
        assert output == "" and errors.startswith(begins) and errors.count("\n") == 1, errors


FAILING = """
import os
from pathlib import Path
from arignote.process import run_process
from processes_driver import fitted

def failing(x, y, rng):
    assert os.environ["RANK"] == "0", "the memory of this machine"
    return x, y

run_process(lambda: fitted(Path(), "dense", augmentation=[failing]))
"""


def test_a_process_that_fails_says_which_it_is_and_why_and_the_others_end(folder):
    (folder / "failing.py").write_text(FAILING)
    first, second = [process.communicate()[1] for process in started(2, folder, "failing.py")]
    assert second.startswith("error: process 1 of 2: augmentation of epoch 1, batch 0: AssertionError: the memory"), (
        second
    )
    assert "\nerror: process 0 of 2: another process ended, or did not answer within 10 minutes " in first
    assert first.endswith("Started again, the same command resumes from the last checkpoint\n"), first


def wait_for(condition, process, folder):
    until = time.monotonic() + 120
    while not condition():
        assert process.poll() is None and time.monotonic() < until, last_errors(folder)
        time.sleep(0.02)


def newest(folder: Path) -> int:
    """Return when the newest checkpoint was written, in nanoseconds; 0 if there is none."""
    while True:
        # A file may get another name meanwhile.
        with suppress(FileNotFoundError):
            return max((file.stat().st_mtime_ns for file in folder.glob("*_last*.ckpt")), default=0)


def test_a_worker_is_killed_then_torchrun_stopped_and_one_process_ends_in_the_same_bits(folder):
    n_epochs = 60
    whole = folder / "whole"
    whole.mkdir()
    expected = driver.digests(driver.fitted(whole, "norm", n_epochs))
    agent = torchrun(2, folder, f"norm:{n_epochs}", n_restarts=1)
    wait_for(lambda: newest(folder), agent, folder)
    workers = psutil.Process(agent.pid).children()
    workers[1].kill()
    # torchrun starts the group anew, which resumes.
    wait_for(
        lambda: {one.pid for one in psutil.Process(agent.pid).children()}.isdisjoint(w.pid for w in workers),
        agent,
        folder,
    )
    wait_for(lambda: len(psutil.Process(agent.pid).children()) == 2, agent, folder)
    before = newest(folder)
    wait_for(lambda: newest(folder) > before, agent, folder)
    agent.send_signal(signal.SIGTERM)
    output, _ = agent.communicate(timeout=60)
    assert output == "" and agent.returncode, last_errors(folder)
    ended = driver.fitted(folder, "norm", n_epochs)
    assert driver.digests(ended) == expected
    assert ended.state_.causes == ["start", "killed", "SIGTERM"]


def test_a_process_that_waits_for_the_others_ends_at_sigterm_at_once(folder):
    # In C++ it would wait on, until torchrun kills it 30 s later. The store is torchrun's.
    store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    env = ENV | {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(store.port)}
    env["TORCHELASTIC_USE_AGENT_STORE"] = "True"
    waiting = forked.Forked(["-m", "arignote", "fit", "digits_mlp"], env=env, cwd=folder)
    wait_for(lambda: any(key.endswith("arignote/0") for key in store.list_keys()), waiting, folder)
    waiting.send_signal(signal.SIGTERM)
    output, errors = waiting.communicate(timeout=25)
    assert (waiting.returncode, output) == (128 + signal.SIGTERM, ""), errors
    assert [file.name for file in folder.iterdir()] == ["x.h5"]


@pytest.mark.torture
def test_processes_of_a_torchrun_that_is_killed_save_and_end(folder):
    # They would keep the run locked.
    n_epochs = 60
    whole = folder / "whole"
    whole.mkdir()
    expected = driver.digests(driver.fitted(whole, "norm", n_epochs))
    agent = torchrun(2, folder, f"norm:{n_epochs}")
    wait_for(lambda: newest(folder), agent, folder)
    workers = psutil.Process(agent.pid).children()
    agent.kill()
    output, _ = agent.communicate(timeout=60)
    assert output == "" and not psutil.wait_procs(workers, 60)[1], last_errors(folder)
    ended = driver.fitted(folder, "norm", n_epochs)
    assert driver.digests(ended) == expected
    assert ended.state_.causes == ["start", "torchrun ended"]


@pytest.mark.torture
def test_workers_that_are_killed_twenty_times_end_in_the_bits_of_one(folder):
    n_epochs, moments = 200, random.Random(3)
    whole = folder / "whole"
    whole.mkdir()
    expected = driver.digests(driver.fitted(whole, "norm", n_epochs))
    agent = torchrun(3, folder, f"norm:{n_epochs}", n_restarts=20)
    for _ in range(20):
        before = newest(folder)
        wait_for(lambda before=before: newest(folder) > before, agent, folder)
        time.sleep(moments.uniform(0, 0.5))
        workers = psutil.Process(agent.pid).children()
        workers[moments.randrange(3)].kill()
        wait_for(lambda workers=workers: not psutil.wait_procs(workers, 0)[1], agent, folder)
    output, _ = agent.communicate(timeout=300)
    assert output == f"norm {expected}\n", last_errors(folder)


@pytest.mark.torture
@pytest.mark.parametrize("case", driver.CASES)
def test_two_one_two_and_four_processes_in_turn_end_in_the_bits_of_one(folder, case):
    n_epochs = 400
    whole = folder / "whole"
    whole.mkdir()
    driver.write(whole)
    expected = driver.digests(driver.fitted(whole, case, n_epochs))
    for n_processes in (2, 1, 2):
        before = newest(folder)
        agent = torchrun(n_processes, folder, f"{case}:{n_epochs}")
        wait_for(lambda before=before: newest(folder) > before, agent, folder)
        agent.send_signal(signal.SIGTERM)
        output, _ = agent.communicate(timeout=60)
        assert output == "" and agent.returncode, last_errors(folder)
    output, _ = torchrun(4, folder, f"{case}:{n_epochs}").communicate(timeout=600)
    assert output == f"{case} {expected}\n", last_errors(folder)


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
