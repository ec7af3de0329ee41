"""The page that a fit writes at its end."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import STOP, ArignoteWarning, ConfigError, NNClassifier, NNRegressor
from arignote.report.page import gather

LAYERS = [["FCLayer", {"n_units": 4}], ["ClassificationOutputLayer"]]


def test_a_fit_writes_its_page_when_it_ends_and_not_when_it_is_stopped(digits, tmp_path):
    page, settings = tmp_path / "run_report.html", {"n_epochs": 2, "report": True, "checkpoint": str(tmp_path / "run")}
    NNClassifier(LAYERS, rng=1).fit(*digits, **settings, observers=[lambda event: STOP])
    assert not page.exists()
    NNClassifier(LAYERS, rng=1).fit(*digits, **settings)
    assert "2 of 2 epochs complete" in page.read_text() and 'class="matrix"' in page.read_text()


def test_a_page_needs_a_place_before_anything_is_trained(digits):
    with pytest.raises(ConfigError, match="report: is written beside the files of the run"):
        NNClassifier(LAYERS, report=True).fit(*digits)


def test_a_fit_does_not_fail_because_its_page_cannot_be_written(digits, tmp_path):
    (tmp_path / "run_report.html").mkdir()
    with pytest.warns(ArignoteWarning, match="report: the page of the run is not written: .*run_report.html"):
        fitted = NNClassifier(LAYERS, rng=1).fit(*digits, n_epochs=1, report=True, checkpoint=str(tmp_path / "run"))
    assert fitted.n_epochs_ == 1


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("page_of", "report: the page of the run is not written: ValueError: a fault"),
        ("scored_rows", "report: the train rows are left out: ValueError: a fault"),
    ],
)
def test_a_fit_does_not_fail_because_of_an_error_in_making_its_page(name, note, digits, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise ValueError("a fault")

    monkeypatch.setattr(f"arignote.fit.review.page_at_end.{name}", fail)
    with pytest.warns(ArignoteWarning, match=note):
        fitted = NNClassifier(LAYERS, rng=1).fit(*digits, n_epochs=1, report=True, checkpoint=str(tmp_path / "run"))
    assert fitted.n_epochs_ == 1 and (tmp_path / "run_report.html").exists() == (name == "scored_rows")


def parts_of(monkeypatch, estimator, *data, **settings):
    """Return the parts that the page of a fit shows."""
    found = []
    monkeypatch.setattr(
        "arignote.fit.review.page_at_end.page_of", lambda *a, **k: found.append(a[1]) or gather.page_of(*a, **k)
    )
    estimator.fit(*data, n_epochs=1, batch_size=12, report=True, **settings)
    return {part.name: part for part in found[0]}


def test_rows_are_named_by_their_numbers_and_predicted_as_predict_does(digits, tmp_path, monkeypatch):
    X, y = digits
    layers = [["InputImageLayer", {"n_pixels": 8}], ["ConvLayer", {"n_output_maps": 2, "filter_shape": 3}], *LAYERS[1:]]
    fitted = NNClassifier(layers, rng=1)
    settings = {"valid": 0.3, "checkpoint": str(tmp_path / "run"), "preprocess": [["Standardise", {}]]}
    part = parts_of(monkeypatch, fitted, X, y, **settings)["valid"]
    rows = np.array(part.ids_of(np.arange(part.n_rows)), int)
    assert len(set(rows.tolist())) == part.n_rows == round(0.3 * len(X))
    assert np.array_equal(part.labels[part.predicted], fitted.predict(X[rows]))
    assert np.array_equal(part.labels[part.y], y[rows])
    assert part.certainty == pytest.approx(fitted.predict_proba(X[rows]).max(axis=1), rel=1e-5)
    assert part.losses == fitted.evaluate(X, y, part="valid")
    # Pictures are as they are stored, before preprocessing.
    assert np.array_equal(part.pictures_of(np.array([3, 0])), X[rows[[3, 0]]].reshape(2, 1, 8, 8))


def test_numbers_are_in_the_units_of_the_user(tmp_path, monkeypatch):
    X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    y = 1000 * X[:, :2] + 7
    fitted = NNRegressor([["RegressionOutputLayer"]], rng=1)
    part = parts_of(monkeypatch, fitted, X, y, checkpoint=str(tmp_path / "run"))["train"]
    assert part.y == pytest.approx(y, rel=1e-4) and part.predicted == pytest.approx(fitted.predict(X), rel=1e-5)


def test_of_sequences_each_step_that_counts_is_a_row(tmp_path, monkeypatch):
    lengths = [3, 1, 2] * 4
    X = [np.random.default_rng(n).normal(size=(n_steps, 2)).astype(np.float32) for n, n_steps in enumerate(lengths)]
    y = [(x[:, 0] > 0).astype(int) for x in X]
    layers = [["InputLayer", {"lengths": True}], ["ClassificationOutputLayer", {"per_step": True}]]
    part = parts_of(monkeypatch, NNClassifier(layers, rng=1), X, y, checkpoint=str(tmp_path / "run"))["train"]
    assert part.ids_of(np.array([0, 2, 3, 5])) == ["0, step 0", "0, step 2", "1, step 0", "2, step 1"]
    assert part.y.tolist() == np.concatenate(y).tolist() and part.n_rows == 12


def test_several_labels_per_row_have_losses_alone(digits, tmp_path, monkeypatch):
    X, y = digits
    flags = np.stack([y > 4, y % 2 == 0], axis=1).astype(int)
    fitted = NNClassifier([["MultilabelOutputLayer"]], rng=1)
    part = parts_of(monkeypatch, fitted, X, flags, checkpoint=str(tmp_path / "run"))["train"]
    assert part.losses == fitted.evaluate(X, flags, part="train") and part.labels is None and part.y.size == 0
