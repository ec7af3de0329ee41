"""A search over networks that survives a kill: ``python examples/search.py``; stop it, and give the same command again.

Each fit has files of its own in runs/search/, by its settings and its rows. One that is complete is not trained again,
and one that was killed resumes.
"""

from sklearn.model_selection import GridSearchCV

from arignote import NNClassifier
from arignote.sample_data import digits

X, y = digits()
layers = [
    ["FCLayer", {"name": "hidden", "n_units": 16, "activation": "relu"}],
    ["DropoutLayer", {"name": "dropout", "dropout_p": 0.2}],
    ["ClassificationOutputLayer"],
]
classifier = NNClassifier(layers, rng=1, sgd_type="adam", n_epochs=5, checkpoint="runs/search/")
grid = {"hidden__n_units": [16, 64], "dropout__dropout_p": [0.0, 0.2], "lr_rule": [0.003]}

search = GridSearchCV(classifier, grid, cv=3).fit(X, y)
for params, score in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True):
    print(f"{score:.4f} {params}")
print(f"best: {search.best_score_:.4f} {search.best_params_}")
