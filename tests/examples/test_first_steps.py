"""The notebook runs from top to bottom, and shows what is stored in it, but for the digits of numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytestmark = pytest.mark.slow

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "first_steps.ipynb"


def shown(notebook):
    """Return the text of each output, with # for each digit; of a figure that there is one."""
    texts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.output_type in ("stream", "execute_result"), output
            text = output.get("text") or output.data["text/plain"]
            texts.append(("image/png" in output.get("data", {}), re.sub(r"\d", "#", text)))
    return texts


# The server of the kernel leaves sockets to be closed by the interpreter.
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs_and_shows_what_is_stored_in_it(tmp_path):
    stored = nbformat.read(NOTEBOOK, 4)
    nbformat.validate(stored)
    ran = nbclient.NotebookClient(
        nbformat.read(NOTEBOOK, 4), timeout=120, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    assert shown(ran) == shown(stored), f"write it again: jupyter execute --inplace {NOTEBOOK.name}"
    assert [figure for figure, _ in shown(ran)].count(True) == 1
    # A run that was stopped and resumed has the bits of one that was not.
    assert shown(ran)[-1] == (False, "np.True_")
