"""The place of everything that is wrong in a config: file, line and column, or the ``--set`` that wrote it."""

from __future__ import annotations

import pytest

from arignote.errors import Complaint, ConfigError
from arignote.safe.yaml import load_yaml
from arignote.spec.config import read_config
from arignote.spec.locations import Document, Origin
from arignote.spec.settings import FitSettings

YAML = """\
name: small
layer_defaults: {activation: relu}
layers:
  - [FCLayer, {name: fc1, n_units: 64, l2: 1e-3}]
  - [Dropout, {dropout_p: 0.25}]
  - [ClassificationOutputLayer, {n_classes: 10}]
fit: {n_epochs: 3, checkpoint: runs/a}
"""


def lines_of(path, *complaints, written=None):
    """Return the lines of the report on a file, without the folder of its files."""
    error = Origin({(): Document(path, load_yaml(path))}, written or {}).located(list(complaints))
    return [line.replace(f"{path.parent}/", "") for line in str(error).splitlines()]


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.yaml").write_text(YAML)
    return tmp_path / "a.yaml"


@pytest.mark.parametrize(
    ("where", "place"),
    [
        (("name",), "a.yaml:1:1"),
        (("layers",), "a.yaml:3:1"),
        (("layers", 1), "a.yaml:5:5"),
        # Of a layer written [Name, {params}] the parameters are one level deeper than the path.
        (("layers", 1, "dropout_p"), "a.yaml:5:16"),
        (("fit", "checkpoint"), "a.yaml:7:20"),
        # Of what is missing, the place of what should have it.
        (("fit", "n_threads"), "a.yaml:7:1"),
        (("layers", 0, "b"), "a.yaml:4:5"),
        (("layers", 7), "a.yaml:3:1"),
        # Of what is nowhere, the file.
        (("data",), "a.yaml"),
        ((), "a.yaml"),
    ],
)
def test_a_complaint_has_the_place_of_the_innermost_entry_that_is_there(where, place, path):
    (line,) = lines_of(path, Complaint(where, "is wrong"))
    assert line.partition(": ")[0] == place


def test_complaints_come_in_the_order_of_the_file_then_of_its_layers_then_of_set(path, tmp_path):
    (tmp_path / "l.yaml").write_text("- [FCLayer, {n_units: 3}]\n")
    complaints = [
        Complaint(where, "is wrong") for where in (("rng",), ("layers", 0), ("fit",), ("name",), ("fit", "n_epochs"))
    ]
    documents = {
        place: Document(file, load_yaml(file)) for place, file in (((), path), (("layers",), tmp_path / "l.yaml"))
    }
    error = Origin(documents, {("rng",): "rng=x"}).located(complaints)
    places = [line.replace(f"{tmp_path}/", "").partition(": ")[0] for line in str(error).splitlines()]
    assert places == ["a.yaml:1:1", "a.yaml:7:1", "a.yaml:7:7", "l.yaml:1:3", "--set rng=x"]
    assert [one.path for one in error.complaints] == [("name",), ("fit",), ("fit", "n_epochs"), ("layers", 0), ("rng",)]


def test_what_set_wrote_is_wrong_there_with_all_that_is_below_it(path):
    written = {("layers", 0): "layers.fc1={n_units: 0}", ("fit", "n_epochs"): "fit.n_epochs=x"}
    lines = lines_of(
        path, Complaint(("fit",), "is wrong"), Complaint(("layers", 0, "n_units"), "is wrong"), written=written
    )
    assert lines == ["a.yaml:7:1: fit: is wrong", "--set layers.fc1={n_units: 0}: layers[0].n_units: is wrong"]


