"""What kind of data a file holds, told by its first bytes: for files given in the place of a config or a checkpoint."""

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
    """Return what a file of data is, such as "an HDF5 file"; None of any other file, or where it cannot be read."""
    if path.is_dir():
        return "a folder"
    try:
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError:
        return None
    return next((kind for beginning, kind in _BEGINNINGS.items() if head.startswith(beginning)), None)
