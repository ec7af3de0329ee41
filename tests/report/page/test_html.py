"""The page in a real browser, driven by the DevTools protocol: nothing is loaded, nothing fails, numbers are right."""

from __future__ import annotations

import shutil
from contextlib import contextmanager

import numpy as np
import pytest

from arignote import NNClassifier, NNRegressor
from arignote.cli import app

pytestmark = pytest.mark.slow

# Text that would be markup, or a script, if any place did not escape it.
HOSTILE = '</script><script>window.harmed = 1</script><img src=x onerror="window.harmed = 2">'
# The name of a layer has neither dots nor slashes.
LAYER = '"><img src=x onerror=harmed=3>'
SWITCHES = ("sandbox", "first-run")
WITHOUT = ("gpu", "quic", "background-networking", "component-update", "sync")
# The labels of a vertical axis, which are drawn: they are aligned to the right.
KEEP_LABELS = """
const labels = new Map(), { fillText } = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
  if (this.textAlign === "right") labels.set(this.canvas, [...(labels.get(this.canvas) || []), +text]);
  return fillText.call(this, text, ...place);
};
window.labelsOf = (canvas) => labels.get(canvas);
"""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    playwright = pytest.importorskip("playwright.sync_api")
    args = [f"--no-{word}" for word in SWITCHES] + [f"--disable-{word}" for word in WITHOUT]
    with playwright.sync_playwright() as started:
        # It has a new, empty folder of its own.
        found = started.chromium.launch(executable_path=CHROMIUM, args=args)
        yield found
        found.close()


@contextmanager
def opened(browser, path, **options):
    """Give the page of a file; fail if anything else is requested, or anything is reported on the console."""
    context = browser.new_context(**options)
    context.add_init_script(KEEP_LABELS)
    page, requests, said = context.new_page(), [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(path.as_uri())
    yield page
    page.wait_for_timeout(50)
    assert requests == [path.as_uri()] and said == [] and page.evaluate("window.harmed") is None
    context.close()


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    """A run of images, whose classes, layers and name are hostile."""
    X, y = digits
    labels = np.array([f"{HOSTILE}{n}" if n == 3 else f"class {n}" for n in y])
    layers = [
        ["InputImageLayer", {"n_pixels": 8}],
        ["ConvLayer", {"name": LAYER, "n_output_maps": 4, "filter_shape": 3}],
        ["ClassificationOutputLayer", {}],
    ]
    stem = tmp_path_factory.mktemp("runs") / "run"
    settings = {"n_epochs": 2, "valid": 0.3, "test": 0.1, "monitor": [LAYER], "report": True}
    fitted = NNClassifier(layers, name=HOSTILE, rng=1).fit(X, labels, **settings, checkpoint=str(stem))
    return fitted, X, labels, stem.with_name("run_report.html")


def test_the_page_loads_nothing_and_has_the_numbers_of_history_and_evaluate(browser, run):
    fitted, X, y, path = run
    assert path.stat().st_size < 500_000
    with opened(browser, path) as page:
        assert page.locator("h1").inner_text() == HOSTILE
        assert page.locator(".chart canvas").count() == page.locator(".chart").count() == 7
        page.get_by_text("Validations as a table").click()
        last = page.locator("table.numbers tbody tr").last.locator("td").all_inner_texts()
        assert last == [f"{value:.6g}" for value in fitted.history_[-1].values()]
        # Without a cursor, the legend has the best validation.
        legend = page.locator(".u-legend").first.locator(".u-value").all_inner_texts()
        best = fitted.history_[fitted.best_["epoch"] - 1]
        expected = [best[name] for name in ("train_nll", "valid_nll", "test_nll")]
        assert [float(text) for text in legend[1:]] == pytest.approx(expected, rel=1e-4)
        for part in ("train", "valid", "test"):
            page.get_by_role("button", name=part, exact=True).click()
            scores = fitted.evaluate(X, y, part=part)
            shown = page.locator(f'.subset:not(.folded) [data-loss="{part}-nll"]').inner_text()
            assert shown == f"{scores['nll']:.5g}"
        matrix, _ = fitted.confusion(X, y, part="valid")
        page.get_by_role("button", name="valid", exact=True).click()
        rows = page.locator(".subset:not(.folded) .matrix tbody tr")
        cells = [[int(text or 0) for text in row.locator("td").all_inner_texts()] for row in rows.all()]
        assert cells == matrix.tolist()


def test_a_click_on_a_cell_shows_its_mistakes(browser, run):
    fitted, X, y, path = run
    rows = np.arange(len(X))
    predicted = fitted.predict(X)
    with opened(browser, path, viewport={"width": 390, "height": 800}) as page:
        page.get_by_role("button", name="valid", exact=True).click()
        part = page.locator(".subset:not(.folded)")
        button = part.locator(".matrix button").first
        label = button.get_attribute("aria-label")
        button.click()
        cell = part.locator(".cell")
        true, _, other = cell.locator("strong").inner_text().partition(" taken for ")
        listed = [int(text.split()[0]) for text in cell.locator("li").all_inner_texts()]
        assert label == f"{true} taken for {other}: {len(listed)} rows"
        # Row numbers of the data that was given to fit.
        assert listed and set(listed) <= set(rows[(y == true) & (predicted == other)].tolist())
        assert cell.locator("img").count() == min(len(listed), 12)
        assert cell.locator("img").first.evaluate("image => image.naturalWidth") == 8
        # The page is no wider than a phone.
        assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_curves_are_zoomed_together_and_have_a_log_scale(browser, run):
    with opened(browser, run[3], color_scheme="dark") as page:
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 20, 22)"
        whole = page.get_by_role("button", name="Whole run")
        assert not whole.is_visible()
        box = page.locator(".u-over").first.bounding_box()
        page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 40, steps=3)
        page.mouse.up()
        whole.click()
        assert not whole.is_visible()
        page.get_by_role("button", name="Log scale").click()
        assert page.get_by_role("button", name="Log scale").get_attribute("aria-pressed") == "true"


