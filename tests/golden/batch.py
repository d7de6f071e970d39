"""Writes batch.json: what scikit-learn fits to the same rows as boosting.json has: trees, forests, AdaBoost, a linear
support vector machine, ridge regression, weighed classes, and calibration of votes. Everything by fixed seeds.

usage: batch.py
"""
import json
import pathlib
import warnings

import numpy as np
import sklearn
from sklearn.calibration import _SigmoidCalibration
from sklearn.ensemble import AdaBoostClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

assert sklearn.__version__ == "1.9.1"
HERE = pathlib.Path(__file__).parent
SHOWN = 500


def main():
    rows = json.loads((HERE / "boosting.json").read_text())
    dense, hot, labels = np.array(rows["dense"]), np.array(rows["hot"]), np.array(rows["labels"])
    width = rows["width"]
    x = np.column_stack([dense, np.eye(width)[hot][:, dense.shape[1]:]])
    out = {"scikit_learn": sklearn.__version__}
    shown = lambda model: model.predict_proba(x[:SHOWN])[:, 1].tolist()

    rules = {"max_leaf_nodes": 24, "min_samples_leaf": 20}
    # Three classes: by the second number, where the label is true.
    classes = np.where(labels, 1 + (dense[:, 1] > 0), 0)
    values = dense[:, 0] * dense[:, 1] + 3 * (hot == dense.shape[1])
    trees = [
        (name, DecisionTreeClassifier(**rules, class_weight=weight, random_state=0).fit(x, labels))
        for name, weight in [("tree", None), ("tree_balanced", "balanced"), ("tree_weighed", {False: 1.0, True: 3.0})]
    ]
    out["rules"] = rules
    out |= {name: {"leaves": int(model.get_n_leaves()), "scores": shown(model)} for name, model in trees}
    several = DecisionTreeClassifier(**rules, random_state=0).fit(x, classes)
    out["classes"] = classes.tolist()
    out["tree_several"] = {"leaves": int(several.get_n_leaves()), "scores": several.predict_proba(x[:SHOWN]).tolist()}
    value = DecisionTreeRegressor(**rules, random_state=0).fit(x, values)
    out["values"] = values.tolist()
    out["tree_values"] = {"leaves": int(value.get_n_leaves()), "scores": value.predict(x[:SHOWN]).tolist()}

    small = {"max_leaf_nodes": 4, "min_samples_leaf": 10}
    boosted = {"n_estimators": 15, "learning_rate": 0.8}
    for name, of in [("adaboost", labels), ("adaboost_several", classes)]:
        model = AdaBoostClassifier(DecisionTreeClassifier(**small, random_state=0), **boosted, random_state=0).fit(x, of)
        say = model.estimator_weights_[: len(model.estimators_)]
        votes = sum(w * np.eye(len(model.classes_))[np.searchsorted(model.classes_, tree.predict(x[:SHOWN]))]
                    for w, tree in zip(say, model.estimators_)) / say.sum()
        out[name] = {"rules": small, **boosted, "weights": (say / say.sum()).tolist(), "votes": votes.tolist()}

    # The newer half judges.
    half = len(x) // 2
    forest = {"n_estimators": 60, "min_samples_leaf": 5, "max_features": 3}
    judged = []
    for seed in range(5):
        model = RandomForestClassifier(**forest, random_state=seed).fit(x[:half], labels[:half])
        p = model.predict_proba(x[half:])[:, 1]
        judged.append((float(roc_auc_score(labels[half:], p)), float(log_loss(labels[half:], p))))
    out["forest"] = {**forest, "roc_auc": [a for a, _ in judged], "log_loss": [l for _, l in judged]}

    out["svm"] = []
    for c, weight in [(1.0, None), (0.05, None), (1.0, "balanced")]:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = LinearSVC(C=c, class_weight=weight, tol=1e-10, max_iter=1_000_000, random_state=0).fit(x, labels)
        out["svm"].append({"c": c, "balanced": weight is not None, "weights": model.coef_[0].tolist(),
                           "bias": float(model.intercept_[0])})

    out["ridge"] = []
    for alpha in [1.0, 30.0]:
        model = Ridge(alpha=alpha, solver="cholesky").fit(x, values)
        out["ridge"].append({"alpha": alpha, "weights": model.coef_.tolist(), "bias": float(model.intercept_)})

    out["logistic"] = []
    for weight in ["balanced", {False: 0.5, True: 4.0}]:
        model = LogisticRegression(C=1.0, class_weight=weight, tol=1e-10, max_iter=10_000).fit(x, labels)
        each = None if weight == "balanced" else [weight[False], weight[True]]
        out["logistic"].append({"each": each, "weights": model.coef_[0].tolist(), "bias": float(model.intercept_[0])})

    parameters = rows["parameters"]
    model = HistGradientBoostingClassifier(early_stopping=False, class_weight="balanced", **parameters).fit(x, labels)
    out["boosting_balanced"] = {"parameters": parameters, "scores": shown(model)}

    random = np.random.default_rng(11)
    out["platt"] = []
    for scale, shift, n in [(1.0, 0.0, 400), (7.0, 2.0, 300), (0.1, -0.02, 200), (-2.0, 1.0, 100)]:
        votes = random.normal(size=n) * scale
        truth = random.random(n) < 1 / (1 + np.exp(-(1.5 * votes / abs(scale) + shift)))
        found = _SigmoidCalibration().fit(votes, truth.astype(int))
        out["platt"].append({"votes": votes.tolist(), "labels": truth.tolist(), "slope": -float(found.a_),
                             "intercept": -float(found.b_)})
    (HERE / "batch.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")


main()
