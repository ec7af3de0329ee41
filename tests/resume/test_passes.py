"""Passes of `partial_fit`, killed in their middle and loaded: the same bits as passes that nothing has stopped."""

from __future__ import annotations

import signal

import forked
import pytest

pytestmark = pytest.mark.slow

CODE = """
import os, signal, sys
from arignote import NNClassifier
from arignote.sample_data import digits
X, y = digits()
stem, kill_at = sys.argv[1], int(sys.argv[2])
layers = [["FCLayer", {"n_units": 8}], ["DropoutLayer", {"dropout_p": 0.2}], ["ClassificationOutputLayer"]]
def kill(event):
    if event.kind == "batch" and event.n_updates == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
settings = {"checkpoint_every": 1, "observers": [kill], "valid": (X[900:950], y[900:950])}
if os.path.exists(stem + "_last.ckpt"):
    classifier = NNClassifier.load(stem).set_params(**settings)
else:
    settings |= {"sgd_type": "adam", "batch_size": 16, "valid_loss": ["f1_macro", "nll"], "checkpoint": stem}
    classifier = NNClassifier(layers, rng=1, **settings)
for number in range(getattr(classifier, "n_epochs_", 0), 4):
    rows = slice(200 * number, 200 * number + 200)
    classifier.partial_fit(X[rows], y[rows], classes=range(10))
from arignote.checkpoints.tensors import tensors_sha256
print(tensors_sha256(classifier.params), classifier.state_.history.sha256(), classifier.n_epochs_)
"""


def test_killed_passes_resume_in_the_same_bits(tmp_path):
    def ended(name, kill_at):
        return forked.run(["-c", CODE, str(tmp_path / name), str(kill_at)])

    whole = ended("whole", -1).stdout
    # In the second and the fourth of four passes of 13 updates each.
    for kill_at in (20, 44):
        assert ended("killed", kill_at).returncode == -signal.SIGKILL
    assert ended("killed", -1).stdout == whole and whole.split()[-1] == "4"
