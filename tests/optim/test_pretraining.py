"""How pretraining is declared."""

from __future__ import annotations

import pytest

from arignote import ConfigError
from arignote.optim.pretraining import Pretraining
from arignote.spec.settings import checked_settings


def test_a_mapping_is_all_that_the_setting_needs():
    given = checked_settings(
        {"pretrain": {"n_epochs": 3, "layers": ["fc1"], "sgd_type": "adam", "lr_rule": 0.5}}
    ).pretrain
    assert given == Pretraining(n_epochs=3, layers=["fc1"], sgd_type="adam", lr_rule=0.5)
    assert given.lr_rule.initial_value == 0.5 and given.layers == ("fc1",)
    assert checked_settings({}).pretrain is None and checked_settings({"pretrain": {}}).pretrain == Pretraining()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"n_epochs": 0}, r"fit\.pretrain\.n_epochs must be an integer >= 1; got 0"),
        ({"corruption_level": 1.0}, r"fit\.pretrain\.corruption_level must be a number < 1\.0; got 1\.0"),
        ({"cost": "nll"}, r"cost must be .*squared.*got 'nll'"),
        ({"layers": []}, r"layers must"),
        ({"epochs": 3}, "unknown parameter 'epochs'"),
        ({"sgd_type": "adm"}, "unknown updater 'adm'. Did you mean 'adam'?"),
        (True, "pretrain"),
    ],
)
def test_what_is_no_pretraining_is_refused(value, message):
    with pytest.raises(ConfigError, match=message):
        checked_settings({"pretrain": value})
