"""Which files belong to a run, and which of them is the newest good one."""

from __future__ import annotations

import pytest
from made_up import OTHER, state

from arignote import CheckpointError, ConfigError
from arignote.checkpoints.format import encode
from arignote.checkpoints.reader import RunFiles, resolve
from arignote.errors import ArignoteWarning


@pytest.fixture
def stem(tmp_path):
    return str(tmp_path / "run")


@pytest.fixture
def put(tmp_path):
    """Write the file of a state, and return its digest."""

    def put(name, one):
        pieces, digest = encode(one)
        (tmp_path / name).write_bytes(b"".join(pieces))
        return digest

    return put


@pytest.fixture
def three(put):
    """Three last files, the newest of epoch 3, each with a best file of its own."""
    for number, epoch in enumerate((3, 2, 1)):
        ending = f".{number}.ckpt" if number else ".ckpt"
        one = state(epoch, best=epoch)
        one.best.digest = put(f"run_best{ending}", one.at_best())
        put(f"run_last{ending}", one)


def epochs(files, **more):
    problems = []
    found = [(path.rpartition("/")[2], one.progress.epoch) for path, one in files.states(problems, **more)]
    return found, problems


def damage(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def test_the_names_of_files_are_made_of_the_stem(stem, tmp_path):
    files = RunFiles(stem + ".ckpt")
    assert files.stem == stem
    assert [files.name("last"), files.name("last", 2), files.name("best", 1)] == [
        "run_last.ckpt",
        "run_last.2.ckpt",
        "run_best.1.ckpt",
    ]
    # An epoch has its number, even the epoch 0.
    assert [files.name("epoch", 0), files.name("epoch", 12)] == ["run_epoch0.ckpt", "run_epoch12.ckpt"]
    assert files.path("last", 1) == f"{tmp_path}/run_last.1.ckpt" and files.path("best") == f"{tmp_path}/run_best.ckpt"


def test_the_files_of_a_run_are_listed_by_kind_the_newest_first(stem, tmp_path):
    names = ["run_last.ckpt", "run_last.2.ckpt", "run_last.10.ckpt", "run_best.ckpt", "run_best.1.ckpt"]
    names += ["run_epoch9.ckpt", "run_epoch10.ckpt", "run_epoch100.ckpt"]
    others = ["run_2_last.ckpt", "run_lastXckpt", "run_last.ckpt.tmp", "a_run_last.ckpt", "run", "run_epoch.ckpt"]
    for name in (*names, *others):
        (tmp_path / name).touch()
    files = RunFiles(stem)
    lasts, bests = names[:3], names[3:5]
    kept = ["run_epoch100.ckpt", "run_epoch10.ckpt", "run_epoch9.ckpt"]
    assert files.existing() == [*lasts, *bests, *kept]
    assert files.existing("last") == lasts and files.existing("epoch") == kept
    assert files.existing("epoch", "best") == [*kept, *bests]
    assert RunFiles(str(tmp_path / "nothing")).existing() == []


def test_good_states_come_the_newest_first_with_their_best_networks(stem, three):
    files = RunFiles(stem)
    found, problems = epochs(files)
    assert found == [("run_last.ckpt", 3), ("run_last.1.ckpt", 2), ("run_last.2.ckpt", 1)]
    assert problems == [] and files.damaged == set()
    for _, one in files.states([]):
        assert one.best.network["fc1.W"].tolist() == [[one.progress.epoch] * 2] * 2


def test_a_damaged_file_is_named_and_skipped(stem, three, tmp_path):
    damage(tmp_path / "run_last.ckpt")
    files = RunFiles(stem)
    found, problems = epochs(files)
    assert [epoch for _, epoch in found] == [2, 1] and files.damaged == {"run_last.ckpt"}
    assert len(problems) == 1 and problems[0].startswith(f"{tmp_path}/run_last.ckpt: is damaged")


def test_a_state_without_its_best_network_is_good_only_where_that_is_not_needed(stem, three, tmp_path):
    (tmp_path / "run_best.ckpt").unlink()
    damage(tmp_path / "run_best.1.ckpt")
    files = RunFiles(stem)
    found, problems = epochs(files)
    assert found == [("run_last.2.ckpt", 1)]
    shown = f"the file of its best network ({tmp_path}/run_best.ckpt) is missing or damaged"
    assert problems == [f"{tmp_path}/run_last.ckpt: {shown}", f"{tmp_path}/run_last.1.ckpt: {shown}"]
    assert files.damaged == {"run_best.1.ckpt", "run_last.ckpt", "run_last.1.ckpt"}
    found, problems = epochs(RunFiles(stem), needs_best=False)
    assert [epoch for _, epoch in found] == [3, 2, 1] and problems == []
    first = next(RunFiles(stem).states([], needs_best=False))[1]
    assert first.best.network == {} and first.best.n_rows == 3


def test_a_missing_newest_file_is_named(stem, three, tmp_path):
    (tmp_path / "run_last.ckpt").unlink()
    found, problems = epochs(RunFiles(stem))
    assert found[0] == ("run_last.1.ckpt", 2) and problems == [f"{tmp_path}/run_last.ckpt: is missing"]


def test_files_without_a_last_one_are_an_error_and_no_files_are_not(stem, three, tmp_path):
    for path in tmp_path.glob("run_last*"):
        path.unlink()
    assert epochs(RunFiles(stem)) == (
        [],
        [f"{tmp_path}/run_last.ckpt: is missing, though there are other files of the run"],
    )
    with pytest.raises(
        CheckpointError, match="is missing, though there are other files of the run\nNo good checkpoint"
    ):
        RunFiles(stem).newest()
    assert epochs(RunFiles(str(tmp_path / "nothing"))) == ([], [])
    assert RunFiles(str(tmp_path / "nothing")).newest() is None


def test_the_newest_good_state_is_returned_with_a_warning_for_each_that_is_not(stem, three, tmp_path):
    where, found = RunFiles(stem).newest()
    assert where == f"{tmp_path}/run_last.ckpt" and found.progress.epoch == 3
    for name in ("run_last.ckpt", "run_last.1.ckpt"):
        damage(tmp_path / name)
    with pytest.warns(ArignoteWarning) as caught:
        where, found = RunFiles(stem).newest()
    assert [str(one.message).partition(": is damaged")[0] for one in caught] == [
        f"{tmp_path}/run_last.ckpt",
        f"{tmp_path}/run_last.1.ckpt",
    ]
    assert all(str(one.message).endswith(f". Used instead: {tmp_path}/run_last.2.ckpt") for one in caught)
    assert where == f"{tmp_path}/run_last.2.ckpt" and found.progress.epoch == 1
    damage(tmp_path / "run_last.2.ckpt")
    with pytest.raises(CheckpointError, match="No good checkpoint is left") as refused:
        RunFiles(stem).newest()
    assert str(refused.value).count("is damaged") == 3
    (tmp_path / "run_best.ckpt").unlink()


def test_the_newest_state_may_do_without_its_best_network(stem, three, tmp_path):
    (tmp_path / "run_best.ckpt").unlink()
    assert RunFiles(stem).newest(needs_best=False)[1].progress.epoch == 3
    with pytest.warns(ArignoteWarning, match="best network"):
        assert RunFiles(stem).newest()[1].progress.epoch == 2


def test_a_best_network_is_found_by_its_digest_among_good_files(stem, put, tmp_path):
    first = put("run_best.ckpt", state(1, best=1).at_best())
    second = put("run_best.1.ckpt", state(2, best=2).at_best())
    put("run_last.ckpt", state(2))
    files = RunFiles(stem)
    assert files.has_best(first) and files.has_best(second) and not files.has_best("0" * 64)
    damage(tmp_path / "run_best.ckpt")
    assert not files.has_best(first) and files.has_best(second)


def test_what_follows_a_checkpoint_is_refused_by_its_first_byte(stem, put, tmp_path):
    put("run_last.ckpt", state(1))
    path = tmp_path / "run_last.ckpt"
    n_bytes, asked = path.stat().st_size, []
    files = RunFiles(stem)
    really = files.folder.read

    class Folder:
        def read(self, name, n=None):
            asked.append(n)
            return really(name, n)

        def __getattr__(self, name):
            return getattr(RunFiles(stem).folder, name)

    files.folder = Folder()
    assert files.read("run_last.ckpt")[0].progress.epoch == 1
    # The length of the header, the header, and then one byte more than the head names.
    assert asked[0] == 8 and asked[-1] == n_bytes + 1
    path.write_bytes(path.read_bytes() + bytes(1000))
    with pytest.raises(CheckpointError, match=r"run_last\.ckpt: "):
        files.read("run_last.ckpt")
    assert asked[-1] == n_bytes + 1 and files.damaged == {"run_last.ckpt"}


def test_a_run_is_named_by_its_stem_or_by_one_of_its_files(stem, three, put, tmp_path):
    put("run_epoch2.ckpt", state(2, run_id=OTHER))
    lasts = ["run_last.ckpt", "run_last.1.ckpt", "run_last.2.ckpt"]
    for which, names in (
        (None, lasts),
        ("last", lasts),
        ("best", ["run_best.ckpt"]),
        ("2", ["run_epoch2.ckpt"]),
    ):
        files, found = resolve(stem, which)
        assert (files.stem, found) == (stem, names)
    for name in ("run_last.1.ckpt", "run_epoch2.ckpt", "run_best.ckpt"):
        files, found = resolve(f"{stem.removesuffix('run')}{name}")
        assert (files.stem, found) == (stem, [name])
    (tmp_path / "a.ckpt").write_bytes(b"")
    files, found = resolve(str(tmp_path / "a.ckpt"))
    assert (files.stem, found) == (str(tmp_path / "a"), ["a.ckpt"])
    # A folder of the name of a run is none of its files.
    (tmp_path / "run").mkdir()
    assert resolve(stem)[1] == lasts


def test_what_a_run_does_not_have_is_named_with_what_it_has(stem, three, tmp_path):
    with pytest.raises(CheckpointError, match=r"run_epoch7\.ckpt: there is no such file"):
        resolve(f"{stem}_epoch7.ckpt")
    for which, hint in (("7", " checkpoint_all keeps that of each epoch."), ("best", "")):
        (tmp_path / "run_best.ckpt").unlink(missing_ok=True)
        name = "run_epoch7.ckpt" if which == "7" else "run_best.ckpt"
        with pytest.raises(CheckpointError) as refused:
            resolve(stem, which)
        there = "run_last.ckpt, run_last.1.ckpt, run_last.2.ckpt, run_best.1.ckpt, run_best.2.ckpt"
        assert str(refused.value) == f"{stem}: there is no {name}.{hint} There are: {there}"
    with pytest.raises(ConfigError, match=r"--which must be best, last or the number of an epoch; got 'first'"):
        resolve(stem, "first")
    with pytest.raises(CheckpointError, match=r"There are: none"):
        resolve(str(tmp_path / "nothing"), "best")
