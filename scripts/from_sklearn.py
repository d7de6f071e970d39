#!/usr/bin/env python3
"""Writes a fitted scikit-learn model as an artifact, which `tidemill models push` takes.

Takes trees and what is made of them: DecisionTree, RandomForest, ExtraTrees, GradientBoosting and HistGradientBoosting,
each as Classifier and as Regressor; and LogisticRegression (of two classes) and GaussianNB. Of two classes the second
in `classes_` is the label true; of several their names are said in the order of the pipeline's `classes`. Of the fitted
model only numbers are taken over, and what it says stays what it says. It must have been fitted on the slots of the
pipeline's vectors, all of them, in their order: the columns `features.*` of `tidemill export examples`. `tidemill check
PIPELINE` prints how many they are, and the digest of their names.

usage: from_sklearn.py MODEL --name NAME --features DIGEST --width SLOTS [--classes A B ..] [--examples N] --to FILE

MODEL is a file that joblib or pickle wrote. Reading one runs what is in it: read none that is not your own. Who has the
model at hand calls `write(model, file, name=.., features=.., width=..)` instead.
"""
import argparse
import json
import math
import pathlib
import re
import sys

import numpy as np

MAX_TREES, MAX_NODES, MAX_WIDTH, MAX_BYTES = 10_000, 4095, 1 << 20, 64 << 20


class Refusal(Exception):
    """Why a model cannot be written."""


