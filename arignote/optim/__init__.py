"""How the network learns: updaters, rules and losses, declared."""

from arignote.registry.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__)
