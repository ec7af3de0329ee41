"""Regressors, several labels, ranks and autoencoders by the command line, from a config to predictions."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from command_line import arignote
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from arignote import NNClassifier, NNRegressor

# Whole fits and commands: left out of make fast.
pytestmark = pytest.mark.slow

pd = pytest.importorskip("pandas", reason="tables are written with pandas")

RNG = np.random.default_rng(11)
N = 80
TABLE = pd.DataFrame(RNG.normal(size=(N, 3)).round(3), columns=["a", "b", "c"]).assign(
    price=lambda t: (100 * t.a - 20 * t.b + 300).round(3), size=lambda t: (t.b - t.c).round(3)
)
NETWORK = "[FCLayer, {n_units: 6, activation: tanh}]"
FIT = "n_epochs: 8, batch_size: 16, n_threads: 1, checkpoint: run, sgd_type: adam, lr_rule: 0.03"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    TABLE.to_csv("t.csv", index=False)
    return tmp_path


def config(data, output="[RegressionOutputLayer]", fit=""):
    with open("c.yaml", "w") as file:
        file.write(f"rng: 1\ndata: {{{data}}}\nlayers: [{NETWORK}, {output}]\nfit: {{{FIT}{fit}}}\n")


def run(*words):
    """Give a command that must end well; return what it prints."""
    ended = arignote(*words)
    assert ended.code == 0, ended
    return ended.out


def n_params_of(path):
    """Return the number of parameters that `summary` prints in its last row."""
    (total,) = (line.split() for line in run("summary", path).splitlines() if line.startswith("total "))
    return int(total[1].replace(",", ""))


def scores(out):
    """Return the losses that `evaluate` prints."""
    return {name: float(value) for name, value in (line.split() for line in out.splitlines())}


def predictions(path="p.csv"):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_regressor_from_a_table():
    config("train: {features: 't.csv:a,b,c', labels: 't.csv:price'}, valid: 0.2, test: 0.25")
    out = run("check", "c.yaml", "--data")
    assert "train: t.csv (80, 3) float" in out and "labels t.csv float64" in out and "first batch: 16" in out
    # 3 x 6 + 6 hidden, 6 + 1 of the output.
    assert n_params_of("c.yaml") == 31
    out = run("fit", "c.yaml")
    assert "done, 8 of 8 epochs" in out and "valid_mae" in out and "test rmse" in out and "%" not in out
    run("predict", "run", "--features", "t.csv", "--out", "p.csv")
    rows = predictions()
    assert list(rows[0]) == ["row", "predicted"] and [int(row["row"]) for row in rows] == list(range(N))
    predicted = np.array([float(row["predicted"]) for row in rows])
    np.testing.assert_allclose(predicted, NNRegressor.load("run").predict(TABLE[["a", "b", "c"]]), rtol=1e-6)
    found = scores(
        run("evaluate", "run", "--features", "t.csv:a,b,c", "--labels", "t.csv:price", "--losses", "rmse,mae,r2")
    )
    price = TABLE.price
    assert found == pytest.approx(
        {
            "rmse": root_mean_squared_error(price, predicted),
            "mae": mean_absolute_error(price, predicted),
            "r2": r2_score(price, predicted),
        },
        rel=1e-4,
    )
    state = NNRegressor.load("run").state_
    row = state.history.record(state.best.n_rows - 1)
    found = scores(run("evaluate", "run", "--config", "c.yaml", "--part", "test", "--losses", "rmse"))
    assert found["rmse"] == pytest.approx(row["test_rmse"], rel=1e-4)
    assert "8 of 8 epochs complete" in run("inspect", "run")
    assert "finished, 8 of 8 epochs" in run("fit", "c.yaml")


def test_several_columns_are_a_target():
    config("train: {features: t.csv, labels: 't.csv:price,size'}, valid: {features: t.csv, labels: 't.csv:price,size'}")
    assert "train: t.csv (80, 3)" in run("check", "c.yaml", "--data")
    assert n_params_of("c.yaml") == 3 * 6 + 6 + 6 * 2 + 2
    run("fit", "c.yaml")
    run("predict", "run", "--features", "t.csv", "--out", "p.csv")
    rows = predictions()
    assert list(rows[0]) == ["row", "predicted_0", "predicted_1"]
    predicted = np.array([[float(row["predicted_0"]), float(row["predicted_1"])] for row in rows])
    np.testing.assert_allclose(predicted, NNRegressor.load("run").predict(TABLE[["a", "b", "c"]]), rtol=1e-6)
    found = scores(run("evaluate", "run", "--config", "c.yaml", "--part", "valid", "--losses", "r2"))
    assert found["r2"] == pytest.approx(r2_score(TABLE[["price", "size"]], predicted), rel=1e-4)


@pytest.mark.parametrize("labels", ["price", "price,size"])
def test_a_target_with_missing_values(labels):
    table = TABLE.astype(object)
    table.loc[[3, 30, 31], "price"] = None
    table.loc[[4], "size"] = "?"
    table.to_csv("t.csv", index=False)
    config(f"train: {{features: 't.csv:a,b,c', labels: 't.csv:{labels}'}}, valid: 0.2")
    words = "row 3 column 0 is missing" if "," in labels else "row 3 is missing"
    for command in (["check", "c.yaml", "--data"], ["fit", "c.yaml"]):
        refused = arignote(*command)
        assert refused.code == 3 and words in refused.err and "missing_targets=True" in refused.err, refused
    config(f"train: {{features: 't.csv:a,b,c', labels: 't.csv:{labels}'}}, valid: 0.2", fit=", missing_targets: true")
    run("check", "c.yaml", "--data")
    run("fit", "c.yaml")
    shapes = [NNRegressor.load("run").state_.data[part]["features"]["shape"][0] for part in ("train", "valid")]
    # In two columns each row has a number at least in one.
    assert sum(shapes) == (N if "," in labels else N - 3)
    run("predict", "run", "--features", "t.csv:a,b,c", "--out", "p.csv")
    rows = predictions()
    assert len(rows) == N
    source = ["--features", "t.csv:a,b,c", "--labels", f"t.csv:{labels}", "--losses", "mae"]
    found = scores(run("evaluate", "run", *source))["mae"]
    columns = ["predicted"] if labels == "price" else ["predicted_0", "predicted_1"]
    predicted = np.array([[float(row[column]) for column in columns] for row in rows])
    true = TABLE[labels.split(",")].to_numpy().copy()
    true[[3, 30, 31], 0] = np.nan
    if "," in labels:
        true[4, 1] = np.nan
    assert found == pytest.approx(np.nanmean(np.abs(true - predicted), axis=0).mean(), rel=1e-4)
    out = run("evaluate", "run", "--config", "c.yaml", "--part", "valid")
    assert list(scores(out)) == ["squared", "mae", "r2"]


def test_an_autoencoder_needs_no_labels():
    output = "[RegressionOutputLayer, {target: same}]"
    config("train: {features: 't.csv:a,b,c'}, valid: 0.2", output, fit=", preprocess: [[Standardise]]")
    out = run("check", "c.yaml", "--data")
    assert "train: t.csv (80, 3) float" in out and "labels" not in out and "first batch: 16 examples of (3,)" in out
    assert n_params_of("c.yaml") == 3 * 6 + 6 + 6 * 3 + 3
    run("fit", "c.yaml")
    run("predict", "run", "--features", "t.csv", "--out", "p.csv")
    rows = predictions()
    assert list(rows[0]) == ["row", "predicted_0", "predicted_1", "predicted_2"]
    predicted = np.array([[float(value) for name, value in row.items() if name != "row"] for row in rows])
    x = TABLE[["a", "b", "c"]]
    np.testing.assert_allclose(predicted, NNRegressor.load("run").predict(x), rtol=1e-6)
    state = NNRegressor.load("run").state_
    found = scores(run("evaluate", "run", "--config", "c.yaml", "--part", "valid", "--losses", "squared,r2"))
    assert found["squared"] == pytest.approx(state.best.value, rel=1e-4)
    for words in (["--config", "c.yaml", "--part", "train"], ["--features", "t.csv:a,b,c"]):
        assert list(scores(run("evaluate", "run", *words))) == ["squared", "mae", "r2"]
    found = scores(run("evaluate", "run", "--features", "t.csv:a,b,c", "--losses", "mae"))
    standard = (x.to_numpy() - state.preprocess["0.mean"]) / state.preprocess["0.scale"]
    assert found["mae"] == pytest.approx(np.abs(standard - predicted).mean(), rel=1e-4)


def test_an_autoencoder_may_have_parts_of_its_own_and_images():
    images = RNG.normal(size=(24, 2, 3, 3)).astype(np.float32)
    np.save("x.npy", images)
    np.save("v.npy", images[:8])
    output = "[RegressionOutputLayer, {target: same}]"
    config("train: {features: x.npy}, valid: {features: v.npy}, test: 0.25", output)
    out = run("check", "c.yaml", "--data")
    assert "valid: v.npy (8, 2, 3, 3) float32" in out
    run("fit", "c.yaml")
    run("predict", "run", "--features", "x.npy", "--out", "p.csv")
    assert list(predictions()[0]) == ["row", *(f"predicted_{n}" for n in range(18))]
    np.save("w.npy", images[:, :1])
    config("train: {features: x.npy}, valid: {features: w.npy}", output)
    refused = arignote("check", "c.yaml", "--data")
    assert refused.code == 3 and "an example of w.npy has the shape (1, 3, 3), one of train (2, 3, 3)" in refused.err


def test_labels_are_needed_unless_the_target_is_the_input():
    config("train: {features: 't.csv:a,b,c'}, valid: 0.2")
    for command in (["check", "c.yaml", "--data"], ["fit", "c.yaml"]):
        refused = arignote(*command)
        assert refused.code == 3 and "t.csv: which column holds the labels? Name it" in refused.err, refused
    config("train: {features: 't.csv:a,b,c', labels: 't.csv:price'}")
    run("fit", "c.yaml")
    refused = arignote("evaluate", "run", "--features", "t.csv:a,b,c")
    assert refused.code == 2 and "--features and --labels must be given together" in refused.err
    config("train: {features: 't.csv:a,b,c', labels: 't.csv:price'}", "[RegressionOutputLayer, {target: same}]")
    for command in ("check", "fit"):
        refused = arignote(command, "c.yaml")
        assert refused.code == 2 and refused.err == (
            "error: c.yaml:2:41: data.train.labels: the target of the network is its input: leave labels out\n"
        )


def test_several_labels_of_a_row_are_columns_of_a_table():
    TABLE.assign(red=(TABLE.a > 0) * 1, blue=(TABLE.b > 0) * 1).to_csv("t.csv", index=False)
    config("train: {features: 't.csv:a,b,c', labels: 't.csv:red,blue'}, valid: 0.2", "[MultilabelOutputLayer]")
    run("check", "c.yaml", "--data")
    out = run("fit", "c.yaml")
    assert "valid_flag_error" in out and "%" in out
    run("predict", "run", "--features", "t.csv:a,b,c", "--out", "p.csv")
    rows = predictions()
    assert list(rows[0]) == ["row", "p_0", "p_1"]
    p = np.array([[float(row["p_0"]), float(row["p_1"])] for row in rows], dtype=np.float32)
    np.testing.assert_allclose(p, NNClassifier.load("run").predict_proba(TABLE[["a", "b", "c"]]), rtol=1e-6)
    refused = arignote("evaluate", "run", "--config", "c.yaml", "--part", "valid", "--by-class")
    assert refused.code == 2 and "a table by class needs one class per row" in refused.err


def test_ranks_are_a_column_of_words():
    ranks = np.array(["low", "middle", "high"])[np.digitize(TABLE.price, [250, 350])]
    TABLE.assign(rank=ranks).to_csv("t.csv", index=False)
    output = "[OrdinalOutputLayer, {ranks: [low, middle, high]}]"
    config("train: {features: 't.csv:a,b,c', labels: 't.csv:rank'}, valid: 0.2, test: 0.2", output)
    run("check", "c.yaml", "--data")
    out = run("fit", "c.yaml")
    assert "valid_rank_error" in out and "test error" in out
    run("predict", "run", "--features", "t.csv:a,b,c", "--out", "p.csv")
    rows = predictions()
    assert list(rows[0]) == ["row", "predicted", "p_low", "p_middle", "p_high"]
    predicted = [row["predicted"] for row in rows]
    assert predicted == NNClassifier.load("run").predict(TABLE[["a", "b", "c"]]).tolist()
    source = ["--features", "t.csv:a,b,c", "--labels", "t.csv:rank"]
    out = run("evaluate", "run", *source, "--losses", "error,rank_error", "--by-class")
    error = float(out.split()[1])
    assert error == pytest.approx((np.array(predicted) != ranks).mean(), rel=1e-4)
    names = [
        line.split()[0]
        for line in out.splitlines()
        if line.split()[:1] and line.split()[0] in ("low", "middle", "high")
    ]
    assert names[:3] == ["low", "middle", "high"]
    refused = arignote("fit", "c.yaml", "--set", "layers.output.ranks=[high, middle, low]")
    assert refused.code == 4 and "layers.output.ranks: ['low', 'middle', 'high'] then" in refused.err
    config("train: {features: 't.csv:a,b,c', labels: 't.csv:rank'}", "[OrdinalOutputLayer]")
    refused = arignote("check", "c.yaml", "--data")
    assert refused.code == 3 and "ranks of t.csv are text, which has no order" in refused.err


def test_a_run_is_not_resumed_with_another_scale():
    config("train: {features: 't.csv:a,b,c', labels: 't.csv:price'}")
    run("fit", "c.yaml")
    refused = arignote("fit", "c.yaml", "--set", "fit.scale_target=false")
    assert refused.code == 4 and "fit.scale_target: True then, False now" in refused.err


def test_the_fastest_setup_is_found_for_every_target():
    config("train: {features: 't.csv:a,b,c'}", "[RegressionOutputLayer, {target: same}]")
    assert "n_threads" in run("tune", "c.yaml", "--dry-run")
