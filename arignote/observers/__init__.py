"""Observers that a config can name: what happens in a run as rows of a file, or for TensorBoard."""

from arignote.registry.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__)
