"""What may change the bits of a run, apart from its settings: versions, device, threads, instruction sets."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from arignote.engine.setup import Setup
from arignote.version import __version__

__all__ = ["INFORMATIVE", "environment"]

# Entries that explain others, and do not change bits.
INFORMATIVE = ("n_threads_from",)

# Instruction sets of vectors and matrices, by the beginnings of their names (torch.cpu.get_capabilities).
_VECTORS = ("amx", "avx", "bf16", "f16c", "fma", "fp16", "i8mm", "neon", "sme", "sse4", "sve", "vsx")

# These make math libraries choose other kernels or precisions, or vary the number of threads: see the guides of oneDNN
# ("CPU Dispatcher Control", "Primitive Attributes: floating-point math mode"), oneMKL ("Conditional Numerical
# Reproducibility Control", "Instruction Set Specific Dispatching"), OpenMP, OpenBLAS, NumPy ("CPU build options") and
# CUDA. Limits of threads are not among them: `n_threads` is the number that is used.
_VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "DNNL_CPU_ISA_HINTS",
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_DISABLE_CPU_FEATURES",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_DYNAMIC",
    "ONEDNN_CPU_ISA_HINTS",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)


def environment(setup: Setup, by_hand: Sequence[str]) -> dict[str, Any]:
    """Return what may change bits, as plain data.

    Parameters
    ----------
    setup : Setup
        The setup of the run.
    by_hand : sequence of str
        Names of the layers that are computed without autograd.
    """
    device = setup.device if setup.device == "cpu" else torch.cuda.get_device_name(setup.device)
    return {
        "arignote": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        **_processor(),
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "deterministic": True,
        "by_hand": list(by_hand),
        **{key: value for key, value in asdict(setup).items() if key != "precision"},
        "device": device,
    }


def _processor() -> dict[str, Any]:
    """Return name, instruction sets and cache sizes (bytes), from which the libraries choose their kernels."""
    # Older versions of torch lack the function.
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return {
        "processor": str(capabilities.get("cpu_name") or platform.processor() or platform.machine()),
        "instruction_sets": sorted(
            name for name, has in capabilities.items() if has is True and name.startswith(_VECTORS)
        ),
        "caches": [int(capabilities[name]) for name in ("l1d_cache_size", "l2_cache_size") if name in capabilities],
    }
