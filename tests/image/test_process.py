"""Whitening by its names of 2015, held to the covariance of what it returns."""

from __future__ import annotations

import numpy as np

from arignote.image.process import ZCA, decorrelate_and_whiten


def correlated():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)) + 5).reshape(400, 2, 3)


def test_whitened_rows_have_the_shape_of_the_rows_and_the_covariance_of_the_identity():
    rows = correlated()
    found = decorrelate_and_whiten(rows)
    assert found.shape == rows.shape
    np.testing.assert_allclose(np.cov(found.reshape(400, 6).T), np.eye(6), atol=1e-3)
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-4)


def test_components_come_in_the_order_of_their_variances():
    rows = np.random.default_rng(1).normal(size=(1000, 3)) * [1, 100, 10]
    found = decorrelate_and_whiten(rows)
    correlation = np.abs(np.corrcoef(rows.T, found.T)[:3, 3:])
    assert correlation.argmax(1).tolist() == [2, 0, 1]


def test_zca_applies_what_it_learned_by_the_symmetric_root_of_the_covariance():
    rows, x = correlated().reshape(400, 6), np.ones((2, 6))
    part = ZCA(regularization=0.5)
    assert part.fit(rows) is part
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    W = vectors @ np.diag((values + 0.5) ** -0.5) @ vectors.T
    np.testing.assert_allclose(part.components_, W, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(part.transform(x), (x - rows.mean(0)) @ W, rtol=1e-4, atol=1e-4)
