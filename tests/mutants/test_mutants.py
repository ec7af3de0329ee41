"""What the mutation tester may change, by which tests it is held, and one run of it on a small repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("cosmic_ray", reason="the mutation tester is in the extra `mutants`")

sys.path.append(str(Path(__file__).parent))

import changes
import operators
import scope
from cosmic_ray.mutating import mutate_code

ROOT = Path(__file__).resolve().parents[2]


def texts(source):
    return [one.apply(source) for one in changes.changes(source)]


@pytest.mark.parametrize("operator", operators.OUR_OWN.values(), ids=lambda one: one.__name__)
def test_an_operator_does_what_its_examples_say(operator):
    for example in operator.examples():
        found = mutate_code(example.pre_mutation_code, operator(), example.occurrence)
        assert found == example.post_mutation_code


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("class SGD:\n    default_lr: float = 0.01\n", "class SGD:\n    default_lr: float = 0.005\n"),
        ("def f(n=1):\n    return n\n", "def f(n= 2):\n    return n\n"),
        ("x = a + b\n", "x = a - b\n"),
        ("x = 2 * a\n", "x = 2 / a\n"),
        ("x = a < b\n", "x = a <= b\n"),
        ("os.fsync(file)\n", "pass\n"),
        ("rng = stream(seed, 'augment', epoch, batch)\n", "rng = stream(seed, 'augment', batch)\n"),
        ("rng = stream(seed, 'augment', epoch, batch)\n", "rng = stream(seed, 'augment', epoch)\n"),
        ("if a:\n    pass\n", "if not a:\n    pass\n"),
        ("raise ValueError(f'{n} rows')\n", "pass\n"),
    ],
)
def test_numbers_signs_bounds_streams_and_statements_are_changed(source, changed):
    assert changed in texts(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""A text, 1 + 1."""\n',
        "x: int | None\n",
        "def f(a: int | str) -> int | None: ...\n",
        "x = f'{n + 1} rows'\n",
        "def f(*, a, **more): ...\n",
        "@dataclass(frozen=True)\nclass A: ...\n",
        "assert a == 1\n",
        "x = zip(a, strict=True)\n",
        "if TYPE_CHECKING:\n    from torch import Tensor\n",
        "try:\n    import fcntl\nexcept ImportError:\n    fcntl = None\n",
        "class A:\n    def __repr__(self):\n        return 'A' + str(1)\n",
    ],
)
def test_texts_types_and_guards_are_not_changed(source):
    assert texts(source) == []


def test_what_is_raised_is_not_changed_but_that_it_is_raised():
    assert texts("raise DataError(names[0], n - 1)\n") == ["pass\n"]


def test_no_mutant_is_made_twice():
    for source in ("if not a and b is None and c == 1:\n    pass\n", "while True:\n    x = a if b != 1 else -a\n"):
        assert len(set(texts(source))) == len(texts(source)) > 3


def test_the_lines_of_a_mutant_are_those_of_its_statement():
    (one,) = changes.changes("x = f(\n    a,\n    a + b,\n    c,\n)\n")[:1]
    assert (one.line, one.lines) == (3, range(1, 6))
    body = changes.changes("for a in b:\n    c = 1\n")
    assert [(one.operator, one.lines) for one in body] == [
        ("ZeroIterationForLoop", range(1, 2)),
        ("NumberReplacer", range(2, 3)),
    ]


def test_every_module_in_scope_and_every_file_of_tests_is_there():
    modules = scope.modules(ROOT)
    assert len(modules) == len(set(modules)) > 40
    for module in modules:
        assert (ROOT / module).is_file()
        assert all((ROOT / name).is_file() for name in scope.tests(module, ROOT))
    assert scope.tests("arignote/data/epoch/order.py", ROOT)[0] == "tests/data/epoch/test_order.py"
    for names in scope.SCOPE.values():
        assert all((ROOT / "tests" / name).exists() for name in names)


@pytest.mark.slow
def test_a_run_kills_what_a_test_holds_names_what_none_does_and_resumes(tmp_path):
    (tmp_path / "arignote").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "arignote" / "streams.py").write_text(
        "def area(a, b):\n    return a * b\n\n\ndef half(a):\n    return 0.5 * a\n\n\ndef never(a):\n    return -a\n"
    )
    held = "from arignote.streams import area, half\n\n\ndef test_area():\n    assert area(2, 3) == 6\n"
    tests = tmp_path / "tests" / "test_streams.py"
    # A process of a test must not import the tool.
    held += (
        "\n\ndef test_a_process():\n    from multiprocessing import get_context\n\n"
        "    process = get_context('forkserver').Process(target=area, args=(2, 3))\n"
        "    process.start()\n    process.join()\n    assert process.exitcode == 0\n"
    )
    tests.write_text(f"{held}\n\ndef test_half():\n    assert half(0) == 0\n")
    command = [
        sys.executable,
        str(ROOT / "tests" / "mutants" / "run.py"),
        "--libraries",
        "--only",
        "arignote/streams.py",
    ]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def outcomes():
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
        found = json.loads((tmp_path / ".mutants" / "report.json").read_text())[0]["results"].values()
        return {one["diff"].splitlines()[1].removeprefix("+    return ").strip(): one["outcome"] for one in found}

    assert outcomes() == {
        "a / b": "killed",
        "0.5 / a": "killed",
        "0.25 * a": "survived",
        "a": "executed by no test",
    }
    tests.write_text(f"{held}\n\ndef test_half():\n    assert half(3) == 1.5\n")
    assert outcomes()["0.25 * a"] == "killed"
    assert "0.25" not in (tmp_path / ".mutants" / "report.txt").read_text()
