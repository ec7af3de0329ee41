"""A folder of this machine: files are whole or absent, one writer, and what killed writes leave blocks nobody."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile

import pytest

from arignote import CheckpointError, NNClassifier
from arignote.storage import local
from arignote.storage.lease import Lease
from arignote.storage.local import LocalFolder

HOLD = """
import sys
from arignote.storage.local import LocalFolder
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


def test_a_second_writer_is_told_who_is_the_first(digits, layers, holder, tmp_path):
    with pytest.raises(CheckpointError, match=rf"run: process {holder.pid} on \S+ is training this run") as refused:
        NNClassifier(layers, rng=3).fit(*digits, n_epochs=1, checkpoint=str(tmp_path / "run"))
    assert os.uname().nodename in str(refused.value)
    assert os.listdir(tmp_path) == [".run.lock"]
    # Another run in the same folder is no concern of theirs.
    NNClassifier(layers, rng=3).fit(*digits, n_epochs=1, checkpoint=str(tmp_path / "run_2"))


def test_the_lock_of_a_killed_process_is_free_at_once(digits, layers, holder, tmp_path):
    holder.kill()
    holder.wait()
    assert (tmp_path / ".run.lock").exists()
    NNClassifier(layers, rng=3).fit(*digits, n_epochs=1, checkpoint=str(tmp_path / "run"))
    assert not (tmp_path / ".run.lock").exists()


def test_the_file_of_the_lock_goes_with_the_lock(holder, tmp_path):
    holder.stdin.write("\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "released\n"
    assert os.listdir(tmp_path) == []
    lock = LocalFolder(tmp_path).lock("run", nothing)
    lock.check()
    lock.release()
    assert os.listdir(tmp_path) == []


def test_a_lock_that_cannot_say_whose_it_is_holds_all_the_same(monkeypatch, tmp_path):
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

    monkeypatch.setattr(local.fcntl, "flock", none)
    monkeypatch.setattr("arignote.storage.lease.RENEW_AFTER", 0.05)
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


def test_a_file_system_that_cannot_sync_a_folder_is_good_enough(monkeypatch, tmp_path):
    really = os.fsync

    def of_files_only(handle):
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(errno.EINVAL, "Invalid argument")
        really(handle)

    monkeypatch.setattr(os, "fsync", of_files_only)
    LocalFolder(tmp_path).write("file", [b"contents"])
    assert LocalFolder(tmp_path).read("file") == b"contents"


def test_a_folder_that_cannot_be_written_to_is_told_before_training(digits, layers, tmp_path):
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


def test_a_full_disk_is_told_by_prepare(monkeypatch):
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


def test_what_is_not_there_is_told_with_its_path(tmp_path):
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
def test_a_file_where_a_folder_of_checkpoints_is_wanted_is_told(inside, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=rf"{inside}: cannot be made: \S+/file is a file, not a folder\. Give"):
        LocalFolder(tmp_path / inside).prepare("run")
