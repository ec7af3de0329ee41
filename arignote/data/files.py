"""Reading files, under the names of 2015."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.data.readers.pickles import read_pickle

if TYPE_CHECKING:
    from arignote.estimators import NNClassifier

__all__ = ["checkpoint_read", "read_pickle"]


def checkpoint_read(path: str, get_metadata: bool = False) -> NNClassifier | tuple[NNClassifier, Any]:
    """Return the classifier of a run: ready to predict, or to go on with ``fit(data)``.

    Parameters
    ----------
    path : str
        A stem or a file.
    get_metadata : bool
        Whether the `extra_metadata` of the run is returned too.
    """
    from arignote.estimators import NNClassifier

    classifier = NNClassifier.load(path)
    return (classifier, classifier.state_.extra_metadata) if get_metadata else classifier
