"""The group of commands: help, version, completion, and what an error prints."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from command_line import arignote

from arignote import NNClassifier, __version__

# Of `arignote --help`, in which a line of a command begins with two blanks and its name.
HELP = arignote("--help").out
COMMANDS = re.findall(r"^  ([a-z]+)  ", HELP.partition("Commands that train:")[2], re.M)


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_lists_every_command_and_the_exit_codes(word):
    ended = arignote(word)
    assert ended == (0, HELP, "")
    assert {"check", "compare", "convert", "evaluate", "fit", "inspect", "parts", "predict"} < set(COMMANDS)
    assert "Exit codes: 0 done; 1 unexpected error; 2 usage or config; 3 data; 4 checkpoint;\n" in ended.out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_has_an_example_even_beside_wrong_words(name):
    ended = arignote(name, "-h", "--nonsense")
    assert ended.code == 0 and f"Example: arignote {name} " in ended.out and "--help" in ended.out


def test_the_version_is_that_of_the_package():
    assert arignote("--version") == (0, f"arignote {__version__}\n", "")


@pytest.mark.parametrize("words", [["--debug", "check", "none.yaml"], ["check", "none.yaml", "--debug"]])
def test_debug_prints_the_traceback_before_the_error(words):
    plain, debugged = arignote("check", "none.yaml"), arignote(*words)
    assert plain.code == debugged.code == 2 and plain.err.startswith("error: none.yaml: ")
    assert debugged.err.startswith("Traceback (most recent call last)") and debugged.err.endswith(plain.err)


@pytest.mark.slow
def test_the_shell_completes_commands_and_options_and_only_installing_writes(tmp_path):
    code = "import sys; sys.argv[0] = 'arignote'; from arignote.cli import main; main()"

    def completed(*words, **variables):
        environment = os.environ | {"HOME": str(tmp_path), **variables}
        ended = subprocess.run([sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True)
        return ended.stdout.split()

    assert completed(_ARIGNOTE_COMPLETE="complete_bash", COMP_WORDS="arignote ins", COMP_CWORD="1") == ["inspect"]
    assert completed(_ARIGNOTE_COMPLETE="complete_bash", COMP_WORDS="arignote fit --q", COMP_CWORD="2") == ["--quiet"]
    shown = subprocess.run(
        ["bash", "-c", f'{sys.executable} -c "{code}" --show-completion; true'],
        env=os.environ | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert "_ARIGNOTE_COMPLETE=complete_bash" in shown.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    stem = tmp_path_factory.mktemp("runs") / "run"
    NNClassifier([["ClassificationOutputLayer"]], rng=1).fit(*digits, n_epochs=1, checkpoint=str(stem))
    return stem


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "unneeded"),
    [
        ("--help", {"numpy", "pydantic"}),
        ("check digits_mlp", {"h5py", "arignote.spec.paths"}),
        ("summary digits_mlp", {"arignote.safe.pickle", "arignote.engine"}),
        ("inspect {run}", {"h5py", "ruamel.yaml", "arignote.spec.settings", "arignote.data.prepare"}),
        ("inspect --help", {"numpy", "pydantic"}),
    ],
)
def test_a_command_imports_nothing_that_takes_long_and_is_not_needed(words, unneeded, run):
    # Registered first, it is called last.
    code = """
import atexit, gc, json, os, sys

def tell():
    threads = os.listdir("/proc/self/task") if os.path.isdir("/proc/self/task") else [0]
    found = len(threads), gc.get_freeze_count() > 0, os.environ.get("OPENBLAS_NUM_THREADS")
    print(json.dumps([[*sys.modules], *found]))

atexit.register(tell)
from arignote.cli import app
app()
"""
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    ended = subprocess.run(
        [sys.executable, "-c", code, *words.format(run=run).split()],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    modules, n_threads, skips_garbage, variable = json.loads(ended.stdout.splitlines()[-1])
    heavy = {"torch", "sklearn", "scipy", "pandas", "pyarrow", "matplotlib", "rich", "jinja2"} | unneeded
    assert heavy & set(modules) == set()
    # Threads of linear algebra, and a search for garbage at the end, took a third of the time.
    assert (n_threads, skips_garbage, variable) == (1, "numpy" in modules, None)
