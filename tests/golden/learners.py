"""Golden values of online learners, test then train.

Writes learners.json beside this file: rows with labels of three tasks, and what River 0.26.1 says of each row before it
learns it; of ridge regression what scikit-learn 1.9.1 says, fitted anew on all rows before.
"""
import json
from pathlib import Path

import numpy as np
import river
import sklearn
from river import linear_model, naive_bayes, neighbors, optim
from sklearn.linear_model import Ridge

assert (river.__version__, sklearn.__version__) == ("0.26.1", "1.9.1")
HERE, SEED, DENSE, WIDTH, CLASSES, N = Path(__file__).parent, 11, 3, 8, 4, 150


def make():
    """Three numbers, one hot slot of two and perhaps one of three; labels that depend on them."""
    rng = np.random.default_rng(SEED)
    rows, labels = [], dict(binary=[], multiclass=[], regression=[])
    for _ in range(N):
        dense = [round(float(v), 3) for v in rng.normal(size=DENSE)]
        hot = [3 + int(rng.integers(2))] + ([5 + int(rng.integers(3))] if rng.random() < 0.8 else [])
        z = dense[0] - 2 * dense[1] + (hot[0] == 4) - 0.5
        rows.append((dense, hot))
        labels["binary"].append(int(rng.random() < 1 / (1 + np.exp(-z))))
        centres = np.array([dense[0] + 1, -dense[0], dense[1] + (hot[0] == 3), dense[2]])
        labels["multiclass"].append(int(np.argmax(centres + rng.gumbel(size=CLASSES))))
        labels["regression"].append(round(float(3 * z + rng.normal() + 10), 3))
    return rows, labels


rows, labels = make()


def stored(dense, hot):
    """As in a vector: absent slots are absent."""
    return dict(enumerate(dense)) | {slot: 1.0 for slot in hot}


def whole(dense, hot):
    return dict(enumerate(dense)) | {slot: float(slot in hot) for slot in range(DENSE, WIDTH)}


def counts(dense, hot):
    return {i: max(v, 0.0) for i, v in enumerate(dense)} | {slot: 1.0 for slot in hot}


def run(rules, task, model, x_of=stored):
    said = []
    for (dense, hot), label in zip(rows, labels[task]):
        x, label = x_of(dense, hot), bool(label) if task == "binary" else label
        if task == "regression":
            said.append([float(model.predict_one(x))])
        elif task == "binary":
            of = model.predict_proba_one(x)
            said.append([float(of.get(True, 0.0)) if of else 0.5])
        else:
            of = model.predict_proba_one(x)
            said.append([float(of.get(c, 0.0)) if of else 1 / CLASSES for c in range(CLASSES)])
        model.learn_one(x, label)
    return dict(rules=rules, said=said)


OPTIMIZERS = [
    ({"sgd": dict(learning_rate=0.02)}, lambda: optim.SGD(0.02)),
    ({"adagrad": dict(learning_rate=0.1, eps=1e-8)}, lambda: optim.AdaGrad(0.1, 1e-8)),
    ({"adam": dict(learning_rate=0.05, beta_1=0.9, beta_2=0.999, eps=1e-8)}, lambda: optim.Adam(0.05)),
    ({"ftrl": dict(alpha=0.1, beta=1.0, l1=0.1, l2=1.0)}, lambda: optim.FTRLProximal(0.1, 1.0, 0.1, 1.0)),
]
PA = [dict(c=1.0, mode=1, eps=0.1), dict(c=0.1, mode=2, eps=0.5), dict(c=1.0, mode=0, eps=0.0)]
ALMA = [dict(p=2.0, alpha=0.9, b=1 / 0.9, c=2**0.5), dict(p=3.0, alpha=0.5, b=2.0, c=1.0)]
NEAREST = [dict(n_neighbors=5, window_size=50, weighted=True), dict(n_neighbors=3, window_size=20, weighted=False)]


def pa_regressor(rules):
    """River's, but for its loss, which is that of the label 2 y - 1, as if it were a class."""
    model = linear_model.PARegressor(rules["c"], rules["mode"], rules["eps"])
    model.loss = lambda y, said: max(abs(said - y) - rules["eps"], 0)
    return model


def nearest(rules, task):
    engine = neighbors.LazySearch(window_size=rules["window_size"])
    if task == "regression":
        return neighbors.KNNRegressor(rules["n_neighbors"], engine)
    return neighbors.KNNClassifier(rules["n_neighbors"], engine, weighted=rules["weighted"])


def ridge(alpha):
    said = []
    X = np.zeros((N, WIDTH))
    for row, (dense, hot) in zip(X, rows):
        row[:DENSE], row[hot] = dense, 1.0
    y = np.array(labels["regression"])
    for i in range(N):
        said.append([float(Ridge(alpha, solver="cholesky").fit(X[:i], y[:i]).predict(X[i : i + 1])[0]) if i else 0.0])
    return dict(rules=alpha, said=said)


def told(task, runs):
    return dict(task=task, runs=runs)


runs = {
    "linear": told("regression", [
        run(r, "regression", linear_model.LinearRegression(make(), l2=0.001)) for r, make in OPTIMIZERS
    ]),
    "softmax": told("multiclass", [
        run(r, "multiclass", linear_model.SoftmaxRegression(make(), l2=0.001)) for r, make in OPTIMIZERS
    ]),
    "passive_aggressive": told("binary", [
        run(r, "binary", linear_model.PAClassifier(r["c"], r["mode"])) for r in PA
    ]),
    "passive_aggressive_regression": told("regression", [
        run(r, "regression", pa_regressor(r)) for r in PA
    ]),
    "alma": told("binary", [
        run(r, "binary", linear_model.ALMAClassifier(r["p"], r["alpha"], r["b"], r["c"])) for r in ALMA
    ]),
    "multinomial_nb": told("binary", [run(a, "binary", naive_bayes.MultinomialNB(a), counts) for a in (1.0, 0.1)]),
    "multinomial_nb_classes": told("multiclass", [
        run(a, "multiclass", naive_bayes.MultinomialNB(a), counts) for a in (1.0, 0.1)
    ]),
    "gaussian_nb_classes": told("multiclass", [run(None, "multiclass", naive_bayes.GaussianNB(), whole)]),
    "ridge": told("regression", [ridge(1.0), ridge(0.01)]),
}
for name, task in [("", "binary"), ("_classes", "multiclass"), ("_regression", "regression")]:
    runs["nearest_neighbors" + name] = told(task, [run(r, task, nearest(r, task), whole) for r in NEAREST])

made = dict(made_by="learners.py", river=river.__version__, sklearn=sklearn.__version__, seed=SEED)
content = made | dict(width=WIDTH, classes=CLASSES, rows=rows, labels=labels, runs=runs)
(HERE / "learners.json").write_text(json.dumps(content, separators=(",", ":")) + "\n")
