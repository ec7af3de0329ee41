"""Entries of settings in docstrings: types, allowed values and defaults, as the annotations have them."""

from __future__ import annotations

import inspect

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc

from arignote import NNClassifier
from arignote.spec.parameter_docs import fit_parameters
from arignote.spec.settings import FitSettings

TYPES = {
    "batch_size": "int >= 1 or {-1}, default 128",
    "axes": 'dict or {"NCHW", "NHWC", "NHW"}, optional',
    "shuffle": 'bool or {"full", "chunks"}, default True',
    "lr_rule": "float, str or [Name, {params}], optional",
    "sgd_type": 'str or [Name, {params}], default "adadelta"',
    "preprocess": "str, [Name, {params}], list of these or dict of these, optional",
    "augmentation": "callable or list of callable, str, [Name, {params}] or list of these, optional",
    "sgd_max_grad_norm": "float > 0, optional",
    "n_threads": "int in [1, 1024], optional",
    "train_loss": "str, [Name, {params}] or dict of these, optional",
    "valid_loss": "str, [Name, {params}], list of these or dict of these, optional",
    "checkpoint_every": '{"auto", "epoch"}, int >= 1 or str, default "auto"',
    "class_weight": 'dict or {"balanced"}, optional',
    "extra_metadata": "dict, optional",
    "observers": "callable or list of callable, str, [Name, {params}] or list of these, optional",
}


@pytest.mark.parametrize("name", TYPES)
def test_a_setting_is_documented_with_its_type_allowed_values_and_default(name):
    entries = {entry.name: entry for entry in ClassDoc(NNClassifier)["Parameters"]}
    assert entries[name].type == TYPES[name]
    assert " ".join(entries[name].desc) == FitSettings.model_fields[name].description


def test_every_setting_is_documented_at_the_class_which_fit_refers_to():
    lines = fit_parameters().splitlines()
    assert [line.partition(" : ")[0] for line in lines if not line.startswith(" ")] == list(FitSettings.model_fields)
    assert fit_parameters() in inspect.getdoc(NNClassifier)
    at_fit = [name for entry in FunctionDoc(NNClassifier.fit)["Parameters"] for name in entry.name.split(", ")]
    assert at_fit == ["X", "y", "valid", "test", "sample_weight", "groups", "**settings"]
    for documented in (NNClassifier, NNClassifier.fit):
        assert all(len(line) <= 120 for line in inspect.getdoc(documented).splitlines())
