"""The next value of a long series from the 24 before it: windows of the series are the rows.

``python examples/series.py`` compares a GRU with "as an hour ago" and "as a day ago", on the last part of the series.
"""

import numpy as np

from arignote import NNRegressor

# Hours of a day, days of a week, and noise.
hours = np.arange(24 * 7 * 12)
rng = np.random.default_rng(0)
series = np.sin(2 * np.pi * hours / 24) + 0.5 * np.sin(2 * np.pi * hours / (24 * 7)) + 0.1 * rng.normal(size=len(hours))
series = series.astype(np.float32)
X, y = series[:-1], series[1:]

layers = [["GRULayer", {"n_units": 16, "only_last": True}], ["RegressionOutputLayer"]]
settings = {"sgd_type": "adam", "lr_rule": 0.01, "batch_size": 64, "n_epochs": 15}
regressor = NNRegressor(layers, rng=1, windows={"length": 24, "step": 1}, **settings)
# The last windows are held out, and none that shares an hour with them is trained on.
regressor.fit(X, y, valid=0.15, test=0.15)

rmse = regressor.evaluate(X, y, losses=["rmse"], part="test")["rmse"]
last = slice(-int(0.15 * len(y)), None)
print(f"GRU:            rmse {rmse:.3f}")
print(f"as an hour ago: rmse {np.sqrt(np.mean((y - X)[last] ** 2)):.3f}")
print(f"as a day ago:   rmse {np.sqrt(np.mean((series[24:] - series[:-24])[last] ** 2)):.3f}")
print(f"next hour: {regressor.predict(series[-24:])[0]:.2f}")
