"""JSON Schemas of parts: names in any case, and parts of a user's own that are registered in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest
from own_parts import own_names

from arignote import ConfigError, registry
from arignote.layers.base import Layer
from arignote.registry import find, register, spec_schema
from arignote.spec.part_schemas import Definitions


def validator(kind, definition):
    definitions = Definitions()
    definitions.resolved(spec_schema(kind))
    return jsonschema_rs.validator_for({"$ref": f"#/$defs/{definition}", "$defs": definitions.schemas})


@pytest.mark.parametrize("kind", ["layer", "updater", "stop_rule", "windows"])
def test_a_name_matches_if_and_only_if_a_part_is_found_by_it(kind):
    names = validator(kind, f"{kind}.name")
    words = [word for known in own_names(kind) for word in (known, known.upper(), known.removesuffix("Layer"))]
    # Messages about names that are not found take a millisecond each.
    unlike = [f"{word}{more}" for word in words[::9] for more in ("s", "layer", " ")]
    for word in [*words, *unlike, "", "layer", "rule"]:
        assert names.is_valid(word) == _is_found(kind, word), word


def _is_found(kind, word):
    try:
        return bool(find(kind, word))
    except ConfigError:
        return False


def test_of_a_registered_part_of_a_users_own_a_type_that_json_lacks_may_be_anything(monkeypatch):
    monkeypatch.setattr(registry.table, "_PARTS", {kind: registry.names(kind) for kind in registry.kinds()})

    @register()
    class MineLayer(Layer):
        """Mine: ``y = f(x)``."""

        function: Callable[[Any], Any]
        kept: Any = object()
        n_times: int = 1

        def build(self, shape):
            return self.function

    layers = validator("layer", "layer")
    assert layers.is_valid(["mine", {"function": "f", "n_times": 2}]) and layers.is_valid("my_layers:Other")
    assert not layers.is_valid(["mine", {"function": "f", "n_times": 2.5}])
    assert not layers.is_valid(["mine", {"n_time": 2}])
