"""Two network namespaces as two machines: the link between them is cut in the middle of an epoch, and mended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack

import processes_driver as driver
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.torture]

ADDRESSES = ("10.77.0.1", "10.77.0.2")


class Machine:
    """A network namespace, which ends with its process; skips the test if there can be none."""

    def __init__(self, stack: ExitStack):
        words = ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep 600"]
        self.process = stack.enter_context(
            subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        stack.callback(self.process.kill)
        if self.process.stdout.readline() != "up\n":
            pytest.skip(f"network namespaces cannot be made here: {self.process.stderr.read().strip()}")

    def inside(self, *words: str) -> list[str]:
        """Return a command that runs there."""
        return ["nsenter", f"--target={self.process.pid}", "--net", *words]

    def ip(self, *words: str) -> None:
        """Change its interfaces."""
        subprocess.run(self.inside("ip", *words), check=True)


@pytest.fixture
def machines():
    """Two machines with a wire between them."""
    if not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
        pytest.skip("needs unshare, nsenter and ip, which Linux has")
    with ExitStack() as stack:
        pair = [Machine(stack), Machine(stack)]
        pair[0].ip("link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", str(pair[1].process.pid))
        for machine, address in zip(pair, ADDRESSES, strict=True):
            machine.ip("addr", "add", f"{address}/24", "dev", "wire")
            machine.ip("link", "set", "wire", "up")
        yield pair


def test_a_link_that_is_cut_and_mended_does_not_change_the_bits(machines, tmp_path):
    n_epochs = 60
    driver.write(tmp_path)
    common = ["--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", f"--rdzv-endpoint={ADDRESSES[0]}:29500"]
    env = os.environ | {"GLOO_SOCKET_IFNAME": "wire", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    with ExitStack() as stack:
        agents = []
        for number, (machine, address) in enumerate(zip(machines, ADDRESSES, strict=True)):
            # Both have the same name, by which torchrun and gloo would find out where they are.
            words = [*common, f"--local-addr={address}", f"--rdzv-conf=is_host={1 - number}"]
            command = [sys.executable, "-m", "torch.distributed.run", *words]
            command = machine.inside(*command, driver.__file__, str(tmp_path), f"norm:{n_epochs}")
            agent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
            agents.append(stack.enter_context(agent))
            stack.callback(agent.terminate)
        last, until = tmp_path / "norm_last.ckpt", time.monotonic() + 60
        while not last.exists() and time.monotonic() < until:
            time.sleep(0.02)
        machines[1].ip("link", "set", "wire", "down")
        # What is under way ends, then nothing is computed.
        time.sleep(1)
        written = last.stat().st_mtime_ns
        time.sleep(1)
        assert last.stat().st_mtime_ns == written and [agent.poll() for agent in agents] == [None, None]
        machines[1].ip("link", "set", "wire", "up")
        ended = [agent.communicate(timeout=90) for agent in agents]
    alone = tmp_path / "alone"
    alone.mkdir()
    expected = f"norm {driver.digests(driver.fitted(alone, 'norm', n_epochs))}\n"
    assert sorted(output for output, _ in ended) == ["", expected], ended
