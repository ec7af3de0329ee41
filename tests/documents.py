"""The blocks of code of the documents, and what is run of them."""

from __future__ import annotations

import re
from itertools import zip_longest
from pathlib import Path

__all__ = [
    "DOCUMENTS",
    "LAYERS",
    "NUMBERS",
    "ROOT",
    "SHIPPED",
    "as_shown",
    "blocks",
    "configs",
    "marked_blocks",
    "named_blocks",
    "sessions",
]

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = sorted(ROOT.glob("arignote/configs/*.yaml"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/how-to/*.md")])
# A fenced block with its language, or an indented one; before it the name of its file, or what is done with it and why.
BEFORE = r"^(?:.*`([\w./-]+)`:\n\n)?(?:<!-- (not run|slow|times): .+ -->\n)?"
BLOCK = re.compile(BEFORE + r"(?:```([\w{}]*).*\n([\s\S]*?)^```$|((?: {4}.*\n|\n(?= {4}))+))", re.M)
# The kind of an indented block, by how it begins.
KINDS = {">>>": "doctest", "$ ": "session", "arignote": "command", "torchrun": "torchrun", "make ": "make"}
KINDS |= dict.fromkeys(("#!", "until", "export", "srun"), "shell") | {"apiVersion:": "yaml"}
KINDS |= dict.fromkeys(("data:", "fit:", "include:", "layers:", "name:", "# yaml-language-server:"), "config")
# What a config that shows something else lacks.
LAYERS = "\nlayers: [[FCLayer, {n_units: 3}], [ClassificationOutputLayer]]\n"


def marked_blocks(path):
    """Give mark ("", "not run", "slow" or "times"), name of the file (or ""), kind and text of each block."""
    for name, mark, language, fenced, indented in BLOCK.findall(path.read_text()):
        text = fenced or re.sub("^ {4}", "", indented, flags=re.M)
        yield mark, name, language or next((KINDS[word] for word in KINDS if text.lstrip().startswith(word)), ""), text


def named_blocks(path):
    """Give name of the file (or ""), kind and text of each block of a document that has no mark."""
    for mark, *block in marked_blocks(path):
        if not mark:
            yield block


def blocks(path):
    """Give kind and text of each block of a document that is to be run."""
    for _, kind, text in named_blocks(path):
        yield kind, text


def sessions(text):
    """Give each command of a block with what it is shown to print; a line that ends in a backslash continues."""
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, shown = re.match(r"((?:.*\\\n)*.*)\n?([\s\S]*)", part).groups()
        yield command, shown


def configs(path):
    """Give the text of each config of a document, with layers, but for those of which a user has parts or files."""
    for kind, text in blocks(path):
        if kind == "config" and not re.search(r"\[\"\w+:[A-Z]\w+\"|^include: ", text, re.M):
            yield text if "layers:" in text else text + LAYERS


# The time of an epoch, in the last column of its row.
SECONDS = re.compile(r"^( +\d+ +\d+ .* )\d+\.\d\d(  \*)?$")
# A number with a point, or a percentage.
NUMBER = re.compile(r"(-?\d[\d,]*\.\d+(?:e-?\d+)?)(%?)")
# Those of times, in documents where they may be others.
NUMBERS = re.compile(r"\d[\d.,]*")
DIGEST = re.compile(r"[0-9a-f]{64}")


def as_shown(printed, shown, digests):
    """Return whether a document shows what was printed.

    A line of three dots stands for any lines, three dots within a line for any word, at its end for the rest of it. As
    on another processor, numbers with a point may differ by a twentieth, percentages by 0.8, and digests be others, but
    the same wherever the document shows the same: `digests` has those so far.
    """
    lines = [SECONDS.sub(r"\1s\2", line) for line in printed.splitlines() if line.strip()]
    may_skip = False
    for line in [SECONDS.sub(r"\1s\2", line) for line in shown.splitlines() if line.strip()]:
        if line.strip() == "...":
            may_skip = True
            continue
        while may_skip and lines and not _alike(lines[0], line, digests):
            del lines[0]
        if not lines or not _alike(lines.pop(0), line, digests):
            return False
        may_skip = False
    return may_skip or not lines


def _alike(printed, shown, digests):
    words = [line.replace(" %", "%").split() for line in (printed, shown)]
    if words[1][-1] == "...":
        words = [line[: len(words[1]) - 1] for line in words]
    return all(_same(*pair, digests) for pair in zip_longest(*words, fillvalue=""))


def _same(printed, shown, digests):
    if DIGEST.fullmatch(printed) and DIGEST.fullmatch(shown):
        return digests.setdefault(shown, printed) == printed
    if printed == shown or shown == "...":
        return printed != ""
    numbers = [NUMBER.fullmatch(word.strip("(),:")) for word in (printed, shown)]
    if not all(numbers) or numbers[0][2] != numbers[1][2]:
        return False
    got, wanted = (float(number[1].replace(",", "")) for number in numbers)
    return abs(got - wanted) <= (0.8 if numbers[0][2] else max(0.05 * abs(wanted), 1e-4))
