"""What the documents say is so: commands print what is shown, code runs, configs are read, paths are there.

A block of code that cannot be run here has the line `<!-- not run: why -->` before it.
"""

from __future__ import annotations

import contextlib
import doctest
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import command_line
import forked
import pytest
import typer
from documents import DOCUMENTS, LAYERS, NUMBERS, ROOT, as_shown, blocks, configs, marked_blocks, named_blocks, sessions
from ruamel.yaml import YAML
from typer.main import get_command
from typer.testing import CliRunner

from arignote import NNClassifier, registry
from arignote.cli import app
from arignote.sample_data import digits
from arignote.spec.config import read_config

README = ROOT / "README.md"
# Commands that need a process: what the shell does, and what a signal or a notice ends.
APART = re.compile(r"(?!(python -m )?arignote )|.*(;|preemption=)")
ARIGNOTE = re.compile(r"(?:python -m )?arignote ([^;]*)(; echo \$\?)?")
# What a command prints that does not end with 0.
STOPPED = re.compile(r"error: |.*: stopped and saved;")


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def having(*kinds):
    """Parametrise by the documents that have such blocks."""
    paths = [path for path in DOCUMENTS if {kind for kind, _ in blocks(path)} & set(kinds)]
    return pytest.mark.parametrize("path", paths, ids=name_of)


