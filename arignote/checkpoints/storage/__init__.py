"""Storage for the files of a run: a local folder or an object store."""

from __future__ import annotations

from arignote.checkpoints.storage.base import (
    CheckStop,
    Chunks,
    Folder,
    Lock,
    NotThereError,
    RunHeldError,
    is_url,
)
from arignote.checkpoints.storage.local import LocalFolder

__all__ = [
    "CheckStop",
    "Chunks",
    "Folder",
    "Lock",
    "NotThereError",
    "RunHeldError",
    "check_stem",
    "folder_of",
    "is_url",
]


def check_stem(stem: str) -> None:
    """Check that the store of a stem is supported, without connecting to it.

    Raises
    ------
    ConfigError
        If the stem is a URL of an unknown kind of store, or the package for that store is not installed.
    """
    if is_url(stem.removeprefix("file://")):
        from arignote.checkpoints.storage.remote import check_url

        check_url(stem.rpartition("/")[0])


def folder_of(stem: str) -> tuple[Folder, str]:
    """Return the folder of a stem (a path or a URL), and the name with which its files begin.

    Raises
    ------
    ConfigError
        If the stem is a URL of an unknown kind of store, or the package for that store is not installed.
    CheckpointError
        If the connection to the store fails.
    """
    stem = stem.removeprefix("file://")
    head, _, name = stem.rpartition("/")
    if not is_url(stem):
        return LocalFolder(head or ("/" if stem.startswith("/") else ".")), name
    from arignote.checkpoints.storage.remote import RemoteFolder

    return RemoteFolder(head), name
