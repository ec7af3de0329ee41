"""Files as sources of data, by their kind."""

from __future__ import annotations

import pytest

from arignote import DataError
from arignote.data.readers.sources import get_reader


@pytest.mark.parametrize("labels", [False, True])
@pytest.mark.parametrize(("option", "value"), [("csv", {"header": False}), ("columns", "a,b")])
def test_settings_of_tables_are_refused_for_a_folder_of_images(tmp_path, labels, option, value):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=f"'{option}' does not apply to this kind of source"):
        get_reader(tmp_path, labels, **{option: value})
