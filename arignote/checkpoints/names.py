"""Stems, by which a user names all files of a run, and the suffixes of single files."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from arignote.errors import ConfigError

__all__ = ["FILE_OF_A_RUN", "normal_stem", "stem_in"]

# The suffix of one file of a run, after the stem.
FILE_OF_A_RUN = re.compile(r"_(last|best)(\.(\d+))?\.ckpt$|_epoch(\d+)\.ckpt$")


def normal_stem(stem: str) -> str:
    """Return a stem without the suffixes .ckpt, .pkl and .pkl.gz.

    Raises
    ------
    ConfigError
        If the stem is the name of one file of a run, or has no name after its folder.
    """
    text = str(stem)
    match = FILE_OF_A_RUN.search(text)
    if match:
        raise ConfigError(f"checkpoint {text!r} is one file of a run; did you mean {text[: match.start()]!r}?")
    for suffix in (".pkl.gz", ".pkl", ".ckpt"):
        text = text.removesuffix(suffix)
    if text.rpartition("/")[2] in ("", ".", ".."):
        raise ConfigError(f"checkpoint must be a path without a suffix, such as runs/digits; got {stem!r}")
    return text


def stem_in(folder: str, name: str | None, decisive: Any) -> str:
    """Return a stem in a folder for one fit: its name, and a digest of `decisive`, the plain data that determine it."""
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True, default=str).encode()).hexdigest()
    # The name may come from an untrusted file, and must not lead out of the folder.
    word = re.sub(r"[^\w .+=@-]", "_", name or "run")
    return f"{folder}{word}-{digest[:12]}"
