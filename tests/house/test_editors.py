"""What docs/how-to/editor.md says of editors, with the language server that they use for YAML.

``npm install -g yaml-language-server``, or its path in ARIGNOTE_YAML_LANGUAGE_SERVER.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
from documents import DOCUMENTS, SHIPPED, configs

from arignote.spec.json_schema import config_schema

SERVER = os.environ.get("ARIGNOTE_YAML_LANGUAGE_SERVER") or shutil.which("yaml-language-server")
END = "\n  - [ClassificationOutputLayer]\n"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        SERVER is None, reason="needs yaml-language-server on PATH: npm install -g yaml-language-server"
    ),
]


class Editor:
    """An editor that speaks the Language Server Protocol over standard input and output."""

    def __init__(self, folder):
        (folder / "config.schema.json").write_text(json.dumps(config_schema()))
        self._folder, self._n_requests, self._n_files, self._notes = folder, 0, 0, []
        self._server = subprocess.Popen([SERVER, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        completion = {"completionItem": {"snippetSupport": True}}
        capabilities = {"textDocument": {"completion": completion, "hover": {"contentFormat": ["markdown"]}}}
        self._ask("initialize", processId=None, rootUri=None, capabilities=capabilities)
        self._send(method="initialized", params={})

    def close(self):
        self._ask("shutdown")
        self._send(method="exit")
        assert self._server.wait(10) == 0
        self._server.stdin.close()
        self._server.stdout.close()

    def _send(self, **message):
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
        self._server.stdin.flush()

    def _next(self):
        """Return the next message, after answering those that ask for the settings of the editor: it has none."""
        length = 0
        while line := self._server.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        message = json.loads(self._server.stdout.read(length))
        if "method" in message and "id" in message:
            items = (message.get("params") or {}).get("items", [])
            self._send(id=message["id"], result=[{} for _ in items] if items else None)
        return message

    def _ask(self, method, **params):
        self._n_requests += 1
        self._send(id=self._n_requests, method=method, params=params)
        while (message := self._next()).get("id") != self._n_requests or "method" in message:
            self._notes.append(message)
        return message["result"]

    def opened(self, text):
        """Return the URI of a new config, and what the editor marks in it: lines, from 1, and messages."""
        self._n_files += 1
        uri = (self._folder / f"{self._n_files}.yaml").as_uri()
        text = "# yaml-language-server: $schema=config.schema.json\n" + text
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._send(method="textDocument/didOpen", params={"textDocument": document})
        while True:
            message = self._notes.pop() if self._notes else self._next()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == uri:
                marks = message["params"]["diagnostics"]
                return uri, [(one["range"]["start"]["line"], one["message"]) for one in marks]

    def at(self, what, text):
        """Return the answer of the server where the text has a bar."""
        uri, _ = self.opened(text.replace("|", ""))
        before = text.partition("|")[0].split("\n")
        return self._ask(what, textDocument={"uri": uri}, position={"line": len(before), "character": len(before[-1])})

    def proposed(self, text):
        return [one["label"] for one in self.at("textDocument/completion", text)["items"]]

    def explained(self, text):
        return self.at("textDocument/hover", text)["contents"]["value"]


@pytest.fixture(scope="module")
def editor(tmp_path_factory):
    editor = Editor(tmp_path_factory.mktemp("editor"))
    yield editor
    editor.close()


def test_layers_parameters_and_parts_are_completed(editor):
    assert {"FCLayer", "FCMaxoutLayer"} <= set(editor.proposed(f"layers:\n  - [FC|]{END}"))
    params = editor.proposed(f"layers:\n  - [FCLayer, {{n|}}]{END}")
    assert {"n_units", "activation", "maxnorm"} <= set(params) and not {"n_output_maps", "shuffle"} & set(params)
    assert {"n_epochs", "lr_rule", "checkpoint"} <= set(editor.proposed(f"layers:{END}fit:\n  n|\n"))
    assert {"beta1", "beta2"} <= set(editor.proposed(f"layers:{END}fit:\n  sgd_type: [adam, {{b|}}]\n"))
    assert {"interval", "multiply_by"} <= set(editor.proposed(f"layers:{END}fit:\n  lr_rule: {{rule: stalled, i|}}\n"))
    assert {"adam", "nag"} <= set(editor.proposed(f"include: base.yaml\nlayers:{END}fit:\n  sgd_type: |\n"))


def test_a_parameter_is_explained_by_its_docstring(editor):
    assert editor.explained(f"layers:\n  - [FCLayer, {{n_un|its: 3}}]{END}").startswith("int >= 1\n\nNumber of units.")
    assert editor.explained(f"layers:\n  - [FC|Layer, {{n_units: 3}}]{END}").startswith("Fully connected layer.")
    assert "default 50\n\nNumber of epochs in all." in editor.explained(f"layers:{END}fit: {{n_ep|ochs: 3}}\n")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (f"layers:\n  - [FCLayer, {{n_unit: 3}}]{END}", 2, "Property n_unit is not allowed."),
        (f"layers:\n  - [FCLayer, {{n_units: -3}}]{END}", 2, "Value is below the minimum of 1."),
        (f"layers:\n  - [FCLayr, {{n_units: 3}}]{END}", 2, '"FCLayer"'),
        ("layers:\n  - [FCLayer, {n_units: 3}]\n", 2, "the last layer must be an output layer"),
        (f"layers:{END}fit:\n  n_epoch: 3\n", 4, "Property n_epoch is not allowed."),
        (f"layers:{END}fit: {{valid_loss: [nll, eror]}}\n", 3, "there is no such loss or metric"),
    ],
)
def test_a_fault_is_marked_in_its_line(editor, text, line, message):
    _, marks = editor.opened(text)
    assert any(at == line and message in found for at, found in marks), marks


def test_no_config_of_the_project_has_a_mark(editor):
    texts = [path.read_text() for path in SHIPPED]
    texts += [text for path in DOCUMENTS for text in configs(path)]
    for text in [*texts, f"layers:\n  - [fc, {{n_units: 3}}]\n  - ['my_layers:Noise', {{sigma: 1}}]{END}"]:
        assert editor.opened(text)[1] == [], text
