"""Whatever happens to the files of a run: the next good one is used, and it is reported; or the run is refused.

The result is never another one, and a run never starts anew without a message.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from promise import Stopped, digest, killed_after

from arignote import ArignoteWarning, CheckpointError, NNClassifier
from arignote.checkpoints.reader import RunFiles
from arignote.checkpoints.writer import RunWriter
from arignote.report.inspection import inspection, verification

pytestmark = pytest.mark.slow

X = np.random.default_rng(0).normal(size=(60, 5)).astype("f4")
Y = X[:, 0] > 0
LAYERS = [["FCLayer", {"name": "fc1", "n_units": 3, "activation": "relu"}], ["ClassificationOutputLayer"]]
SETTINGS = {
    "n_epochs": 3,
    "batch_size": 16,
    "valid": 0.2,
    "sgd_type": "nag",
    "n_threads": 1,
    "lr_rule": {"rule": "stalled", "initial_value": 0.1, "multiply_by": 0.5, "interval": 1},
}
# A run stopped in mid-epoch (3 batches each), whose best file is that of its first epoch; and one that is done.
STOPPED, FINISHED = 5, 9
NEWEST = {STOPPED: [1, 2], FINISHED: [3, 0]}
BEFORE = {STOPPED: [1, 1], FINISHED: [2, 3]}


def fit(stem=None, seed=3, **settings):
    checkpoint = {"checkpoint": stem and str(stem), "checkpoint_every": 1}
    return NNClassifier(LAYERS, rng=seed).fit(X, Y, **SETTINGS | checkpoint | settings)


@pytest.fixture(scope="module")
def whole():
    return digest(fit())


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return the folders of a stopped and a finished run, and of both with another seed."""
    found = {}
    for seed in (3, 4):
        for n_batches in (STOPPED, FINISHED):
            folder = found[seed, n_batches] = tmp_path_factory.mktemp("run")
            if n_batches == FINISHED:
                fit(folder / "run", seed)
                continue
            with pytest.raises(Stopped):
                fit(folder / "run", seed, observers=killed_after(n_batches))
    return found


def copied(runs, tmp_path, n_batches, seed=3, name="case"):
    """Return the stem of a copy of a run."""
    shutil.copytree(runs[seed, n_batches], tmp_path / name)
    return tmp_path / name / "run"


def file_of(stem, kind):
    return Path(f"{stem}_{kind}.ckpt")


def position(state):
    return [state.progress.epoch, state.progress.batch]


def assert_reading_harms_nothing(stem):
    """Inspection and verification say what is there, and change nothing."""
    before = {path.name: path.read_bytes() for path in stem.parent.iterdir()}
    try:
        found, used = verification(str(stem))
        assert len(found) == len(RunFiles(str(stem)).existing())
        good = [where for where, is_good, _ in found if is_good]
        assert used is None or used in good
    except CheckpointError as error:
        assert "there is no run of this stem" in str(error) and not before
    for run in (stem, *stem.parent.glob("*.ckpt")):
        try:
            assert inspection(str(run))["rng"] in (3, 4)
        except CheckpointError as error:
            assert str(error).startswith(str(stem))
    assert {path.name: path.read_bytes() for path in stem.parent.iterdir()} == before


def assert_resumes_from_the_one_before(stem, n_batches, whole, bad="last"):
    """The next fit reports the bad file, resumes from the one before it, and ends as an undamaged run does."""
    assert_reading_harms_nothing(stem)
    with pytest.warns(ArignoteWarning) as caught:
        ended = fit(stem)
    assert len(caught) == 1
    text = str(caught[0].message)
    assert str(file_of(stem, bad)) in text and f"Resuming from {file_of(stem, 'last.1')}" in text
    assert digest(ended) == whole
    assert ended.state_.starts[-1] in (BEFORE[n_batches], [BEFORE[n_batches][0] + 1, 0])
    # All is well afterwards.
    assert all(good for _, good, _ in verification(str(stem))[0])
    assert digest(fit(stem)) == whole
    return text


