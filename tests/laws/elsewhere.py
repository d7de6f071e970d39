"""Fits a model by scikit-learn and writes it by scripts/from_sklearn.py, with what scikit-learn itself says.

usage: elsewhere.py SCRIPT KIND NAME DIGEST WIDTH FOLDER [EXAMPLES.csv]

Writes FOLDER/artifact.json, and FOLDER/scores.json with rows and what is said of them: a probability or one a class, or
a value. Without a file of exported examples the rows are drawn by a fixed seed. Prints `skipped: ..` where scikit-learn
is not to be had.
"""
import importlib.util
import json
import pathlib
import sys

try:
    import numpy as np
    from sklearn import ensemble
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit()

SCRIPT, KIND, NAME, DIGEST, WIDTH, FOLDER = sys.argv[1:7]
WIDTH, FOLDER = int(WIDTH), pathlib.Path(FOLDER)
MANY, FEW = {"max_leaf_nodes": 600, "random_state": 0}, {"max_leaf_nodes": 12, "random_state": 0}
MODELS = {
    "logistic": lambda: LogisticRegression(),
    "gaussian_nb": lambda: GaussianNB(),
    "tree": lambda: DecisionTreeClassifier(**MANY),
    "tree_of_values": lambda: DecisionTreeRegressor(**MANY),
    "forest": lambda: ensemble.RandomForestClassifier(30, class_weight="balanced", **MANY),
    "forest_of_values": lambda: ensemble.RandomForestRegressor(30, **MANY),
    "extra_trees": lambda: ensemble.ExtraTreesClassifier(30, **MANY),
    "extra_trees_of_values": lambda: ensemble.ExtraTreesRegressor(30, **MANY),
    "boosting": lambda: ensemble.GradientBoostingClassifier(n_estimators=40, subsample=0.7, **FEW),
    "boosting_from_zero": lambda: ensemble.GradientBoostingClassifier(init="zero", **FEW),
    "boosting_of_values": lambda: ensemble.GradientBoostingRegressor(loss="huber", n_estimators=40, **FEW),
    "histograms": lambda: ensemble.HistGradientBoostingClassifier(max_iter=30, random_state=0),
    "histograms_of_values": lambda: ensemble.HistGradientBoostingRegressor(max_iter=30, random_state=0),
}
# Of several classes, in an order that is not theirs.
CLASSES = ["some", "many", "few"] if KIND.endswith("_of_classes") else None
# These leave room for what is missing, so that some of their splits are at infinity.
MISSING = KIND.startswith(("histograms", "tree", "forest"))


def drawn():
    """Rows with missing values, which make a split at infinity, and without, as vectors are."""
    random = np.random.default_rng(11)
    x = random.normal(size=(4000, WIDTH)) * np.geomspace(0.01, 100, WIDTH)
    odds = x[:, 0] * 50 + np.sin(x[:, 1]) + x[:, -1] / 40
    if CLASSES:
        y = np.array(["few", "some", "many"])[np.digitize(odds + random.normal(size=len(x)), [-0.5, 0.5])]
    elif KIND.endswith("_of_values"):
        y = odds + random.normal(size=len(x))
    else:
        y = random.random(len(x)) < 1 / (1 + np.exp(-odds))
    fitted = x.copy()
    if MISSING:
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
model = MODELS[KIND.removesuffix("_of_classes")]().fit(x, y)
spec = importlib.util.spec_from_file_location("from_sklearn", SCRIPT)
from_sklearn = importlib.util.module_from_spec(spec)
spec.loader.exec_module(from_sklearn)
about = {"name": NAME, "features": DIGEST, "width": WIDTH, "classes": CLASSES}
from_sklearn.write(model, FOLDER / "artifact.json", **about)

# The first rows are at the limits of splits, or the next number behind one: who rounds otherwise errs there.
(body,) = json.loads((FOLDER / "artifact.json").read_text())["body"].values()
splits = [node["split"] for tree in body.get("trees", []) for node in tree if "split" in node and abs(node["split"][1]) < 1e300]
asked = asked.copy()
for row, (slot, limit, _) in enumerate(splits[: len(asked) // 2]):
    asked[row, slot] = limit if row % 2 else np.nextafter(limit, np.inf)

if not hasattr(model, "classes_"):
    scores = model.predict(asked)[:, None]
elif CLASSES:
    scores = model.predict_proba(asked)[:, [list(model.classes_).index(name) for name in CLASSES]]
else:
    scores = model.predict_proba(asked)[:, 1:]
(FOLDER / "scores.json").write_text(json.dumps({"rows": asked.tolist(), "scores": scores.tolist()}))

# What it cannot write it refuses, with a sentence.
whole, thirds = np.nan_to_num(x), np.arange(len(x)) % 3
two = thirds == 0
boosting = ensemble.GradientBoostingClassifier
for wrong, changed, says in [
    (GaussianNB().fit(whole, thirds), {}, "3 classes"),
    (GaussianNB().fit(whole, thirds), {"classes": ["0", "1", "3"]}, "classes are 0, 1, 2, those said are 0, 1, 3"),
    (LogisticRegression(max_iter=2).fit(whole[:50], thirds[:50]), {"classes": ["0", "1", "2"]}, "allowed are two"),
    (GaussianNB(), {}, "not fitted"),
    (np.zeros(3), {}, "cannot be written"),
    (model, {"width": WIDTH + 1}, "columns"),
    (model, {"features": "c0ffee"}, "digest"),
    (model, {"name": "../m"}, "name"),
    (DecisionTreeClassifier(random_state=0).fit(np.random.default_rng(0).random((9000, WIDTH)), np.arange(9000) % 2), {}, "max_leaf_nodes"),
    (DecisionTreeRegressor(max_depth=2).fit(whole, whole[:, :2]), {}, "more than one thing"),
    (boosting(loss="exponential", n_estimators=1).fit(whole, two), {}, "loss is exponential"),
    (boosting(init=GaussianNB(), n_estimators=1).fit(whole, two), {}, "begins with another model"),
    (ensemble.HistGradientBoostingRegressor(loss="poisson", max_iter=1).fit(whole, thirds), {}, "loss is poisson"),
]:
    try:
        from_sklearn.artifact(wrong, **{**about, "classes": None, **changed})
    except from_sklearn.Refusal as refusal:
        assert says in str(refusal), refusal
    else:
        raise AssertionError(f"{wrong} is written")
