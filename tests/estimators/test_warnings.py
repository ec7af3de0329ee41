"""Every warning of a call points at the line of the caller, whichever module of the package issues it."""

from __future__ import annotations

import os
import random
import re
import signal
import warnings
from pathlib import Path

import numpy as np
import pandas
import pytest

from arignote import ArignoteWarning, NNClassifier

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(40, 4)).astype(np.float32), np.arange(40) % 2
OUTPUT = ["ClassificationOutputLayer"]
FAST = {"n_epochs": 1, "batch_size": 20}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def network(*layers, **settings):
    return NNClassifier([*layers, OUTPUT], rng=1, **FAST | settings)


def interrupt(event):
    if event.kind == "batch":
        os.kill(os.getpid(), signal.SIGINT)


def terminate(event):
    if event.kind == "batch":
        os.kill(os.getpid(), signal.SIGTERM)


def draws_elsewhere(x, y, epoch, rng):
    return x + random.random(), y


def of_a_frame():
    return network().fit(pandas.DataFrame(X, columns=list("abcd")), Y)


def of_a_table():
    pandas.DataFrame(X, columns=list("abcd")).assign(y=Y).to_csv("t.csv")
    return network().fit("t.csv", "t.csv:y")


def with_groups_in_the_table():
    pandas.DataFrame(X, columns=list("abcd")).assign(y=Y, g=Y).to_csv("t.csv", index=False)
    return network().fit("t.csv", "t.csv:y", groups="t.csv:g")


def stopped_without_a_checkpoint():
    with pytest.raises(SystemExit):
        network(observers=terminate).fit(X, Y)


def damaged():
    network(n_epochs=2, checkpoint="run").fit(X, Y)
    Path("run_last.ckpt").write_bytes(b"damaged")


def resumed_after_damage():
    damaged()
    network(n_epochs=3, checkpoint="run").fit(X, Y)


def loaded_after_damage():
    damaged()
    NNClassifier.load("run")


def resumed_in_spite_of_changes():
    network(checkpoint="run").fit(X, Y)
    network(checkpoint="run", n_epochs=2, lr_rule=0.5, resume="force").fit(X, Y)


WARNINGS = {
    "X does not have valid feature names": [
        lambda: of_a_frame().predict(X),
        lambda: of_a_frame().predict_proba(X),
        lambda: of_a_frame().score(X, Y),
        lambda: of_a_frame().evaluate(X, Y),
        lambda: of_a_frame().confusion(X, Y),
    ],
    "batch_size 128 is larger than the data": [lambda: network(batch_size=128).fit(X, Y)],
    r"X holds integers of 0 to 255 \(uint8\)": [lambda: network().fit(X.astype(np.uint8), Y)],
    "this run was trained on 30 of these 40 rows": [
        lambda: network().fit(X, Y, valid=0.25).evaluate(X, Y),
        lambda: network().fit(X, Y, valid=0.25).confusion(X, Y),
    ],
    "Ctrl-C: fit returns with interrupted_ set": [lambda: network(observers=interrupt).fit(X, Y)],
    "SIGTERM: stopped .* lost": [stopped_without_a_checkpoint],
    "nothing left to train": [lambda: network(warm_start=True).fit(X, Y).fit(X, Y)],
    "stride 2 leaves the last 1": [
        lambda: network(
            ["InputImageLayer", {"n_pixels": 2}], ["ConvLayer", {"n_output_maps": 1, "filter_shape": 1, "stride": 2}]
        ).fit(X, Y)
    ],
    "is defined only in this script": [lambda: network(checkpoint="run", augmentation=lambda x, y: (x, y)).fit(X, Y)],
    "augmentation .* a resumed run will not be exact": [
        lambda: network(augmentation=draws_elsewhere).fit(X, Y),
        lambda: network(augmentation=draws_elsewhere, n_workers=0).fit(X, Y),
    ],
    "what pandas writes for the index": [of_a_table],
    "left out of the features": [with_groups_in_the_table],
    "Resuming from": [resumed_after_damage],
    "Used instead": [loaded_after_damage],
    "perhaps not bit for bit": [resumed_in_spite_of_changes],
}


@pytest.mark.parametrize(("words", "call"), [(words, call) for words in WARNINGS for call in WARNINGS[words]])
def test_a_warning_points_at_the_line_of_the_caller(words, call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    found = [one for one in caught if one.category is ArignoteWarning]
    assert {one.filename for one in found} == {__file__}
    assert [one for one in found if re.search(words, str(one.message))], [str(one.message) for one in found]
