"""How the files of a run are named by a person, and which names are refused."""

from __future__ import annotations

import pytest

from arignote import ConfigError
from arignote.checkpoints.names import FILE_OF_A_RUN, normal_stem, stem_in


@pytest.mark.parametrize(
    ("given", "stem"),
    [
        ("runs/digits", "runs/digits"),
        ("runs/digits.ckpt", "runs/digits"),
        ("runs/digits.pkl", "runs/digits"),
        ("runs/digits.pkl.gz", "runs/digits"),
        ("digits.ckpt", "digits"),
        # Only one ending of each kind, and only at the end.
        ("runs.ckpt/digits", "runs.ckpt/digits"),
        ("digits.ckpt.ckpt", "digits.ckpt"),
        ("digits.gz", "digits.gz"),
        ("s3://bucket/digits", "s3://bucket/digits"),
        ("digits_last", "digits_last"),
        ("digits_epoch3", "digits_epoch3"),
    ],
)
def test_a_stem_is_a_path_without_its_ending(given, stem):
    assert normal_stem(given) == stem


@pytest.mark.parametrize(
    "given", ["", ".", "..", "runs/", "runs/.", "runs/..", ".ckpt", "runs/.pkl.gz", "s3://bucket/"]
)
def test_a_path_that_names_no_file_is_refused(given):
    with pytest.raises(ConfigError, match=r"must be a path without a suffix, such as runs/digits; got") as refused:
        normal_stem(given)
    assert repr(given) in str(refused.value)


@pytest.mark.parametrize("ending", ["_last", "_best", "_last.1", "_best.12", "_epoch3"])
def test_one_file_of_a_run_is_refused_with_the_stem_that_was_meant(ending):
    with pytest.raises(ConfigError, match=rf"'runs/a{ending}.ckpt' is one file of a run; did you mean 'runs/a'\?"):
        normal_stem(f"runs/a{ending}.ckpt")


def test_the_suffix_of_a_name_determines_the_file_of_a_run():
    assert FILE_OF_A_RUN.search("a_last.ckpt").groups() == ("last", None, None, None)
    assert FILE_OF_A_RUN.search("a_best.12.ckpt").groups() == ("best", ".12", "12", None)
    assert FILE_OF_A_RUN.search("a_epoch7.ckpt").groups() == (None, None, None, "7")
    for name in ("a_last.ckpt.tmp", "a_first.ckpt", "a_epoch.ckpt", "a_epoch7.1.ckpt", "a_last.x.ckpt", "a_lastXckpt"):
        assert FILE_OF_A_RUN.search(name) is None


def test_a_fit_in_a_folder_is_named_by_its_name_and_what_decides_it():
    # printf '{"a": 1, "b": [2]}' | sha256sum
    assert stem_in("runs/", "digits", {"b": [2], "a": 1}) == "runs/digits-ae8a9a505246"
    assert stem_in("runs/", None, {"b": [2], "a": 1}) == "runs/run-ae8a9a505246"
    assert stem_in("s3://bucket/", "", {"b": [2], "a": 1}) == "s3://bucket/run-ae8a9a505246"
    assert stem_in("runs/", "digits", {"b": [3], "a": 1}) != stem_in("runs/", "digits", {"b": [2], "a": 1})


def test_a_name_leads_out_of_no_folder():
    digest = stem_in("", "a", {}).removeprefix("a-")
    for name, word in (
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("a\\b:c\0d", "a_b_c_d"),
        ("größe 1.5 +=@-x", "größe 1.5 +=@-x"),
    ):
        assert stem_in("runs/", name, {}) == f"runs/{word}-{digest}"
    assert len(digest) == 12
    # What JSON does not know is named by its text.
    assert stem_in("", "a", {"x": {1}}) == stem_in("", "a", {"x": "{1}"})