def running():
    """Parametrise by the documents that are run, of which those that need a process are slow."""
    params = []
    for path in DOCUMENTS:
        found = [*blocks(path)]
        commands = [command for kind, text in found if kind == "session" for command, _ in sessions(text)]
        if {kind for kind, _ in found} & {"python", "doctest"} or (commands and path != README):
            marks = [pytest.mark.slow] if any(map(APART.match, commands)) and path != README else []
            params.append(pytest.param(path, marks=marks, id=name_of(path)))
    return pytest.mark.parametrize("path", params)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working directory with what a clone has."""
    for folder in ("configs", "sample_data"):
        shutil.copytree(ROOT / "arignote" / folder, tmp_path / "arignote" / folder)
    monkeypatch.chdir(tmp_path)
    # What a document writes can be imported by it alone, and its parts are registered for it alone.
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry.table, "_PARTS", {kind: registry.names(kind) for kind in registry.kinds()})
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and sys.modules[name].__file__.startswith(str(tmp_path)):
            del sys.modules[name]


def run(command, *more):
    words = shlex.split(command.removeprefix("$ "), comments=True)
    ended = CliRunner().invoke(app, [*words[1:], *more], catch_exceptions=False)
    assert ended.exit_code == 0, f"{command}\n{ended.output}"
    return ended.stdout


@pytest.mark.slow
def test_the_commands_of_the_readme_print_what_it_shows(place):
    lines = "".join(text for kind, text in blocks(README) if kind in ("command", "session")).splitlines()
    first, *others = [n for n, line in enumerate(lines) if re.match(r"(\$ )?arignote ", line)]
    # The first of them is killed in the epoch at which the next one resumes.
    epoch = int(re.search(r"resumes at epoch (\d+)", README.read_text())[1])
    run(lines[first], "--set", f"fit.n_epochs={epoch - 1}")
    for start, end in zip(others, [*others[1:], len(lines)], strict=True):
        output = run(lines[start])
        for line in lines[start + 1 : end]:
            assert line in output or line in ("", "..."), output
    inline = re.findall(r"`(arignote [^`]+)`", README.read_text())
    for command in inline:
        assert run(command.replace("CONFIG", "arignote/configs/digits_mlp.yaml").replace("RUN", "runs/digits_mlp"))
    assert len(others) >= 5 and len(inline) >= 3 and (place / "preds.csv").exists()
    run("arignote fit digits_mlp --set fit.checkpoint=runs/whole")
    killed, whole = (json.loads(run(f"arignote inspect runs/{stem} --json")) for stem in ("digits_mlp", "whole"))
    for entry in re.findall(r"\w+_sha256", README.read_text()):
        assert killed[entry] == whole[entry] and killed["starts"] != whole["starts"]


def ended(command):
    """Return what a command prints, and its exit code."""
    match = ARIGNOTE.fullmatch(command)
    if not match:
        shell = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
        return shell.stdout + shell.stderr, shell.returncode
    words = shlex.split(match[1], comments=True)
    if not APART.match(command):
        here = command_line.arignote(*words)
        return here.out + here.err, here.code
    fork = forked.run(["-m", "arignote", *words])
    code = fork.returncode if fork.returncode >= 0 else 128 - fork.returncode
    return (f"{fork.stdout}{code}\n", 0) if match[2] else (fork.stdout, code)


class Checker(doctest.OutputChecker):
    """Compare as for commands: numbers may differ a little."""

    def check_output(self, want, got, optionflags):
        return as_shown(got, want, {})


@pytest.mark.parametrize(
    ("printed", "is_shown"),
    [
        ("1 0.205 7.41 % s\n\ndone\n", True),
        ("1 0.25 7.41 % s\ndone", False),
        ("1 0.2 8.4 % s\ndone", False),
        ("2 0.2 7.41 % s\ndone", False),
        ("1 0.2 7.41 % s\nnever", False),
        ("1 0.2 7.41 % s\ndone\nmore", False),
        ("done", False),
    ],
)
def test_what_is_shown_is_what_was_printed_but_for_the_last_digits(printed, is_shown):
    assert as_shown(printed, "1 0.2 7.41 % s\ndone\n", {}) == is_shown


def test_lines_that_are_left_out_and_digests_stand_for_what_was_printed():
    one, two, digests = "1" * 64, "2" * 64, {}
    assert as_shown(f"a\nb\nsha {one}\nc\n", f"...\nsha {two}\n...\n", digests)
    assert as_shown(f"sha {one}", f"sha {two}", digests) and not as_shown(f"sha {two}", f"sha {two}", digests)
    assert not as_shown("a\nb", "...\nc\n...", {})
    assert as_shown("a b c", "a ... c", {}) and as_shown("a b c", "a ...", {}) and not as_shown("a b", "b ...", {})


def play(path, marks=("",)):
    """Run the blocks with these marks from top to bottom; blocks with the name of a file are written to it."""
    NNClassifier([["ClassificationOutputLayer"]], rng=1).fit(*digits(), n_epochs=1, valid=0.1, checkpoint="run")
    namespace, report, digests = {}, [], {}
    for mark, name, kind, text in marked_blocks(path):
        if mark not in marks:
            continue
        if name:
            assert not re.search(r"^(\$|>>>) ", text, re.M), f"what follows {name} is in the same block"
            Path(name).write_text(text)
        elif kind == "python":
            exec(compile(text, str(path), "exec"), namespace)
        elif kind == "doctest":
            example = doctest.DocTestParser().get_doctest(text, namespace, path.name, str(path), 0)
            runner = doctest.DocTestRunner(Checker())
            assert runner.run(example, out=report.append, clear_globs=False).failed == 0, "".join(report)
            namespace |= example.globs
        elif kind == "session" and path != README:
            for command, shown in sessions(text):
                output, code = ended(command)
                if mark == "times":
                    output, shown = NUMBERS.sub("1", output), NUMBERS.sub("1", shown)
                assert as_shown(output, shown, digests), f"{command}\n{output}"
                assert (code != 0) == bool(STOPPED.match(shown)), f"{command} ended with {code}"


@running()
def test_a_document_runs_from_top_to_bottom_and_prints_what_it_shows(path, place):
    play(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path in DOCUMENTS if re.search("^<!-- (slow|times): ", path.read_text(), re.M)], ids=name_of
)
def test_a_document_runs_with_its_slow_blocks(path, place):
    play(path, ("", "slow", "times"))


# What a test runs, reads or parses; the words of Sphinx are not shown.
TESTED = {"command", "config", "doctest", "make", "python", "session", "shell", "torchrun", "yaml"}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_each_block_is_tested_or_says_why_it_is_not(path):
    untested = [
        text
        for mark, name, kind, text in marked_blocks(path)
        if mark != "not run" and not name and kind not in TESTED and not kind.startswith("{")
    ]
    assert untested == []


@having("command")
def test_the_commands_of_a_document_have_the_options_that_the_command_line_takes(path):
    command_line = get_command(app)
    for line in filter(None, "".join(text for kind, text in blocks(path) if kind == "command").splitlines()):
        words = shlex.split(line.partition(" > ")[0], comments=True)
        assert words[0] == "arignote"
        with contextlib.suppress(typer.Exit, SystemExit), command_line.make_context(*words[:1], words[1:]) as context:
            name, command, rest = command_line.resolve_command(context, words[1:])
            command.make_context(name, rest, parent=context)


@pytest.mark.slow
@having("config", "shell", "yaml")
def test_the_configs_and_recipes_of_a_document_can_be_read(path, tmp_path):
    (tmp_path / "base.yaml").write_text(LAYERS)
    including = [text for kind, text in blocks(path) if kind == "config" and text.lstrip().startswith("include: base")]
    for text in [*configs(path), *including]:
        (tmp_path / "config.yaml").write_text(text)
        assert read_config(tmp_path / "config.yaml")
    for kind, text in blocks(path):
        if kind == "shell":
            assert subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=True).stderr == ""
        if kind == "yaml":
            assert YAML(typ="safe", pure=True).load(text)["kind"]


# Ends of `arignote fit`: an error of any kind, Ctrl-C, and 128 + SIGKILL, SIGUSR1, SIGPIPE, SIGTERM.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "n_starts"),
    [(0, 1), *((code, 1) for code in (1, 2, 3, 4, 5, 77, 130)), *((code, 2) for code in (137, 138, 141, 143))],
)
def test_the_shell_loop_starts_again_only_after_a_signal_other_than_ctrl_c(code, n_starts, tmp_path):
    (loop,) = [text for kind, text in blocks(ROOT / "docs/preemptible.md") if text.lstrip().startswith("until")]
    # Instead of the commands: the first start ends with the code, the second with 0.
    before = f"sleep() {{ :; }}; arignote() {{ echo start >> starts; [ $(wc -l < starts) -gt 1 ] || return {code}; }}\n"
    ended = subprocess.run(["bash", "-c", before + loop], cwd=tmp_path, timeout=30)
    assert ended.returncode == (0 if n_starts == 2 else code)
    assert len((tmp_path / "starts").read_text().split()) == n_starts


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "how-to").glob("own-*.md")), ids=name_of)
def test_the_parts_that_a_page_shows_are_those_of_the_examples(path):
    parts = {name: text for name, kind, text in named_blocks(path) if name and kind == "python"}
    assert parts
    for name, text in parts.items():
        assert text == (ROOT / "examples" / "own_parts" / name).read_text()


def test_each_picture_is_shown_and_made_by_a_script():
    scripts = "".join(path.read_text() for path in (ROOT / "tests").glob("*_figures.py"))
    shown = "".join(path.read_text() for path in DOCUMENTS)
    for path in (ROOT / "docs" / "figures").iterdir():
        assert f'"{path.name}"' in scripts and f"figures/{path.name})" in shown, path


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_what_a_document_points_to_is_there(path):
    text = path.read_text()
    for place in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (path.parent / place).exists(), place
    for place in re.findall(r"\bpython (\w[\w/]*\.py)", text):
        assert (ROOT / place).is_file(), place
    for place in re.findall(r"`((?:arignote|benchmarks|docs|examples|tests)/[\w./-]*)`", text):
        assert (ROOT / place).exists(), place
    for target in re.findall(r"(?:`|^ {4})make (\w+)", text, re.M):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text(), target
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(re.findall(r"(?:arignote|`)\[([a-z]\w*)\]['`]", text)) <= set(extras)