def test_all_errors_come_in_one_report_with_file_line_and_column(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(
        YAML.replace("n_units: 64", "n_units: -5").replace("Dropout", "Dropot").replace("n_epochs: 3", "n_epoch: 3")
    )
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    text = str(caught.value)
    assert f"{path}:4:27: layers[0] (FCLayer 'fc1'): n_units must be an integer >= 1; got -5" in text
    assert f"{path}:5:5: layers[1]: unknown layer 'Dropot'. Did you mean 'Dropout" in text
    assert f"{path}:7:7: fit.n_epoch: unknown parameter 'n_epoch'. Did you mean 'n_epochs'?" in text


def test_errors_come_in_the_order_of_the_lines_then_of_set(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(
        "fit:\n  keep_last: 0\n  n_epochs: -1\nlayers:\n  - [FCLayer, {n_units: 3}]\n"
        "  - [ClassificationOutputLayer, {l2: -1, nme: a,\n      n_classes: 0, l1: -2}]\nnme: a\n"
    )
    with pytest.raises(ConfigError) as caught:
        read_config(path, ["fit.batch_size=0", "fit.accumulate=0"])
    words = ["keep_last", "n_epochs", "l2", "nme", "n_classes", "l1", "nme", "batch_size", "accumulate"]
    assert [complaint.path[-1] for complaint in caught.value.complaints] == words
    places = [line.partition(": ")[0].removeprefix(f"{path}:") for line in str(caught.value).splitlines()]
    assert places[:7] == ["2:3", "3:3", "6:34", "6:42", "7:7", "7:21", "8:1"]
    assert places[7:] == ["--set fit.batch_size=0", "--set fit.accumulate=0"]


@pytest.mark.parametrize("name", FitSettings.model_fields)
def test_a_setting_without_a_value_is_reported_or_means_its_default(name, tmp_path):
    (tmp_path / "a.yaml").write_text(f"layers: [[ClassificationOutputLayer]]\nfit:\n  {name}:\n")
    default = FitSettings.model_fields[name].default
    if default is None:
        assert read_config(tmp_path / "a.yaml").fit[name] is None
    else:
        way = "the key has no value. Write one, or leave the key out for its default"
        with pytest.raises(ConfigError, match=rf"a\.yaml:3:3: fit\.{name}.* must .*; {way}$"):
            read_config(tmp_path / "a.yaml")


@pytest.mark.parametrize("value", ["null", "~", "Null", " null  # none"])
def test_a_null_that_is_written_is_reported_as_null(value, tmp_path):
    (tmp_path / "a.yaml").write_text(f"layers: [[ClassificationOutputLayer]]\nfit:\n  n_epochs: {value}\n")
    with pytest.raises(ConfigError, match=r"a\.yaml:3:3: fit\.n_epochs must be an integer; got null$"):
        read_config(tmp_path / "a.yaml")
    (tmp_path / "a.json").write_text('{"layers": [["ClassificationOutputLayer"]], "fit": {"n_epochs": null}}')
    with pytest.raises(ConfigError, match=r"fit\.n_epochs must be an integer; got null$"):
        read_config(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data:\n  train:\n", r"3:3: data\.train must be a mapping .*; the key has no value\. Write one$"),
        (
            "data:\n  train:\n    features:  # later\n",
            r"4:5: data\.train\.features must be text or a mapping; the key has no value",
        ),
        (
            "data: {train: {features: , labels: y}}\n",
            r"2:16: data\.train\.features must be text or a mapping; the key has no value",
        ),
        ("fit: {n_epochs: }\n", r"2:7: fit\.n_epochs must be an integer; the key has no value"),
        ("fit:\n  lr_rule: {rule: fixed, interval: 1, multiply_by: }\n", "multiply_by"),
    ],
)
def test_a_key_without_a_value_is_reported_with_its_line(text, words, tmp_path):
    (tmp_path / "a.yaml").write_text(f"layers: [[ClassificationOutputLayer]]\n{text}")
    with pytest.raises(ConfigError, match=words) as caught:
        read_config(tmp_path / "a.yaml")
    assert "None" not in str(caught.value)


def test_an_item_without_a_value_and_a_setting_that_ends_in_a_sign_are_reported(tmp_path):
    (tmp_path / "a.yaml").write_text("layers:\n  -\n  - [ClassificationOutputLayer]\n")
    with pytest.raises(ConfigError, match=r"a\.yaml:2:4: layers\[0\].*; the item has no value\. Write one$"):
        read_config(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_text("layers: [[ClassificationOutputLayer]]\n")
    with pytest.raises(ConfigError, match=r"^--set fit.n_epochs=: .*must be an integer; nothing follows the =$"):
        read_config(tmp_path / "a.yaml", ["fit.n_epochs="])


SET = {
    "fit.n_epochs=x": "--set fit.n_epochs=x: fit.n_epochs must be an integer; got 'x'",
    "fit.n_epoch=3": "--set fit.n_epoch=3: fit.n_epoch: unknown parameter 'n_epoch'. Did you mean 'n_epochs'?",
    "layers.fc1.n_units=-5": "--set layers.fc1.n_units=-5: layers[0] (FCLayer 'fc1'): n_units must be an "
    "integer >= 1; got -5",
    "fit.augmentation=[Shift, {max_shift: a}]": "--set fit.augmentation=[Shift, {max_shift: a}]: "
    "fit.augmentation.max_shift must be a number or a list of two; got 'a'",
    "fit.n_epoch.b=3": "--set fit.n_epoch.b=3: fit.n_epoch: unknown parameter 'n_epoch'. Did you mean 'n_epochs'?",
    "fit.valid=0.1": "--set fit.valid=0.1: fit.valid: belongs to data: write data.valid",
    "fti.b.c=3": "--set fti.b.c=3: fti: unknown parameter 'fti'. Did you mean 'fit'?",
}


@pytest.mark.parametrize("setting", SET)
def test_an_error_of_set_is_reported_as_one_of_set(setting, tmp_path):
    (tmp_path / "a.yaml").write_text(YAML)
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "a.yaml", ["rng=3", setting])
    assert str(caught.value) == SET[setting]


def test_errors_of_several_layers_are_each_reported_as_one_of_set(tmp_path):
    (tmp_path / "a.yaml").write_text(YAML)
    settings = ["layers.fc1.n_units=-1", "layers.dropout1.dropout_p=2"]
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "a.yaml", settings)
    lines = str(caught.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"--set {setting}" for setting in settings]


