"""What a column of a text table holds as far as it is read, and advice on fields that are nearly numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from arignote.data.readers.dialect import Dialect

__all__ = ["ColumnContent", "remedy_of"]

# Marks between groups of three digits; the no-break spaces U+00A0 and U+202F are usual in French.
_THOUSANDS = re.compile(r"\s*[-+]?\d{1,3}([ ,.'\u00a0\u202f]\d{3})+([.,]\d+)?\s*")


@dataclass
class ColumnContent:
    """Content of a column, as far as it is read; `text` is the first field that is no number, in `row` and `line`."""

    # bool is the least type: np.result_type with any other is the other.
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(bool))
    has_numbers: bool = False
    text: str = ""
    row: int = 0
    line: int = 0
    first_missing: int = 0
    n_missing: int = 0


def remedy_of(value: str, dialect: Dialect) -> str:
    """Return the advice on a field that is nearly a number, or may be a marker; "" for any other text."""
    if "," not in (dialect.decimal, dialect.delimiter) and re.fullmatch(r"\s*[-+]?\d*,\d+\s*", value):
        return '. If the decimal mark is a comma: csv: {decimal: ","}'
    if _THOUSANDS.fullmatch(value):
        return ". Write numbers without separators of thousands"
    # Up to three signs that are neither letters nor digits, such as - or ***.
    if re.fullmatch(r"\s*[^\w\s]{1,3}\s*", value):
        return f'. If it stands for a missing number: csv: {{missing: ["{value.strip()}"]}}'
    return ""
