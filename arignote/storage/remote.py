"""Files in an object store, through fsspec: s3://, gs://, az://, memory:// and what else it knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from arignote.errors import CheckpointError, ConfigError
from arignote.storage.base import Heed, Lock, NotThereError, Pieces, is_url
from arignote.storage.lease import Lease

__all__ = ["RemoteFolder"]

# Left alone, s3fs would wait minutes for a store that does not answer: 5 times 5 times 15 s.
_S3_RETRIES = 2
_S3_CLIENT = {"retries": {"mode": "standard", "total_max_attempts": 2}}


class RemoteFolder:
    """A folder of an object store; an upload is complete or absent, as such stores promise.

    Parameters
    ----------
    url : str
        Such as s3://bucket/runs.

    Raises
    ------
    ConfigError
        Where the package for this kind of store is not installed.
    """

    def __init__(self, url: str):
        self._url = url.rstrip("/")
        if not is_url(self._url):
            raise ConfigError(f"checkpoint in {url!r}: must name a bucket and a run, such as s3://bucket/run")
        is_s3 = self._url.startswith(("s3://", "s3a://"))
        more = {"config_kwargs": _S3_CLIENT} if is_s3 else {}
        try:
            import fsspec

            self._fs, self._path = fsspec.core.url_to_fs(self._url, use_listings_cache=False, **more)
            if is_s3:
                self._fs.retries = _S3_RETRIES
        except (ImportError, ValueError) as fault:
            raise ConfigError(f"checkpoint {url!r}: {fault}. Try: pip install 'arignote[cloud]'") from None

    @contextmanager
    def _told(self, name: str, act: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            what = "object" if act in ("read", "copied") else "bucket or folder"
            raise NotThereError(f"{self.where(name)}: cannot be {act}: there is no such {what}") from None
        except Exception as fault:
            # Each store has errors of its own.
            raise CheckpointError(f"{self.where(name)}: cannot be {act}: {type(fault).__name__}: {fault}") from None

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}"

    def where(self, name: str = "") -> str:
        return f"{self._url}/{name}"

    def names(self) -> list[str]:
        with self._told("", "listed"):
            self._fs.invalidate_cache()
            try:
                found: list[dict[str, Any]] = self._fs.ls(self._path, detail=True)
            except FileNotFoundError:
                return []
            return sorted(entry["name"].rpartition("/")[2] for entry in found if entry["type"] == "file")

    def read(self, name: str, n_bytes: int | None = None) -> bytes:
        with self._told(name, "read"):
            data: bytes = self._fs.cat_file(self._at(name), start=None if n_bytes is None else 0, end=n_bytes)
            return data

    def write(self, name: str, pieces: Pieces, before: Callable[[], None] | None = None) -> None:
        if before is not None:
            before()
        with self._told(name, "written"):
            self._fs.pipe_file(self._at(name), b"".join(pieces))

    def set_aside(self, old: str, new: str) -> None:
        # A copy: the old name keeps its contents until the new ones are complete.
        with self._told(old, "copied"):
            self._fs.cp_file(self._at(old), self._at(new))

    def remove(self, name: str) -> None:
        with self._told(name, "removed"):
            try:
                self._fs.rm_file(self._at(name))
            except FileNotFoundError:
                return

    def prepare(self, stem: str) -> None:
        trial = f".{stem}.probe"
        self.write(trial, [b"probe"])
        self.remove(trial)

    def lock(self, stem: str, heed: Heed) -> Lock:
        return Lease(self, stem, heed)
