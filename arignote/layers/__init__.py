"""Layers, declared without the engine."""

from arignote.registry.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__)
