"""``arignote.nnets.activations`` of 2015: names only."""

from arignote.layers.activations import *  # noqa: F403
from arignote.layers.activations import __all__ as __all__
