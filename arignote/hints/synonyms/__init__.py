"""Table of words of other libraries (PyTorch, Keras, scikit-learn, Lasagne, pydnn) and their equivalents here."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from arignote.hints.advice import Advice
from arignote.hints.synonyms import calls, layers, learning, settings
from arignote.hints.synonyms.table import Row

__all__ = ["ROWS", "Row", "advice_on"]

ROWS: tuple[Row, ...] = (*settings.ROWS, *calls.ROWS, *layers.ROWS, *learning.ROWS)


# Where else a word is looked up: settings of fit at the top of a config, and keys of the top within fit.
_ALSO = {"config": ("fit",), "fit": ("above",)}


def _form(place: str, word: str) -> str:
    """Return a word in lower case, without underscores and hyphens, and without the suffix of layer names."""
    form = word.lower().replace("_", "").replace("-", "")
    return form.removesuffix("layer") if place == "layer name" else form


@cache
def _table() -> dict[tuple[str, str], list[Row]]:
    table: dict[tuple[str, str], list[Row]] = {}
    for row in ROWS:
        for word in row.words.split():
            table.setdefault((row.place, _form(row.place, word)), []).append(row)
    return table


def advice_on(place: str, word: str, known: Collection[str] = ()) -> Advice | None:
    """Return what to write instead of a word of another library; None if the table lacks it.

    Parameters
    ----------
    place : str
        Place of a `Row`.
    word : str
        As the user wrote it.
    known : collection of str
        The parameters that the part or section has.
    """
    for at in (place, *_ALSO.get(place, ())):
        for row in _table().get((at, _form(at, word)), []):
            if row.applies(known):
                return row.advice
    return None
