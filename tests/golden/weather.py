"""Prequential accuracy and kappa of River 0.26.1 over the streams of pipeline `weather`: weather.json beside this file."""
import csv
import gzip
import json
from pathlib import Path

import river
from river import metrics, naive_bayes, tree

assert river.__version__ == "0.26.1"
HERE = Path(__file__).parent
DATA = HERE.parent.parent / "datasets/weather"


def rows():
    with gzip.open(DATA / "days.csv.gz", "rt") as days, gzip.open(DATA / "rain.csv.gz", "rt") as rain:
        for day, label in zip(csv.DictReader(days), csv.DictReader(rain)):
            assert day["day"] == label["day"]
            yield {k: float(v) for k, v in day.items() if k not in ("at", "day")}, label["rained"] == "true"


def run(model):
    accuracy, kappa = metrics.Accuracy(), metrics.CohenKappa()
    for x, y in rows():
        said = model.predict_one(x) or False
        accuracy.update(y, said)
        kappa.update(y, said)
        model.learn_one(x, y)
    return dict(accuracy=accuracy.get(), kappa=kappa.get())


told = {"bayes": run(naive_bayes.GaussianNB()), "tree": run(tree.HoeffdingTreeClassifier())}
made = dict(made_by="weather.py", river=river.__version__)
(HERE / "weather.json").write_text(json.dumps(made | told) + "\n")
