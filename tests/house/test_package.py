"""The wheel has what a command needs, the source distribution what its own tests need."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from licences_document import DOCUMENT, packages

from arignote import __version__

ROOT = Path(__file__).resolve().parents[2]
BUILD = "from setuptools import build_meta as b; b.build_sdist('dist'); b.build_wheel('dist')"
LEFT_OUT = {".gitignore"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with both, built from a copy: setuptools writes beside the sources."""
    place = tmp_path_factory.mktemp("package") / "source"
    hidden = shutil.ignore_patterns(
        ".*_cache", ".git", ".venv", ".peers", ".lowest", "*.egg-info", "runs", "__pycache__"
    )
    shutil.copytree(ROOT, place, ignore=hidden)
    ended = subprocess.run([sys.executable, "-c", BUILD], cwd=place, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return place / "dist"


def tracked():
    """Return the files of the repository, by their paths."""
    ended = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if ended.returncode:
        pytest.skip("not a clone")
    return set(ended.stdout.split())


@pytest.mark.slow
def test_the_source_distribution_has_all_files_of_the_repository(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert tracked() - names <= LEFT_OUT


@pytest.mark.slow
def test_the_wheel_has_the_package_alone_with_its_configs_data_and_licences(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        names = set(archive.namelist())
    assert {name for name in tracked() if name.startswith("arignote/")} <= names
    info = f"arignote-{__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"arignote", info}
    assert {f"{info}/licenses/LICENSE", f"{info}/licenses/arignote/report/page/assets/uPlot.LICENSE"} <= names


def test_the_citation_has_the_version():
    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_each_lowest_version_is_that_of_the_requirement():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    bounds = dict(one.split(">=") for one in [*project["dependencies"], *extras["s3"], *extras["download"]])
    # Of torch the Makefile installs it.
    torch = bounds.pop("torch").partition(",")[0]
    assert f"TORCH ?= {torch}.0\n" in (ROOT / "Makefile").read_text()
    lines = (ROOT / "constraints-lowest.txt").read_text().splitlines()
    lowest = dict(line.split("==") for line in lines if "==" in line)
    for name, bound in bounds.items():
        assert f"{lowest[name]}.".startswith(f"{bound}."), name


def test_the_licence_of_each_package_that_users_install_is_listed():
    listed = re.findall(r"^\| ([\w.-]+) \| .+ \| .+ \|$", DOCUMENT.read_text(), re.M)
    assert [name for name in listed if name != "package"] == list(packages())
