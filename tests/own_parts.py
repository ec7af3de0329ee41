"""The parts of Arignote itself, whatever other tests of the same process have registered."""

from __future__ import annotations

from arignote.registry import names


def own_names(kind):
    """Return the registered names of a kind with their classes, as `names` does, without those of tests."""
    return {name: cls for name, cls in names(kind).items() if cls.__module__.partition(".")[0] == "arignote"}
