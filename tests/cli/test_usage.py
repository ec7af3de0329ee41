"""Wrong usage of a command is one error in the form of all others, with exit code 2."""

from __future__ import annotations

import pytest
from command_line import arignote

WRONG = {
    "fit c.yaml --epohcs 3": "fit: unknown option '--epohcs'. A setting of fit is written --set fit.n_epochs=...",
    "fit c.yaml --n-epochs=3": "fit: unknown option '--n-epochs'. A setting of fit is written --set fit.n_epochs=...",
    "fit c.yaml --optimizer": "fit: unknown option '--optimizer'. Write --set fit.sgd_type=adam",
    "fit c.yaml --frsh": "fit: unknown option '--frsh'. Did you mean '--fresh'?",
    "evaluate run --data_dir=x": "evaluate: unknown option '--data_dir'. Did you mean '--data-dir'?",
    "verify run -q": "verify: unknown option '-q'. Known: --help, --json",
    "--vresion": "unknown option '--vresion'. Did you mean '--version'?",
    "check": "check: CONFIG must be given: a YAML or JSON file. Example: arignote check digits_mlp --data",
    "compare": "compare: RUN must be given: stems, or files of runs. Example: arignote compare runs/digits_mlp "
    "runs/digits_cnn --sort valid",
    "export run": "export: --to must be given: file to write: .onnx, .pt2 (for torch.export.load), or .safetensors "
    "(parameters alone). Example: arignote export runs/digits_mlp --to digits.onnx",
    "schema a b": "schema: unexpected argument: a b. Example: arignote schema > config.schema.json",
    "fit c.yaml --seeds x": "fit: --seeds must be an integer; got 'x'",
    "fit c.yaml --seeds 0": "fit: --seeds must be at least 1; got '0'",
    "fit c.yaml --exit-code 256": "fit: --exit-code must be at most 255; got '256'",
    "fit c.yaml --set": "fit: --set must have a value",
    "fit c.yaml --quiet=3": "fit: --quiet takes no value",
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_usage_is_one_error_with_the_way_out(words):
    command = "" if words.startswith("-") else " "
    assert arignote(*words.split()) == (2, "", f"error: arignote{command or ': '}{WRONG[words]}\n")


def test_an_unknown_command_is_one_too():
    ended = arignote("evalaute")
    assert (ended.code, ended.out) == (2, "") and ended.err.count("\n") == 1
    assert ended.err.startswith("error: there is no command 'evalaute'. Did you mean 'evaluate'? There are: check, ")


def test_debug_shows_where_it_is_raised():
    ended = arignote("fit", "c.yaml", "--seeds", "x", "--debug")
    assert ended.code == 2 and ended.err.startswith("Traceback (most recent call last):\n")
    assert ended.err.endswith("\nerror: arignote fit: --seeds must be an integer; got 'x'\n")


def test_no_command_at_all_prints_the_help():
    ended = arignote()
    assert ended.code == 2 and (ended.out + ended.err).startswith("Usage: ")
