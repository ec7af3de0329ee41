"""Differences between a stored run and the fit that would resume it, and the error that lists them."""

from __future__ import annotations

from arignote.fit.changes import differences, refusal


def test_differences_are_named_by_their_path_and_what_one_lacks_is_none():
    then = {"fit": {"batch_size": 128, "shuffle": True}, "rng": 1, "removed": 2}
    now = {"fit": {"batch_size": 64, "shuffle": True}, "rng": 1, "new": {"a": 3}}
    assert differences(then, now) == [
        "fit.batch_size: 128 then, 64 now",
        "removed: 2 then, None now",
        "new: None then, {'a': 3} now",
    ]
    assert differences(then, then) == [] and differences({"a": 1}, {"a": 2}, "data.") == ["data.a: 1 then, 2 now"]


def test_an_error_lists_each_difference_in_its_line_and_the_ways_to_continue():
    first, *lines = str(
        refusal("run_last.ckpt", ["rng: 1 then, 2 now", "fit.shuffle: True then, False now"])
    ).splitlines()
    assert first == "run_last.ckpt: this run was started with something else:"
    assert lines[:2] == ["  rng: 1 then, 2 now", "  fit.shuffle: True then, False now"]
    assert all(word in lines[2] for word in ('resume="fresh"', 'resume="force"', 'checkpoint="runs/"'))
