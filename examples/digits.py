"""Digits from a list of layers: train, stop half-way, resume, score, look at mistakes.

``python examples/digits.py``; kill it at any moment and start it again: it resumes, and prints the same numbers.
"""

from arignote import NNClassifier
from arignote.sample_data import digits

X, y = digits()
layers = [
    ["FCLayer", {"name": "hidden", "n_units": 64, "activation": "relu"}],
    ["DropoutLayer", {"dropout_p": 0.25}],
    ["ClassificationOutputLayer"],
]
settings = {
    "sgd_type": "adam",
    "lr_rule": 0.003,
    "batch_size": 32,
    "valid": 0.15,
    "test": 0.15,
    "checkpoint": "runs/digits",
}

# Ten epochs, then twenty: the second fit resumes the first, and ends in the bits of twenty epochs at once.
NNClassifier(layers, rng=42, n_epochs=10, **settings).fit(X, y)
classifier = NNClassifier(layers, rng=42, n_epochs=20, **settings).fit(X, y)
print(f"epochs: {classifier.n_epochs_}, of which {20 - classifier.state_.starts[-1][0]} in this fit")
print(f"best epoch: {classifier.best_['epoch']}")

# Rows that were held out follow from the seed.
scores = classifier.evaluate(X, y, part="test")
print(f"test error: {scores['error']:.1%}")
matrix, mistakes = classifier.confusion(X, y, part="test")
print(f"mistakes: {len(mistakes)} of {matrix.sum()}, the first is {mistakes[0]}")

# The files of the run are enough to predict.
loaded = NNClassifier.load("runs/digits")
print(f"predicted: {loaded.predict(X[:5])}, true: {y[:5]}")
