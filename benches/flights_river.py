"""River's learners over the streams of pipeline `flights`, static features, each label at its landing.

    python benches/flights_river.py logistic|adaptive_random_forest|leveraging_bagging|naive_bayes [--rows N]

Prints AUC, log loss, accuracy, kappa and F1 over the labelled flights, of the year and from April on, and events a second;
as it goes, the same of all until each month's end.
Trees and naive Bayes get carrier, origin, destination, hour and weekday as categories, logistic regression as one-hot
slots; numbers are standardized online before they are scored. Needs river 0.26.1 and scikit-learn.
"""

import argparse
import csv
import gzip
import heapq
import math
import pathlib
import time

import numpy as np
import river
from river import ensemble, forest, linear_model, naive_bayes, optim, tree
from sklearn import metrics

assert river.__version__ == "0.26.1", river.__version__
DATA = pathlib.Path(__file__).parent.parent / "datasets/flights"
MISSING = dict(temp=55.0, humid=60.0, wind_speed=9.0, precip=0.0, visib=10.0, pressure=1017.0, built=2002.0, seats=150.0)
CATEGORIES = ("carrier", "origin", "dest", "local_hour", "local_dow")
NOMINAL = list(CATEGORIES)
MODELS = {
    "logistic": lambda: linear_model.LogisticRegression(optim.SGD(0.01)),
    "naive_bayes": lambda: naive_bayes.GaussianNB(),
    "adaptive_random_forest": lambda: forest.ARFClassifier(seed=0, nominal_attributes=NOMINAL),
    "leveraging_bagging": lambda: ensemble.LeveragingBaggingClassifier(
        tree.HoeffdingTreeClassifier(nominal_attributes=NOMINAL), seed=0),
}


def rows(name):
    with gzip.open(DATA / f"{name}.csv.gz", "rt") as file:
        yield from csv.DictReader(file)


def joined():
    """Departures, each with the newest weather of its origin and its plane."""
    planes = {row["tailnum"]: row for row in rows("planes")}
    weather, newest = rows("weather"), {}
    ahead = next(weather)
    for row in rows("departures"):
        while ahead and ahead["observed_at"] <= row["sched_dep"]:
            newest[ahead["origin"]] = ahead
            ahead = next(weather, None)
        beside = newest.get(row["origin"], {}) | planes.get(row["tailnum"], {})
        numbers = {"hour": float(row["local_hour"]), "distance": float(row["distance"])}
        numbers |= {name: float(beside.get(name) or default) for name, default in MISSING.items()}
        yield row, numbers


class Standardizer:
    def __init__(self):
        self.sums = {}

    def __call__(self, numbers):
        out = {}
        for name, x in numbers.items():
            n, mean, squares = self.sums.get(name, (0, 0.0, 0.0))
            n, d = n + 1, x - mean
            mean += d / n
            squares += d * (x - mean)
            self.sums[name] = (n, mean, squares)
            deviation = math.sqrt(squares / n)
            out[name] = (x - mean) / deviation if n > 1 and deviation > 0 else 0.0
        return out


def report(model, name, told, speed):
    if not told:
        return
    p, y = np.array([p for _, p, _ in told]), np.array([late for _, _, late in told])
    said = p > 0.5
    print(f"{model}, {name}: n {len(y)} auc {metrics.roc_auc_score(y, p):.4f} "
          f"log_loss {metrics.log_loss(y, np.clip(p, 1e-4, 1 - 1e-4)):.4f} accuracy {np.mean(said == y):.4f} "
          f"kappa {metrics.cohen_kappa_score(y, said):.4f} f1 {metrics.f1_score(y, said):.4f} "
          f"events/s {speed:.0f}", flush=True)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("model", choices=MODELS)
    arguments.add_argument("--rows", type=int, default=10**9)
    asked = arguments.parse_args()
    model, scale = MODELS[asked.model](), Standardizer()
    landed = {row["flight_id"]: (row["landed_at"], float(row["arr_delay"]) > 15) for row in rows("arrivals")}
    pending, told = [], []
    began = time.perf_counter()
    for number, (row, numbers) in enumerate(joined()):
        if number >= asked.rows:
            break
        if told and row["sched_dep"][:7] != told[-1][0][:7]:
            report(asked.model, f"until {row['sched_dep'][:7]}", told, number / (time.perf_counter() - began))
        while pending and pending[0][0] <= row["sched_dep"]:
            _, _, x, late = heapq.heappop(pending)
            model.learn_one(x, late)
        x = scale(numbers)
        if asked.model == "logistic":
            x |= {f"{name}={row[name]}": 1 for name in CATEGORIES}
        elif asked.model != "naive_bayes":
            x |= {name: row[name] for name in CATEGORIES}
        p = model.predict_proba_one(x).get(True, 0.0)
        if row["flight_id"] in landed:
            at, late = landed[row["flight_id"]]
            told.append((row["sched_dep"], p, late))
            heapq.heappush(pending, (at, number, x, late))
    seconds = time.perf_counter() - began
    report(asked.model, "the year", told, number / seconds)
    report(asked.model, "from April on", [t for t in told if t[0] >= "2013-04-01"], number / seconds)


if __name__ == "__main__":
    main()
