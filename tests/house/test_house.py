"""The house: light imports, torch in one room, docstrings, configs that work."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import modules_document
import pytest

import arignote
from arignote.layers import parse
from arignote.spec.config import read_config

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(m.name for m in pkgutil.walk_packages(arignote.__path__, "arignote.") if "__main__" not in m.name)


@cache
def definitions():
    """Return the path of each module with its functions, classes and methods, however deep."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return {
        path.relative_to(ROOT): [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]
        for path in (ROOT / "arignote").rglob("*.py")
    }


def lines_of(code, *modules):
    """Return what code prints in a process of its own; none of some modules may be loaded in the end."""
    code = f"import sys; {code}; print(sorted({set(modules)} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *lines, loaded = found.stdout.splitlines()
    assert loaded == "[]"
    return lines


@pytest.mark.slow
def test_the_face_and_the_declarations_start_without_torch_and_scikit_learn():
    modules = "arignote.cli, arignote.spec.config, arignote.data.epoch.batches, arignote.checkpoints.format"
    assert lines_of(f"import arignote, {modules}", "torch", "sklearn", "rich") == []


@pytest.mark.slow
@pytest.mark.parametrize("words", [["--help"], ["fit", "--help"]])
def test_help_needs_no_library_but_typer(words):
    code = f"sys.argv = {['arignote', *words]!r}; from arignote.cli import app; app(standalone_mode=False)"
    assert any(line.startswith("Usage: arignote") for line in lines_of(code, "pydantic", "numpy", "rich", "ruamel"))


@pytest.mark.slow
def test_the_estimators_are_imported_without_torch_and_without_settings():
    """Beside scikit-learn, whose base takes as long as that of MLPClassifier, nothing of weight is loaded."""
    code = "from arignote import NNClassifier, NNRegressor"
    assert lines_of(code, "torch", "pydantic", "sklearn.metrics", "arignote.registry", "arignote.data") == []
    layers = [["FC", {"n_units": 3}], ["ClassificationOutput"]]
    code += f"; from sklearn.base import clone; one = clone(NNClassifier({layers}))"
    code += "; one.set_params(fc1__n_units=4).get_params(); repr(one); type(one).__doc__; one.__sklearn_tags__()"
    assert lines_of(code, "torch") == []


@pytest.mark.slow
def test_the_readers_start_without_what_they_read_with():
    code = "from arignote.data.readers import csv, datasets, images, parquet"
    assert lines_of(code, "torch", "pandas", "pyarrow", "PIL") == []


@pytest.mark.slow
def test_a_fit_on_the_command_line_needs_neither_scikit_learn_nor_rich(tmp_path):
    config = ROOT / "arignote" / "configs" / "digits_mlp.yaml"
    words = ["arignote", "fit", str(config), "--set", "fit.n_epochs=1", "--set", f"fit.checkpoint={tmp_path / 'run'}"]
    code = f"sys.argv = {words!r}; from arignote.cli import app; app(standalone_mode=False)"
    assert any("done, 1 of 1 epochs" in line for line in lines_of(code, "sklearn", "scipy", "pandas", "rich"))


@pytest.mark.slow
@pytest.mark.parametrize("command", ["check", "summary"])
def test_a_command_imports_and_builds_the_parts_that_its_config_names(command):
    words = ["arignote", command, "digits_mlp"]
    code = f"sys.argv = {words!r}; from arignote.cli import app; app(standalone_mode=False)"
    code += "; from arignote.registry import Part; seen = [Part]"
    code += "; [seen.extend(cls.__subclasses__()) for cls in seen]"
    code += "; print(*{cls.__name__ for cls in seen if cls.__pydantic_complete__})"
    of_others = "recurrent conv norm transposed reshape local pool global_pool extent output.of_numbers torch_layer"
    absent = [f"arignote.layers.{name}" for name in of_others.split()]
    absent += [f"arignote.optim.{name}" for name in ("updaters.adam", "losses.of_numbers", "rules.decays")]
    weights = () if command == "check" else ("HeNormal", "Constant")
    if command == "check":
        absent += ["h5py", "arignote.data.readers.csv", "arignote.data.epoch.batches"]
    *_, built = lines_of(code, "torch", "sklearn", "scipy", "pandas", "pyarrow", "rich", "filelock", *absent)
    named = {"InputLayer", "FCLayer", "DropoutLayer", "ClassificationOutputLayer", "NAG", "Stalled"}
    # What these bring: the activation, the momentum as a rule, the target and the losses of the output, first weights.
    assert (
        named
        < set(built.split())
        <= named | {"ReLU", "PReLU", "ConstantRule", "Classes", "NLL", "Error"} | set(weights)
    )


