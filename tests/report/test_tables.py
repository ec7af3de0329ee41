"""The table of layers says what each layer gives and holds."""

from __future__ import annotations

from arignote.layers import declare, parse
from arignote.report.tables import aligned, layer_table

LAYERS = [
    ["InputImageLayer", {"n_pixels": 9}],
    ["ConvLayer", {"n_output_maps": 1000, "filter_shape": 3, "stride": 2, "activation": "relu"}],
    ["BatchNormLayer", {"name": "a very long name of a layer"}],
    ["GlobalAveragePoolLayer"],
    ["ClassificationOutputLayer", {"n_classes": 3}],
]


def test_columns_are_as_wide_as_their_widest_cell():
    rows = [["class", "rows"], ["a", "10,000"]]
    assert aligned(rows) == ["class    rows", "    a  10,000"]
    assert aligned(rows, n_left=1) == ["class    rows", "a      10,000"]


def test_each_layer_has_its_line_and_the_total_is_theirs():
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


def test_what_a_user_should_know_stands_below():
    layers = [["InputImageLayer", {"n_pixels": 8}], *LAYERS[1:]]
    *_, total, first, second = layer_table(declare(parse(layers), (8, 8))).splitlines()
    assert total.startswith("total")
    for note, axis in ((first, "rows"), (second, "columns")):
        assert note == f"note: conv1: stride 2 leaves the last 1 of 8 {axis} out"
