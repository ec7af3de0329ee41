"""Files in a local folder: atomic writes, and a lock of the operating system."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import socket
import uuid
from collections.abc import Callable
from pathlib import Path

from arignote.checkpoints.storage.base import (
    BeforeCommit,
    CheckStop,
    Chunks,
    Lock,
    NotThereError,
    RunHeldError,
    do_nothing,
    holder,
)
from arignote.checkpoints.storage.lease import Lease
from arignote.errors import CheckpointError

__all__ = ["LocalFolder", "LocalLock"]

# As large as a small checkpoint, so that a full disk is reported before training.
_PROBE = bytes(65536)
# Errors of link(2) on file systems without links: EPERM by its manual, the others by network file systems and FUSE.
_NO_LINKS = (errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)

# filelock locks the first byte on Windows, where no other process can read it then; the holder is written behind it.
_LOCKED_BYTES = 1


def _error(path: object, act: str, error: OSError) -> CheckpointError:
    kind = NotThereError if isinstance(error, FileNotFoundError) else CheckpointError
    return kind(f"{path}: cannot be {act}: [Errno {error.errno}] {error.strerror}")


class LocalFolder:
    """A local folder.

    Parameters
    ----------
    path : str or Path
        The folder, which `prepare` creates. A relative path does not follow later changes of the working directory.
    """

    def __init__(self, path: str | Path):
        self._given_path = Path(path)
        self._path = self._given_path.absolute()

    def path_of(self, name: str = "") -> str:
        return str(self._given_path / name)

    def names(self) -> list[str]:
        try:
            return sorted(os.listdir(self._path))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise _error(self._given_path, "read", error) from None

    def read(self, name: str, n_bytes: int | None = None) -> bytes:
        try:
            with open(self._path / name, "rb") as file:
                # read() allocates as many bytes as it is asked for before it reads any.
                size = os.fstat(file.fileno()).st_size
                return file.read(-1 if n_bytes is None else min(n_bytes, size))
        except OSError as error:
            raise _error(self._given_path / name, "read", error) from None

    def write(self, name: str, chunks: Chunks, before: BeforeCommit = do_nothing) -> None:
        def commit(temporary: Path) -> bool:
            before()
            os.replace(temporary, self._path / name)
            return True

        self._write_by(name, chunks, commit)

    def write_if(self, name: str, chunks: Chunks, expected: bytes | None, before: BeforeCommit = do_nothing) -> bool:
        def commit(temporary: Path) -> bool:
            before()
            if expected is None:
                # link(2) fails if the name exists, also on network file systems (RFC 1813, 3.3.15).
                try:
                    os.link(temporary, self._path / name)
                    return True
                except FileExistsError:
                    return False
                except OSError as error:
                    if error.errno not in _NO_LINKS:
                        raise
            if self._contents(name) != expected:
                return False
            before()
            os.replace(temporary, self._path / name)
            return True

        return self._write_by(name, chunks, commit)

    def _contents(self, name: str) -> bytes | None:
        try:
            return self.read(name)
        except NotThereError:
            return None

    def _write_by(self, name: str, chunks: Chunks, commit: Callable[[Path], bool]) -> bool:
        """Write a temporary file, and give it its name by `commit`; return whether `commit` did."""
        # Not the process id alone: containers that share a folder may have the same one.
        temporary = self._path / f".{name.lstrip('.')}.{uuid.uuid4().hex}.tmp"
        try:
            with open(temporary, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            is_committed = commit(temporary)
            if is_committed:
                self._sync()
            return is_committed
        except OSError as error:
            raise _error(self._given_path / name, "written", error) from None
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)

    def set_aside(self, old: str, new: str) -> None:
        try:
            os.replace(self._path / old, self._path / new)
        except OSError as error:
            raise _error(self._given_path / old, "renamed", error) from None

    def remove(self, name: str) -> None:
        try:
            os.unlink(self._path / name)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise _error(self._given_path / name, "removed", error) from None

    def _sync(self) -> None:
        """Flush the directory entries of the folder to the disk (fsync(2), "Notes")."""
        if os.name == "nt":
            return
        handle = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            # Some network file systems do not support this for folders; the file itself is written.
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
                raise
        finally:
            os.close(handle)

    def _create(self) -> None:
        try:
            self._path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            file = next((p for p in (self._given_path, *self._given_path.parents) if p.is_file()), self._given_path)
            raise CheckpointError(
                f"{self._given_path}: cannot be made: {file} is a file, not a folder. Give another stem as checkpoint"
            ) from None
        except OSError as error:
            raise _error(self._given_path, "made", error) from None

    def prepare(self, stem: str) -> None:
        self._create()
        probe = f".{stem}.probe"
        self.write(probe, [_PROBE])
        # The probe, and what killed writes left. Of this run alone: the run digits_2 may be training beside the run
        # digits.
        leftovers = re.compile(
            rf"\.{re.escape(stem)}(_(last|best|epoch)[0-9.]*\.ckpt|\.probe|\.lease)\.\w+\.tmp|{re.escape(probe)}"
        )
        for name in filter(leftovers.fullmatch, self.names()):
            self.remove(name)

    def lock(self, stem: str, check_stop: CheckStop) -> Lock:
        self._create()
        try:
            return LocalLock(self._path / f".{stem}.lock", self.path_of(stem))
        except OSError:
            # The file system has no locks, as some network file systems.
            return Lease(self, stem, check_stop)


class LocalLock:
    """A lock of the operating system, which ends with its process, however that ends.

    Parameters
    ----------
    path : Path
        The file that is locked; `release` removes it.
    run : str
        The run, as messages name it.

    Raises
    ------
    CheckpointError
        If another process holds the lock (the message names its host and process id), or the file cannot be opened.
    OSError
        If the file system has no locks.
    """

    # lock_descriptor calls flock on Unix and LockFileEx on Windows. FileLock of the same library is not used: on Unix
    # it leaves the lock file behind, and without flock it falls back to a file that a killed process leaves locked.

    def __init__(self, path: Path, run: str):
        self._path = path
        while True:
            self._handle = self._open()
            if not self._try_lock():
                text = self._read_holder()
                os.close(self._handle)
                raise RunHeldError(f"{run}: {holder(text)} is training this run; wait for it, or stop it")
            if self._is_in_place():
                break
            # The previous holder removed the file between the calls that opened and locked it.
            os.close(self._handle)
        # On a full disk the lock is held all the same, without the name of its holder.
        with contextlib.suppress(OSError):
            text = json.dumps({"host": socket.gethostname(), "pid": os.getpid()}).encode()
            os.ftruncate(self._handle, 0)
            os.write(self._handle, b" " * _LOCKED_BYTES + text)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise _error(self._path, "written", error) from None

    def _try_lock(self) -> bool:
        """Return whether the lock was acquired; if the file system has no locks, close the file and raise OSError."""
        # Imported here, as reading a run takes no lock.
        from filelock import lock_descriptor

        try:
            return lock_descriptor(self._handle, blocking=False)
        except OSError:
            # Remove the file only if `_open` created it.
            if not os.fstat(self._handle).st_size:
                self._path.unlink(missing_ok=True)
            os.close(self._handle)
            raise

    def _read_holder(self) -> bytes:
        os.lseek(self._handle, _LOCKED_BYTES, os.SEEK_SET)
        return os.read(self._handle, 1000)

    def _is_in_place(self) -> bool:
        """Return whether the path still names the file that is locked."""
        try:
            return os.path.samestat(os.fstat(self._handle), os.stat(self._path))
        except FileNotFoundError:
            return False

    def check(self) -> None:
        """Return at once: no other process can take a lock of the operating system."""

    def check_deadline(self) -> None:
        """Return at once: a lock of the operating system has no deadline."""

    def release(self) -> None:
        """Remove the file and release the lock."""
        with contextlib.suppress(OSError):
            # Before the lock is released: afterwards the file may be that of the next holder.
            os.unlink(self._path)
        os.close(self._handle)
        if os.name == "nt":
            # Windows removes no open file, so not that of the next holder either.
            with contextlib.suppress(OSError):
                os.unlink(self._path)
