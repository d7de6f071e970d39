"""Golden values of online logistic regression and of Gaussian naive Bayes.

Writes logistic.json (River 0.26.1: prequential scores, weights), online_gaussian_nb.json (the same) and
gaussian_nb.json (scikit-learn 1.9.1: fitted statistics, scores) beside this file.
"""
import json
from pathlib import Path

import numpy as np
import river
import sklearn
from river import linear_model, naive_bayes, optim
from sklearn.naive_bayes import GaussianNB

assert (river.__version__, sklearn.__version__) == ("0.26.1", "1.9.1")
HERE, SEED, DENSE, WIDTH = Path(__file__).parent, 7, 3, 8


def write(name, content):
    made = dict(made_by="logistic.py", river=river.__version__, sklearn=sklearn.__version__, seed=SEED)
    (HERE / name).write_text(json.dumps(made | content, separators=(",", ":")) + "\n")


def rows(n):
    """Three numbers, one hot slot of two and perhaps one of three, and a label that depends on them."""
    rng = np.random.default_rng(SEED)
    for _ in range(n):
        dense = [round(float(v), 3) for v in rng.normal(size=DENSE)]
        hot = [3 + int(rng.integers(2))] + ([5 + int(rng.integers(3))] if rng.random() < 0.8 else [])
        z = dense[0] - 2 * dense[1] + (hot[0] == 4) - 0.5
        yield dense, hot, bool(rng.random() < 1 / (1 + np.exp(-z)))


def run(data, rules, optimizer, l2):
    model, scores = linear_model.LogisticRegression(optimizer, l2=l2), []
    for dense, hot, label in data:
        x = dict(enumerate(dense)) | {slot: 1.0 for slot in hot}
        scores.append(float(model.predict_proba_one(x)[True]))
        model.learn_one(x, label)
    weights = [float(model.weights.get(slot, 0.0)) for slot in range(WIDTH)]
    return dict(optimizer=rules, l2=l2, scores=scores, bias=float(model.intercept), weights=weights)


data = list(rows(200))
sgd = [(0.01, 0.0), (0.1, 0.0), (0.1, 0.05), (20.0, 0.0)]
runs = [run(data, {"sgd": dict(learning_rate=rate)}, optim.SGD(rate), l2) for rate, l2 in sgd]
# The last of these has steps so large that logits pass River's approximations at 18 and 30.
assert any(s in (0.0, 1.0) for s in runs[-1]["scores"])
adam = dict(learning_rate=0.1, beta_1=0.9, beta_2=0.999, eps=1e-8)
runs += [
    run(data, {"adagrad": dict(learning_rate=0.1, eps=1e-8)}, optim.AdaGrad(0.1), 0.0),
    run(data, {"adam": adam}, optim.Adam(0.1), 0.01),
    run(data, {"ftrl": dict(alpha=0.05, beta=1.0, l1=0.0, l2=1.0)}, optim.FTRLProximal(), 0.0),
    run(data, {"ftrl": dict(alpha=0.5, beta=1.0, l1=0.5, l2=0.1)}, optim.FTRLProximal(0.5, 1.0, 0.5, 0.1), 0.0),
]
write("logistic.json", dict(width=WIDTH, rows=data, runs=runs))

model, scores = naive_bayes.GaussianNB(), []
for dense, hot, label in data:
    x = dict(enumerate(dense)) | {slot: float(slot in hot) for slot in range(DENSE, WIDTH)}
    scores.append(float(model.predict_proba_one(x).get(True, 0.0) if model.class_counts else 0.5))
    model.learn_one(x, label)
write("online_gaussian_nb.json", dict(width=WIDTH, rows=data, scores=scores))

X = np.zeros((len(data), WIDTH))
for row, (dense, hot, _) in zip(X, data):
    row[:DENSE], row[hot] = dense, 1.0
nb = GaussianNB().fit(X, [label for *_, label in data])
names = ("negative", "positive")
classes = {
    name: dict(prior=nb.class_prior_[i], means=nb.theta_[i].tolist(), variances=nb.var_[i].tolist())
    for i, name in enumerate(names)
}
write("gaussian_nb.json", dict(
    model=classes | {"examples": len(data)},
    rows=[row[:2] for row in data[:40]],
    scores=nb.predict_proba(X[:40])[:, 1].tolist(),
))
