"""Processes that train one network together, as torchrun starts them: torch.distributed.

Every process has the whole network, and makes every update itself, from the same sum of gradients. What processes send
are vectors and bytes, never objects that would be unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from itertools import chain
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from arignote.engine.shards import TreeSum
from arignote.errors import ArignoteError, ConfigError, ProcessError

__all__ = ["TIMEOUT", "Processes"]

# For how long a process waits for the others: while one of them reads the data first, or writes to a slow store.
TIMEOUT = timedelta(minutes=10)


class Processes:
    """The processes of a fit.

    Parameters
    ----------
    rank : int
        Number of this process, from 0. Number 0 writes files and prints.
    size : int
        Number of processes.

    Attributes
    ----------
    position : str
        Position of the run, for errors.
    asked : callable
        Returns what asks this process to stop, as the number of a signal, or 0, and a reason; None if nothing does.
    stop : (int, str) or None
        What asked any of the processes to stop, once all know of it.
    """

    def __init__(self, rank: int, size: int):
        self.rank, self.size, self.position = rank, size, "before training"
        self.asked: Callable[[], tuple[int, str] | None] = lambda: None
        self.stop: tuple[int, str] | None = None

    def _agree_to_stop(self, is_any_asked: bool) -> None:
        """Send what asked any of the processes to stop to all of them, unless they know."""
        if not is_any_asked or self.stop is not None:
            return
        texts = [json.loads(text) for text in self.gather(json.dumps(self.asked()).encode())]
        # A signal, or a notice, takes precedence over a request without a number, which has no exit code.
        number, reason = max((tuple(text) for text in texts if text), key=lambda one: bool(one[0]))
        self.stop = number, reason

    def own(self, n: int) -> range:
        """Return which of n shards, or batches, this process computes: neighbours, so that few sums are sent."""
        return _own(self.rank, self.size, n)

    def total(self, tree: TreeSum, n: int, like: Tensor) -> Tensor:
        """Return the sum of n vectors, of which `tree` has the nodes of this process, as large as `like`.

        Each process adds one slice of the vectors, in the order of the tree, and sends it to all: as many bytes as of
        an all-reduce, if each process has one node. With its slice it sends whether it is asked to stop.

        Parameters
        ----------
        tree : TreeSum
            Nodes of the vectors of this process.
        n : int
            Number of vectors in all.
        like : Tensor
            A tensor of the length, type and device of the sum.
        """
        is_asked = self.asked() is not None
        if self.size == 1:
            self._agree_to_stop(is_asked)
            return tree.total
        nodes = [_nodes(own.start, own.stop, n) for own in (_own(rank, self.size, n) for rank in range(self.size))]
        n_own, n_slice = len(tree.nodes), -(-len(like) // self.size)
        # (nodes, length) to (processes, nodes, slice), with zeros at the end.
        padded = like.new_zeros((n_own, self.size * n_slice))
        for row, (*_, values) in zip(padded, tree.nodes, strict=True):
            row[: len(like)] = values
        sent = padded.view(n_own, self.size, n_slice).transpose(0, 1).contiguous()
        received = like.new_empty((sum(map(len, nodes)), n_slice))
        with self._process_errors("sum of the gradients"):
            dist.all_to_all_single(
                received.view(-1),
                sent.view(-1),
                output_split_sizes=[len(of_process) * n_slice for of_process in nodes],
                input_split_sizes=[n_own * n_slice] * self.size,
            )
            whole = TreeSum(n)
            for (first, end), of_slice in zip(chain(*nodes), received, strict=True):
                whole.add(first, end, of_slice)
            # With the sums, so that to agree on a stop takes no exchange of its own.
            with_flag = torch.cat([whole.total, like.new_tensor([is_asked])])
            gathered = _gathered(with_flag, self.size).view(self.size, n_slice + 1)
        self._agree_to_stop(bool(gathered[:, -1].any()))
        return gathered[:, :-1].reshape(-1)[: len(like)]

    def gather(self, data: bytes) -> list[bytes]:
        """Return what each process gives, in the order of their numbers."""
        if self.size == 1:
            return [data]
        with self._process_errors("exchange of data"):
            # all_gather needs tensors of one size: first the lengths, then the data, filled up to the longest.
            lengths = _gathered(torch.tensor([len(data)]), self.size).tolist()
            padded = torch.zeros(max(*lengths, 1), dtype=torch.uint8)
            if data:
                padded[: len(data)] = torch.frombuffer(bytearray(data), dtype=torch.uint8)
            rows = _gathered(padded, self.size).view(self.size, -1)
        return [row[:length].numpy().tobytes() for row, length in zip(rows, lengths, strict=True)]

    def of_first(self, data: bytes) -> bytes:
        """Return what process 0 gives."""
        return self.gather(data if self.rank == 0 else b"")[0]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Return a context after which all processes continue, or all raise: an error of one is raised in all."""
        error: BaseException | None = None
        try:
            yield
        # Another process has failed: it would not answer.
        except ProcessError:
            raise
        except BaseException as raised:
            error = raised
        texts = self.gather(b"" if error is None else f"{type(error).__name__}: {error}".encode())
        if error is not None:
            if isinstance(error, ArignoteError):
                error.is_reported = self.rank > 0
            raise error
        failed = next((rank for rank, text in enumerate(texts) if text), None)
        if failed is not None:
            other = ProcessError(f"process {failed} of {self.size} failed: {texts[failed].decode()}")
            other.is_reported = self.rank > 0
            raise other

    def check_equal(self, values: dict[str, Any], differences: Callable[..., list[str]]) -> None:
        """Raise ConfigError if plain data is not the same in all processes; `differences` returns lines on two."""
        all_values = [json.loads(text) for text in self.gather(json.dumps(values).encode())]
        lines = [
            f"process {rank}: {line}"
            for rank, others in enumerate(all_values)
            for line in differences(all_values[0], others, words=("in process 0", "here"))
        ]
        if lines:
            listed = "\n  ".join(lines)
            unequal = ConfigError(
                f"the {self.size} processes must train the same network on the same data, on machines of one kind; "
                f"they differ:\n  {listed}\nStart the same command with the same files and versions on each"
            )
            unequal.is_reported = self.rank > 0
            raise unequal

    @contextmanager
    def _process_errors(self, what: str) -> Iterator[None]:
        """Raise the errors of torch.distributed as ProcessError; `what` is the exchange, for its message."""
        try:
            yield
        except RuntimeError as error:
            # Advice of Gloo to its developers follows.
            reason, *_ = str(error).split(". ")
            raise ProcessError(
                f"process {self.rank} of {self.size}: another process ended, or did not answer within "
                f"{TIMEOUT.seconds // 60} minutes ({what}, {self.position}): {reason}. Started again, the same "
                "command resumes from the last checkpoint"
            ) from None


def _own(rank: int, size: int, n: int) -> range:
    return range(rank * n // size, (rank + 1) * n // size)


def _gathered(values: Tensor, size: int) -> Tensor:
    """Return vectors of one length of all processes, one after the other."""
    gathered = values.new_empty((size, len(values)))
    dist.all_gather(list(gathered.unbind()), values.contiguous())
    return gathered.view(-1)


@cache
def _nodes(first: int, end: int, n: int) -> list[tuple[int, int]]:
    """Return the nodes of the tree over n vectors that the vectors from `first` to `end` make."""
    tree = TreeSum(n)
    for number in range(first, end):
        # Without values: only which vectors are added is asked for.
        tree.add(number, number + 1, torch.empty(0))
    return [(begin, stop) for begin, stop, _ in tree.nodes]
