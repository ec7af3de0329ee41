"""A folder of this machine: files are whole or absent, one writer, and what killed writes leave blocks nobody."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import subprocess
import sys
import tempfile

import pytest

from arignote import CheckpointError, NNClassifier
from arignote.checkpoints.storage import NotThereError, local
from arignote.checkpoints.storage.lease import Lease
from arignote.checkpoints.storage.local import LocalFolder

HOLD = """
import sys
from arignote.checkpoints.storage.local import LocalFolder
lock = LocalFolder(sys.argv[1]).lock("run", lambda: None)
print("holds", flush=True)
sys.stdin.readline()
lock.release()
print("released", flush=True)
sys.stdin.readline()
"""


def nothing():
    pass


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of the run."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "holds\n"
        yield process
        process.kill()


@pytest.mark.slow
def test_a_second_writer_is_refused_with_the_name_of_the_first(digits, layers, holder, tmp_path):
    with pytest.raises(CheckpointError, match=rf"run: process {holder.pid} on \S+ is training this run") as refused:
        NNClassifier(layers, rng=3).fit(*digits, n_epochs=1, checkpoint=str(tmp_path / "run"))
    assert os.uname().nodename in str(refused.value)
    assert os.listdir(tmp_path) == [".run.lock"]
    # Another run in the same folder is no concern of theirs.
    NNClassifier(layers, rng=3).fit(*digits, n_epochs=1, checkpoint=str(tmp_path / "run_2"))


@pytest.mark.slow
def test_the_lock_of_a_killed_process_is_free_at_once(digits, layers, holder, tmp_path):
    holder.kill()
    holder.wait()
    assert (tmp_path / ".run.lock").exists()
    NNClassifier(layers, rng=3).fit(*digits, n_epochs=1, checkpoint=str(tmp_path / "run"))
    assert not (tmp_path / ".run.lock").exists()


@pytest.mark.slow
def test_the_file_of_the_lock_goes_with_the_lock(holder, tmp_path):
    holder.stdin.write("\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "released\n"
    assert os.listdir(tmp_path) == []
    lock = LocalFolder(tmp_path).lock("run", nothing)
    lock.check()
    lock.release()
    assert os.listdir(tmp_path) == []


def test_a_lock_without_a_holder_holds_too(monkeypatch, tmp_path):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        lock = LocalFolder(tmp_path).lock("run", nothing)
    with pytest.raises(CheckpointError, match="another process is training this run"):
        LocalFolder(tmp_path).lock("run", nothing)
    lock.release()


def test_where_there_are_no_locks_there_is_a_lease(monkeypatch, tmp_path):
    def none(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    monkeypatch.setattr("arignote.checkpoints.storage.lease.SETTLE_FREE", 0.01)
    lock = LocalFolder(tmp_path).lock("run", nothing)
    assert isinstance(lock, Lease) and os.listdir(tmp_path) == [".run.lease"]
    lock.release()
    assert os.listdir(tmp_path) == []


def test_what_killed_writes_left_is_removed_and_that_of_others_is_not(digits, layers, tmp_path):
    folder = LocalFolder(tmp_path)
    left = [".run_last.ckpt.3f.tmp", ".run_best.1.ckpt.a0.tmp", ".run_epoch12.ckpt.12.tmp", ".run.probe.12.tmp"]
    left += [".run.lease.12.tmp", ".run.probe"]
    others = [".run_2_last.ckpt.12.tmp", ".run.2_last.ckpt.12.tmp", ".runs_last.ckpt.12.tmp", "run_notes.tmp"]
    for name in (*left, *others):
        (tmp_path / name).write_bytes(b"half")
    folder.prepare("run")
    assert set(folder.names()) == set(others)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(monkeypatch, tmp_path):
    folder = LocalFolder(tmp_path)
    folder.write("file", [b"old", b" contents"])

    def broken(handle):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", broken)
        with pytest.raises(CheckpointError, match=r"file: cannot be written: \[Errno 5\] Input/output error"):
            folder.write("file", [b"new"])
    assert folder.read("file") == b"old contents" and folder.read("file", 3) == b"old"
    assert folder.names() == ["file"]


def test_a_file_is_created_only_if_none_came_before_it(tmp_path):
    folder, calls = LocalFolder(tmp_path), []

    def before():
        calls.append(folder.names())
        folder.write("file", [b"another"])

    assert not folder.write_if("file", [b"one"], None, before)
    assert folder.read("file") == b"another" and folder.names() == ["file"]
    # The temporary file was complete by then: linking it was the last act.
    assert len(calls) == 1 and len(calls[0]) == 1 and calls[0][0].endswith(".tmp")


@pytest.mark.parametrize("fault", [errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_links_a_file_is_searched_before_it_is_created(fault, tmp_path, monkeypatch):
    def none(*args, **kwargs):
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(os, "link", none)
    folder, calls = LocalFolder(tmp_path), []
    assert folder.write_if("file", [b"one"], None, lambda: calls.append(folder.names()))
    assert len(calls) == 2 and folder.read("file") == b"one"
    assert not folder.write_if("file", [b"two"], None)
    assert folder.read("file") == b"one" and folder.names() == ["file"]


def test_a_link_that_fails_for_another_reason_is_an_error(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(CheckpointError, match=r"file: cannot be written: \[Errno 28\]"):
        LocalFolder(tmp_path).write_if("file", [b"one"], None)
    assert os.listdir(tmp_path) == []


def test_before_a_file_is_replaced_its_contents_are_compared_once_more(tmp_path):
    folder, calls = LocalFolder(tmp_path), []

    def before():
        calls.append(folder.read("file"))
        if len(calls) == 1:
            folder.write("file", [b"another"])

    folder.write("file", [b"one"])
    assert not folder.write_if("file", [b"two"], b"one", before)
    assert calls == [b"one"] and folder.read("file") == b"another"
    # Called before the comparison and before the last act.
    assert folder.write_if("file", [b"two"], b"another", lambda: calls.append(folder.read("file")))
    assert calls == [b"one", b"another", b"another"]


@pytest.fixture
def operations(monkeypatch):
    """What the operating system is asked to make last, in order: the file or folder of an fsync, and of a new name."""
    found, names = [], {"fsync": os.fsync, "replace": os.replace, "link": os.link}

    def fsync(handle):
        found.append(("fsync", os.readlink(f"/proc/self/fd/{handle}"), os.fstat(handle).st_size))
        names["fsync"](handle)

    monkeypatch.setattr(os, "fsync", fsync)
    for name in ("replace", "link"):

        def act(old, new, name=name):
            found.append((name, str(old), str(new)))
            names[name](old, new)

        monkeypatch.setattr(os, name, act)
    return found


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="no /proc here")
@pytest.mark.parametrize("how", ["write", "write_if new", "write_if old"])
def test_a_file_is_on_disk_before_it_has_its_name_and_its_name_after_that(how, tmp_path, operations):
    """The order of open(2), fsync(2) and rename(2) in "Notes": a name is on disk when its folder is synchronised."""
    path, folder = tmp_path / "file", LocalFolder(tmp_path)
    if how == "write":
        folder.write("file", [b"con", b"tents"])
    elif how == "write_if new":
        assert folder.write_if("file", [b"con", b"tents"], None)
    else:
        path.write_bytes(b"old")
        assert folder.write_if("file", [b"con", b"tents"], b"old")
    synced, placed, last = operations
    temporary = synced[1]
    # All eight bytes were handed to the system by then.
    assert synced == ("fsync", temporary, 8) and temporary.startswith(f"{tmp_path}/.file.")
    assert placed == ("link" if how == "write_if new" else "replace", temporary, str(path))
    assert last[:2] == ("fsync", str(tmp_path))


def test_where_nothing_was_written_the_folder_is_not_synchronised(tmp_path, operations):
    (tmp_path / "file").write_bytes(b"old")
    assert not LocalFolder(tmp_path).write_if("file", [b"new"], b"other")
    assert [what for what, *_ in operations] == ["fsync"]


def test_a_file_system_that_cannot_sync_a_folder_is_good_enough(monkeypatch, tmp_path):
    really = os.fsync

    def of_files_only(handle):
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(errno.EINVAL, "Invalid argument")
        really(handle)

    monkeypatch.setattr(os, "fsync", of_files_only)
    LocalFolder(tmp_path).write("file", [b"contents"])
    assert LocalFolder(tmp_path).read("file") == b"contents"


def test_a_folder_that_cannot_be_written_to_is_reported_before_training(digits, layers, tmp_path):
    trained = []
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        folder = tmp_path
    else:
        # No permissions hold root back; the kernel's own folder does.
        folder = "/proc/self/task"
    with pytest.raises(CheckpointError, match=r"run(\.lock)?: cannot be written: \[Errno \d+\]"):
        NNClassifier(layers, rng=3).fit(*digits, checkpoint=f"{folder}/run", observers=trained.append)
    assert trained == []


def test_a_full_disk_is_reported_by_prepare(monkeypatch):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with tempfile.TemporaryDirectory() as there, monkeypatch.context() as disk:
        really = os.fsync

        def full(handle):
            with open("/dev/full", "wb", buffering=0) as file:
                file.write(b"0")
            really(handle)

        disk.setattr(os, "fsync", full)
        with pytest.raises(CheckpointError, match=r"probe: cannot be written: \[Errno 28\] No space left"):
            LocalFolder(there).prepare("run")
        assert os.listdir(there) == []


def test_a_missing_file_is_reported_with_its_path(tmp_path):
    folder = LocalFolder(tmp_path / "nowhere")
    assert folder.names() == []
    folder.remove("file")
    with pytest.raises(CheckpointError, match=r"nowhere/file: cannot be read: \[Errno 2\]"):
        folder.read("file")
    with pytest.raises(CheckpointError, match=r"nowhere/file: cannot be renamed: \[Errno 2\]"):
        folder.set_aside("file", "other")


def test_a_run_stays_where_it_began_when_the_working_directory_becomes_another(digits, layers, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    kinds = []

    def elsewhere(event):
        kinds.append(event.kind)
        os.chdir(tmp_path / "other")

    fitted = NNClassifier(layers, rng=3, n_epochs=2).fit(
        *digits, checkpoint="runs/a", checkpoint_every=1, observers=elsewhere
    )
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["a_last.1.ckpt", "a_last.ckpt"]
    assert not list((tmp_path / "other").iterdir())
    assert fitted.checkpoint_ == "runs/a" and "batch" in kinds


@pytest.mark.parametrize("inside", ["file", "file/deep"])
def test_a_file_in_place_of_a_folder_of_checkpoints_is_reported(inside, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=rf"{inside}: cannot be made: \S+/file is a file, not a folder\. Give"):
        LocalFolder(tmp_path / inside).prepare("run")


# -- The lock of the operating system ----------------------------------------------------------------------------------


def flock_of(monkeypatch, *faults):
    """Make flock raise these faults, one a call (None: it locks)."""
    really, left = fcntl.flock, list(faults)

    def flock(handle, how):
        assert how == fcntl.LOCK_EX | fcntl.LOCK_NB
        fault = left.pop(0) if left else None
        if fault is not None:
            raise fault
        really(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    return left


def test_a_lock_names_its_holder(tmp_path):
    path = tmp_path / ".run.lock"
    path.write_text("x" * 500)
    first = local.LocalLock(path, "run")
    # What a longer holder left is gone.
    assert json.loads(path.read_text())["pid"] == os.getpid()
    first.release()
    lock = local.LocalLock(path, "run")
    # Behind the byte that Windows locks, where versions before and after this one look for it.
    assert path.read_text().startswith(" {")
    assert json.loads(path.read_text()) == {"host": os.uname().nodename, "pid": os.getpid()}
    assert path.stat().st_mode & 0o777 == 0o666 & ~current_umask()
    assert not os.get_inheritable(lock._handle)
    lock.check()
    lock.check_deadline()
    lock.release()
    assert not path.exists()


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def n_open():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="no /proc here")
def test_no_file_of_a_lock_stays_open(tmp_path, monkeypatch):
    before, folder = n_open(), LocalFolder(tmp_path)
    lock = folder.lock("run", nothing)
    for _ in range(3):
        with pytest.raises(
            CheckpointError, match=rf"run: process {os.getpid()} on \S+ is training this run; wait for it"
        ):
            folder.lock("run", nothing)
    assert n_open() == before + 1
    lock.release()
    assert n_open() == before
    flock_of(monkeypatch, OSError(errno.ENOLCK, "No locks available"))
    with pytest.raises(OSError, match="No locks available"):
        local.LocalLock(tmp_path / ".run.lock", "run")
    assert n_open() == before and os.listdir(tmp_path) == []
    folder.write("file", [b"one"])
    folder.read("file")
    assert n_open() == before


def test_without_locks_a_file_with_content_stays(tmp_path, monkeypatch):
    path = tmp_path / ".run.lock"
    path.write_bytes(b"of another machine")
    flock_of(monkeypatch, OSError(errno.ENOLCK, "No locks available"))
    with pytest.raises(OSError, match="No locks available"):
        local.LocalLock(path, "run")
    assert path.read_bytes() == b"of another machine"


def test_a_lock_whose_file_was_removed_before_it_was_acquired_is_acquired_again(tmp_path, monkeypatch):
    """The process before removes its file between our opening and our locking it."""
    path, really, removed = tmp_path / ".run.lock", fcntl.flock, []

    def flock(handle, how):
        really(handle, how)
        if len(removed) < 2:
            # First nothing is there, then the file of a third process.
            path.unlink()
            removed.append(1)
            if len(removed) == 2:
                path.touch()

    monkeypatch.setattr(fcntl, "flock", flock)
    before = n_open()
    lock = local.LocalLock(path, "run")
    assert len(removed) == 2 and n_open() == before + 1
    assert os.path.samestat(os.fstat(lock._handle), path.stat())
    lock.release()


def test_a_python_without_locks_uses_a_lease(tmp_path, monkeypatch):
    def missing(handle, *, blocking):
        raise OSError(errno.ENOSYS, "fcntl is unavailable")

    monkeypatch.setattr("filelock.lock_descriptor", missing)
    monkeypatch.setattr("arignote.checkpoints.storage.lease.SETTLE_FREE", 0.01)
    lock = LocalFolder(tmp_path).lock("run", nothing)
    assert isinstance(lock, Lease) and os.listdir(tmp_path) == [".run.lease"]
    lock.release()
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_the_first_byte_of_a_lock_file_does_not_matter(tmp_path, holder):
    """The byte that Windows locks, which no other process can read: LockFileEx in the Windows API reference."""
    path = tmp_path / ".run.lock"
    text = path.read_bytes()
    assert text[:1] == b" " and json.loads(text[1:])["pid"] == holder.pid
    with open(path, "r+b") as file:
        file.write(b"?")
    with pytest.raises(CheckpointError, match=rf"run: process {holder.pid} on \S+ is training this run"):
        LocalFolder(tmp_path).lock("run", nothing)


@pytest.mark.parametrize("name", ["posix", "nt"])
def test_a_file_that_cannot_be_removed_while_it_is_open_is_removed_afterwards(name, tmp_path, monkeypatch):
    """DeleteFile of Windows refuses a file that a process has open without FILE_SHARE_DELETE, as os.open opens it."""
    lock, really = local.LocalLock(tmp_path / ".run.lock", "run"), os.unlink

    def unlink(path):
        if n_open() > before:
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        really(path)

    before = n_open() - 1
    with monkeypatch.context() as windows:
        windows.setattr(os, "unlink", unlink)
        windows.setattr(os, "name", name)
        lock.release()
    assert os.listdir(tmp_path) == ([] if name == "nt" else [".run.lock"])


def test_a_lock_is_in_the_folder_of_the_run_which_is_made(tmp_path):
    folder = LocalFolder(tmp_path / "deep" / "runs")
    lock = folder.lock("run", nothing)
    assert folder.names() == [".run.lock"]
    lock.release()


# -- Faults of the system ----------------------------------------------------------------------------------------------


def broken(*args, **kwargs):
    raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize(
    ("function", "act", "message"),
    [
        ("listdir", lambda folder: folder.names(), ": cannot be read"),
        ("replace", lambda folder: folder.write("file", [b"new"]), "/file: cannot be written"),
        ("replace", lambda folder: folder.set_aside("file", "other"), "/file: cannot be renamed"),
        ("unlink", lambda folder: folder.remove("file"), "/file: cannot be removed"),
        ("fstat", lambda folder: folder.read("file"), "/file: cannot be read"),
        ("mkdir", lambda folder: LocalFolder(folder._path / "new").prepare("run"), "/new: cannot be made"),
    ],
)
def test_a_failure_of_the_system_is_an_error_with_the_path(function, act, message, tmp_path, monkeypatch):
    folder = LocalFolder(tmp_path)
    folder.write("file", [b"old"])
    with monkeypatch.context() as patch:
        patch.setattr(os, function, broken)
        with pytest.raises(CheckpointError, match=rf"^{tmp_path}{message}: \[Errno 5\] Input/output error$") as refused:
            act(folder)
    assert refused.value.__suppress_context__ and not isinstance(refused.value, NotThereError)
    assert folder.read("file") == b"old"


def test_only_a_file_that_is_missing_is_not_there(tmp_path):
    with pytest.raises(NotThereError):
        LocalFolder(tmp_path).read("file")
    with pytest.raises(CheckpointError, match=r"\[Errno 21\]") as refused:
        LocalFolder(tmp_path.parent).read(tmp_path.name)
    assert not isinstance(refused.value, NotThereError)
    assert LocalFolder(tmp_path / "file").names() == []
    (tmp_path / "file").touch()
    # A file where a folder is meant has no names in it.
    assert LocalFolder(tmp_path / "file").names() == []


def test_names_are_sorted(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "listdir", lambda path: ["b", "a", "c"])
    assert LocalFolder(tmp_path).names() == ["a", "b", "c"]


@pytest.mark.parametrize("fault", [errno.EINVAL, errno.ENOTSUP, errno.EBADF])
def test_errors_of_a_folder_that_cannot_be_synchronised_are_ignored_and_others_are_not(fault, tmp_path, monkeypatch):
    really, wrong = os.fsync, [fault]

    def fsync(handle):
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(wrong[0], os.strerror(wrong[0]))
        really(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    before = n_open()
    LocalFolder(tmp_path).write("file", [b"contents"])
    wrong[0] = errno.EIO
    with pytest.raises(CheckpointError, match=r"file: cannot be written: \[Errno 5\]"):
        LocalFolder(tmp_path).write("file", [b"contents"])
    assert n_open() == before


def test_where_folders_cannot_be_opened_they_are_not_synchronised(tmp_path, monkeypatch, operations):
    monkeypatch.setattr(os, "name", "nt")
    folder = LocalFolder.__new__(LocalFolder)
    folder._sync()
    assert operations == []


def test_temporary_files_have_unique_names(tmp_path):
    folder, seen = LocalFolder(tmp_path), []
    for name in ("file", ".file"):
        for _ in range(2):
            folder.write(name, [b"one"], lambda: seen.extend(n for n in folder.names() if n.endswith(".tmp")))
    assert len(set(seen)) == 4 and all(re.fullmatch(r"\.file\.[0-9a-f]{32}\.tmp", name) for name in seen)


def test_a_probe_is_as_large_as_a_small_checkpoint_and_is_removed(tmp_path, operations):
    LocalFolder(tmp_path).prepare("run")
    assert operations[0][2] == 65536 and os.listdir(tmp_path) == []


def test_no_more_is_read_than_was_asked_for_or_is_there(tmp_path):
    folder = LocalFolder(tmp_path)
    folder.write("file", [b"contents"])
    assert [folder.read("file", n) for n in (0, 3, 8, 9, 1 << 62)] == [b"", b"con", *[b"contents"] * 3]


def test_a_path_is_reported_as_the_user_wrote_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = LocalFolder("runs")
    assert folder.path_of("a") == "runs/a" and folder.path_of() == "runs"
    folder.prepare("run")
    assert (tmp_path / "runs").is_dir()


def test_a_link_to_nowhere_in_the_way_of_a_folder_is_named(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(CheckpointError, match=rf"^{tmp_path}/link: cannot be made: {tmp_path}/link is a file, not a"):
        LocalFolder(tmp_path / "link").prepare("run")


def test_without_locks_a_file_that_is_gone_already_is_no_error(tmp_path, monkeypatch):
    path = tmp_path / ".run.lock"

    def flock(handle, how):
        path.unlink()
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="No locks available"):
        local.LocalLock(path, "run")


def test_the_file_in_the_way_of_a_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    for inside in ("file", "file/deep", "file/deep/er"):
        folder = LocalFolder(tmp_path / inside)
        for act in (lambda f: f.prepare("run"), lambda f: f.lock("run", nothing)):
            with pytest.raises(
                CheckpointError, match=rf"^{tmp_path}/{inside}: .*: {tmp_path}/file is a file, not a folder"
            ):
                act(folder)
