"""Writes trees.jsonl.gz: what River's trees say of four streams, label by label, and how well its forests do.

A stream is a line with its name, the sizes of its one-hot groups and the accuracies of River's forests over ten seeds,
then a line a row: numbers, the hot slot of each group, label, and the probability of true that HoeffdingTreeClassifier
gives before it learns the label (null before anything is known), with its defaults and growing quickly.

The ensembles take twenty minutes; --keep takes those accuracies that the file that is there has.
"""

import gzip
import json
import pathlib
import sys

import river
from river import datasets, ensemble, forest, tree
from river.datasets import synth

assert river.__version__ == "0.26.1", river.__version__

SEEDS = range(10)


def bananas():
    for x, y in datasets.Bananas():
        yield list(x.values()), [], bool(y)


def phishing():
    for x, y in datasets.Phishing():
        yield [float(v) for v in x.values()], [], bool(y)


def sea():
    for concept in range(2):
        for x, y in synth.SEA(variant=concept, seed=7, noise=0.1).take(4000):
            yield list(x.values()), [], bool(y)


GROUPS = {"elevel": range(5), "car": range(1, 21), "zipcode": range(9)}


def agrawal():
    for x, y in synth.Agrawal(classification_function=2, seed=3, perturbation=0.1).take(6000):
        yield [float(v) for k, v in x.items() if k not in GROUPS], [int(x[k]) - g[0] for k, g in GROUPS.items()], bool(y)


STREAMS = [(bananas, []), (phishing, []), (sea, []), (agrawal, [len(g) for g in GROUPS.values()])]


# River's random patches learn a hundred rows a second, and less: the longer streams are left out.
PATCHES = [bananas, phishing]


def vector(numbers, hot):
    return {f"n{i}": v for i, v in enumerate(numbers)} | {f"g{i}": f"v{s:02}" for i, s in enumerate(hot)}


def accuracy(model, rows):
    right = 0
    for numbers, hot, y in rows:
        x = vector(numbers, hot)
        right += model.predict_one(x) == y
        model.learn_one(x, y)
    return right / len(rows)


def kept(path):
    with gzip.open(path, "rt") as lines:
        found = [json.loads(line) for line in lines if line.startswith("{")]
    return {stream["stream"]: stream["accuracy"] for stream in found}


def main(path):
    known = kept(path) if "--keep" in sys.argv else {}
    with gzip.GzipFile(path, "wb", mtime=0) as out:
        def write(value):
            out.write((json.dumps(value, separators=(",", ":")) + "\n").encode())

        for stream, groups in STREAMS:
            rows = list(stream())
            nominal = [f"g{i}" for i in range(len(groups))]
            splits = {"nominal_attributes": nominal, "binary_split": True}
            make = {
                "adaptive_random_forest": lambda seed: forest.ARFClassifier(seed=seed, **splits),
                "leveraging_bagging": lambda seed: ensemble.LeveragingBaggingClassifier(
                    tree.HoeffdingTreeClassifier(**splits), seed=seed),
                "streaming_random_patches": lambda seed: ensemble.SRPClassifier(
                    tree.HoeffdingTreeClassifier(grace_period=50, delta=0.01, **splits), seed=seed),
            }
            if stream not in PATCHES:
                del make["streaming_random_patches"]
            found = known.get(stream.__name__, {})
            found = {name: found.get(name) or [accuracy(model(seed), rows) for seed in SEEDS]
                     for name, model in make.items()}
            print(stream.__name__, found, file=sys.stderr)
            write({"stream": stream.__name__, "groups": groups, "accuracy": found})
            models = [tree.HoeffdingTreeClassifier(max_depth=50, **splits),
                      tree.HoeffdingTreeClassifier(max_depth=8, grace_period=50, delta=0.05, tau=0.1, **splits)]
            for numbers, hot, y in rows:
                x = vector(numbers, hot)
                told = [model.predict_proba_one(x) for model in models]
                scores = [one.get(True, 0.0) if sum(one.values()) > 0 else None for one in told]
                write([numbers, hot, int(y), scores])
                for model in models:
                    model.learn_one(x, y)
            print(*(model.summary for model in models), file=sys.stderr)


if __name__ == "__main__":
    main(pathlib.Path(__file__).with_name("trees.jsonl.gz"))
