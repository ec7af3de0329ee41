"""The one place where every part is registered: the modules that declare the parts of each kind."""

__all__ = ["HOMES"]

# Modules, and packages with a stub; one is imported when a part of it is looked up, see `arignote.registry.table`.
HOMES: dict[str, tuple[str, ...]] = {
    "activation": ("arignote.layers.activations",),
    "augmentation": ("arignote.data.transforms", "arignote.data.geometric_transforms"),
    "average": ("arignote.optim.averages",),
    "block": ("arignote.layers.block",),
    "initializer": ("arignote.layers.initializers",),
    "layer": ("arignote.layers",),
    "loss": ("arignote.optim.losses",),
    "observer": ("arignote.observers",),
    "preprocess": ("arignote.data.preprocess", "arignote.data.table_steps"),
    "pretraining": ("arignote.optim.pretraining",),
    "rule": ("arignote.optim.rules",),
    "stop_rule": ("arignote.optim.stopping",),
    "target": ("arignote.data.targets",),
    "updater": ("arignote.optim.updaters",),
    "windows": ("arignote.data.readers.windows",),
}
