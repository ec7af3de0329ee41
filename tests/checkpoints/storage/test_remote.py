"""Object stores: a run resumes from one exactly, and training continues while it is unavailable."""

from __future__ import annotations

import gc
import itertools
import os
import subprocess
import sys
import tempfile
import warnings
from functools import partial

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from promise import Stopped, at_event, digest, stop
from stepped import Clock

from arignote import CheckpointError, ConfigError, NNClassifier
from arignote.checkpoints.reader import RunFiles
from arignote.checkpoints.storage import NotThereError, folder_of, lease
from arignote.checkpoints.storage.remote import RemoteFolder, check_url
from arignote.checkpoints.tensors import tensors_sha256
from arignote.errors import ArignoteWarning
from arignote.report.inspection import inspection, verification
from arignote.spec.config import read_config

pytestmark = pytest.mark.slow

SETTINGS = {"n_epochs": 3, "batch_size": 64, "valid": 0.2, "sgd_type": "nag", "lr_rule": 0.1}


class ShakyFileSystem(MemoryFileSystem):
    """A store in memory that can be away: shaky://bucket/name."""

    protocol = "shaky"
    store: dict = {}
    pseudo_dirs = [""]
    away = False

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.removeprefix("shaky://"))

    def _answer(self):
        if type(self).away:
            raise TimeoutError("the store does not answer")

    def ls(self, *args, **kwargs):
        self._answer()
        return super().ls(*args, **kwargs)

    def cat_file(self, *args, **kwargs):
        self._answer()
        return super().cat_file(*args, **kwargs)

    def pipe_file(self, *args, **kwargs):
        self._answer()
        return super().pipe_file(*args, **kwargs)

    def cp_file(self, *args, **kwargs):
        self._answer()
        return super().cp_file(*args, **kwargs)

    def rm_file(self, *args, **kwargs):
        self._answer()
        return super().rm_file(*args, **kwargs)