def truncated(part):
    return lambda data: data[: len(data) * part // 16]


def flipped(place, bit):
    def change(data):
        at = min(len(data) * place // 256, len(data) - 1)
        return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]

    return change


def foreign(data):
    return b"epoch,loss\n" * 400


@pytest.mark.parametrize("n_batches", [STOPPED, FINISHED])
def test_undamaged_it_resumes_from_the_newest(n_batches, runs, tmp_path, whole):
    stem = copied(runs, tmp_path, n_batches)
    assert_reading_harms_nothing(stem)
    where, state = RunFiles(str(stem)).newest()
    assert where == str(file_of(stem, "last")) and position(state) == NEWEST[n_batches]
    ended = fit(stem)
    assert digest(ended) == whole
    assert ended.state_.starts == ([[0, 0], [1, 2]] if n_batches == STOPPED else [[0, 0]])


@pytest.mark.parametrize("part", range(16))
def test_the_newest_cut_short(part, runs, tmp_path, whole):
    stem = copied(runs, tmp_path, STOPPED)
    last = file_of(stem, "last")
    last.write_bytes(truncated(part)(last.read_bytes()))
    assert_resumes_from_the_one_before(stem, STOPPED, whole)


def test_any_bit_flipped_the_one_before_is_the_newest(runs, tmp_path):
    stem = copied(runs, tmp_path, STOPPED)
    last = file_of(stem, "last")
    data = last.read_bytes()
    for place in range(256):
        last.write_bytes(flipped(place, place % 8)(data))
        faults = []
        found = [(where, position(state)) for where, state in RunFiles(str(stem)).states(faults)]
        assert found == [(str(file_of(stem, "last.1")), BEFORE[STOPPED])], place
        assert len(faults) == 1 and faults[0].startswith(f"{last}: "), place


@pytest.mark.parametrize("place", range(5, 256, 16))
def test_a_bit_flipped(place, runs, tmp_path, whole):
    stem = copied(runs, tmp_path, STOPPED)
    last = file_of(stem, "last")
    last.write_bytes(flipped(place, place % 7)(last.read_bytes()))
    assert_resumes_from_the_one_before(stem, STOPPED, whole)


@pytest.mark.parametrize("n_batches", [STOPPED, FINISHED])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: b"", r"is truncated \(0 bytes\)"),
        (foreign, "is truncated, or is not a checkpoint"),
        (flipped(200, 3), "is damaged|is not a checkpoint of Arignote"),
        (flipped(250, 3), "is damaged: its digest does not match its contents"),
    ],
    ids=["emptied", "foreign", "flipped", "flipped in the tensors"],
)
def test_the_newest_is_no_checkpoint(change, words, n_batches, runs, tmp_path, whole):
    stem = copied(runs, tmp_path, n_batches)
    last = file_of(stem, "last")
    last.write_bytes(change(last.read_bytes()))
    assert re.search(rf"run_last\.ckpt: ({words})", assert_resumes_from_the_one_before(stem, n_batches, whole))


@pytest.mark.parametrize("bad", ["last", "best"])
def test_killed_in_the_first_save_after_damage_the_good_file_is_still_there(bad, runs, tmp_path):
    """A file whose beginning is whole must not take the place of the good one when files are set aside."""
    stem = copied(runs, tmp_path, FINISHED)
    path = file_of(stem, bad)
    path.write_bytes(flipped(250, 3)(path.read_bytes()))
    files = RunWriter(str(stem))
    where, state = next(files.states([]))
    assert where == str(file_of(stem, "last.1"))

    def killed(name, pieces, before):
        before()
        raise Stopped

    files.folder.write = killed
    with pytest.raises(Stopped):
        files.save(state)
    _, found = next(RunFiles(str(stem)).states([]))
    assert position(found) == position(state)


@pytest.mark.parametrize("n_batches", [STOPPED, FINISHED])
def test_the_newest_is_deleted(n_batches, runs, tmp_path, whole):
    stem = copied(runs, tmp_path, n_batches)
    file_of(stem, "last").unlink()
    assert_resumes_from_the_one_before(stem, n_batches, whole)


@pytest.mark.parametrize("best_too", [False, True])
@pytest.mark.parametrize("n_batches", [STOPPED, FINISHED])
def test_the_newest_is_of_another_run(best_too, n_batches, runs, tmp_path, whole):
    stem = copied(runs, tmp_path, n_batches)
    other = copied(runs, tmp_path, n_batches, seed=4, name="other")
    shutil.copy(file_of(other, "last"), file_of(stem, "last"))
    if best_too:
        shutil.copy(file_of(other, "best"), file_of(stem, "best.9"))
    assert_resumes_from_the_one_before(stem, n_batches, whole)
    assert {RunFiles(str(stem)).read(name)[0].rng for name in RunFiles(str(stem)).existing()} == {3}


@pytest.mark.parametrize("n_batches", [STOPPED, FINISHED])
def test_all_files_of_another_run_are_refused(n_batches, runs, tmp_path):
    stem = copied(runs, tmp_path, n_batches, seed=4)
    with pytest.raises(CheckpointError, match="rng: 4 then, 3 now"):
        fit(stem)
    assert digest(fit(stem, seed=4)) == digest(fit(seed=4))


def test_the_one_before_damaged_does_not_matter(runs, tmp_path, whole):
    for number, change in enumerate((lambda data: b"", foreign, truncated(9), flipped(100, 1))):
        stem = copied(runs, tmp_path, STOPPED, name=str(number))
        path = file_of(stem, "last.1")
        path.write_bytes(change(path.read_bytes()))
        assert_reading_harms_nothing(stem)
        ended = fit(stem)
        assert digest(ended) == whole and ended.state_.starts == [[0, 0], [1, 2]]
        assert all(good for _, good, _ in verification(str(stem))[0])


