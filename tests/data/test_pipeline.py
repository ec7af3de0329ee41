"""Several steps of preprocessing in sequence."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from arignote.data.pipeline import Pipeline


@pytest.fixture
def rows():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(300, 8)) @ rng.normal(size=(8, 8)) * np.arange(1, 9) + 10 * np.arange(8)
    return x.astype(np.float32)


def cut(x, size):
    return (x[at : at + size] for at in range(0, len(x), size))


def test_a_pipeline_fits_each_part_on_what_the_former_ones_give(rows):
    pipeline = Pipeline([["Scale", {"divide_by": 10}], "Standardise", ["Whiten", {"method": "pca", "epsilon": 0}]])
    passes = []

    def chunks():
        passes.append(1)
        return cut(rows, 50)

    fitted = pipeline.fit(chunks)
    assert sorted(fitted) == ["1.mean", "1.scale", "2.W", "2.mean"]
    standard = StandardScaler().fit_transform(rows.astype(np.float64))
    reference = PCA(whiten=True, svd_solver="full").fit_transform(standard)
    np.testing.assert_allclose(pipeline.apply(fitted, rows), reference, atol=1e-3)


def test_the_parts_of_a_long_pipeline_are_not_mixed_up(rows):
    pipeline = Pipeline([["Scale", {"divide_by": 2.0}]] * 11 + ["Standardise"])
    fitted = pipeline.fit(lambda: cut(rows, 50))
    assert sorted(fitted) == ["11.mean", "11.scale"]
    np.testing.assert_allclose(pipeline.apply(fitted, rows).std(axis=0), 1, atol=1e-4)


def test_a_pipeline_of_no_parts_gives_the_rows_as_float32():
    pipeline = Pipeline([])
    assert pipeline.fit(lambda: iter([])) == {}
    assert pipeline.apply({}, np.array([[1, 2]])).dtype == np.float32
