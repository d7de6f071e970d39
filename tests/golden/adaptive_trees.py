"""Writes adaptive_trees.jsonl.gz: what River's Hoeffding adaptive trees say of streams that drift, label by label.

A stream is a line with its name, its number of classes, the sizes of its one-hot groups, the rules of the trees, the
leaves that these have at the end, and how often a leaf was put on trial, won and lost; and the accuracies of the tree
with bootstrap, River's defaults otherwise, over ten seeds. Then comes a line a row: numbers, the value of each group,
the label, and the probabilities of all classes that each tree gives, without bootstrap, before it learns the label
(null before anything is known), to eleven digits behind the point. River gets the error function and root that the
program has, and its order of classes and values.
"""

import gzip
import json
import math
import pathlib
import random
import sys

import river
from erf import erf
from river import proba, tree, utils
from river.datasets import synth
from river.tree import hoeffding_tree_classifier
from river.tree.nodes import htc_nodes
from river.tree.split_criterion import InfoGainSplitCriterion
from river.tree.splitter.nominal_splitter_classif import NominalSplitterClassif

assert river.__version__ == "0.26.1", river.__version__


class Ascending(set):
    def __iter__(self):
        return iter(sorted(super().__iter__()))


class Nominal(NominalSplitterClassif):
    """Of values that are worth the same River splits by the first in a set, which is another in every process."""

    def __init__(self):
        super().__init__()
        self._att_values = Ascending()


class Gain(InfoGainSplitCriterion):
    """Sums over classes in their order, where River's have that in which they were seen."""

    @staticmethod
    def _compute_entropy_dict(dist):
        return InfoGainSplitCriterion._compute_entropy_dict(dict(sorted(dist.items())))

    def _compute_entropy_list(self, dists):
        return super()._compute_entropy_list([dict(sorted(dist.items())) for dist in dists])


# All else is River's. For the error function see erf.py; of roots, which are taken as powers, one in a thousand differs
# in the last bit. By such bits a search falls due a label later, or another of two equal splits is better.
utils.math.norm_cdf = lambda x: 0.5 * (1.0 + erf(x / math.sqrt(2.0)))
proba.Gaussian.sigma = property(lambda self: math.sqrt(self._var.get()))
htc_nodes.NominalSplitterClassif = Nominal
hoeffding_tree_classifier.InfoGainSplitCriterion = Gain
htc_nodes.LeafMajorityClass.total_weight = property(lambda self: sum(self.stats[c] for c in sorted(self.stats)))

GROUPS = {"elevel": range(5), "car": range(1, 21), "zipcode": range(9)}


def agrawal():
    for part, function in enumerate([0, 3, 6]):
        for x, y in synth.Agrawal(classification_function=function, seed=part, perturbation=0.05).take(2500):
            numbers = [float(v) for k, v in x.items() if k not in GROUPS]
            yield numbers, [int(x[k]) - g[0] for k, g in GROUPS.items()], int(y)


def rbf():
    """Three sets of centres."""
    for part in range(3):
        stream = synth.RandomRBF(seed_model=part, seed_sample=part, n_classes=4, n_features=5, n_centroids=12)
        for x, y in stream.take(1500):
            yield [round(v, 6) for v in x.values()], [], int(y)


def corners():
    """Five classes by two limits and a group, that change places; a tenth of the labels is any."""
    rng = random.Random(7)
    for part in range(4):
        for _ in range(1800):
            a, b, slot = round(rng.random(), 4), round(rng.random(), 4), rng.randrange(3)
            y = (2 * (a > 0.4) + (b > 0.6) if slot else 4) if rng.random() < 0.9 else rng.randrange(5)
            yield [a, b, round(rng.random(), 4)], [slot], (y + 2 * part) % 5


def left():
    """Four classes, of which the two of the rarer side change places; only what is below the root's left drifts."""
    rng = random.Random(8)
    for part in range(4):
        for _ in range(2500):
            a, b, c = (round(rng.random(), 4) for _ in range(3))
            y = (int(b > 0.5) + part) % 2 if a <= 0.2 else 2 + (c > 0.5)
            yield [a, b, c], [], y if rng.random() < 0.95 else rng.randrange(4)


STREAMS = [(agrawal, 2, [len(g) for g in GROUPS.values()]), (corners, 5, [3]), (left, 4, []), (rbf, 4, [])]

USUAL = dict(grace_period=200, delta=1e-7, tau=0.05, max_depth=50, drift_window_threshold=300, switch_significance=0.05)
QUICK = dict(grace_period=60, delta=0.01, tau=0.1, max_depth=50, drift_window_threshold=50, switch_significance=0.3)


def vector(numbers, groups):
    return {f"n{i}": v for i, v in enumerate(numbers)} | {f"g{i}": f"v{s:02}" for i, s in enumerate(groups)}


def accuracy(model, rows):
    right = 0
    for numbers, groups, y in rows:
        x = vector(numbers, groups)
        right += model.predict_one(x) == y
        model.learn_one(x, y)
    return right / len(rows)


def main(path):
    with gzip.GzipFile(path, "wb", mtime=0) as out:
        def write(value):
            out.write((json.dumps(value, separators=(",", ":")) + "\n").encode())

        for stream, classes, groups in STREAMS:
            rows = list(stream())
            splits = {"nominal_attributes": [f"g{i}" for i in range(len(groups))], "binary_split": True}

            def make(rules, **more):
                return tree.HoeffdingAdaptiveTreeClassifier(**splits, **rules, **more)

            models = [make(rules, bootstrap_sampling=False) for rules in (USUAL, QUICK)]
            told = []
            for numbers, slots, y in rows:
                x = vector(numbers, slots)
                said = [model.predict_proba_one(x) for model in models]
                scores = [[round(of.get(c, 0.0), 11) for c in range(classes)] if of else None for of in said]
                told.append([numbers, slots, y, scores])
                for model in models:
                    model.learn_one(x, y)
            head = {"stream": stream.__name__, "classes": classes, "groups": groups}
            head["trees"] = [
                {"rules": rules, "leaves": model.n_leaves, "trials": model.n_alternate_trees,
                 "won": model.n_switch_alternate_trees, "lost": model.n_pruned_alternate_trees}
                for rules, model in zip((USUAL, QUICK), models)
            ]
            head["accuracy"] = [accuracy(make({}, seed=seed), rows) for seed in range(10)]
            print(head, file=sys.stderr, flush=True)
            write(head)
            for line in told:
                write(line)


if __name__ == "__main__":
    main(pathlib.Path(__file__).with_name("adaptive_trees.jsonl.gz"))
