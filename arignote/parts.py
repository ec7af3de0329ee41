"""The one place where every part is registered: importing it imports each module that declares parts."""

# The packages of layers, targets, losses, rules and updaters import their modules.
from arignote import layers, observers  # noqa: F401
from arignote.data import geometric_transforms, preprocess, table_steps, targets, transforms  # noqa: F401
from arignote.data.epoch import augmentation  # noqa: F401
from arignote.data.readers import windows  # noqa: F401
from arignote.optim import averages, losses, pretraining, rules, stopping, updaters  # noqa: F401

__all__: list[str] = []