CHANGES = {
    "emptied": lambda data: b"",
    "cut short": truncated(15),
    "flipped in the header": flipped(90, 2),
    "flipped in the tensors": flipped(250, 2),
    "foreign": foreign,
    "deleted": None,
}


def changed(path, change):
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize("change", CHANGES)
def test_the_best_of_all_last_files_damaged_is_refused(change, runs, tmp_path):
    stem = copied(runs, tmp_path, STOPPED)
    assert [path.name for path in stem.parent.glob("*_best*")] == ["run_best.ckpt"]
    changed(file_of(stem, "best"), CHANGES[change])
    assert_reading_harms_nothing(stem)
    for read in (lambda: fit(stem), lambda: NNClassifier.load(str(stem))):
        with pytest.raises(CheckpointError) as caught:
            read()
        for word in (f"{file_of(stem, 'last')}: the file of its best", str(file_of(stem, "best")), "No good"):
            assert word in str(caught.value)
    assert fit(stem, resume="fresh").state_.starts == [[0, 0]]


@pytest.mark.parametrize("change", CHANGES)
def test_the_best_of_the_newest_damaged(change, runs, tmp_path, whole):
    stem = copied(runs, tmp_path, FINISHED)
    assert file_of(stem, "best.1").exists()
    changed(file_of(stem, "best"), CHANGES[change])
    assert_resumes_from_the_one_before(stem, FINISHED, whole, bad="best")


@pytest.mark.parametrize("change", CHANGES)
def test_the_best_of_the_one_before_damaged_does_not_matter(change, runs, tmp_path, whole):
    stem = copied(runs, tmp_path, FINISHED)
    changed(file_of(stem, "best.1"), CHANGES[change])
    assert_reading_harms_nothing(stem)
    assert digest(fit(stem)) == whole
    longer = fit(stem, n_epochs=4)
    assert digest(longer) == digest(fit(n_epochs=4)) and longer.state_.starts[-1] == NEWEST[FINISHED]
    assert all(good for _, good, _ in verification(str(stem))[0])


@pytest.mark.parametrize("n_batches", [STOPPED, FINISHED])
def test_the_best_of_another_run_is_not_taken(n_batches, runs, tmp_path):
    stem = copied(runs, tmp_path, n_batches)
    other = copied(runs, tmp_path, n_batches, seed=4, name="other")
    for path in stem.parent.glob("*_best*"):
        shutil.copy(file_of(other, "best"), path)
    assert_reading_harms_nothing(stem)
    with pytest.raises(CheckpointError, match="No good checkpoint is left"):
        fit(stem)


@pytest.mark.parametrize("n_batches", [STOPPED, FINISHED])
@pytest.mark.parametrize("change", CHANGES)
def test_all_last_files_damaged_are_refused(change, n_batches, runs, tmp_path):
    stem = copied(runs, tmp_path, n_batches)
    for kind in ("last", "last.1"):
        changed(file_of(stem, kind), CHANGES[change])
    assert_reading_harms_nothing(stem)
    before = {path.name: path.read_bytes() for path in stem.parent.iterdir()}
    for read in (lambda: fit(stem), lambda: NNClassifier.load(str(stem))):
        with pytest.raises(CheckpointError, match="No good checkpoint is left") as caught:
            read()
        assert str(caught.value).startswith(f"{file_of(stem, 'last')}: ")
    assert {path.name: path.read_bytes() for path in stem.parent.iterdir()} == before


def test_reading_reports_damage_too(tmp_path):
    stem = str(tmp_path / "run")
    fit(stem)
    with open(f"{stem}_last.ckpt", "ab") as file:
        file.write(b"x")
    with pytest.warns(ArignoteWarning, match=r"run_last\.ckpt: .*Used instead: .*run_last\.1\.ckpt"):
        NNClassifier.load(stem)


def test_verify_reports_that_a_state_without_its_best_network_is_not_good(tmp_path):
    stem = str(tmp_path / "run")
    fit(stem)
    (tmp_path / "run_best.ckpt").unlink()
    found, used = verification(stem)
    by_file = {where: (good, text) for where, good, text in found}
    good, text = by_file[f"{stem}_last.ckpt"]
    assert not good and "best network" in text and used != f"{stem}_last.ckpt"


def test_the_last_network_needs_no_best_one(runs, tmp_path):
    stem = copied(runs, tmp_path, FINISHED)
    for path in stem.parent.glob("*_best*"):
        path.unlink()
    with pytest.raises(CheckpointError, match="the file of its best network"):
        NNClassifier.load(str(stem))
    state, _ = RunFiles(str(stem)).read(file_of(stem, "last").name)
    params = NNClassifier.load(str(stem), which="last").params
    assert all((params[name] == values).all() for name, values in state.network.items())
