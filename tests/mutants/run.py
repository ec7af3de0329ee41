"""Mutation testing: python tests/mutants/run.py [--only arignote/engine/update.py ...]

Every module in scope is changed in one place at a time, in a copy of the repository, and the tests that execute this
place are run: at least one must fail. The results are kept below .mutants/, one file for each module, so that a run
that was interrupted resumes. Once a mutant is killed it is not tried again while the module stays the same; one that
survived is tried again when the tests have changed. `--fresh` tries all.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

# One thread: a fork has none of its parent's, and small networks are faster so. Set before torch is loaded.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

from changes import Change, changes, diff
from sandbox import LIBRARIES, Outcome, Sandbox
from scope import ROOT, modules, tests

RESULTS = ROOT / ".mutants"
KILLED, SURVIVED, TIMEOUT, NOT_RUN = "killed", "survived", "timeout", "executed by no test"
# Seconds of the processor for the tests of one mutant: beyond, the files named last are left out.
BUDGET = 10.0
# Seconds to import Arignote and collect tests, and how many times slower than before a mutant may be.
STARTUP, SLOWER = 20.0, 5.0


@dataclass
class Result:
    """What became of one mutant."""

    line: int
    operator: str
    diff: str
    outcome: str
    by: str = ""
    seconds: float = 0.0


@dataclass
class Module:
    """What became of the mutants of one module, as far as they have been tried."""

    path: str
    source: str = ""
    tests: str = ""
    n_mutants: int = 0
    results: dict[str, Result] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return RESULTS / Path(self.path).with_suffix(".json")

    def count(self, *outcomes: str) -> int:
        return sum(one.outcome in outcomes for one in self.results.values())

    def survivors(self) -> list[Result]:
        return [one for one in self.results.values() if one.outcome in (SURVIVED, NOT_RUN)]

    def load(self) -> Module:
        """Return what the file of results says, or this where there is none."""
        if not self.file.exists():
            return self
        plain = json.loads(self.file.read_text())
        plain["results"] = {name: Result(**one) for name, one in plain["results"].items()}
        return Module(**plain)

    def save(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        (RESULTS / ".gitignore").write_text("*\n")
        temporary = self.file.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(self), indent=1))
        temporary.replace(self.file)


def digest(paths: Iterable[Path]) -> str:
    """Return a digest of the texts of those files that are there."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths if path.exists())).hexdigest()


def resumed(path: str, root: Path, files: list[str], fresh: bool) -> Module:
    """Return what is known of a module and still holds."""
    source = digest([root / path])
    tool = sorted(Path(__file__).parent.glob("*.py"))
    now = digest([*(root / name for name in (*files, "tests/conftest.py", "tests/promise.py")), *tool])
    known = Module(path).load()
    if fresh or known.source != source:
        known.results = {}
    if known.tests != now:
        known.results = {name: one for name, one in known.results.items() if one.outcome in (KILLED, TIMEOUT)}
    known.source, known.tests = source, now
    return known


def mutate(path: str, fresh: bool, sandbox: Sandbox) -> Module:
    """Try the mutants of a module that are not known yet."""
    files = tests(path, sandbox.root)
    module = resumed(path, sandbox.root, files, fresh)
    source = (sandbox.root / path).read_text()
    todo = {f"{one.operator} {one.occurrence}": one for one in changes(source)}
    module.n_mutants = len(todo)
    module.results = {name: one for name, one in module.results.items() if name in todo}
    todo = {name: one for name, one in todo.items() if name not in module.results}
    module.save()
    if not todo:
        return module
    before = sandbox.run(files, 1200, traced=path)
    if not before.passed:
        sys.exit(f"{path}: the tests must pass before anything is changed; {before.failed or 'pytest'} failed")
    for name, change in todo.items():
        begin = time.monotonic()
        chosen = chosen_tests(change, before, files)
        text = change.apply(source)
        outcome, by = tried(sandbox, path, text, chosen, sum(before.seconds[test] for test in chosen))
        seconds = round(time.monotonic() - begin, 2)
        module.results[name] = Result(change.line, change.operator, diff(source, text), outcome, by, seconds)
        module.save()
    return module


def chosen_tests(change: Change, before: Outcome, files: list[str]) -> list[str]:
    """Return the tests that execute what was changed: file by file, in each the fastest first."""
    rank = {name: n for n, name in enumerate(files)}
    found = {test for line in change.lines for test in before.lines.get(str(line), ())}
    if not set(change.lines).isdisjoint(before.shared):
        found = set(before.seconds)
    ordered = sorted(found, key=lambda test: (rank.get(test.split("::")[0], len(rank)), before.cpu[test]))
    total = itertools.accumulate(before.cpu[test] for test in ordered)
    return [test for test, cpu in zip(ordered, total, strict=True) if cpu < BUDGET]


def tried(sandbox: Sandbox, path: str, text: str, chosen: list[str], seconds: float) -> tuple[str, str]:
    """Return the outcome of one mutant, and which test noticed it."""
    if not chosen:
        return NOT_RUN, ""
    with sandbox.changed(path, text):
        found = sandbox.run(chosen, STARTUP + SLOWER * seconds)
    if not found.ended:
        return TIMEOUT, ""
    return (SURVIVED, "") if found.passed else (KILLED, found.failed or "no test could be run")


def report(found: list[Module]) -> str:
    """Return the table of all modules, and below it the survivors."""
    rows = [f"{'module':34}{'mutants':>8}{'tried':>7}{'killed':>8}{'timeout':>9}{'survived':>10}{'killed, %':>11}"]
    total = Module("all", n_mutants=sum(one.n_mutants for one in found))
    total.results = {f"{module.path} {name}": one for module in found for name, one in module.results.items()}
    for module in [*found, total]:
        n_killed, n_timeout, n_tried = module.count(KILLED), module.count(TIMEOUT), len(module.results)
        share = f"{100 * (n_killed + n_timeout) / n_tried:.1f}" if n_tried else "-"
        row = f"{module.path:34}{module.n_mutants:8}{n_tried:7}{n_killed:8}{n_timeout:9}{len(module.survivors()):10}"
        rows.append(f"{row}{share:>11}")
    for module in found:
        for one in module.survivors():
            rows += ["", f"{module.path}:{one.line}  {one.operator}  {one.outcome}", one.diff]
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--only", nargs="+", metavar="MODULE", help="paths of modules; otherwise all in scope")
    parser.add_argument("--fresh", action="store_true", help="try again what was killed before")
    libraries = "loaded once, before the forks; by default what Arignote and its tests load"
    parser.add_argument("--libraries", nargs="*", metavar="NAME", default=LIBRARIES, help=libraries)
    given = parser.parse_args()
    unknown = set(given.only or ()) - set(modules())
    if unknown:
        sys.exit(f"{', '.join(sorted(unknown))}: not in scope; tests/mutants/scope.py says what is")
    # Ends as an interrupt from the keyboard does: the copy is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sandbox = Sandbox(ROOT, given.libraries)
    try:
        for path in given.only or modules():
            module = mutate(path, given.fresh, sandbox)
            print(f"{path}: {len(module.survivors())} of {module.n_mutants} survived", flush=True)
    finally:
        sandbox.close()
    found = [one for one in (Module(path).load() for path in modules()) if one.n_mutants]
    text = report(found)
    (RESULTS / "report.txt").write_text(text)
    (RESULTS / "report.json").write_text(json.dumps([asdict(one) for one in found], indent=1))
    print(text if given.only is None else report([one for one in found if one.path in given.only]))


if __name__ == "__main__":
    main()
