"""The table of a profile, and where it goes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import arignote
from promise import digest

from arignote import ArignoteWarning, ConfigError, NNClassifier
from arignote.engine.profile import OperationTime, Profile
from arignote.report.profile import profile_lines, show_profile
from arignote.spec.config import read_config

LAYERS = [["FCLayer", {"n_units": 4}], ["DropoutLayer", {"dropout_p": 0.3}], ["ClassificationOutputLayer"]]
RNG = np.random.default_rng(3)
X = RNG.normal(size=(90, 5)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


def fit(**settings):
    return NNClassifier(LAYERS, rng=3).fit(X, Y, **{"n_epochs": 4, "batch_size": 10, "n_threads": 1} | settings)


def test_operations_stand_in_the_order_of_their_time_with_their_shares():
    operations = [OperationTime("aten::add", 2, 1e-3, 0.0), OperationTime("aten::mm", 8, 3e-3, 0.0)]
    assert profile_lines(Profile(operations, 0.005, 20, 5)) == [
        "operation  calls a step  ms a step    share",
        "-------------------------------------------",
        "aten::mm              8      3.000   75.0 %",
        "aten::add             2      1.000   25.0 %",
        "-------------------------------------------",
        "total                10      4.000  100.0 %",
        "time of each operation without those that it calls: mean of 20 steps after 5; a step took 5 ms while it was "
        "measured",
    ]


def test_on_a_gpu_its_time_decides():
    operations = [OperationTime("aten::add", 2, 3e-3, 1e-3), OperationTime("aten::mm", 8, 1e-3, 4e-3)]
    head, _, first, second, *_ = profile_lines(Profile(operations, 0.005, 20, 5))
    assert head.endswith("ms a step  ms on the gpu    share")
    assert first.split() == ["aten::mm", "8", "1.000", "4.000", "80.0", "%"] and second.startswith("aten::add")


def test_many_operations_are_summed_up_in_a_last_row():
    operations = [OperationTime(f"op{n}", 1, 1e-3, 0.0) for n in range(30)]
    lines = profile_lines(Profile(operations, 0.05, 2, 5))
    assert lines[27].split() == ["5", "others", "5", "5.000", "16.7", "%"] and len(lines) == 2 + 25 + 1 + 3


def test_the_end_of_a_fit_prints_the_table_and_the_result_is_the_same(capsys):
    plain = fit()
    assert capsys.readouterr().out == ""
    profiled = fit(profile=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("operation ") and "mean of 20 steps after 5" in lines[-1]
    assert any(line.split()[:2] == ["aten::mm", "5"] for line in lines)
    assert digest(profiled) == digest(plain)


@pytest.mark.slow
def test_numbers_that_follow_a_rule_reach_a_step_that_is_profiled(capsys):
    rules = {
        "dropout1.dropout_p": ["fixed", {"initial_value": 0.1, "decrease_by": -0.2, "interval": 1, "final_value": 0.5}]
    }
    assert digest(fit(rules=rules, profile=True)) == digest(fit(rules=rules)) != digest(fit())
    assert "aten::mm" in capsys.readouterr().out


def test_a_fit_that_is_too_short_or_has_nothing_left_says_so(capsys, tmp_path):
    fit(n_epochs=1, batch_size=90, profile=True)
    assert capsys.readouterr().out == "no step was profiled: 1 steps, all of which warm up. Train for more\n"
    stem = str(tmp_path / "run")
    fit(checkpoint=stem)
    again = fit(checkpoint=stem, profile=True)
    assert capsys.readouterr().out == "nothing was profiled, as nothing was left to train\n"
    assert len(again.state_.starts) == 1


def test_a_path_is_the_file_that_is_written(tmp_path, capsys):
    fit(profile=str(tmp_path / "p.txt"))
    assert capsys.readouterr().out == "" and "aten::mm" in (tmp_path / "p.txt").read_text()


@pytest.mark.parametrize("path", ["nowhere/p.txt", "", "."])
def test_a_path_that_cannot_be_a_file_is_refused_before_training(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="profile must be a bool, or a file in a folder that exists; got"):
        fit(profile=path, checkpoint="run")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_after_all_is_printed_with_a_warning(tmp_path, capsys):
    profile = Profile([OperationTime("aten::mm", 8, 3e-3, 0.0)], 0.005, 20, 5)
    with pytest.warns(ArignoteWarning, match="the profile cannot be written: "):
        show_profile(profile, str(tmp_path / "gone" / "p.txt"))
    assert "aten::mm" in capsys.readouterr().out


CONFIG = """rng: 1
data: {train: {features: x.npy, labels: y.npy}}
layers: [[FCLayer, {n_units: 3}], [ClassificationOutputLayer]]
fit: {n_epochs: 4, batch_size: 10, n_threads: 1, checkpoint: null}
"""


@pytest.mark.slow
def test_the_command_has_an_option_and_a_path_starts_from_where_it_is_written(tmp_path, monkeypatch):
    folder = tmp_path / "configs"
    folder.mkdir()
    np.save(folder / "x.npy", X)
    np.save(folder / "y.npy", Y)
    (folder / "c.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    assert "aten::mm" not in arignote("fit", "configs/c.yaml").out
    assert "aten::mm" in arignote("fit", "configs/c.yaml", "--profile").out
    assert read_config(Path("configs/c.yaml"), ["fit.profile=p.txt"]).fit["profile"] == "p.txt"
    (folder / "d.yaml").write_text(CONFIG.replace("fit: {", "fit: {profile: p.txt, "))
    assert read_config(Path("configs/d.yaml")).fit["profile"] == str(Path("configs") / "p.txt")
    # The option leaves a path that is named as it is.
    assert "aten::mm" not in arignote("fit", "configs/c.yaml", "--profile", "--set", "fit.profile=p.txt").out
    assert "aten::mm" in (tmp_path / "p.txt").read_text()
