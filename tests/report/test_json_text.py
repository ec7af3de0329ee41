"""Plain data as JSON that any program reads."""

from __future__ import annotations

import json
from math import inf, nan

from arignote.report.json_text import json_text


def test_numbers_that_json_lacks_are_null_at_any_depth():
    text = json_text({"loss": nan, "losses": ({"a": [inf, -inf, 0.5]}, 3), "name": "é"})
    assert json.loads(text) == {"loss": None, "losses": [{"a": [None, None, 0.5]}, 3], "name": "é"}
    assert "NaN" not in text and "Infinity" not in text
