"""Fits a classifier by scikit-learn and writes it by scripts/from_sklearn.py, with what scikit-learn itself says.

usage: elsewhere.py SCRIPT KIND NAME DIGEST WIDTH FOLDER [EXAMPLES.csv]

Writes FOLDER/artifact.json, and FOLDER/scores.json with rows and their scores. Without a file of exported examples the
rows are drawn by a fixed seed. Prints `skipped: ..` where scikit-learn is not to be had.
"""
import importlib.util
import json
import pathlib
import sys

try:
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit()

SCRIPT, KIND, NAME, DIGEST, WIDTH, FOLDER = sys.argv[1:7]
WIDTH, FOLDER = int(WIDTH), pathlib.Path(FOLDER)
MODELS = {
    "logistic": lambda: LogisticRegression(),
    "gaussian_nb": lambda: GaussianNB(),
    "boosted_trees": lambda: HistGradientBoostingClassifier(max_iter=30, random_state=0),
}


def drawn():
    """Rows with missing values, which make a split at infinity, and without, as vectors are."""
    random = np.random.default_rng(11)
    x = random.normal(size=(4000, WIDTH)) * np.geomspace(0.01, 100, WIDTH)
    odds = x[:, 0] * 50 + np.sin(x[:, 1]) + x[:, -1] / 40
    y = random.random(len(x)) < 1 / (1 + np.exp(-odds))
    fitted = x.copy()
    if KIND == "boosted_trees":
        fitted[random.random(x.shape) < 0.05] = np.nan
    return fitted, y, x[:1000]


def exported(path):
    import csv

    with open(path, newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] and row["settled"] == "true"]
    slots = [name for name in rows[0] if name.startswith("features.")]
    x = np.array([[float(row[slot]) for slot in slots] for row in rows])
    y = np.array([row["label"] == "true" for row in rows])
    return x, y, x[-1000:]


x, y, asked = exported(sys.argv[7]) if len(sys.argv) > 7 else drawn()
model = MODELS[KIND]().fit(x, y)
spec = importlib.util.spec_from_file_location("from_sklearn", SCRIPT)
from_sklearn = importlib.util.module_from_spec(spec)
spec.loader.exec_module(from_sklearn)
from_sklearn.write(model, FOLDER / "artifact.json", name=NAME, features=DIGEST, width=WIDTH)
scores = model.predict_proba(asked)[:, 1]
(FOLDER / "scores.json").write_text(json.dumps({"rows": asked.tolist(), "scores": scores.tolist()}))

# What it cannot write it refuses, with a sentence.
for wrong, about, says in [
    (GaussianNB().fit(np.nan_to_num(x), np.arange(len(x)) % 3), {}, "3 classes"),
    (GaussianNB(), {}, "not fitted"),
    (np.zeros(3), {}, "cannot be written"),
    (model, {"width": WIDTH + 1}, "columns"),
    (model, {"features": "c0ffee"}, "digest"),
    (model, {"name": "../m"}, "name"),
]:
    try:
        from_sklearn.artifact(wrong, **{"name": NAME, "features": DIGEST, "width": WIDTH, **about})
    except from_sklearn.Refusal as refusal:
        assert says in str(refusal), refusal
    else:
        raise AssertionError(f"{wrong} is written")
