"""What `check_config` finds beyond what reading a config does; no data is opened."""

from __future__ import annotations

import pytest

from arignote import ArignoteWarning, ConfigError
from arignote.fit.preview.check import check_config
from arignote.spec.config import read_config

# The files of the data are not there.
CONFIG = """
data: {{train: {{features: none.h5:/x, labels: none.h5:/y}}{data}}}
layers: [[FCLayer, {{n_units: 4{layer}}}], [ClassificationOutputLayer]]
fit: {{n_epochs: 4{fit}}}
"""
WRONG = {
    "a store of an unknown kind": ({"fit": ", checkpoint: 'gopher://host/a'"}, "gopher"),
    "a layer that is never thawed": ({"layer": ", fix_params: true, thaw_at: 4"}, "thaw_at must be"),
    "final epochs without rows": ({"fit": ", final_epochs: 2"}, "final_epochs must be 0 without validation or test"),
    "a stop rule without validation": (
        {"fit": ", stop_rule: {rule: stalled, interval: 2}"},
        r"c\.yaml:4:20: fit\.stop_rule needs",
    ),
}


def checked(folder, data="", layer="", fit=""):
    path = folder / "c.yaml"
    path.write_text(CONFIG.format(data=data, layer=layer, fit=fit))
    return check_config(read_config(path))


def test_layers_are_counted_without_opening_data(tmp_path):
    # The input layer is one of them.
    assert checked(tmp_path, data=", valid: 0.1") == 3


@pytest.mark.parametrize("name", WRONG)
def test_a_setting_that_does_not_fit_the_others_is_refused(name, tmp_path):
    options, words = WRONG[name]
    with pytest.raises(ConfigError, match=words):
        checked(tmp_path, **options)


def test_a_rule_that_never_acts_is_reported(tmp_path):
    with pytest.warns(ArignoteWarning, match="^lr_rule never acts: its first change is after 4 epochs, of 4"):
        checked(tmp_path, fit=", lr_rule: [step, {multiply_by: 0.5, n_epochs: 4}]")
