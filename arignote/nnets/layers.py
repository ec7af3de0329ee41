"""``arignote.nnets.layers`` of 2015: names only."""

from arignote.layers import *  # noqa: F403
from arignote.layers import __all__ as __all__
