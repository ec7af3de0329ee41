"""Readers of rows, one module for each kind of source, and the names that this path had in 2015."""

from arignote.registry.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__)
