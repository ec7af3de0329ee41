"""Losses and scores as text; on its own, as tables need the layers, which take a second to import."""

from __future__ import annotations

__all__ = ["score_text"]


def score_text(name: str, value: float) -> str:
    """Return a loss as text: an error in percent, unless it is a distance in ranks."""
    is_share = name.endswith("error") and not name.endswith("rank_error")
    return f"{100 * value:.2f} %" if is_share else f"{value:.5g}"
