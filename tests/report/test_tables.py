"""The table of layers says what each layer gives and holds."""

from __future__ import annotations

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


def test_each_layer_has_a_line_and_the_last_line_has_the_total():
    architecture = declare(parse(LAYERS), (81,))
    head, rule, *lines, other_rule, total = layer_table(architecture).splitlines()
    assert head.split() == ["name", "type", "output", "shape", "parameters"]
    assert rule == other_rule == "-" * len(head) and {len(line) for line in lines} == {len(head)} == {len(total)}
    column = head.index("type"), head.index("output shape"), head.index("parameters")
    cells = [[line[: column[0]].strip(), line[column[0] :].split()[0], line.split()[-1]] for line in lines]
    assert cells == [
        ["input", "InputImageLayer", "0"],
        ["conv1", "ConvLayer", f"{1000 * 9 + 1000:,}"],
        ["a very long name of a layer", "BatchNormLayer", "2,000"],
        ["pool1", "GlobalAveragePoolLayer", "0"],
        ["output", "ClassificationOutputLayer", "3,003"],
    ]
    shapes = [line[column[1] : column[2]].strip() for line in lines]
    assert shapes == ["1 x 9 x 9", "1000 x 4 x 4", "1000 x 4 x 4", "1000", "3"]
    assert total.split() == ["total", f"{architecture.n_params:,}"] and architecture.n_params == 15003


def test_notes_on_layers_stand_below_the_table():
    layers = [["InputImageLayer", {"n_pixels": 8}], *LAYERS[1:]]
    *_, total, first, second = layer_table(declare(parse(layers), (8, 8))).splitlines()
    assert total.startswith("total")
    for note, axis in ((first, "rows"), (second, "columns")):
        assert note == f"note: conv1: stride 2 leaves the last 1 of 8 {axis} out"
