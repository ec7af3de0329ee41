"""The table of layers says what each layer gives and holds."""

from __future__ import annotations

import re

from arignote.layers import declare, parse
from arignote.report.tables import layer_table, table_lines

LAYERS = [
    ["InputImageLayer", {"n_pixels": 9}],
    ["ConvLayer", {"n_output_maps": 1000, "filter_shape": 3, "stride": 2, "activation": "relu"}],
    ["BatchNormLayer", {"name": "a very long name of a layer"}],
    ["GlobalAveragePoolLayer"],
    ["ClassificationOutputLayer", {"n_classes": 3}],
]


def test_columns_are_as_wide_as_their_widest_cell():
    assert table_lines(["class", "rows"], [["a", "10,000"]]) == [
        "class    rows",
        "-------------",
        "    a  10,000",
    ]
    assert table_lines(["class", "rows"], [["a", "10,000"]], ["total", "1"], n_left=1) == [
        "class    rows",
        "-------------",
        "a      10,000",
        "-------------",
        "total       1",
    ]


def test_a_table_is_whole_on_a_narrow_terminal_and_without_colours_in_a_pipe(monkeypatch):
    for name, value in {"COLUMNS": "20", "TERM": "xterm-256color", "FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"}.items():
        monkeypatch.setenv(name, value)
    labels = [f"a rather long label {n}" for n in range(30)]
    assert table_lines(labels, [labels]) == ["  ".join(labels), "-" * (30 * 21 + 20 + 2 * 29), "  ".join(labels)]


def test_labels_are_no_markup():
    labels = ["[red]", "[/]", ":smile:", "1e-3"]
    assert [line.split() for line in table_lines(["class"], [[label] for label in labels])[2:]] == [[x] for x in labels]


def test_cells_of_wide_characters_are_aligned_as_a_terminal_shows_them():
    assert table_lines(["class", "n"], [["\u732b", "1"]], n_left=1) == ["class  n", "--------", "\u732b     1"]


def test_a_label_cannot_move_the_cursor():
    *_, line = table_lines(["class", "n"], [["a\nb\x1b[2J\t", "1"]], n_left=1)
    assert line == r"a\nb\x1b[2J\t  1"


def test_each_layer_has_a_line_and_the_last_line_has_the_totals():
    architecture = declare(parse(LAYERS), (81,))
    head, rule, *lines, other_rule, total, meaning = layer_table(architecture, 100).splitlines()
    assert head.split() == ["name", "type", "output", "shape", "parameters", "multiply-adds", "memory"]
    assert rule == other_rule == "-" * len(head) and {len(line) for line in lines} == {len(head)} == {len(total)}
    # Columns are at least two blanks apart.
    assert [re.split(" {2,}", line) for line in lines] == [
        # 100 rows of 81 values of 4 bytes.
        ["input", "InputImageLayer", "1 x 9 x 9", "0", "0", "32.4 kB"],
        ["conv1", "ConvLayer", "1000 x 4 x 4", f"{1000 * 9 + 1000:,}", f"{16 * 9 * 1000:,}", "6.4 MB"],
        ["a very long name of a layer", "BatchNormLayer", "1000 x 4 x 4", "2,000", "0", "6.4 MB"],
        ["pool1", "GlobalAveragePoolLayer", "1000", "0", "0", "400 kB"],
        ["output", "ClassificationOutputLayer", "3", "3,003", "3,000", "1.2 kB"],
    ]
    # 324 + 64,000 + 64,000 + 4,000 + 12 bytes of a row.
    assert total.split() == ["total", "15,003", "147,000", "13.2", "MB"] and architecture.n_params == 15003
    assert meaning == "multiply-adds: of one row, forward; memory: outputs of a batch of 100 rows, float32"


def test_notes_on_layers_stand_below_the_table():
    layers = [["InputImageLayer", {"n_pixels": 8}], *LAYERS[1:]]
    *_, total, _, first, second = layer_table(declare(parse(layers), (8, 8)), 1).splitlines()
    assert total.startswith("total")
    for note, axis in ((first, "rows"), (second, "columns")):
        assert note == f"note: conv1: stride 2 leaves the last 1 of 8 {axis} out"


def test_what_is_fixed_and_for_how_long_stands_below_the_table():
    fixed = [
        ["FCLayer", {"name": "a", "n_units": 3, "fix_params": True, "thaw_at": 5}],
        ["FCLayer", {"name": "b", "n_units": 3, "fix_params": ["W"], "thaw_at": 1}],
        ["BatchNormLayer", {"name": "c", "fix_params": ["gamma", "beta"]}],
        ["ActivationLayer", {"name": "d", "activation": "relu", "fix_params": True}],
        ["FCLayer", {"name": "e", "n_units": 3, "fix_params": True}],
        ["ClassificationOutputLayer", {"n_classes": 2}],
    ]
    *_, total, _, line = layer_table(declare(parse(fixed), (4,)), 1).splitlines()
    assert total.startswith("total")
    assert line == "fixed: a for 5 epochs; b (W) for 1 epoch; c (gamma, beta); e"
