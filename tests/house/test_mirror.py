"""tests/ mirrors the package: `layers/noise.py` is tested by tests/layers/test_noise.py.

A module may be tested by others alone. How many are is counted, and may only become fewer.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Lower it when a module gets a file of tests.
MOST = 9


def is_code(path):
    """Return whether a module has a function or a class: the others are tables, or names of 2015."""
    return any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in ast.parse(path.read_text()).body)


def test_no_more_modules_than_before_are_without_a_file_of_tests_at_their_path():
    lacking = [
        place.as_posix()
        for path in sorted((ROOT / "arignote").rglob("*.py"))
        if not path.name.startswith("__")
        and not (ROOT / "tests" / (place := path.relative_to(ROOT / "arignote")).parent / f"test_{place.name}").exists()
        and is_code(path)
    ]
    assert len(lacking) <= MOST, f"{len(lacking)} modules have none; MOST is {MOST}:\n" + "\n".join(lacking)