def test_a_wrong_setting_of_a_layer_is_reported_with_its_place_in_the_file(tmp_path):
    (tmp_path / "a.yaml").write_text(YAML.replace("dropout_p: 0.25", "dropout_p: 2"))
    with pytest.raises(ConfigError, match=r"a\.yaml:5:16: layers\[1\] \(Dropout\): dropout_p must be a number < 1.0"):
        read_config(tmp_path / "a.yaml", ["layers.fc1.n_units=5"])


def test_a_setting_of_fit_at_the_top_is_reported_with_its_place(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("layers: [[ClassificationOutputLayer]]\nprecision: bf16\n")
    with pytest.raises(ConfigError, match=r"c\.yaml:2:1: precision: belongs to fit: write fit\.precision"):
        read_config(path)


@pytest.mark.parametrize("head", ["", "layers:\n"])
def test_an_error_in_a_file_of_layers_is_reported_with_the_line_of_that_file(tmp_path, head):
    layers = ["- [FCLayer, {n_units: 3}]", "- [FCLayer, {n_unts: 3}]", "- [ClassificationOutputLayer]"]
    (tmp_path / "l.yaml").write_text(head + "\n".join(layers))
    (tmp_path / "c.yaml").write_text("name: a\nlayers: l.yaml\nfit: {n_epoch: 3}\n")
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "c.yaml")
    # What is misspelt is not missing as well.
    message = [line.removeprefix(f"{tmp_path}/").partition(". ")[0] for line in str(caught.value).splitlines()]
    assert message == [
        "c.yaml:3:7: fit.n_epoch: unknown parameter 'n_epoch'",
        f"l.yaml:{3 if head else 2}:14: layers[1].n_unts (FCLayer): unknown parameter 'n_unts'",
    ]
