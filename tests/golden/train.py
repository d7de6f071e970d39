"""Writes train.json: what scikit-learn fits on some generated rows. Run: python train.py > train.json

Needs scikit-learn and numpy; the versions are in the file."""

import json

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

SEED, ROWS, DENSE, GROUPS = 20130101, 600, 3, (4, 3)
ALPHAS = (0.1, 1.0, 30.0)

rng = np.random.default_rng(SEED)
width = DENSE + sum(GROUPS)
true = rng.normal(0, 0.8, width)
rows, matrix, labels = [], [], []
for _ in range(ROWS):
    # Features of different size and place: a fit that depends on scaling would show.
    dense = [round(float(v), 6) for v in (rng.normal(), 40 + 15 * rng.normal(), 0.01 * rng.normal())]
    hot, at = [], DENSE
    for size in GROUPS:
        hot.append(at + int(size * rng.random() ** 2))
        at += size
    x = np.zeros(width)
    x[:DENSE], x[hot] = dense, 1.0
    z = true[0] * x[0] + true[1] * (x[1] - 40) / 15 + true[2] * 100 * x[2] + x[DENSE:] @ true[DENSE:] - 0.5
    rows.append([dense, hot])
    matrix.append(x)
    labels.append(bool(rng.random() < 1 / (1 + np.exp(-z))))
matrix, target = np.array(matrix), np.array(labels)

logistic = []
for alpha in ALPHAS:
    model = LogisticRegression(C=1 / alpha, solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(matrix, target)
    z = model.decision_function(matrix)
    loss = np.logaddexp(0, np.where(target, -z, z)).sum() + alpha / 2 * (model.coef_**2).sum()
    logistic.append({"alpha": alpha, "weights": model.coef_[0].tolist(), "bias": model.intercept_[0], "loss": loss})

bayes = GaussianNB(var_smoothing=1e-9).fit(matrix, target)
classes = [
    {"prior": bayes.class_prior_[c], "means": bayes.theta_[c].tolist(), "variances": bayes.var_[c].tolist()}
    for c in (0, 1)
]
print(
    json.dumps(
        {
            "tool": f"scikit-learn {sklearn.__version__}, numpy {np.__version__}, seed {SEED}",
            "width": width,
            "rows": rows,
            "labels": labels,
            "logistic": logistic,
            "gaussian_nb": {"negative": classes[0], "positive": classes[1]},
        }
    )
)
