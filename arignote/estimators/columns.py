"""Labels that are passed as a column: one per row, as a matrix (rows, 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.exceptions import DataConversionWarning

from arignote.errors import warn

if TYPE_CHECKING:
    from arignote.layers.output import OutputLayer

__all__ = ["warn_of_column"]


def warn_of_column(y: Any, output: OutputLayer) -> None:
    """Warn, as estimators of scikit-learn do, if labels of one class per row are a column.

    Parameters
    ----------
    y : object
        Labels, as they are passed to `fit`.
    output : OutputLayer
        What they are for; to a `MultilabelOutputLayer` a column is one label that each row has or lacks.
    """
    shape: tuple[int, ...] = getattr(y, "shape", ())
    # The target of each step of a sequence has rows too: ["steps", {"of": ["classes", {}]}].
    if output.target_spec[0] in ("classes", "ranks") and len(shape) == 2 and shape[1] == 1:
        warn(
            "A column-vector y was passed when a 1d array was expected. Please change the shape of y to (n_samples,), "
            "for example using ravel().",
            DataConversionWarning,
        )
