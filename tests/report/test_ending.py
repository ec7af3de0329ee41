"""The lines at the end of a fit: options that a shell gives back as they were."""

from __future__ import annotations

import shlex
from pathlib import Path

from arignote.report.ending import config_options


def test_options_of_data_are_quoted_and_others_left_out():
    overrides = ["fit.n_epochs=3", "data.train={features: a b.csv}", "data.valid=0.2"]
    words = shlex.split(config_options(Path("my config.yaml"), Path("/data of mine"), overrides))
    expected = ["--config", "my config.yaml", "--data-dir", "/data of mine"]
    assert words == [*expected, "--set", "data.train={features: a b.csv}", "--set", "data.valid=0.2"]
