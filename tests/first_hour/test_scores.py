"""Scores that a person can trust: the command line in a fresh folder, with files made here."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest
from command_line import arignote
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_recall_fscore_support, roc_auc_score

from arignote import ArignoteWarning, ConfigError, DataError, NNClassifier

# Whole fits and commands: left out of make fast.
pytestmark = pytest.mark.slow

CONFIG = """
rng: 1
data:
  train: {features: "t.npz:x", labels: "t.npz:y"}
  valid: 0.2
  test: 0.25
layers: [[FCLayer, {n_units: 8, activation: relu}], [ClassificationOutputLayer]]
fit: {n_epochs: 3, batch_size: 20, sgd_type: sgd, lr_rule: 0.1, checkpoint: runs/a}
"""


def made(seed, n_rows=200):
    """Return noisy rows of three classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n_rows)
    x = rng.normal(size=(n_rows, 4)) + np.eye(3, 4)[y]
    return x.astype(np.float32), y


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A fresh folder with a table of 200 rows and a config."""
    x, y = made(0)
    np.savez(tmp_path / "t.npz", x=x, y=y)
    (tmp_path / "config.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def scores(text):
    """Return the numbers that evaluate prints, by name."""
    return {name: float(value) for name, value in re.findall(r"^(\w+) (\S+)$", text, re.M)}


def test_the_command_after_fit_scores_the_test_rows_that_the_run_held_out(folder):
    message = arignote("fit", "config.yaml").out
    percent = float(re.search(r"^test error (\S+) %", message, re.M)[1])
    command = re.search(r"^ +(arignote evaluate .+)$", message, re.M)[1]
    assert command == "arignote evaluate runs/a --config config.yaml --part test"
    ended = arignote(*shlex.split(command)[1:])
    assert ended.code == 0 and ended.err == ""
    assert 100 * scores(ended.out)["error"] == pytest.approx(percent, abs=0.005)
    by_files = arignote("evaluate", "runs/a", "--features", "t.npz:x", "--labels", "t.npz:y", "--part", "test")
    assert by_files.out == ended.out


@pytest.mark.parametrize("partition", ["stratified", "contiguous"])
def test_the_rows_of_a_part_are_those_that_were_never_trained_on(partition):
    x, y = made(1)
    trained = set()

    def noted(batch, labels, rng):
        trained.update(map(bytes, batch))
        return batch, labels

    fitted = NNClassifier([["ClassificationOutputLayer"]], rng=3)
    fitted.fit(x, y, n_epochs=2, test=0.25, augmentation=noted, partition=partition)
    held_out = np.array([bytes(row) not in trained for row in x])
    assert held_out.sum() == 50
    for part, chosen in (("test", held_out), ("train", ~held_out)):
        right = fitted.predict(x[chosen]) == y[chosen]
        assert fitted.evaluate(x, y, "error", part=part)["error"] == pytest.approx(1 - right.mean(), abs=1e-6)


def test_groups_that_stayed_together_are_given_again():
    x, y = made(2)
    groups = np.arange(200) // 10
    fitted = NNClassifier([["ClassificationOutputLayer"]], rng=3).fit(x, y, n_epochs=1, test=0.2, groups=groups)
    with pytest.raises(DataError, match="fit was given groups, which stayed together: give groups too"):
        fitted.evaluate(x, y, part="test")
    matrix, mistakes = fitted.confusion(x, y, ids=range(40), part="test", groups=groups)
    assert matrix.sum() == 40 and len(mistakes) == 40 - np.trace(matrix)


def test_other_data_has_no_parts(folder):
    arignote("fit", "config.yaml")
    x, y = made(5)
    np.savez("t.npz", x=x, y=y)
    ended = arignote("evaluate", "runs/a", "--config", "config.yaml", "--part", "test")
    assert ended.code == 3 and "these are not the test rows of the run; give the data that fit was given" in ended.err
    assert "features.sha256" in ended.err


def test_the_fractions_are_those_of_the_run_even_if_the_config_has_changed(folder):
    arignote("fit", "config.yaml", "--set", "data.test=0.1")
    by_set = arignote("evaluate", "runs/a", "--config", "config.yaml", "--part", "test", "--set", "data.test=0.1")
    assert by_set.code == 0
    assert arignote("evaluate", "runs/a", "--config", "config.yaml", "--part", "test").out == by_set.out


def test_a_test_file_of_its_own_is_found_by_its_config_or_given(folder):
    x, y = made(6, 90)
    np.savez("own.npz", x=x, y=y)
    (folder / "config.yaml").write_text(
        CONFIG.replace("test: 0.25", 'test: {features: "own.npz:x", labels: "own.npz:y"}')
    )
    message = arignote("fit", "config.yaml").out
    percent = float(re.search(r"^test error (\S+) %", message, re.M)[1])
    ended = arignote("evaluate", "runs/a", "--config", "config.yaml", "--part", "test")
    assert 100 * scores(ended.out)["error"] == pytest.approx(percent, abs=0.005)
    given = ("--features", "own.npz:x", "--labels", "own.npz:y")
    assert arignote("evaluate", "runs/a", *given, "--part", "test").out == ended.out
    # Without --part it is data that the run was not trained on, and nothing is said.
    assert arignote("evaluate", "runs/a", *given) == ended
    whole = arignote("evaluate", "runs/a", "--features", "t.npz:x", "--labels", "t.npz:y")
    assert "trained on 160 of these 200 rows" in whole.err


def test_a_file_that_holds_training_rows_is_called_so(folder):
    arignote("fit", "config.yaml")
    ended = arignote("evaluate", "runs/a", "--features", "t.npz:x", "--labels", "t.npz:y")
    assert ended.code == 0
    assert ended.err == (
        "note: this run was trained on 110 of these 200 rows: the scores are not those of new data; "
        "part='test' (--part test) scores rows that it was not trained on\n"
    )
    x, y = made(0)
    np.savez("other.npz", x=x[:199], y=y[:199])
    assert arignote("evaluate", "runs/a", "--features", "other.npz:x", "--labels", "other.npz:y").err == ""


def test_in_python_training_rows_among_others_are_warned_of_and_training_rows_alone_are_not():
    x, y = made(0)
    fitted = NNClassifier([["ClassificationOutputLayer"]], rng=3).fit(x, y, n_epochs=1, valid=0.2)
    with pytest.warns(ArignoteWarning, match="trained on 160 of these 200 rows"):
        fitted.evaluate(x, y)
    whole = NNClassifier([["ClassificationOutputLayer"]], rng=3).fit(x, y, n_epochs=1)
    assert whole.evaluate(x, y)["error"] == pytest.approx(1 - whole.score(x, y))


def test_metrics_by_name_are_those_of_scikit_learn(folder):
    x, y = made(7)
    np.savez("new.npz", x=x, y=y)
    arignote("fit", "config.yaml")
    names = "nll,accuracy,top_2,balanced_accuracy,f1_macro,roc_auc_ovr"
    ended = arignote("evaluate", "runs/a", "--features", "new.npz:x", "--labels", "new.npz:y", "--losses", names)
    found = scores(ended.out)
    assert list(found) == names.split(",") and ended.err == ""
    proba = NNClassifier.load("runs/a").predict_proba(x)
    predicted = proba.argmax(1)
    # The true class is among the best two where it is not the least probable one.
    expected = {
        "nll": -np.log(proba[np.arange(200), y]).mean(),
        "accuracy": (predicted == y).mean(),
        "top_2": (proba.argmin(1) != y).mean(),
        "balanced_accuracy": balanced_accuracy_score(y, predicted),
        "f1_macro": f1_score(y, predicted, average="macro"),
        "roc_auc_ovr": roc_auc_score(y, proba.astype(float), multi_class="ovr"),
    }
    assert found == {name: pytest.approx(value, abs=1e-5) for name, value in expected.items()}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("f1_marco", "unknown loss or metric 'f1_marco' of classes. Did you mean 'f1_macro'?"),
        ("neg_mean_squared_error", "unknown loss or metric 'neg_mean_squared_error' of classes"),
        ("top_3", "top_3: K must lie in 1 .. 2, below the number of classes, 3"),
        ("f1", "f1: Target is multiclass but average='binary'"),
    ],
)
def test_an_unknown_metric_is_refused(name, message):
    fitted = NNClassifier([["ClassificationOutputLayer"]], rng=3).fit(*made(0), n_epochs=1)
    with pytest.raises(ConfigError, match=re.escape(message)):
        fitted.evaluate(*made(1), name)


def test_by_class_prints_a_table_and_the_confusion_matrix(folder):
    x, y = made(7)
    labels = np.array(["ant", "bee", "cat"])[y]
    np.savez("t.npz", x=x, y=labels)
    arignote("fit", "config.yaml")
    x, y = made(8)
    labels = np.array(["ant", "bee", "cat"])[y]
    np.savez("new.npz", x=x, y=labels)
    ended = arignote("evaluate", "runs/a", "--features", "new.npz:x", "--labels", "new.npz:y", "--by-class")
    predicted = NNClassifier.load("runs/a").predict(x)
    lines = [line.split() for line in ended.out.splitlines()]
    assert lines[3] == ["class", "rows", "precision", "recall", "f1"]
    columns = precision_recall_fscore_support(labels, predicted, zero_division=0)
    for name, row, *values, n in zip(("ant", "bee", "cat"), lines[5:8], *columns, strict=True):
        assert row == [name, str(n), *(f"{value:.4f}" for value in values)]
    assert lines[10] == ["ant", "bee", "cat"]
    for name, row in zip(("ant", "bee", "cat"), lines[12:15], strict=True):
        counts = [int(((labels == name) & (predicted == other)).sum()) for other in ("ant", "bee", "cat")]
        assert row == [name, *map(str, counts)]


def test_the_mistakes_of_a_confusion_have_the_ids_of_their_rows():
    fitted = NNClassifier([["ClassificationOutputLayer"]], rng=3).fit(*made(0), n_epochs=1)
    x, y = made(9, 30)
    ids = [f"row {number}" for number in range(30)]
    matrix, mistakes = fitted.confusion(x, y, ids)
    predicted = fitted.predict(x)
    assert mistakes == [(ids[n], y[n], predicted[n]) for n in range(30) if predicted[n] != y[n]]
    assert matrix.tolist() == [[int(((y == a) & (predicted == b)).sum()) for b in range(3)] for a in range(3)]
    with pytest.raises(DataError, match="ids must name each of the 30 rows; got 29"):
        fitted.confusion(x, y, ids[1:])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "evaluate needs data: either --config CONFIG --part PART, or --features FILE --labels FILE"),
        (["--part", "test"], "evaluate needs data"),
        (["--config", "config.yaml"], "--config needs --part train, valid or test"),
        (["--features", "t.npz:x"], "--features and --labels must be given together"),
        *(
            (
                ["--config", "c.yaml", "--part", "test", f"--{option}", value],
                f"--{option} is for --features; with --config",
            )
            for option, value in (("color", "red"), ("axes", "NHWC"), ("csv", "{header: false}"))
        ),
        (["--config", "config.yaml", "--part", "tets"], "part must be train, valid or test; got 'tets'"),
    ],
)
def test_evaluate_without_data_is_an_error_that_names_what_it_needs(words, message, folder):
    arignote("fit", "config.yaml", "--quiet")
    ended = arignote("evaluate", "runs/a", *words)
    assert ended.code in (2, 3) and message in ended.err


def test_groups_that_are_named_again_are_read_in_the_format_of_the_run(folder):
    x, y = made(0)
    np.savetxt("t.csv", np.column_stack([x[:, :2], y]), delimiter=",")
    lines = [f"patient{row // 3}\n" for row in range(len(y))]
    # A row of its own, without the format of the run.
    (folder / "g.csv").write_text("".join([*lines[:5], "! moved to another ward\n", *lines[5:]]))
    (folder / "c.yaml").write_text(
        "rng: 1\nlayers: [[ClassificationOutputLayer]]\nfit: {n_epochs: 1, checkpoint: grouped}\n"
        "data:\n  train: {features: 't.csv:0,1', labels: 't.csv:2', csv: {header: false, comment: '!'}}\n"
        "  groups: g.csv\n  test: 0.3\n"
    )
    ended = arignote("fit", "c.yaml", "--quiet")
    assert ended.code == 0, ended
    loaded = NNClassifier.load("grouped")
    groups = [line.strip() for line in lines]
    found = loaded.evaluate("t.csv:0,1", "t.csv:2", part="test", groups="g.csv")
    assert found == loaded.evaluate("t.csv:0,1", "t.csv:2", part="test", groups=groups)


def test_a_run_without_such_a_part_is_reported():
    x, y = made(0)
    fitted = NNClassifier([["ClassificationOutputLayer"]], rng=3).fit(x, y, n_epochs=1, valid=np.arange(30))
    with pytest.raises(DataError, match="this run has no test rows; the subsets of its data: train, valid"):
        fitted.evaluate(x, y, part="test")


def test_parts_that_were_given_as_row_numbers_are_scored_after_fit(tmp_path):
    x, y = made(0)
    rows = {"valid": np.arange(30), "test": list(range(60, 80))}
    fitted = NNClassifier([["ClassificationOutputLayer"]], rng=3, checkpoint=str(tmp_path / "run"))
    fitted.fit(x, y, n_epochs=1, **rows)
    expected = {part: fitted.evaluate(x[numbers], y[numbers]) for part, numbers in rows.items()}
    assert {part: fitted.evaluate(x, y, part=part) for part in rows} == expected
    with pytest.warns(ArignoteWarning, match=rf"trained on {len(x) - 50} of these {len(x)} rows"):
        fitted.evaluate(x, y)
    # A file of the run does not hold the row numbers.
    loaded = NNClassifier.load(str(tmp_path / "run"))
    for part, which in (("valid", "valid"), ("test", "valid"), ("train", "valid")):
        with pytest.raises(DataError) as refused:
            loaded.evaluate(x, y, part=part)
        assert str(refused.value) == (
            f"{which} was given to fit as row numbers or a splitter, which a run does not keep. Without part, pass the "
            f"{part} rows themselves: evaluate(X[rows], y[rows]). Or give the same {which} again: "
            f"set_params({which}=rows), then evaluate(X, y, part={part!r})"
        )
    loaded.set_params(**rows)
    assert {part: loaded.evaluate(x, y, part=part) for part in rows} == expected
    loaded.set_params(valid=np.arange(1, 31))
    with pytest.raises(DataError, match="these are not the valid rows of the run"):
        loaded.evaluate(x, y, part="valid")
