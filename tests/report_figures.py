"""The figures of docs/how-to/read-a-report.md: ``python tests/report_figures.py`` writes them to docs/figures.

They are the curves and the mistakes of a run that was killed once, as the Chromium that is installed shows its page.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from arignote import NNClassifier
from arignote.sample_data import digits

FIGURES = Path(__file__).resolve().parents[1] / "docs" / "figures"
LAYERS = [
    ["InputImageLayer", {"n_pixels": 8}],
    ["ConvLayer", {"n_output_maps": 16, "filter_shape": 3, "pad": "same", "activation": "relu"}],
    ["MaxPool2DLayer", {"pool_shape": 2}],
    ["FCLayer", {"n_units": 64, "activation": "relu"}],
    ["DropoutLayer", {"dropout_p": 0.25}],
    ["ClassificationOutputLayer"],
]
RULE = {"rule": "stalled", "initial_value": 0.05, "multiply_by": 0.25, "interval": 2}
SETTINGS = {"rng": 42, "n_epochs": 15, "batch_size": 32, "sgd_type": "nag", "lr_rule": RULE, "checkpoint": "digits"}


class KilledError(BaseException):
    """Ends a run in the middle, as a kill would."""


def kill(event):
    if event.kind == "batch" and (event.epoch, event.batch) == (8, 20):
        raise KilledError


def write_figures() -> None:
    """Train, be killed, resume, and photograph the page."""
    classifier = NNClassifier(LAYERS, valid=0.15, test=0.15, checkpoint_every="epoch", **SETTINGS)
    try:
        classifier.fit(*digits(), observers=kill)
    except KilledError:
        classifier.fit(*digits(), report=True)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 800, "height": 670}, color_scheme="light")
        page.goto(Path("digits_report.html").resolve().as_uri())
        page.locator("#log").click()
        page.screenshot(path="curves.png")
        test = page.locator("#results .subset").last  # the test rows
        page.locator("#results").scroll_into_view_if_needed()
        test.locator(".matrix td button").first.click()
        test.screenshot(path="mistakes.png")
        browser.close()
    FIGURES.mkdir(exist_ok=True)
    # The second ends above its table of classes.
    for name, n_rows in (("curves.png", 670), ("mistakes.png", 735)):
        shot = Image.open(name).convert("RGB")
        shot.crop((0, 0, shot.width, n_rows)).quantize(64).save(FIGURES / name, optimize=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write_figures()
