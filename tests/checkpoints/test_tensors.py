"""Tensors as arrays, without a copy unless one is requested, and the digest, which differs for any two."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arignote.checkpoints.tensors import as_arrays, tensors_sha256


def test_live_tensors_and_arrays_are_seen_without_a_copy():
    live, array = torch.nn.Parameter(torch.arange(6.0).view(2, 3)), np.arange(3)
    found = as_arrays({"a": live, "b": array})
    assert found["b"] is array
    with torch.no_grad():
        live[1, 2] = 99
    assert found["a"][1, 2] == 99


def test_what_lies_otherwise_is_brought_in_order():
    found = as_arrays({"t": torch.arange(6).view(2, 3).T, "n": np.arange(6).reshape(2, 3).T})
    for array in found.values():
        assert array.flags["C_CONTIGUOUS"] and array.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_copies_go_into_the_arrays_that_are_given_where_they_fit():
    live = {name: torch.ones(3) for name in ("fits", "shape", "dtype", "new")}
    into = {"fits": np.zeros(3, "f4"), "shape": np.zeros(4, "f4"), "dtype": np.zeros(3, "f8")}
    found = as_arrays(live, into)
    assert found["fits"] is into["fits"] and into["fits"].tolist() == [1, 1, 1]
    for name in ("shape", "dtype", "new"):
        assert found[name] is not into.get(name) and found[name].dtype == np.float32
        assert found[name].tolist() == [1, 1, 1]
    live["new"].zero_()
    assert found["new"].tolist() == [1, 1, 1]


PLAIN = {"a": np.array([[1, 2], [3, 4]], "f4"), "b": np.zeros(2, "f4")}


@pytest.mark.parametrize(
    "other",
    [
        {"a": PLAIN["a"]},
        {"a": PLAIN["a"], "c": PLAIN["b"]},
        {"a": PLAIN["b"], "b": PLAIN["a"]},
        PLAIN | {"a": PLAIN["a"].ravel()},
        PLAIN | {"a": PLAIN["a"].T},
        PLAIN | {"b": PLAIN["b"].view("i4")},
        PLAIN | {"b": np.array([0.0, -0.0], "f4")},
        PLAIN | {"b": np.nextafter(PLAIN["b"], np.float32(1))},
    ],
    ids=["one less", "name", "exchanged", "shape", "order", "dtype", "sign of zero", "last bit"],
)
def test_any_difference_is_another_digest(other):
    assert tensors_sha256(other) != tensors_sha256(PLAIN)


def test_the_same_tensors_are_one_digest_in_any_order_and_of_any_engine():
    same = {"b": torch.zeros(2, requires_grad=True), "a": torch.tensor([[1.0, 3.0], [2.0, 4.0]]).T}
    assert tensors_sha256(same) == tensors_sha256(PLAIN)
    assert len(tensors_sha256({})) == 64
