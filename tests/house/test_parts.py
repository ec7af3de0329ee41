"""docs/parts.md is that of the registry; docs/predecessors.md has each name of the systems that Arignote succeeds."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys

import parts_document
import predecessors_document
import pytest
from own_parts import own_names
from parts_document import DOCUMENT, KINDS, document, examples_of
from predecessors import PREDECESSORS
from ruamel.yaml import YAML

from arignote.registry import build, kinds, part_name
from arignote.registry import names as registered
from arignote.spec.settings import FitSettings

# How many names each system has: a row that is lost is missed.
N_NAMES = {"Arignote of 2015": 104, "pydnn": 17, "Lasagne": 127}
# __all__ of its modules, of the last state of github.com/Lasagne/Lasagne.
LASAGNE = """
    Layer MergeLayer get_output get_output_shape get_all_layers get_all_params count_params get_all_param_values
    set_all_param_values InputLayer DenseLayer NINLayer Conv1DLayer Conv2DLayer Conv3DLayer TransposedConv2DLayer
    Deconv2DLayer DilatedConv2DLayer TransposedConv3DLayer Deconv3DLayer LocallyConnected1DLayer LocallyConnected2DLayer
    MaxPool1DLayer MaxPool2DLayer MaxPool3DLayer Pool1DLayer Pool2DLayer Pool3DLayer Upscale1DLayer Upscale2DLayer
    Upscale3DLayer FeaturePoolLayer FeatureWTALayer GlobalPoolLayer SpatialPyramidPoolingLayer CustomRecurrentLayer
    RecurrentLayer LSTMLayer GRULayer Gate DropoutLayer dropout dropout_channels spatial_dropout dropout_locations
    GaussianNoiseLayer FlattenLayer flatten ReshapeLayer reshape DimshuffleLayer dimshuffle PadLayer pad SliceLayer
    autocrop ConcatLayer concat ElemwiseMergeLayer ElemwiseSumLayer LocalResponseNormalization2DLayer BatchNormLayer
    batch_norm StandardizationLayer instance_norm layer_norm EmbeddingLayer NonlinearityLayer BiasLayer ScaleLayer
    standardize ExpressionLayer InverseLayer TransformerLayer TPSTransformerLayer ParametricRectifierLayer prelu
    RandomizedRectifierLayer rrelu
    sigmoid softmax tanh ScaledTanH ScaledTanh rectify LeakyRectify leaky_rectify very_leaky_rectify elu SELU selu
    softplus linear identity
    Initializer Normal Uniform Glorot GlorotNormal GlorotUniform He HeNormal HeUniform Constant Sparse Orthogonal
    sgd apply_momentum momentum apply_nesterov_momentum nesterov_momentum adagrad rmsprop adadelta adam adamax amsgrad
    norm_constraint total_norm_constraint
    binary_crossentropy categorical_crossentropy squared_error aggregate binary_hinge_loss multiclass_hinge_loss
    huber_loss binary_accuracy categorical_accuracy
    regularize_layer_params regularize_layer_params_weighted l1 l2
"""
ROWS = [
    (system, section, name, here)
    for system, sections in PREDECESSORS.items()
    for section, names in sections.items()
    for name, here in names.items()
]


def look_up(section, here):
    """Raise an error unless the name is registered, a parameter, a setting, or can be imported."""
    if isinstance(here, list):
        return build(section, here)
    if ":" in here:
        module, _, words = here.partition(":")
        found = importlib.import_module(module)
        if words in found.__all__ and words == "mnist":
            # It is downloaded when it is first named.
            return words
        for word in words.split("."):
            # Parameters of the constructor are attributes of its instances.
            is_parameter = callable(found) and word in inspect.signature(found).parameters
            found = word if is_parameter else getattr(found, word)
        return found
    owner, _, parameter = here.partition(".")
    fields = FitSettings.model_fields if owner == "fit" else registered(section)[owner].model_fields
    return fields[parameter] if parameter else owner


def test_the_tables_have_as_many_names_as_the_systems():
    assert {system: sum(row[0] == system for row in ROWS) for system in PREDECESSORS} == N_NAMES
    assert {section for _, section, _, _ in ROWS} <= {"", "fit", *KINDS}


def test_the_names_of_lasagne_are_all_of_its_public_names():
    words = {word for names in PREDECESSORS["Lasagne"].values() for name in names for word in re.findall(r"\w+", name)}
    assert set(LASAGNE.split()) - words == set()


def test_few_names_have_nothing_here():
    names = [name for *_, name, here in ROWS if here is not None and str(here).startswith("none: ")]
    assert len(names) == 8, names


def test_every_name_of_a_predecessor_has_something_here(subtests):
    for system, section, name, here in ROWS:
        with subtests.test(f"{system}: {name}"):
            if isinstance(here, str) and here.startswith("none: "):
                fields = {field for cls in registered("layer").values() for field in cls.model_fields}
                parts = {part for kind in KINDS for part in registered(kind)}
                assert set(re.findall(r"`(\w+)`", here)) <= fields | parts
            else:
                assert look_up(section, here) is not None


def test_the_tables_of_names_are_those_of_the_predecessors():
    text = predecessors_document.DOCUMENT.read_text()
    assert text == predecessors_document.with_names(text), "write it again: make docs"


def test_a_name_that_is_nowhere_is_found_out():
    for section, here in (("layer", "NoLayer"), ("layer", "FCLayer.n_unit"), ("", "arignote:NNClassifier.fits")):
        with pytest.raises((KeyError, AttributeError)):
            look_up(section, here)


def test_every_registered_part_has_a_row_with_its_names_and_its_summary():
    assert {kind for kind in kinds() if own_names(kind)} == set(KINDS)
    for kind, title in KINDS.items():
        section = document().partition(f"## {title}\n")[2].partition("\n## ")[0]
        for name, cls in own_names(kind).items():
            [row] = [line for line in section.splitlines() if line.startswith(f"| `{part_name(cls)}` |")]
            assert f"`{name}`" in row and cls.__doc__.splitlines()[0][:30] in row.replace("\\|", "|")


def test_every_part_has_an_example_as_python_and_as_a_config_that_can_be_built():
    for kind in KINDS:
        for cls in set(own_names(kind).values()):
            python, yaml = examples_of(cls)
            [node] = ast.parse(python).body
            declared = YAML(typ="safe", pure=True).load(yaml)
            if kind == "target":
                assert part_name(cls) in (declared, declared[0]) and ast.literal_eval(python) == declared
            elif isinstance(node, ast.Assign):
                assert ast.literal_eval(node.value) == declared["layers"]
                [entry] = declared["layers"]
                assert build("block" if kind == "block" else "layer", entry)
            else:
                [word] = node.value.keywords
                assert {word.arg: ast.literal_eval(word.value)} == declared["fit"]
                assert part_name(cls) in str(declared) and FitSettings(**declared["fit"])


# In a process of its own, in which no other test has registered a part.
@pytest.mark.slow
def test_the_document_is_that_of_the_registry():
    words = [sys.executable, parts_document.__file__, "--print"]
    written = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert DOCUMENT.read_text() == written, "write it again: make docs"
