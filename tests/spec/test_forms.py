"""How the values of settings are declared."""

from __future__ import annotations

from arignote.registry import ByNameField, MappingField, PartField, PartsField
from arignote.spec.forms import form_of
from arignote.spec.observers import ObserversField
from arignote.spec.settings import FitSettings


def test_settings_that_hold_parts_are_declared_as_such():
    found = {name: form_of(info) for name, info in FitSettings.model_fields.items()}
    kinds = {name: (type(form), form.kind) for name, form in found.items() if form is not None}
    rules = dict.fromkeys(("lr_rule", "momentum_rule"), (PartField, "rule"))
    one = ("windows", "average", "stop_rule")
    assert kinds == rules | {name: (PartField, name) for name in one} | {
        "sgd_type": (PartField, "updater"),
        "pretrain": (PartField, "pretraining"),
        "rules": (MappingField, "rule"),
        "preprocess": (ByNameField, "preprocess"),
        "augmentation": (PartsField, "augmentation"),
        "observers": (ObserversField, "observer"),
        **dict.fromkeys(("train_loss", "valid_loss", "test_loss"), (ByNameField, "loss")),
    }