def test_torch_is_imported_at_module_level_in_the_engine_alone():
    for path in (ROOT / "arignote").rglob("*.py"):
        if "engine" in path.parts:
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                words = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                assert not any(word == "torch" or word.startswith("torch.") for word in words), path


@pytest.mark.parametrize("path", sorted((ROOT / "arignote" / "configs").glob("*")), ids=lambda p: p.name)
def test_every_config_has_layers_and_data(path):
    spec = read_config(path)
    assert parse(spec.layers, spec.layer_defaults) and spec.data is not None


def test_every_public_name_of_a_module_has_a_docstring(subtests):
    for name in MODULES:
        with subtests.test(name):
            module = importlib.import_module(name)
            for word in getattr(module, "__all__", ()):
                thing = vars(module).get(word)
                if callable(thing) and getattr(thing, "__module__", "").startswith("arignote"):
                    assert thing.__doc__, f"{name}.{word}"


def test_the_document_of_the_modules_is_that_of_the_code():
    assert modules_document.DOCUMENT.read_text() == modules_document.document(), "python tests/modules_document.py"


def test_the_picture_of_the_architecture_is_drawn_from_the_imports():
    text = modules_document.ARCHITECTURE.read_text()
    assert text == modules_document.with_picture(text), "python tests/modules_document.py"
    # Each arrow leads down, and by arrows alone every room of the contract is reached from the faces.
    order = modules_document.rooms()
    arrows = re.findall(r"^ {4}([\w, ]+?) +-> ([\w, ]+)$", text, re.M)
    rows = [(room, other) for rooms, others in arrows for room in rooms.split(", ") for other in others.split(", ")]
    assert len(rows) > 25 and all(order.index(room) < order.index(other) for room, other in rows)
    faces = {"cli", "nnets", "image", "util", "plots"}
    assert {room for row in rows for room in row} | faces == set(order)


def test_the_rooms_that_the_architecture_names_are_there():
    rows = re.findall(r"^\| (`.+?) \|", (ROOT / "ARCHITECTURE.md").read_text(), re.M)
    rooms = [room for row in rows for room in re.findall(r"`([\w/.]+)`", row)]
    assert len(rooms) > 20
    assert [room for room in rooms if not (ROOT / "arignote" / room).exists()] == []


def test_no_function_is_longer_than_40_lines():
    """Without its docstring, it fits on a screen."""
    too_long = {}
    for path, nodes in definitions().items():
        for node in nodes:
            if not isinstance(node, ast.ClassDef):
                first = node.body[0]
                has_docstring = ast.get_docstring(node, clean=False) is not None
                n_docstring = first.end_lineno - first.lineno + 1 if has_docstring else 0
                n_lines = node.end_lineno - node.lineno + 1 - n_docstring
                if n_lines > 40:
                    too_long[f"{path}:{node.name}"] = n_lines
    assert too_long == {}


@pytest.mark.slow
def test_parts_leads_to_each_module_that_registers_a_part():
    paths = [path for path in (ROOT / "arignote").rglob("*.py") if re.search(r"^@register\(", path.read_text(), re.M)]
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths}
    [loaded] = lines_of("from arignote.registry import kinds, names; [*map(names, kinds())]; print(*sys.modules)")
    assert len(modules) > 40 and modules - set(loaded.split()) == set()


def names_that_occur_twice(are_meant):
    """Return the names of definitions of which there are several, with their modules."""
    places = {}
    for path, nodes in definitions().items():
        for node in nodes:
            if are_meant(path, node):
                places.setdefault(node.name, []).append(str(path))
    return {name: paths for name, paths in places.items() if len(paths) > 1}


def test_no_two_classes_have_one_name():
    assert names_that_occur_twice(lambda path, node: isinstance(node, ast.ClassDef)) == {}


def test_no_two_public_functions_have_one_name():
    """Of modules; commands are named by the command line."""

    def is_meant(path, node):
        is_public = isinstance(node, ast.FunctionDef) and node.col_offset == 0 and not node.name.startswith("_")
        return is_public and path.parent.name != "cli"

    assert names_that_occur_twice(is_meant) == {}
