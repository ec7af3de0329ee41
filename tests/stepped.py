"""Processes that share files and a clock, run one step at a time in every order that is possible."""

from __future__ import annotations

import threading

from arignote.checkpoints.storage.base import NotThereError, do_nothing
from arignote.errors import CheckpointError


class Clock:
    """A clock that is set by hand; what would run in a thread is kept, and called by the test."""

    def __init__(self, now=1000.0):
        self.time = now
        self.renewals = []
        self.while_asleep = do_nothing

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds
        self.while_asleep()

    def repeat(self, act):
        self.renewals.append(act)
        return lambda: self.renewals.remove(act)


class Files:
    """A folder in memory.

    Parameters
    ----------
    atomic : bool
        Whether `write_if` compares and writes in one step, as object stores do.
    before_act : callable
        Called with the name of an operation and of its file before each access to the files.
    """

    def __init__(self, atomic=True, before_act=lambda act, name: None, contents=None):
        self.contents = {} if contents is None else contents
        self.atomic, self.before_act = atomic, before_act
        self.is_away = False
        self.asked = []

    def path_of(self, name=""):
        return f"files/{name}"

    def _act(self, act, name):
        self.before_act(act, name)
        if self.is_away:
            raise CheckpointError(f"{self.path_of(name)}: the store does not answer")
        self.asked.append((act, name))

    def names(self):
        self._act("list", "")
        return sorted(self.contents)

    def read(self, name, n_bytes=None):
        self._act("read", name)
        if name not in self.contents:
            raise NotThereError(f"{self.path_of(name)}: is not there")
        return self.contents[name][:n_bytes]

    def write(self, name, chunks, before=do_nothing):
        self._act("prepare", name)
        before()
        self._act("write", name)
        self.contents[name] = b"".join(chunks)

    def write_if(self, name, chunks, expected, before=do_nothing):
        before()
        if not self.atomic:
            self._act("compare", name)
            if self.contents.get(name) != expected:
                return False
            self.before_act("clock", name)
            before()
            self.before_act("land", name)
        else:
            self._act("write", name)
            if self.contents.get(name) != expected:
                return False
        self.contents[name] = b"".join(chunks)
        return True

    def set_aside(self, old, new):
        self._act("set aside", old)
        self.contents[new] = self.contents.pop(old)

    def remove(self, name):
        self._act("remove", name)
        self.contents.pop(name, None)

    def prepare(self, stem):
        self.write(f".{stem}.probe", [b"probe"])
        self.remove(f".{stem}.probe")


class _AbandonedError(BaseException):
    """This order of steps need not be followed further."""


class Process:
    """A process among several that take turns, and its clock; until it is started, nobody else has a turn."""

    def __init__(self, world, name):
        self.wakes_at = 0.0
        self.is_done = False
        # Of all that it has seen of the others: what it does next is a function of that.
        self.seen = 0
        self._world, self._name, self._error = world, name, None
        self._turn = threading.Semaphore(0)
        self._thread = None
        world.processes.append(self)

    def start(self, act):
        """Make ready to run a function, in turns with the others."""
        self._thread = threading.Thread(target=self._run, args=(act,), name=self._name, daemon=True)
        self._thread.start()

    def _run(self, act):
        self._turn.acquire()
        try:
            if not self._world.is_abandoned:
                act()
        except BaseException as error:
            self._error = error
        self.is_done = True
        self._world.turn.release()

    def step(self, *what):
        """Let the others take their turns; `what` it does next is remembered, with what it finds then."""
        if self._thread is not None:
            self._world.turn.release()
            self._turn.acquire()
            if self._world.is_abandoned:
                raise _AbandonedError
        self.seen = hash((self.seen, what, self._world.now(), self._world.contents()))

    def go(self):
        """Let it run to its next step."""
        self._world.time = max(self._world.time, self.wakes_at)
        self._turn.release()
        self._world.turn.acquire()
        if self._error is not None and not self._world.is_abandoned:
            raise self._error

    def now(self):
        if threading.current_thread() is self._thread:
            self.seen = hash((self.seen, self._world.time))
        return self._world.time

    def sleep(self, seconds):
        self.wakes_at = self._world.time + seconds
        self.step()
        self._world.time = max(self._world.time, self.wakes_at)

    def repeat(self, act):
        return do_nothing


class World:
    """Processes that take turns, and what all of them share: the time, and files.

    Parameters
    ----------
    contents : callable
        Returns what is in the files, hashable.
    """

    def __init__(self, contents=lambda: ()):
        self.time = 1000.0
        self.turn = threading.Semaphore(0)
        self.processes, self.contents, self.is_abandoned = [], contents, False

    def now(self):
        return self.time

    def run(self, choose, after_each):
        """Run all processes to their end; whose turn it is next is chosen, by number among those that are not done.

        A process that waits can be chosen too: time then passes, and all others are paused for so long.
        """
        while living := [process for process in self.processes if not process.is_done]:
            state = tuple((process.is_done, process.wakes_at, process.seen) for process in self.processes)
            chosen = choose(len(living), (self.time, self.contents(), state))
            if chosen is None:
                self.is_abandoned = True
                for process in living:
                    process.go()
                return
            living[chosen].go()
            after_each()


def every_order(run):
    """Call a function with a `choose` for each sequence of choices there is; return how many there were.

    `choose(n_options, state)` returns a number, or None where the same state was reached by another sequence before.
    """
    prefix, n_orders, reached = [], 0, set()
    while True:
        made = []

        def choose(n_options, state, made=made, prefix=prefix):
            if len(made) >= len(prefix):
                if state in reached:
                    return None
                reached.add(state)
            made.append((prefix[len(made)] if len(made) < len(prefix) else 0, n_options))
            return made[-1][0]

        run(choose)
        n_orders += 1
        while made and made[-1][0] == made[-1][1] - 1:
            made.pop()
        if not made:
            return n_orders
        prefix = [chosen for chosen, _ in made[:-1]] + [made[-1][0] + 1]
