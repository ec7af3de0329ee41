"""Plain data as the text of one JSON object, for other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

__all__ = ["json_safe", "json_text"]


def json_safe(value: Any) -> Any:
    """Return a value with None for NaN and infinity, which JSON lacks."""
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: json_safe(item) for key, item in value.items()}
    return [json_safe(item) for item in value] if isinstance(value, list | tuple) else value


def json_text(content: Mapping[str, Any]) -> str:
    """Return plain data as JSON, indented."""
    return json.dumps(json_safe(dict(content)), indent=2, allow_nan=False)
