"""What the HTML of an estimator shows: texts and the rows of tables."""

from __future__ import annotations

from html.parser import HTMLParser

LAYERS = [["FCLayer", {"n_units": 3, "activation": ["leaky_relu", {"slope": 0.1}]}], ["ClassificationOutputLayer"]]


class Shown(HTMLParser):
    """Texts, in order, and the rows of tables."""

    def __init__(self, estimator):
        super().__init__()
        self.texts, self.rows, self.tags = [], [], set()
        html = estimator._repr_html_()
        assert html == estimator._repr_mimebundle_()["text/html"]
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.tag = tag
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        self.tag = ""

    def handle_data(self, data):
        if self.tag in ("td", "th"):
            self.rows[-1][-1] += data
        elif data.strip() and self.tag != "style":
            self.texts.append(data)
