"""Writes regression.jsonl.gz: two streams of values, and the mean absolute errors of River's trees and forests on them.

A stream is a line with its name and the errors, test then train, then a line a row: numbers and value. A tree's error is
one number; a forest's are those of three seeds. Lines in the leaves of River's trees need scaled features, so it stands
behind a StandardScaler, as in its documentation; "unscaled" is the tree without.
"""

import gzip
import json
import pathlib
import sys

import river
from river import datasets, forest, preprocessing, tree
from river.datasets import synth

assert river.__version__ == "0.26.1", river.__version__

SEEDS = range(3)


def trump_approval():
    yield from datasets.TrumpApproval()


def friedman():
    yield from synth.Friedman(seed=7).take(5000)


def error(model, rows):
    errors = 0
    for x, y in rows:
        errors += abs(y - model.predict_one(x))
        model.learn_one(x, y)
    return errors / len(rows)


def scaled(model):
    return preprocessing.StandardScaler() | model


def main(path):
    with gzip.GzipFile(path, "wb", mtime=0) as out:
        def write(value):
            out.write((json.dumps(value, separators=(",", ":")) + "\n").encode())

        for stream in (trump_approval, friedman):
            rows = list(stream())
            found = {
                "tree": error(scaled(tree.HoeffdingTreeRegressor()), rows),
                "unscaled": error(tree.HoeffdingTreeRegressor(), rows),
                "forests": [error(scaled(forest.ARFRegressor(seed=seed)), rows) for seed in SEEDS],
            }
            print(stream.__name__, found, file=sys.stderr)
            write({"stream": stream.__name__} | found)
            for x, y in rows:
                write([[float(value) for value in x.values()], float(y)])


if __name__ == "__main__":
    main(pathlib.Path(__file__).with_name("regression.jsonl.gz"))
