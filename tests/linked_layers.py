"""Short lists of layers, and which layer takes what."""

from __future__ import annotations

import pytest

from arignote import ConfigError
from arignote.layers import declare, parse

OUTPUT = ["ClassificationOutputLayer", {"n_classes": 3}]


def fc(name=None, n_units=4, **more):
    return ["FCLayer", {"n_units": n_units} | ({"name": name} if name else {}) | more]


def add(*inputs, name=None):
    return ["SumLayer", {"inputs": list(inputs)} | ({"name": name} if name else {})]


def links(*layers):
    """Return the names of what each layer takes, by its name."""
    placed = declare(parse([*layers]), (4,)).placed
    return {place.name: [placed[source].name for source in place.sources] for place in placed}


def errors(layers, defaults=None):
    with pytest.raises(ConfigError) as raised:
        parse(layers, defaults)
    return str(raised.value).splitlines()
