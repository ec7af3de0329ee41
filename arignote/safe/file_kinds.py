"""The kind of a data file by its first bytes, for messages about files passed as a config or a checkpoint."""

from __future__ import annotations

from pathlib import Path

__all__ = ["HDF5", "kind_of_file"]

HDF5 = "an HDF5 file"
# Sources: APPNOTE of PKWARE, numpy.lib.format, the HDF5 and Parquet specifications.
_BEGINNINGS = {
    b"PK\x03\x04": "a zip or npz archive",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF\r\n\x1a\n": HDF5,
    b"PAR1": "a Parquet file",
}


def kind_of_file(path: Path) -> str | None:
    """Return the kind of a data file, such as "an HDF5 file"; None for other files and those that cannot be read."""
    if path.is_dir():
        return "a folder"
    try:
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError:
        return None
    return next((kind for beginning, kind in _BEGINNINGS.items() if head.startswith(beginning)), None)
