"""What is exported of the preprocessing of a table, beside what was written down by hand."""

from __future__ import annotations

import numpy as np
import pytest

from arignote import ConfigError
from arignote.data.pipeline import Pipeline
from arignote.data.table_formula import Encoding

# Columns: text, a number, a number, text.
TABLE = np.array([["b", 1.0, 5.0, "x"], ["a", 2.0, 7.0, None], [None, 1.0, 9.0, "x"], ["a", 1.0, 7.0, "y"]], object)


def formula_of(*steps, table=TABLE, text=(0, 3)):
    pipeline = Pipeline(steps)
    return pipeline.table_formula(pipeline.fit(lambda: iter([table]), text=text))


def test_a_formula_has_the_columns_their_codes_and_the_steps_in_order():
    constant = ["Impute", {"strategy": "constant", "fill_value": "a", "columns": 0}]
    formula = formula_of(
        constant, ["OneHot", {"columns": [1, 3]}], "MinMax", ["OneHot", {"columns": 0, "handle_unknown": "ignore"}]
    )
    assert (formula.numbers, formula.words) == ([1, 2], [0, 3])
    # Missing text of column 3 is a value of its own.
    assert formula.texts == [["a", "b"], ["x", "y"]]
    names = [one[0] if isinstance(one, tuple) else one for one in formula.actions if not isinstance(one, Encoding)]
    assert names == ["fill_missing", [1], "subtract", "divide", "multiply", "add", None]
    of_number, of_text, filled = (one for one in formula.actions if isinstance(one, Encoding))
    assert (of_number.column, of_number.values.tolist(), of_number.refuses_unknown) == (0, [1.0, 2.0], True)
    # Codes: x, y, missing, any other text.
    assert (of_text.column, of_text.rows.tolist()) == (1, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]])
    assert of_text.refused.tolist() == [False, False, False, True]
    # Codes: a, b, missing, which becomes a, any other text, which is ignored.
    assert (filled.column, filled.rows.tolist(), filled.refused) == (0, [[1, 0], [0, 1], [1, 0], [0, 0]], None)


def test_a_missing_value_that_no_training_row_has_is_refused_and_categories_that_are_numbers_are_text():
    table = np.array([[3, "x"], [4, "y"], [3, "x"]], object)
    formula = formula_of("OneHot", table=table, text=(0, 1))
    assert formula.texts == [["3", "4"], ["x", "y"]] and formula.numbers == []
    for encoding in formula.actions:
        assert encoding.rows.tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]
        assert encoding.refused.tolist() == [False, False, True, True]


def test_rows_without_categories_have_no_formula_of_a_table():
    assert formula_of("Impute", table=np.ones((3, 2)), text=()) is None


def test_numbers_that_a_product_of_matrices_has_made_are_not_encoded():
    with pytest.raises(ConfigError, match=r"OneHot of columns of numbers cannot be exported behind .* such as Whiten"):
        formula_of("Whiten", ["OneHot", {"columns": 1}], ["OneHot", {"columns": [0, 3]}])
    assert formula_of("Whiten", ["OneHot", {"columns": [0, 3]}]) is not None