def artifact(model, *, name, features, width, classes=None, examples=None):
    """The artifact of a fitted model, as an object of JSON. `classes` are the pipeline's, where they are several, and
    `examples` is how many it was fitted on, where it does not know that itself."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", name):
        raise Refusal(f"name {name!r} is not 1 to 100 letters, digits, `_` or `-`")
    if not re.fullmatch(r"[0-9a-f]{64}", features):
        raise Refusal(f"features {features!r} is not a digest of 64 hex digits, as tidemill check prints it")
    kind = KINDS.get(type(model).__name__)
    if kind is None:
        raise Refusal(f"{type(model).__name__} cannot be written, only {', '.join(KINDS)} (of a Pipeline its last step)")
    if not hasattr(model, "n_features_in_"):
        raise Refusal("the model is not fitted")
    if getattr(model, "n_outputs_", 1) != 1:
        raise Refusal("the model says more than one thing of a row")
    if not 0 < width <= MAX_WIDTH or model.n_features_in_ != width:
        raise Refusal(f"the model was fitted on {model.n_features_in_} columns, the vectors have {width} slots")
    body = kind(model, order(model, classes), examples)
    return {"format": 1, "model": name, "features": features, "width": width, "body": body}


def write(model, file, **about):
    """Writes the artifact of a fitted model to a file; see `artifact`."""
    text = json.dumps(artifact(model, **about), separators=(",", ":"), allow_nan=False)
    if len(text) > MAX_BYTES:
        raise Refusal(f"the artifact has {len(text)} bytes, allowed are {MAX_BYTES}")
    pathlib.Path(file).write_text(text)


def order(model, classes):
    """The place of each of the pipeline's classes among the model's; of values none."""
    if not hasattr(model, "classes_"):
        return []
    known = [str(label) for label in model.classes_]
    if classes is None:
        if len(known) != 2:
            raise Refusal(f"the model has {len(known)} classes: their order in the pipeline has to be said (`--classes`)")
        return [0, 1]
    if sorted(known) != sorted(classes) or len(known) < 3:
        raise Refusal(f"the model's classes are {', '.join(known)}, those said are {', '.join(classes)}")
    return [known.index(name) for name in classes]


def task(places):
    return {0: "regression", 2: "binary"}.get(len(places), {"multiclass": len(places)})


def logistic(model, places, examples):
    if len(places) != 2:
        raise Refusal(f"the model has {len(places)} classes, of a LogisticRegression allowed are two")
    bias = float(model.intercept_[0]) if model.fit_intercept else 0.0
    weights = [float(weight) for weight in model.coef_[0]]
    # It is served as it is; the rate is that of a learner that would go on from here.
    return {
        "logistic": {"optimizer": {"sgd": {"learning_rate": 0.01}}, "l2": 0.0, "updates": examples or 0, "bias": bias, "weights": weights}
    }


def gaussian_nb(model, places, examples):
    def statistics(label):
        return {
            "prior": float(model.class_prior_[label]),
            "means": [float(mean) for mean in model.theta_[label]],
            "variances": [float(variance) for variance in model.var_[label]],
        }

    # Weights of samples need not sum to a whole number.
    examples = round(float(model.class_count_.sum())) if examples is None else examples
    return {"gaussian_nb": {"classes": [statistics(label) for label in places], "examples": examples}}


def voting_trees(model, places, examples):
    """One tree, or the mean of many."""
    fitted = [one.tree_ for one in getattr(model, "estimators_", [model])]

    def votes(values):
        if not places:
            return [float(values[0])]
        shares = [float(values[place]) / float(values.sum()) for place in places]
        return shares[1:] if len(places) == 2 else shares

    trees = [tree(cart(one, votes)) for one in fitted]
    weights = [1 / len(trees)] * len(trees)
    return {"voting_trees": {"task": task(places), "trees": bounded(trees), "weights": weights, "calibration": [], "examples": learned(fitted[0], examples)}}


def gradient_boosting(model, places, examples):
    """The sum of trees, one or one a class in turns, over what is said before any."""
    if places and model.loss != "log_loss":
        raise Refusal(f"its loss is {model.loss}: what it says is no logistic function of a sum")
    if model.init_ != "zero" and not type(model.init_).__name__.startswith("Dummy"):
        raise Refusal("it begins with another model (`init`), which an artifact has no place for")
    bases = model._raw_predict_init(np.zeros((1, model.n_features_in_)))[0]
    fitted = [one.tree_ for turn in model.estimators_ for one in turn]
    trees = [tree(cart(one, lambda values: model.learning_rate * float(values[0]))) for one in fitted]
    return boosted_trees(places, bases, trees, learned(fitted[0], examples))


def hist_gradient_boosting(model, places, examples):
    if not places and model.loss not in ("squared_error", "absolute_error", "quantile"):
        raise Refusal(f"its loss is {model.loss}: what it says is no sum of trees")
    fitted = [predictor.nodes for turn in model._predictors for predictor in turn]
    if examples is None:
        examples = int(fitted[0][0]["count"]) if fitted else 0
    return boosted_trees(places, model._baseline_prediction.ravel(), [tree(histogram(nodes)) for nodes in fitted], examples)


def boosted_trees(places, bases, trees, examples):
    if len(places) > 2:
        # In turns one a class; by the pipeline's order, not the model's.
        turns = [trees[at : at + len(places)] for at in range(0, len(trees), len(places))]
        trees = [turn[place] for turn in turns for place in places]
        bases = [bases[place] for place in places]
    return {"boosted_trees": {"task": task(places), "bases": [float(base) for base in bases], "trees": bounded(trees), "examples": examples}}


def bounded(trees):
    if len(trees) > MAX_TREES:
        raise Refusal(f"the model has {len(trees)} trees, allowed are {MAX_TREES}")
    return trees


def learned(root, examples):
    """How many rows a tree was fitted on: weights of rows drawn twice sum to as many as were drawn."""
    return round(float(root.weighted_n_node_samples[0])) if examples is None else examples


def cart(fitted, leaf):
    """The nodes of a tree of `sklearn.tree`: slot, limit and children, or what a leaf says."""
    left, right = fitted.children_left, fitted.children_right
    for at in range(fitted.node_count):
        if left[at] < 0:
            yield leaf(fitted.value[at][0])
        else:
            yield int(fitted.feature[at]), rounded_limit(fitted.threshold[at]), int(left[at]), int(right[at])


def rounded_limit(threshold):
    """The greatest number that, rounded to 32 bits, is at most a threshold: such trees are asked in 32 bits."""
    with np.errstate(over="ignore"):
        low = np.float32(threshold)
        if low > threshold:
            low = np.nextafter(low, np.float32(-math.inf))
        high = np.nextafter(low, np.float32(math.inf))
    if not (math.isfinite(low) and math.isfinite(high)):
        return float(threshold)
    # Half-way between two it is rounded to the even one.
    middle = (float(low) + float(high)) / 2
    return middle if low.view(np.uint32) % 2 == 0 else math.nextafter(middle, -math.inf)


def histogram(nodes):
    """The nodes of a tree over histograms."""
    for node in nodes:
        if node["is_leaf"]:
            yield float(node["value"])
            continue
        if node["is_categorical"]:
            raise Refusal("a tree splits by a category: one-hot columns are what the vectors have")
        yield int(node["feature_idx"]), float(node["num_threshold"]), int(node["left"]), int(node["right"])


def tree(nodes):
    """The nodes with the children of each side by side behind it."""
    nodes = list(nodes)
    if len(nodes) > MAX_NODES:
        raise Refusal(f"a tree has {len(nodes)} nodes, allowed are {MAX_NODES}: fit with max_leaf_nodes of at most 2048")
    out, places = [], [0]
    for place in places:
        node = nodes[place]
        if not isinstance(node, tuple):
            if not np.isfinite(node).all():
                raise Refusal("a leaf is not finite")
            out.append({"leaf": node})
            continue
        slot, limit, left, right = node
        # A limit of infinity parts what is missing from the rest, and in a vector nothing is.
        limit = max(-sys.float_info.max, min(limit, sys.float_info.max))
        out.append({"split": [slot, limit, len(places)]})
        places += [left, right]
    return out


KINDS = {
    "LogisticRegression": logistic,
    "GaussianNB": gaussian_nb,
    "DecisionTreeClassifier": voting_trees,
    "DecisionTreeRegressor": voting_trees,
    "RandomForestClassifier": voting_trees,
    "RandomForestRegressor": voting_trees,
    "ExtraTreesClassifier": voting_trees,
    "ExtraTreesRegressor": voting_trees,
    "GradientBoostingClassifier": gradient_boosting,
    "GradientBoostingRegressor": gradient_boosting,
    "HistGradientBoostingClassifier": hist_gradient_boosting,
    "HistGradientBoostingRegressor": hist_gradient_boosting,
}


def main():
    words = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    words.add_argument("model", metavar="MODEL", help="a file that joblib or pickle wrote; reading it runs what is in it")
    words.add_argument("--name", required=True, help="the model's name in the pipeline file")
    words.add_argument("--features", required=True, metavar="DIGEST", help="as tidemill check prints it")
    words.add_argument("--width", required=True, type=int, metavar="SLOTS", help="as tidemill check prints it")
    words.add_argument("--classes", nargs="+", metavar="CLASS", help="of several, in the order of the pipeline file")
    words.add_argument("--examples", type=int, metavar="N", help="how many it was fitted on, if it does not know")
    words.add_argument("--to", required=True, metavar="FILE", help="where to write it")
    args = words.parse_args()
    import joblib

    about = {"name": args.name, "features": args.features, "width": args.width}
    try:
        write(joblib.load(args.model), args.to, classes=args.classes, examples=args.examples, **about)
    except Refusal as refusal:
        sys.exit(f"{args.model}: {refusal}")


if __name__ == "__main__":
    main()
