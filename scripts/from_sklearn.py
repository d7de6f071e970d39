#!/usr/bin/env python3
"""Writes a fitted scikit-learn classifier as an artifact, which `tidemill models push` takes.

Takes LogisticRegression, GaussianNB and HistGradientBoostingClassifier of two classes, of which the second in
`classes_` is the label true. Of the fitted model only numbers are taken over, and its scores stay its scores. It must
have been fitted on the slots of the pipeline's vectors, all of them, in their order: the columns `features.*` of
`tidemill export examples`. `tidemill check PIPELINE` prints how many they are, and the digest of their names.

usage: from_sklearn.py MODEL --name NAME --features DIGEST --width SLOTS [--examples N] --to FILE

MODEL is a file that joblib or pickle wrote. Reading one runs what is in it: read none that is not your own. Who has the
model at hand calls `write(model, file, name=.., features=.., width=..)` instead.
"""
import argparse
import json
import math
import pathlib
import re
import sys

MAX_TREES, MAX_NODES, MAX_WIDTH, MAX_BYTES = 10_000, 4095, 1 << 20, 64 << 20


class Refusal(Exception):
    """Why a model cannot be written."""


def artifact(model, *, name, features, width, examples=None):
    """The artifact of a fitted model, as an object of JSON. `examples` is how many it was fitted on, where it does not
    know that itself."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", name):
        raise Refusal(f"name {name!r} is not 1 to 100 letters, digits, `_` or `-`")
    if not re.fullmatch(r"[0-9a-f]{64}", features):
        raise Refusal(f"features {features!r} is not a digest of 64 hex digits, as tidemill check prints it")
    kinds = {
        "LogisticRegression": logistic,
        "GaussianNB": gaussian_nb,
        "HistGradientBoostingClassifier": boosted_trees,
    }
    kind = kinds.get(type(model).__name__)
    if kind is None:
        raise Refusal(f"{type(model).__name__} cannot be written, only {', '.join(kinds)} (of a Pipeline its last step)")
    if not hasattr(model, "classes_"):
        raise Refusal("the model is not fitted")
    if len(model.classes_) != 2:
        raise Refusal(f"the model has {len(model.classes_)} classes, allowed are two")
    if not 0 < width <= MAX_WIDTH or model.n_features_in_ != width:
        raise Refusal(f"the model was fitted on {model.n_features_in_} columns, the vectors have {width} slots")
    body = kind(model, examples)
    return {"format": 1, "model": name, "features": features, "width": width, "body": body}


def write(model, file, **about):
    """Writes the artifact of a fitted model to a file; see `artifact`."""
    text = json.dumps(artifact(model, **about), separators=(",", ":"), allow_nan=False)
    if len(text) > MAX_BYTES:
        raise Refusal(f"the artifact has {len(text)} bytes, allowed are {MAX_BYTES}")
    pathlib.Path(file).write_text(text)


def logistic(model, examples):
    bias = float(model.intercept_[0]) if model.fit_intercept else 0.0
    weights = [float(weight) for weight in model.coef_[0]]
    # It is served as it is; the rate is that of a learner that would go on from here.
    return {
        "logistic": {"optimizer": {"sgd": {"learning_rate": 0.01}}, "l2": 0.0, "updates": examples or 0, "bias": bias, "weights": weights}
    }


def gaussian_nb(model, examples):
    def statistics(label):
        return {
            "prior": float(model.class_prior_[label]),
            "means": [float(mean) for mean in model.theta_[label]],
            "variances": [float(variance) for variance in model.var_[label]],
        }

    # Weights of samples need not sum to a whole number.
    examples = round(float(model.class_count_.sum())) if examples is None else examples
    return {"gaussian_nb": {"classes": [statistics(0), statistics(1)], "examples": examples}}


def boosted_trees(model, examples):
    trees = [tree(predictors[0].nodes) for predictors in model._predictors]
    if len(trees) > MAX_TREES:
        raise Refusal(f"the model has {len(trees)} trees, allowed are {MAX_TREES}")
    if examples is None:
        examples = int(model._predictors[0][0].nodes[0]["count"]) if trees else 0
    base = float(model._baseline_prediction.ravel()[0])
    return {"boosted_trees": {"task": "binary", "bases": [base], "trees": trees, "examples": examples}}


def tree(nodes):
    """The nodes with the children of each side by side behind it."""
    if len(nodes) > MAX_NODES:
        raise Refusal(f"a tree has {len(nodes)} nodes, allowed are {MAX_NODES}: fit with max_leaf_nodes below 2048")
    out, order = [], [0]
    for place in order:
        node = nodes[place]
        if node["is_leaf"]:
            out.append({"leaf": float(node["value"])})
            continue
        if node["is_categorical"]:
            raise Refusal("a tree splits by a category: one-hot columns are what the vectors have")
        limit = float(node["num_threshold"])
        # A limit of infinity parts what is missing from the rest, and in a vector nothing is.
        limit = max(-sys.float_info.max, min(limit, sys.float_info.max))
        out.append({"split": [int(node["feature_idx"]), limit, len(order)]})
        order += [int(node["left"]), int(node["right"])]
    if not all(math.isfinite(node.get("leaf", 0.0)) for node in out):
        raise Refusal("a leaf is not finite")
    return out


def main():
    words = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    words.add_argument("model", metavar="MODEL", help="a file that joblib or pickle wrote; reading it runs what is in it")
    words.add_argument("--name", required=True, help="the model's name in the pipeline file")
    words.add_argument("--features", required=True, metavar="DIGEST", help="as tidemill check prints it")
    words.add_argument("--width", required=True, type=int, metavar="SLOTS", help="as tidemill check prints it")
    words.add_argument("--examples", type=int, metavar="N", help="how many it was fitted on, if it does not know")
    words.add_argument("--to", required=True, metavar="FILE", help="where to write it")
    args = words.parse_args()
    import joblib

    about = {"name": args.name, "features": args.features, "width": args.width, "examples": args.examples}
    try:
        write(joblib.load(args.model), args.to, **about)
    except Refusal as refusal:
        sys.exit(f"{args.model}: {refusal}")


if __name__ == "__main__":
    main()
