"""A table with numbers, categories and missing values: the progression of diabetes, from a DataFrame.

``python examples/table.py`` needs pandas: ``pip install 'arignote[tables]'``.
"""

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes

from arignote import NNRegressor

# 442 patients; the sex as text, ages in groups, and some values that were not measured.
data = load_diabetes(as_frame=True, scaled=False)
table = data.data.assign(
    sex=data.data["sex"].map({1.0: "f", 2.0: "m"}),
    age=pd.cut(data.data["age"], [0, 35, 50, 65, 100], labels=["young", "middle", "older", "old"]),
)
table.loc[::10, "bmi"] = np.nan
table.loc[::15, "sex"] = None
print(table.head(3).to_string())

# Each step learns from the training rows alone, and is kept in the checkpoint.
steps = [
    ["Impute", {"strategy": "median"}],
    ["Impute", {"strategy": "most_frequent", "columns": "category"}],
    ["Standardise"],
    ["OneHot", {"handle_unknown": "ignore"}],
]
layers = [["FCLayer", {"n_units": 32, "activation": "relu", "l2": 0.01}], ["RegressionOutputLayer"]]
settings = {"sgd_type": "adam", "batch_size": 32, "n_epochs": 100, "stop_rule": ["stalled", {"interval": 10}]}
regressor = NNRegressor(layers, rng=0, preprocess=steps, valid=0.15, test=0.2, **settings).fit(table, data.target)
scores = regressor.evaluate(table, data.target, losses=["r2", "mae"], part="test")
print(f"R^2 on held-out rows: {scores['r2']:.2f}, mean absolute error {scores['mae']:.0f}")

# A patient whose age and sex are not known.
later = table.iloc[[7]].assign(age=None, sex=None)
print(f"predicted: {regressor.predict(later)[0]:.0f}, true: {data.target[7]:.0f}")
