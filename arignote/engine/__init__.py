"""The engine: the only package that imports torch at module level."""

import os
import sys
from importlib.util import find_spec

from arignote.errors import ConfigError

# Threads of OpenMP that wait for one another spin at first, in case it is short. The default of GNU's library, 300,000
# rounds, is about 16 ms, in which a busy machine gives its cores to threads that only wait. It is read once, when torch
# loads the library.
_WAITING = "GOMP_SPINCOUNT"
if "torch" not in sys.modules:
    if find_spec("torch") is None:
        raise ConfigError("to train and to predict, PyTorch must be installed: pip install torch")
    if not {_WAITING, "OMP_WAIT_POLICY"} & os.environ.keys():
        os.environ[_WAITING] = "1000"
        try:
            import torch  # noqa: F401
        finally:
            del os.environ[_WAITING]
