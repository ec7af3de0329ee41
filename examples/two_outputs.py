"""One network with two outputs: digits with their parity as an auxiliary task, and digits with the amount of ink."""

from arignote import NNClassifier
from arignote.sample_data import digits

X, y = digits()
body = ["FCLayer", {"name": "body", "n_units": 64, "activation": "relu"}]
digit = ["ClassificationOutputLayer", {"name": "digit"}]

# The parity only helps training: predict leaves it out, and the digit decides which network is best.
parity = ["ClassificationOutputLayer", {"name": "parity", "input": "body", "auxiliary": True}]
classifier = NNClassifier([body, digit, parity], rng=42, n_epochs=10, batch_size=16, valid=0.15, test=0.15)
classifier.fit(X, {"digit": y, "parity": y % 2}, train_loss={"parity": ["nll", {"weight": 0.3}]})
print("with parity:", classifier.evaluate(X, {"digit": y, "parity": y % 2}, part="test"))
print("digits:", classifier.predict(X[:5]))

# Classes and numbers at once: how much ink a digit takes, the sum of its pixels.
ink = X.sum(axis=1)
both = [body, digit, ["RegressionOutputLayer", {"name": "ink", "input": "body"}]]
classifier = NNClassifier(both, rng=42, n_epochs=10, batch_size=16, valid=0.15, test=0.15)
classifier.fit(X, {"digit": y, "ink": ink})
print("with ink:", classifier.evaluate(X, {"digit": y, "ink": ink}, part="test"))
print("digits and ink:", classifier.predict(X[:5]))
