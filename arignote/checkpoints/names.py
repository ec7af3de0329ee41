"""Stems: how the files of a run are named by a person, and one file of a run by its end."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from arignote.errors import ConfigError

__all__ = ["FILE_OF_A_RUN", "normal_stem", "stem_in"]

# How the name of one file of a run ends, after the stem.
FILE_OF_A_RUN = re.compile(r"_(last|best)(\.(\d+))?\.ckpt$|_epoch(\d+)\.ckpt$")


def normal_stem(stem: str) -> str:
    """Return a stem without a final .ckpt, .pkl, .pkl.gz; the name of one file of a run is refused."""
    text = str(stem)
    found = FILE_OF_A_RUN.search(text)
    if found:
        raise ConfigError(f"checkpoint {text!r} is one file of a run; did you mean {text[: found.start()]!r}?")
    for ending in (".pkl.gz", ".pkl", ".ckpt"):
        text = text.removesuffix(ending)
    if text.rpartition("/")[2] in ("", ".", ".."):
        raise ConfigError(f"checkpoint must be a path without its ending, such as runs/digits; got {stem!r}")
    return text


def stem_in(folder: str, name: str | None, decisive: Any) -> str:
    """Return a stem in a folder, for one fit: its name, and a digest of what decides it (plain data)."""
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True, default=str).encode()).hexdigest()
    # A name may come from a file of somebody else, and must not lead out of the folder.
    word = re.sub(r"[^\w .+=@-]", "_", name or "run")
    return f"{folder}{word}-{digest[:12]}"
