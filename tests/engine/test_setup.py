"""How the engine computes follows from shapes and settings; it is stored in the checkpoint and taken from it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from promise import Stopped, digest, killed_after

from arignote import ArignoteWarning, CheckpointError, ConfigError, NNClassifier
from arignote.engine.network import Network
from arignote.engine.setup import ONE_THREAD, Setup, available_threads, has_convolutions, setup_for
from arignote.engine.step import TrainingStep
from arignote.layers import declare, parse
from arignote.registry import build
from arignote.spec.settings import FitSettings

OUTPUT = ["ClassificationOutputLayer"]
CONVOLUTIONS = [
    ["InputImageLayer", {"n_pixels": 8}],
    ["ConvLayer", {"n_output_maps": 6, "filter_shape": 3}],
    ["MaxPool2DLayer", {"pool_shape": 2}],
    OUTPUT,
]
NORMED_ROWS = [["BatchNormLayer"], ["DropoutLayer", {"dropout_p": 0.2}], OUTPUT]
NORMED = [["FCLayer", {"n_units": 8}], *NORMED_ROWS]
PRECISIONS = ["float32", "bf16_matmul", "bf16", "fp16"]


def setup(layers=CONVOLUTIONS, before=None, n_in=(64,), **settings):
    return setup_for(declare(parse(layers), n_in, 10), FitSettings(device="cpu", **settings), 128, before)


def test_channels_come_last_where_there_are_convolutions_unless_told_otherwise():
    assert setup().channels_last and not setup([["FCLayer", {"n_units": 8}], OUTPUT]).channels_last
    series = [["Conv1DLayer", {"n_output_maps": 3, "filter_length": 5}], OUTPUT]
    assert setup(series, n_in=(2, 32)).channels_last
    assert not setup(channels_last=False).channels_last
    assert not setup(before={"channels_last": False}).channels_last
    assert setup(before={"channels_last": False}, channels_last=True).channels_last


def test_threads_follow_from_settings_checkpoint_shapes_or_cores(monkeypatch, three_threads):
    wide = ONE_THREAD // (3 * 128 * 64)

    def threads(layers=CONVOLUTIONS, **given):
        found = setup(layers, **given)
        return found.n_threads, found.n_threads_from

    assert threads([["FCLayer", {"n_units": wide // 2}], OUTPUT]) == (1, "shapes")
    large = [["FCLayer", {"n_units": 2 * wide}], OUTPUT]
    assert threads(large) == (torch.get_num_threads(), "cores")
    assert threads(n_threads=3) == (3, "setting")
    assert threads(before={"n_threads": 3}) == (3, "checkpoint")
    assert threads(before={"n_threads": 3, "n_threads_from": "cores"}) == (3, "cores")
    for no_limit in ("0", "-2", "many", ""):
        monkeypatch.setenv("OMP_THREAD_LIMIT", no_limit)
        assert threads(n_threads=3) == (3, "setting")
    monkeypatch.setenv("OMP_THREAD_LIMIT", "1")
    assert threads(n_threads=3) == (1, "OMP_THREAD_LIMIT") and threads(n_threads=1) == (1, "setting")
    monkeypatch.setenv("OMP_THREAD_LIMIT", "2")
    assert threads(n_threads=3) == (2, "OMP_THREAD_LIMIT") and threads(n_threads=2) == (2, "setting")
    monkeypatch.setenv("OMP_MAX_ACTIVE_LEVELS", "0")
    assert threads(n_threads=3) == (1, "OMP_MAX_ACTIVE_LEVELS")


def test_a_device_that_is_not_there_is_reported():
    with pytest.raises(ConfigError, match=r"device must be one that this machine has; got 'cuda:77'"):
        setup_for(declare(parse(CONVOLUTIONS), (64,), 10), FitSettings(device="cuda:77"), 128)


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("layers", [CONVOLUTIONS, NORMED], ids=["convolutions", "normed"])
def test_every_precision_learns_and_predicts_as_it_was_validated(digits, layers, precision):
    x, y = digits
    valid = (x[:80], y[:80])
    fitted = NNClassifier(layers, rng=1, n_epochs=30, precision=precision, sgd_type="adam", lr_rule=0.01)
    fitted.fit(x[80:], y[80:], valid=valid)
    assert fitted.best_["value"] < 0.9
    assert fitted.evaluate(*valid, losses="nll")["nll"] == pytest.approx(fitted.best_["value"], rel=1e-4)
    assert fitted.predict_proba(x[:9]).dtype == np.float32
    assert {t.dtype for t in fitted.state_.network.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_loaded_run_predicts_the_same_bits(digits, tmp_path, precision):
    fitted = NNClassifier(CONVOLUTIONS, rng=1, n_epochs=1, precision=precision, checkpoint=str(tmp_path / "run"))
    fitted.fit(*digits)
    loaded = NNClassifier.load(str(tmp_path / "run"))
    assert np.array_equal(fitted.predict_proba(digits[0]), loaded.predict_proba(digits[0]))


def test_precision_decides_the_numbers_and_the_memory_format_is_reported(digits, tmp_path):
    def fit(**more):
        return NNClassifier(CONVOLUTIONS, rng=1, checkpoint=str(tmp_path / "run"), **more).fit(*digits)

    fit(n_epochs=1)
    with pytest.raises(CheckpointError, match=r"fit\.precision: 'float32' then, 'bf16' now"):
        fit(n_epochs=2, precision="bf16")
    with pytest.warns(ArignoteWarning, match=r"not bit for bit: environment\.channels_last: True then, False now"):
        fit(n_epochs=2, channels_last=False)


def test_files_know_nothing_of_how_filters_lie_in_memory(digits):
    last, first = (
        NNClassifier(CONVOLUTIONS, rng=1, n_epochs=1, channels_last=how).fit(*digits) for how in (True, False)
    )
    for name, array in last.params.items():
        assert array.flags.c_contiguous
        np.testing.assert_allclose(array, first.params[name], rtol=1e-3, atol=1e-5)


def test_gradients_by_hand_are_not_compiled_and_compile_says_nothing_of_them(digits, tmp_path, recwarn):
    stem = str(tmp_path / "run")
    asked = NNClassifier(CONVOLUTIONS, rng=1, n_epochs=1, compile=True, checkpoint=stem).fit(*digits)
    assert asked.state_.environment["compile"] is False
    NNClassifier(CONVOLUTIONS, rng=1, n_epochs=2, checkpoint=stem).fit(*digits)
    assert not recwarn.list


# What torch tells of itself.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_on_a_gpu_a_network_that_shall_be_compiled_goes_by_autograd():
    # "meta" is a device that is no CPU, and is everywhere: it has shapes, and no numbers.
    architecture = declare(parse(CONVOLUTIONS), (1, 8, 8), 10)
    steps = {
        compile: TrainingStep(
            Network(architecture, Setup(device="meta", compile=compile)),
            [build("loss", "nll")],
            build("updater", "nag"),
        )
        for compile in (False, True)
    }
    assert not steps[False].setup.compile and steps[True].setup.compile


# The same.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_a_compiled_step_is_the_same_after_a_stop_before_a_smaller_batch(digits, tmp_path):
    x, y = digits[0][:150], digits[1][:150]
    # Maxout is left to autograd; what is computed by hand is not compiled.
    layers = [["FCMaxoutLayer", {"n_units": 8}], *NORMED_ROWS]

    def fit(**more):
        return NNClassifier(layers, rng=1, n_epochs=2, batch_size=64, compile=True, **more).fit(x, y)

    whole = fit()
    stem = str(tmp_path / "run")
    with pytest.raises(Stopped):
        fit(checkpoint=stem, checkpoint_every=1, observers=killed_after(2))
    assert digest(fit(checkpoint=stem)) == digest(whole)
    assert whole.state_.environment["compile"] is True
    plain = NNClassifier(layers, rng=1, n_epochs=2, batch_size=64).fit(x, y)
    for name, array in plain.params.items():
        np.testing.assert_allclose(array, whole.params[name], rtol=1e-3, atol=1e-5)


# What torch's compiler tells of itself.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_a_compiled_maxout_has_finite_gradients_in_bf16(digits):
    layers = [["FCMaxoutLayer", {"n_units": 8, "maxout_k": 4}], OUTPUT]
    fitted = NNClassifier(layers, rng=1, n_epochs=1, batch_size=64, drop_last=True, compile=True, precision="bf16")
    assert np.isfinite(fitted.fit(*digits).history_[-1]["train_nll"])


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


# Multiplications: 3 passes * rows * (weights of dense layers + weights of filters * pixels that they give).
@pytest.mark.parametrize(
    ("layers", "n_in", "batch_size", "n_threads"),
    [
        # 3 * 1000 * (1000 * 3 + 3 * 111) = 9,999,000 and 3 * 1000 * (1000 * 3 + 3 * 112) = 10,008,000
        ([["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer", {"n_classes": 111}]], (1000,), 1000, 1),
        ([["FCLayer", {"n_units": 3}], ["ClassificationOutputLayer", {"n_classes": 112}]], (1000,), 1000, 3),
        # 3 * 79 * 41,666 = 9,874,842 and 3 * 81 * 41,666 = 10,124,838
        ([["ClassificationOutputLayer", {"n_classes": 1}]], (41_666,), 79, 1),
        ([["ClassificationOutputLayer", {"n_classes": 1}]], (41_666,), 81, 3),
        # 2 * 3 * 3 weights at 100 * 50 places, and 10,000 * 10 to the output: 3 * 17 * 190,000 = 9,690,000
        ([["ConvLayer", {"n_output_maps": 2, "filter_shape": 3}], OUTPUT], (1, 102, 52), 17, 1),
        ([["ConvLayer", {"n_output_maps": 2, "filter_shape": 3}], OUTPUT], (1, 102, 52), 18, 3),
        # Biases, slopes, and what normalises count for nothing.
        ([["BatchNormLayer"]] * 9 + [["ClassificationOutputLayer", {"n_classes": 1}]], (41_666,), 79, 1),
        # 3 * 10 * 333,333 = 9,999,990 and 3 * 10 * 333,334 = 10,000,020
        ([["ClassificationOutputLayer", {"n_classes": 1}]], (333_333,), 10, 1),
        ([["ClassificationOutputLayer", {"n_classes": 1}]], (333_334,), 10, 3),
        ([["ClassificationOutputLayer", {"n_classes": 1}]], (1,), 3_333_333, 1),
        ([["ClassificationOutputLayer", {"n_classes": 1}]], (1,), 3_333_334, 3),
    ],
)
def test_threads_follow_from_the_multiplications_of_a_step(layers, n_in, batch_size, n_threads, three_threads):
    architecture = declare(parse(layers), n_in, 10)
    assert setup_for(architecture, FitSettings(device="cpu"), batch_size).n_threads == n_threads


def test_what_is_asked_for_comes_first_then_what_the_checkpoint_says(three_threads):
    assert available_threads() == 3
    few = [OUTPUT]
    assert setup(few).n_threads == 1
    assert setup(few, before={"n_threads": 2}).n_threads == 2
    assert setup(few, before={"n_threads": 2}, n_threads=5).n_threads == 5
    assert setup(few, precision="bf16", compile=True) == Setup("cpu", 1, "shapes", False, "bf16", True)


def test_a_setup_is_of_one_thread_in_float32_on_the_cpu_unless_told_otherwise():
    assert Setup() == Setup("cpu", 1, "setting", False, "float32", False)
    assert [Setup(precision=one).cast for one in PRECISIONS] == [None, None, torch.bfloat16, torch.float16]


@pytest.mark.parametrize(
    ("layers", "found"),
    [
        ([["ConvLayer", {"n_output_maps": 2, "filter_shape": 1}]], True),
        ([["MaxPool2DLayer", {"pool_shape": 2}], ["FCLayer", {"n_units": 3}], ["BatchNormLayer"]], False),
        ([["FCLayer", {"n_units": 3}]], False),
    ],
)
def test_filters_are_parameters_of_four_axes(layers, found):
    assert has_convolutions(declare(parse([*layers, OUTPUT]), (2, 4, 4), 3)) is found


@pytest.mark.parametrize(
    ("precision", "channels_last"), [("float32", False), ("bf16_matmul", False), ("bf16", True), ("fp16", True)]
)
def test_on_a_gpu_channels_come_last_for_tensor_cores_alone(precision, channels_last):
    # "meta" is a device that is no CPU, and is everywhere.
    settings = FitSettings(precision=precision).model_copy(update={"device": "meta"})
    assert setup_for(declare(parse(CONVOLUTIONS), (64,), 10), settings, 128).channels_last is channels_last
    assert setup_for(declare(parse([OUTPUT]), (64,), 10), settings, 128).channels_last is False


def test_an_automatic_device_is_a_gpu_where_there_is_one():
    architecture = declare(parse([OUTPUT]), (64,), 10)
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert setup_for(architecture, FitSettings(device="auto"), 128).device == expected
