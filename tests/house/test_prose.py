"""Docstrings, comments, messages and documents have the words of the field."""

from __future__ import annotations

import re

from documents import DOCUMENTS, ROOT

# Each with the word to write.
WORDS = {
    r"go(es)? on|went on|going on": "continues, or resumes",
    r"anew": "again, or re-",
    r"as fault": "as error",
    r"teach(es)?|taught": "train, pretrain",
    r"(is|are|was|were) gone": "no longer exists",
    r"heed(s|ed)?|in vain": "use, without effect",
    r"[Tt]old": "reported, sent, passed",
}


def test_no_text_has_a_word_for_which_the_field_has_another():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]!r}; write: {better}"
        for path in [*DOCUMENTS, *sorted((ROOT / "arignote").rglob("*.py"))]
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for words, better in WORDS.items()
        if (match := re.search(rf"\b({words})\b", line))
    ]
    assert not found, "\n".join(found)


def test_no_variable_of_the_package_is_named_found():
    named = [
        f"{path.relative_to(ROOT)}:{number}: name what it holds"
        for path in sorted((ROOT / "arignote").rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.match(r" *found(: [^=]+)? = ", line)
    ]
    assert not named, "\n".join(named)
