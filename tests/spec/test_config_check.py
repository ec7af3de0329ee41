"""What is wrong in a config as a whole, with its place."""

from __future__ import annotations

import pytest

from arignote import ConfigError
from arignote.spec.config import read_config


def test_a_page_without_a_place_is_reported_before_any_data_is_opened(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("layers: [[ClassificationOutputLayer]]\nfit:\n  report: true\n  checkpoint: null\n")
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value).endswith(
        "a.yaml:3:3: fit.report is written beside the files of the run: set checkpoint to a path, or leave it out"
    )
    path.write_text("layers: [[ClassificationOutputLayer]]\nfit: {report: true}\n")
    assert read_config(path).fit["report"] is True
