"""Files in an object store, through fsspec: s3://, gs://, az://, memory:// and its other protocols."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from arignote.checkpoints.storage.base import BeforeCommit, CheckStop, Chunks, Lock, NotThereError, do_nothing, is_url
from arignote.checkpoints.storage.lease import Lease
from arignote.errors import CheckpointError, ConfigError

__all__ = ["RemoteFolder", "check_url"]

# With its defaults, s3fs would wait for minutes if a store does not answer: 5 times 5 times 15 s.
_S3_RETRIES = 2
_S3_CLIENT = {"retries": {"mode": "standard", "total_max_attempts": 2}}
# Error codes of S3: the condition of a write does not hold, or another conditional write is in progress.
_REFUSALS = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409")


def _is_refused(error: Exception, expected: bytes | None) -> bool:
    """Return whether a store refused a write because its condition did not hold."""
    # s3fs raises an OSError from the exception of botocore.
    code = getattr(error.__cause__, "response", {}).get("Error", {}).get("Code")
    is_gone = expected is not None and isinstance(error, FileNotFoundError)
    return is_gone or isinstance(error, FileExistsError) or code in _REFUSALS


def check_url(url: str) -> None:
    """Check that a URL names a folder in a supported store, without connecting to it.

    Raises
    ------
    ConfigError
        If the URL has no folder or an unknown protocol, or the package for this protocol is not installed.
    """
    if not is_url(url):
        raise ConfigError(f"checkpoint in {url!r}: must name a bucket and a run, such as s3://bucket/run")
    with _installed(url):
        import fsspec

        for protocol in url.partition("://")[0].split("::"):
            fsspec.get_filesystem_class(protocol)


@contextmanager
def _installed(url: str) -> Iterator[None]:
    try:
        yield
    except (ImportError, ValueError) as error:
        raise ConfigError(f"checkpoint {url!r}: {error}. Try: pip install 'arignote[cloud]'") from None


class RemoteFolder:
    """A folder of an object store, where each upload is atomic.

    Parameters
    ----------
    url : str
        URL of the folder, such as s3://bucket/runs.

    Raises
    ------
    ConfigError
        If the protocol is unknown, or the package for it is not installed.
    CheckpointError
        If the connection to the store fails.
    """

    def __init__(self, url: str):
        self._url = url.rstrip("/")
        check_url(self._url)
        self._is_s3 = self._url.startswith(("s3://", "s3a://"))
        self._has_conditions = True
        more = {"config_kwargs": _S3_CLIENT} if self._is_s3 else {}
        import fsspec

        try:
            with _installed(url):
                self._fs, self._path = fsspec.core.url_to_fs(self._url, use_listings_cache=False, **more)
        except ConfigError:
            raise
        except Exception as error:
            # Some protocols, such as ftp, connect in the constructor; each raises exceptions of its own.
            raise CheckpointError(f"{self.path_of()}: cannot be reached: {type(error).__name__}: {error}") from None
        if self._is_s3:
            self._fs.retries = _S3_RETRIES

    @contextmanager
    def _errors_of(self, name: str, act: str) -> Iterator[None]:
        """Raise the exceptions of the store as CheckpointError; `act` is a participle, such as "read"."""
        try:
            yield
        except FileNotFoundError:
            what = "object" if act in ("read", "copied") else "bucket or folder"
            raise NotThereError(f"{self.path_of(name)}: cannot be {act}: there is no such {what}") from None
        except Exception as error:
            # Each store raises exceptions of its own.
            raise CheckpointError(f"{self.path_of(name)}: cannot be {act}: {type(error).__name__}: {error}") from None

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}"

    def path_of(self, name: str = "") -> str:
        return f"{self._url}/{name}"

    def names(self) -> list[str]:
        with self._errors_of("", "listed"):
            # Another process, on another machine, may have written since.
            self._fs.invalidate_cache()
            try:
                entries: list[dict[str, Any]] = self._fs.ls(self._path, detail=True)
            except FileNotFoundError:
                return []
            return sorted(entry["name"].rpartition("/")[2] for entry in entries if entry["type"] == "file")

    def read(self, name: str, n_bytes: int | None = None) -> bytes:
        with self._errors_of(name, "read"):
            data: bytes = self._fs.cat_file(self._at(name), start=None if n_bytes is None else 0, end=n_bytes)
            return data

    def write(self, name: str, chunks: Chunks, before: BeforeCommit = do_nothing) -> None:
        data = b"".join(chunks)
        before()
        with self._errors_of(name, "written"):
            self._fs.pipe_file(self._at(name), data)

    def write_if(self, name: str, chunks: Chunks, expected: bytes | None, before: BeforeCommit = do_nothing) -> bool:
        """Write on a condition, as `Folder.write_if`: atomically on S3, and on GCS and Azure if no file is expected."""
        data = b"".join(chunks)
        if not (self._has_conditions and (self._is_s3 or expected is None)):
            before()
            if self._contents(name) != expected:
                return False
            before()
            self.write(name, [data])
            return True
        condition = {"IfNoneMatch": "*"} if self._is_s3 else {"mode": "create"}
        if expected is not None:
            # The tag before the contents: if they change in between, the tag is outdated and the write is refused.
            tag = self._tag(name)
            if tag is None or self._contents(name) != expected:
                return False
            condition = {"IfMatch": tag}
        before()
        with self._errors_of(name, "written"):
            try:
                self._fs.pipe_file(self._at(name), data, **condition)
                return True
            except (OSError, TypeError) as error:
                if _is_refused(error, expected):
                    return False
                # Some stores with the S3 protocol, and some packages of fsspec, have no conditional writes.
                if not (isinstance(error, TypeError) or error.errno == errno.ENOSYS):
                    raise
        self._has_conditions = False
        return self.write_if(name, [data], expected, before)

    def _tag(self, name: str) -> str | None:
        """Return the ETag of an S3 object; None if the object does not exist."""
        with self._errors_of(name, "read"):
            try:
                tag: str = self._fs.info(self._at(name), refresh=True)["ETag"]
                return tag
            except FileNotFoundError:
                return None

    def _contents(self, name: str) -> bytes | None:
        try:
            return self.read(name)
        except NotThereError:
            return None

    def set_aside(self, old: str, new: str) -> None:
        # Copied, not moved: the old name keeps its contents until the new ones are complete.
        with self._errors_of(old, "copied"):
            self._fs.cp_file(self._at(old), self._at(new))

    def remove(self, name: str) -> None:
        with self._errors_of(name, "removed"):
            try:
                self._fs.rm_file(self._at(name))
            except FileNotFoundError:
                return

    def prepare(self, stem: str) -> None:
        probe = f".{stem}.probe"
        # There are no temporary files to remove: an upload that was killed leaves no object.
        self.write(probe, [b"probe"])
        self.remove(probe)

    def lock(self, stem: str, check_stop: CheckStop) -> Lock:
        return Lease(self, stem, check_stop)
