"""Pickles of 2015: the names of the format are known, nothing else is, and nothing is run."""

from __future__ import annotations

import gzip
import os
import pickle
import re
from pathlib import Path

import pytest

from arignote.errors import CheckpointError
from arignote.legacy import pickles, read_2015
from arignote.safe.pickle import PickleError


class Hostile:
    def __reduce__(self):
        return os.system, ("touch made-by-a-pickle",)


@pytest.mark.parametrize("place", ["first", "second"])
def test_a_pickle_that_names_code_is_refused_and_nothing_runs(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = pickle.dumps({"model_store_version": "3.0", **({"log": Hostile()} if place == "first" else {})}, 2)
    Path("bad.pkl").write_bytes(first + pickle.dumps([Hostile()], 2))
    with pytest.raises(CheckpointError, match=r"bad\.pkl: names (posix|nt)\.system, .*refused and nothing was run"):
        read_2015(tmp_path / "bad.pkl")
    assert not Path("made-by-a-pickle").exists()


@pytest.mark.parametrize("name", ["builtins\neval", "arignote.nnets.layers\nos.system", "arignote.cli\nmain"])
def test_only_the_names_of_the_format_are_known(name, tmp_path):
    (tmp_path / "bad.pkl").write_bytes(b"\x80\x02c" + name.encode() + b"\n.")
    with pytest.raises(CheckpointError, match=r"bad\.pkl: names .*nothing was run"):
        read_2015(tmp_path / "bad.pkl")


def test_a_packed_file_is_unpacked_up_to_twenty_times_its_length_and_a_floor(tmp_path, monkeypatch):
    """Weights are noise to gzip, which halves them at best; zeros are packed a thousandfold."""
    monkeypatch.setattr(pickles, "_ALWAYS_UNPACKED", 1_000)

    def read(value):
        path = tmp_path / "file"
        path.write_bytes(gzip.compress(pickle.dumps(value, 2)))
        with path.open("rb") as file:
            return pickles.read_value(pickles.source_of(file)), path.stat().st_size

    weights = os.urandom(100_000).hex()
    found, n_bytes = read(weights)
    assert found == weights and len(weights) > 1.5 * n_bytes
    with pytest.raises(
        PickleError, match=r"is longer than \d+ bytes \(unpacked\)|is cut short: it needs .* bytes more"
    ) as no:
        read("0" * 1_000_000)
    # The packed file has about 1,000 bytes.
    assert any(1_000 < int(word) < 100_000 for word in re.findall(r"\d+", str(no.value)))