@pytest.fixture(autouse=True)
def place(monkeypatch, tmp_path):
    """The spool is in a folder of the test's own, and a free lease is had at once."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(lease, "SETTLE_FREE", 0.01)


@pytest.fixture
def shaky():
    fsspec.register_implementation("shaky", ShakyFileSystem, clobber=True)
    ShakyFileSystem.away = False
    ShakyFileSystem.store.clear()
    yield ShakyFileSystem
    ShakyFileSystem.away = False


@pytest.fixture(params=["s3", "memory"])
def stem(request):
    """The stem of a run in an empty store, of each kind."""
    if request.param == "s3":
        request.getfixturevalue("s3")
        return "s3://bucket/run"
    MemoryFileSystem.store.clear()
    return "memory://bucket/run"


@pytest.fixture
def fit(digits, layers):
    def fit(checkpoint=None, observer=None, **settings):
        more = {"observers": observer} if observer else {}
        return NNClassifier(layers, rng=3).fit(*digits, **SETTINGS | settings, checkpoint=checkpoint, **more)

    return fit


def names_in(stem):
    return folder_of(stem)[0].names()


def test_an_interrupted_run_resumes_from_the_store_to_the_same_bits(fit, stem, digits):
    held = []
    with pytest.raises(Stopped):
        fit(stem, at_event(8, lambda: (held.extend(names_in(stem)), stop())), checkpoint_every=3)
    assert ".run.lease" in held and ".run.lease" not in names_in(stem)
    ended = fit(stem)
    # Four batches an epoch; the seventh was done, but not saved.
    assert ended.state_.starts == [[0, 0], [1, 2]]
    assert digest(ended) == digest(fit())
    assert fit(stem).status_ == f"finished, 3 of 3 epochs ({stem}_last.ckpt)"
    assert {"run_best.ckpt", "run_last.1.ckpt", "run_last.ckpt"} <= set(names_in(stem))
    assert not [name for name in names_in(stem) if name.startswith(".")]
    loaded = NNClassifier.load(stem)
    assert (loaded.predict(digits[0]) == ended.predict(digits[0])).all()
    assert (NNClassifier.load(f"{stem}_last.ckpt").predict(digits[0]) == ended.predict(digits[0])).all()


def test_inspect_and_verify_read_a_store(fit, stem):
    ended = fit(stem)
    found = inspection(stem)
    assert found["file"] == f"{stem}_last.ckpt" and found["finished"]
    assert found["weights_sha256"] == tensors_sha256(ended.state_.network)
    files, used = verification(stem)
    assert used == f"{stem}_last.ckpt" and all(good for _, good, _ in files) and len(files) >= 2
    with pytest.raises(CheckpointError, match="there is no run of this stem"):
        verification(f"{stem}_other")


@pytest.mark.parametrize(
    ("stem", "damage"), [("s3", "flipped"), ("s3", "empty"), ("memory", "cut short")], indirect=["stem"]
)
def test_a_damaged_newest_object_is_named_and_the_one_before_used(fit, stem, damage):
    fit(stem, checkpoint_every="epoch")
    folder, _ = folder_of(stem)
    data = bytearray(folder.read("run_last.ckpt"))
    data[len(data) // 2] ^= 1
    n_bytes = {"flipped": len(data), "cut short": len(data) // 2, "empty": 0}[damage]
    folder.write("run_last.ckpt", [bytes(data[:n_bytes])])
    assert verification(stem)[1] == f"{stem}_last.1.ckpt"
    with pytest.warns(ArignoteWarning, match=rf"{stem}_last\.ckpt: .*\. Resuming from {stem}_last\.1\.ckpt"):
        ended = fit(stem)
    assert ended.state_.starts == [[0, 0], [2, 0]]
    assert digest(ended) == digest(fit())


def test_a_folder_of_the_name_of_the_run_is_no_file_of_it(fit, stem):
    ended = fit(stem)
    folder_of(f"{stem}/other")[0].write("other", [b"something"])
    assert inspection(stem)["run_id"] == ended.state_.run_id


def test_a_missing_bucket_is_reported_before_training(fit, s3):
    trained = []
    with pytest.raises(
        CheckpointError, match=r"s3://nowhere/\.run\.lease: cannot be written: there is no such bucket or folder"
    ):
        fit("s3://nowhere/run", trained.append)
    with pytest.raises(CheckpointError, match="there is no run of this stem"):
        NNClassifier.load("s3://nowhere/run")
    assert trained == []


def test_refused_credentials_are_reported_before_training(fit, s3, monkeypatch):
    trained = []
    s3.ask("/moto-api/reset-auth", b"0")
    try:
        with pytest.raises(CheckpointError, match=r"s3://bucket/\.run\.lease: cannot be read: \w+: \S+"):
            fit("s3://bucket/run", trained.append)
    finally:
        s3.ask("/moto-api/reset-auth", b"inf")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    with pytest.raises(CheckpointError, match="Unable to locate credentials"):
        fit("s3://bucket/run", trained.append)
    assert trained == []


def test_a_store_that_does_not_answer_is_reported_within_seconds(fit, s3, monkeypatch):
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        with pytest.raises(CheckpointError, match=r"s3://bucket/\.run\.lease: cannot be read: .*Could not connect"):
            fit("s3://bucket/run")


def test_an_outage_of_the_server_does_not_stop_training(fit, s3, tmp_path):
    # Away in the second epoch, back in the third.
    away, back = at_event(6, s3.go), at_event(10, s3.come)

    def observer(event):
        away(event)
        back(event)

    with pytest.warns(ArignoteWarning) as shown:
        ended = fit("s3://bucket/run", observer, checkpoint_every="epoch")
    assert len(shown) == 1
    text = str(shown[0].message)
    assert "s3://bucket/" in text and "Could not connect" in text and f"Kept in {tmp_path}" in text
    assert "Training continues" in text
    assert digest(ended) == digest(fit())
    assert NNClassifier.load("s3://bucket/run").state_.finished
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize("every", ["epoch", 1])
def test_while_the_store_is_unavailable_each_failed_save_is_reported_and_kept_on_this_machine(
    fit, shaky, tmp_path, every
):
    def go_and_come(event):
        shaky.away = event.epoch == 2

    with pytest.warns(ArignoteWarning) as shown:
        ended = fit("shaky://bucket/run", go_and_come, checkpoint_every=every)
    # The first batch of the third epoch finds the store back.
    assert len(shown) == (1 if every == "epoch" else 5)
    for one in shown:
        text = str(one.message)
        assert text.startswith("shaky://bucket/") and "TimeoutError: the store does not answer. " in text
        assert f"Kept in {tmp_path}/" in text and "Training continues" in text
    assert digest(ended) == digest(fit())
    files, used = verification("shaky://bucket/run")
    assert used == "shaky://bucket/run_last.ckpt" and all(good for _, good, _ in files)
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_store_that_is_unavailable_at_the_end_is_an_error_that_names_where_the_state_is(
    fit, shaky, tmp_path, monkeypatch
):
    stem = "shaky://bucket/run"

    def go(event):
        shaky.away = event.epoch >= 2

    with (
        pytest.warns(ArignoteWarning, match="Training continues"),
        pytest.raises(CheckpointError, match=rf"does not answer\. Kept in {tmp_path}/\S+/spool_last\.ckpt until"),
    ):
        fit(stem, go, checkpoint_every="epoch")
    with pytest.raises(CheckpointError, match="does not answer"):
        fit(stem)
    shaky.away = False
    # The dead one could not give its lease back; this clock passes the 60 s at once.
    monkeypatch.setattr(lease, "Clock", Clock)
    with pytest.warns(ArignoteWarning, match="holds this run"):
        ended = fit(stem)
    assert ended.status_.startswith(f"finished, 3 of 3 epochs ({tmp_path}")
    assert digest(ended) == digest(fit())
    assert verification(stem)[1] == f"{stem}_last.ckpt" and NNClassifier.load(stem).state_.finished
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.fixture
def kept_here(fit, shaky):
    """The stem of a run that was killed in its third epoch, in a store that was away during the second."""

    def go(event):
        shaky.away = event.epoch == 2
        if event.epoch == 3:
            stop()

    with pytest.warns(ArignoteWarning, match="Kept in"), pytest.raises(Stopped):
        fit("shaky://bucket/run", go, checkpoint_every="epoch")
    return "shaky://bucket/run"


def test_the_next_fit_resumes_from_the_files_kept_on_this_machine(fit, kept_here, tmp_path):
    stem = kept_here
    assert inspection(stem)["epoch"] == 1
    ended = fit(stem)
    assert ended.state_.starts == [[0, 0], [2, 0]]
    assert digest(ended) == digest(fit())
    assert NNClassifier.load(stem).state_.finished
    assert not list(tmp_path.rglob("*.ckpt"))


def test_what_is_behind_the_store_or_of_another_run_is_not_gone_on_from(fit, kept_here, tmp_path):
    stem = kept_here
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*.ckpt")}
    fit(stem)
    for path, data in kept.items():
        path.write_bytes(data)
    assert fit(stem).status_ == f"finished, 3 of 3 epochs ({stem}_last.ckpt)"
    fresh = fit(stem, resume="fresh")
    assert fresh.state_.starts == [[0, 0]]
    assert fit(stem).state_.run_id == fresh.state_.run_id


class Calls:
    """Counts the calls of `before`, and does something at one of them."""

    def __init__(self, at=0, act=None):
        self.n, self._at, self._act = 0, at, act

    def __call__(self):
        self.n += 1
        if self.n == self._at:
            self._act()


@pytest.fixture
def folder(stem):
    return folder_of(stem)[0]


def test_a_store_is_a_folder_of_files(stem, folder):
    assert folder.names() == []
    for name in ("b", "a", "c/d", "e/f"):
        folder.write(name, [b"con", memoryview(b"tents of "), name.encode()])
    # What lies deeper is no file of this folder.
    assert folder.names() == ["a", "b"]
    assert folder.read("a") == b"contents of a"
    assert [folder.read("a", n) for n in (1, 3, 100)] == [b"c", b"con", b"contents of a"]
    folder.set_aside("a", "z")
    assert folder.read("a") == folder.read("z") == b"contents of a" and folder.names() == ["a", "b", "z"]
    folder.write("a", [b"new"])
    assert folder.read("a") == b"new" and folder.read("z") == b"contents of a"
    for _ in range(2):
        folder.remove("z")
    assert folder.names() == ["a", "b"]
    base = stem.removesuffix("run")
    assert folder.path_of() == base and folder.path_of("a") == f"{base}a"
    for act, shown in (
        (lambda: folder.read("nothing"), "nothing: cannot be read: there is no such object"),
        (lambda: folder.set_aside("nothing", "x"), "nothing: cannot be copied: there is no such object"),
    ):
        with pytest.raises(NotThereError, match=f"^{base}{shown}$"):
            act()
    folder.prepare("run")
    assert folder.names() == ["a", "b"]
    # Others write too: nothing of a listing is kept.
    assert not getattr(folder._fs, "dircache", {})


def test_a_probe_is_written_to_a_store_and_removed(shaky):
    folder, done = RemoteFolder("shaky://bucket/"), []
    folder.write = lambda name, pieces: done.append(("write", name))
    folder.remove = lambda name: done.append(("remove", name))
    folder.prepare("run")
    assert done == [("write", ".run.probe"), ("remove", ".run.probe")]
    assert folder.path_of("a") == "shaky://bucket/a"


def test_each_error_of_a_store_names_the_operation_and_the_object(shaky):
    folder = RemoteFolder("shaky://bucket")
    folder.write("file", [b"one"])
    shaky.away = True
    for act, shown in (
        (folder.names, "/: cannot be listed"),
        (lambda: folder.read("file"), "/file: cannot be read"),
        (lambda: folder.write("file", [b"two"]), "/file: cannot be written"),
        (lambda: folder.write_if("file", [b"two"], b"one"), "/file: cannot be read"),
        (lambda: folder.write_if("new", [b"two"], None), "/new: cannot be written"),
        (lambda: folder.set_aside("file", "new"), "/file: cannot be copied"),
        (lambda: folder.remove("file"), "/file: cannot be removed"),
    ):
        with pytest.raises(
            CheckpointError, match=f"^shaky://bucket{shown}: TimeoutError: the store does not answer$"
        ) as no:
            act()
        assert no.value.__suppress_context__ and not isinstance(no.value, NotThereError)


def test_a_store_of_s3_is_not_waited_for_through_many_retries(s3):
    folder = RemoteFolder("s3://bucket")
    # 2 attempts of s3fs, each of 2 attempts of botocore.
    assert folder._fs.retries == 2
    assert folder._fs.config_kwargs == {"retries": {"mode": "standard", "total_max_attempts": 2}}


def test_on_s3_nothing_that_happens_before_the_write_is_written_over(s3):
    folder = RemoteFolder("s3://bucket")
    for expected, then in itertools.product((None, b"one"), ("written", "removed")):
        folder.remove("file")
        if expected is not None:
            folder.write("file", [expected])
        other = partial(folder.write, "file", [b"another"]) if then == "written" else partial(folder.remove, "file")
        before = Calls(1, other)
        # If nobody wrote the file, it may be created.
        may = expected is None and then == "removed"
        assert folder.write_if("file", [b"two"], expected, before) is may and before.n == 1
        assert folder.names() == (["file"] if may or then == "written" else [])
        if folder.names():
            assert folder.read("file") == (b"two" if may else b"another")


def test_on_s3_the_tag_is_older_than_the_contents_that_are_compared(s3, monkeypatch):
    """Read in the other order, the tag of new contents would let them be written over."""
    folder = RemoteFolder("s3://bucket")
    folder.write("file", [b"one"])
    info = folder._fs.info

    def then_written(*args, **kwargs):
        found = info(*args, **kwargs)
        folder.write("file", [b"another"])
        return found

    monkeypatch.setattr(folder._fs, "info", then_written)
    assert not folder.write_if("file", [b"two"], b"another")
    assert folder.read("file") == b"another"


def test_in_other_stores_a_file_is_created_atomically_and_replaced_after_a_second_check():
    MemoryFileSystem.store.clear()
    folder = RemoteFolder("memory://bucket")
    before = Calls(1, lambda: folder.write("file", [b"another"]))
    assert not folder.write_if("file", [b"one"], None, before) and before.n == 1
    # The window that stays open: after the second call, right before the write.
    before = Calls(1, lambda: folder.write("file", [b"a third"]))
    assert not folder.write_if("file", [b"one"], b"another", before) and before.n == 1
    before = Calls()
    assert folder.write_if("file", [b"one"], b"a third", before) and before.n == 2
    assert folder.read("file") == b"one"


class OldFileSystem(ShakyFileSystem):
    """A store whose package knows no way to only create a file."""

    protocol = "old"
    store: dict = {}
    pseudo_dirs = [""]

    def pipe_file(self, path, value):
        super().pipe_file(path, value)


def test_a_package_without_conditions_reads_before_it_writes():
    fsspec.register_implementation("old", OldFileSystem, clobber=True)
    folder = RemoteFolder("old://bucket")
    for before in (Calls(), Calls()):
        assert folder.write_if("file", [b"one"], None, before) and before.n >= 2
        assert not folder.write_if("file", [b"two"], None)
        assert folder.read("file") == b"one"
        folder.remove("file")
    assert before.n == 2


def test_what_s3_answers_to_a_condition_is_understood(s3, monkeypatch):
    from botocore.exceptions import ClientError
    from s3fs.errors import translate_boto_error

    really = RemoteFolder("s3://bucket")._fs.pipe_file
    # None of these is a code that moto gives.
    answers = {"NotImplemented": True, "ConditionalRequestConflict": False, "409": False, "412": False}
    for (code, written), expected in itertools.product((*answers.items(), ("AccessDenied", None)), (None, b"one")):
        folder = RemoteFolder("s3://bucket")
        folder.remove("file")
        if expected is not None:
            folder.write("file", [expected])

        def answer(path, data, code=code, **condition):
            if not condition:
                return really(path, data)
            raise translate_boto_error(ClientError({"Error": {"Code": code, "Message": "no"}}, "PutObject"))

        with monkeypatch.context() as patch:
            patch.setattr(folder._fs, "pipe_file", answer)
            if written is None:
                with pytest.raises(CheckpointError, match="s3://bucket/file: cannot be written: PermissionError: no"):
                    folder.write_if("file", [b"two"], expected)
            else:
                assert folder.write_if("file", [b"two"], expected) is written
        assert ("file" in folder.names() and folder.read("file") == b"two") is bool(written)


def test_a_write_on_a_condition_to_a_bucket_that_is_missing_is_an_error(s3):
    folder = RemoteFolder("s3://nowhere")
    with pytest.raises(CheckpointError, match="s3://nowhere/file: cannot be written: there is no such bucket"):
        folder.write_if("file", [b"one"], None)


def test_an_exception_of_before_is_raised_as_it_is(folder):
    folder.write("file", [b"one"])
    for act in (
        lambda: folder.write("file", [b"two"], stop),
        lambda: folder.write_if("file", [b"two"], b"one", stop),
        lambda: folder.write_if("other", [b"two"], None, stop),
    ):
        with pytest.raises(Stopped):
            act()
    assert folder.names() == ["file"] and folder.read("file") == b"one"


def test_a_package_that_is_not_installed_is_reported_with_the_command_that_installs_it(fit, monkeypatch):
    with pytest.raises(ConfigError, match=r"nosuchstore.*pip install 'arignote\[cloud\]'"):
        fit("nosuchstore://bucket/run")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(ConfigError, match=r"s3fs.*pip install 'arignote\[cloud\]'"):
        fit("s3://bucket/run")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ConfigError, match=r"fsspec.*pip install 'arignote\[cloud\]'"):
        fit("s3://bucket/run")


def test_each_protocol_of_a_url_is_checked():
    for url in ("memory://bucket", "simplecache::memory://bucket"):
        check_url(url)
    for url in ("nosuchstore://bucket", "simplecache::nosuchstore://bucket", "nosuchstore::memory://bucket"):
        with pytest.raises(ConfigError, match=r"Protocol not known: nosuchstore.*pip install 'arignote\[cloud\]'"):
            check_url(url)


@pytest.mark.parametrize(
    ("fault", "raised", "message"),
    [
        (OSError("no network"), CheckpointError, r"^closed://bucket/: cannot be reached: OSError: no network$"),
        (ImportError("needs a package"), ConfigError, r"^checkpoint 'closed://bucket': needs a package\. Try: pip"),
    ],
)
def test_a_store_whose_connection_fails_is_an_error_with_its_url(fault, raised, message):
    class ClosedFileSystem(MemoryFileSystem):
        def __init__(self, **options):
            raise fault

    fsspec.register_implementation("closed", ClosedFileSystem, clobber=True)
    with pytest.raises(raised, match=message):
        RemoteFolder("closed://bucket")


@pytest.mark.parametrize("stem", ["s3://run", "s3:///run", "memory://run"])
def test_a_url_without_a_bucket_is_refused(fit, stem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="must name a bucket and a run"):
        fit(stem)
    assert os.listdir(tmp_path) == []


def test_a_url_in_a_config_is_not_relative_to_its_folder(tmp_path):
    def checkpoint_of(given):
        path = tmp_path / "run.yaml"
        path.write_text(f"layers: [[ClassificationOutputLayer, {{name: output}}]]\nfit: {{checkpoint: '{given}'}}\n")
        return read_config(path).fit["checkpoint"]

    assert checkpoint_of("s3://bucket/runs/digits") == "s3://bucket/runs/digits"
    assert checkpoint_of("gs://bucket/runs/") == "gs://bucket/runs/"
    assert checkpoint_of("../runs/digits") == str(tmp_path.parent / "runs" / "digits")


def test_a_bucket_as_a_folder_gives_each_fit_a_stem_of_its_own(fit, s3):
    fit("s3://bucket/")
    fit("s3://bucket/", sgd_type="adam")
    assert len([name for name in RemoteFolder("s3://bucket").names() if name.endswith("_last.ckpt")]) == 2


def test_the_command_line_leaves_nothing_open(s3, tmp_path):
    command = [sys.executable, "-W", "default", "-m", "arignote", "fit", "digits_mlp"]
    command += ["--set", "fit.n_epochs=1", "--set", "fit.checkpoint=s3://bucket/runs/digits"]
    ended = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"TMPDIR": str(tmp_path)})
    assert ended.returncode == 0, ended.stderr
    assert "s3://bucket/runs/digits_last.ckpt" in ended.stdout
    assert "ResourceWarning" not in ended.stderr and "Unclosed" not in ended.stderr, ended.stderr
    assert RunFiles("s3://bucket/runs/digits").existing("last")[0] == "digits_last.ckpt"


def test_reading_twice_leaves_no_warning(s3):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            RemoteFolder("s3://bucket").names()
            fsspec.get_filesystem_class("s3").clear_instance_cache()
            gc.collect()