def test_the_axis_of_a_constant_rule_has_its_value_within_and_that_of_zeros_ends_at_1(browser, tmp_path):
    X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    network = NNRegressor([["RegressionOutputLayer"]], rng=1, sgd_type="adam", batch_size=20)
    network.fit(X, X[:, 0], n_epochs=2, report=True, checkpoint=str(tmp_path / "run"))
    assert [(row["learning_rate"], row["momentum"]) for row in network.history_] == [(0.001, 0)] * 2
    with opened(browser, tmp_path / "run_report.html") as page:

        def axis(rule):
            labels = page.locator(f'.chart[aria-label^="{rule}: "] canvas').evaluate("labelsOf")
            return min(labels), max(labels)

        low, high = axis("learning_rate")
        assert 0 <= low < 0.001 < high <= 0.002 and axis("momentum") == (0, 1)


def test_the_pages_of_a_regressor_and_of_several_runs_load_nothing(browser, tmp_path):
    X = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    y, stems = X[:, 0] * 2 + 1, [str(tmp_path / f"run{n}") for n in (1, 2)]
    for rng, stem in enumerate(stems):
        fitted = NNRegressor([["RegressionOutputLayer"]], rng=rng)
        fitted.fit(X, y, n_epochs=2, valid=0.2, report=True, checkpoint=stem)
    with opened(browser, tmp_path / "run2_report.html") as page:
        assert page.locator(".subset:not(.folded) svg circle").count() == 2 * 40
        part = page.locator(".subset:not(.folded)")
        scored = next(iter(fitted.evaluate(X, y, part="valid").values()))
        assert part.locator("dd").nth(1).inner_text() == f"{scored:.5g}"
    app(["report", *stems, "--out", str(tmp_path / "both.html")], standalone_mode=False)
    with opened(browser, tmp_path / "both.html") as page:
        assert page.locator("table").first.locator("tbody tr").count() == 2
        assert page.locator(".u-legend").first.locator(".u-label").all_inner_texts() == ["epoch", "run1", "run2"]
