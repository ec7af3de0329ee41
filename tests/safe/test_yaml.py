"""YAML and JSON within bounds: what aliases repeat and how deep values lie is counted before anything is built."""

from __future__ import annotations

import json

import forked
import pytest

from arignote.errors import ConfigError
from arignote.safe.yaml import load_yaml, plain_yaml
from arignote.spec.config import read_config

# Each list has nine times the values of the one before: 9**9 in nine lines.
BOMB = ["a: &a [x, x, x, x, x, x, x, x, x]"] + [
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
]
DEEP = "[" * 3000 + "]" * 3000
LIMITED = """
import json, resource, signal, sys
from pathlib import Path
from arignote.errors import ConfigError
from arignote.spec.config import read_config
import ruamel.yaml
Path("good.yaml").write_text("layers: [[ClassificationOutputLayer]]")
read_config(Path("good.yaml"), ["rng=1"])
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200_000_000, resource.RLIM_INFINITY))
for path, settings in json.loads(sys.argv[1]):
    # A signal ends this process after a second of the processor.
    signal.setitimer(signal.ITIMER_PROF, 1)
    try:
        read_config(Path(path), settings)
    except ConfigError as error:
        print(str(error).splitlines()[0])
"""


@pytest.mark.slow
def test_bombs_of_aliases_and_depth_end_within_a_second_and_200_mb(tmp_path):
    texts = {"bomb.yaml": "\n".join(BOMB), "deep.yaml": f"layers: {DEEP}", "deep.json": f'{{"layers": {DEEP}}}'}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    inline = f"fit.extra_metadata={{{', '.join(BOMB)}}}"
    cases = [(name, []) for name in texts]
    cases += [("good.yaml", [one]) for one in (inline, f"layers={DEEP}", f"fit.extra_metadata.x={'{a: ' * 3000}")]
    ended = forked.run(["-c", LIMITED, json.dumps(cases)], cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    too_many = "must have at most 50000 values, counted as often as aliases repeat them. Write fewer aliases, and name "
    too_deep = "must have at most 50 levels. Is a closing bracket missing?"
    expected = [
        # 10, 91, 820 and 7,381 values in the lines before: with the seventh alias there are more.
        ("bomb.yaml:5:32: a config ", too_many),
        # The 50th bracket: from column 9 on, and of JSON from column 12 on after the brace.
        ("deep.yaml:1:58: a config ", too_deep),
        ("deep.json:1:60: a config ", too_deep),
        (f"--set {inline[:97]}...: character ", too_many),
        (f"--set {f'layers={DEEP}'[:97]}...: character 50: a value ", too_deep),
        ("--set fit.extra_metadata.x={a: {a: ", too_deep),
    ]
    for line, (start, end) in zip(ended.stdout.splitlines(), expected, strict=True):
        assert line.startswith(start) and end in line, line


def test_anchors_aliases_and_merges_repeat_what_they_name(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "layers:\n"
        "  - [FCLayer, &fc {n_units: 3, activation: relu}]\n"
        "  - [FCLayer, {<<: *fc, n_units: 4}]\n"
        "  - &drop [DropoutLayer, {dropout_p: 0.5}]\n"
        "  - *drop\n"
        "  - [ClassificationOutputLayer]\n"
        "fit: {rules: {fc1.l2: &rule [linear, {final_value: 0.1, n_epochs: 3}], fc2.l2: *rule}}\n"
    )
    spec = read_config(tmp_path / "a.yaml", ["fit.extra_metadata={a: &a [1], b: *a}"])
    assert spec.layers == [
        ["FCLayer", {"n_units": 3, "activation": "relu"}],
        ["FCLayer", {"n_units": 4, "activation": "relu"}],
        ["DropoutLayer", {"dropout_p": 0.5}],
        ["DropoutLayer", {"dropout_p": 0.5}],
        ["ClassificationOutputLayer"],
    ]
    assert spec.fit["rules"]["fc1.l2"] == spec.fit["rules"]["fc2.l2"] == ["linear", {"final_value": 0.1, "n_epochs": 3}]
    assert spec.fit["extra_metadata"] == {"a": [1], "b": [1]}


def test_fifty_levels_are_read_and_one_more_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("[" * 49 + "]" * 49)
    assert str(load_yaml(tmp_path / "a.yaml")).count("[") == 49
    with pytest.raises(ConfigError, match=r"^--set a: character 50: a value must have at most 50 levels"):
        plain_yaml("[" * 50 + "]" * 50, "--set a")


@pytest.mark.parametrize("text", ["!!python/object/apply:os.system [x]", "&a [*a]", "[1"])
def test_tags_cycles_and_what_is_no_yaml_are_refused_in_options(text):
    with pytest.raises(ConfigError, match=r"--set a: .*(the tag|within what it repeats|is not YAML)"):
        plain_yaml(text, "--set a")
