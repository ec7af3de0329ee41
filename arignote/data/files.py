"""Functions that read files, under their names of 2015."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.data.readers.pickles import read_pickle
from arignote.errors import CheckpointError

if TYPE_CHECKING:
    from arignote.estimators import NNClassifier

__all__ = ["CheckpointError", "checkpoint_read", "read_pickle"]


def checkpoint_read(path: str, get_metadata: bool = False) -> NNClassifier | tuple[NNClassifier, Any]:
    """Load the classifier of a run, to predict with it or to resume the run with ``fit(data)``.

    Parameters
    ----------
    path : str
        Stem of a run, or one of its files.
    get_metadata : bool
        Whether `extra_metadata` of the run is returned, too.

    Returns
    -------
    NNClassifier, or (NNClassifier, extra_metadata)

    Raises
    ------
    CheckpointError
        If there is no readable file.
    """
    from arignote.estimators import NNClassifier

    classifier = NNClassifier.load(path)
    return (classifier, classifier.state_.extra_metadata) if get_metadata else classifier
