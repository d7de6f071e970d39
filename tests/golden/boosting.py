"""Writes boosting.json: what scikit-learn's histogram gradient boosting fits to rows of few different values, so that
its bins are ours. Labels, numbers and ones by a fixed seed.

usage: boosting.py
"""
import json
import pathlib

import numpy as np
import sklearn
from sklearn.ensemble import HistGradientBoostingClassifier

assert sklearn.__version__ == "1.9.1"
ROWS, DENSE, HOT = 3000, 4, 5
PARAMETERS = {"max_iter": 40, "learning_rate": 0.1, "max_leaf_nodes": 12, "min_samples_leaf": 20, "l2_regularization": 0.5}


def main():
    random = np.random.default_rng(7)
    dense = np.round(random.normal(size=(ROWS, DENSE)) * 8) / 8
    hot = random.integers(0, HOT, size=ROWS)
    odds = dense[:, 0] * dense[:, 1] + np.sin(2 * dense[:, 2]) + 0.6 * (hot == 2) - 0.4
    labels = random.random(ROWS) < 1 / (1 + np.exp(-odds))
    x = np.column_stack([dense, np.eye(HOT)[hot]])
    model = HistGradientBoostingClassifier(early_stopping=False, **PARAMETERS).fit(x, labels)
    scores = model.predict_proba(x[:500])[:, 1]
    out = {
        "scikit_learn": sklearn.__version__, "width": DENSE + HOT, "parameters": PARAMETERS,
        "dense": dense.tolist(), "hot": (hot + DENSE).tolist(), "labels": labels.tolist(),
        "nodes": [tree[0].get_n_leaf_nodes() * 2 - 1 for tree in model._predictors], "scores": scores.tolist(),
    }
    (pathlib.Path(__file__).parent / "boosting.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")


main()
