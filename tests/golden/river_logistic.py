"""Golden scores of an online logistic regression under delayed labels, by River 0.26.1. Python 3.11, seed: none needed.

usage: river_logistic.py     with river==0.26.1; reads datasets/, writes tests/data/river_*.gz (the inputs, cut from the
                             data sets) and tests/golden/river_logistic.jsonl.gz (the scores).

What is run, twice, for the pipelines tests/pipelines/river_sea.toml and river_flights.toml:

- Records in the law's order: event time, then kind (table, context, label, event), then offset in the file. So at one
  time a label is learned before an event is scored. A label is learned with the vector that its event was scored with.
- `river_sea`: the first 20,000 events, x0, x1, x2 as they are; the labels of events that have exactly one, after the
  event and not null (no corrections, withdrawals, duplicates or early ones; the others count as never labelled).
- `river_flights`: the first 10,000 flights; hour, distance and temperature standardized online, the hour, weekday,
  origin and carrier one-hot; the temperature is that of the origin's newest weather row at or before the departure, else 55.
- Standardized: (x - mean) / sd, where mean and population deviation are over all events so far, this one included; 0
  for the first and while the deviation is 0. It is done once, at scoring.
- Learner: `linear_model.LogisticRegression(optim.SGD(0.01))`, all defaults. Its rule, with z = w.x + b, y in {-1, 1}:

      score    = 0 if z < -30;  1 if z > 30;  else 1 / (1 + exp(-z))
      g        = -y                 if y z < -18
                 -y exp(-y z)       if y z > 18
                 -y / (exp(y z) + 1)  else              (that is score - label)
      b       -= 0.01 g             (intercept_lr, a constant of its own)
      w[i]    -= 0.01 (g x[i])      for the features that x has; all weights and b start at 0

  z is taken before either moves. The gradient clip of 1e12 never binds; l2 is 0. With l2 the step is
  w[i] -= 0.01 (g x[i] + l2 w[i]), for the features that x has, and b is not penalized.

Output: a line an event, in order: pipeline, id, score (shortest decimal that reads back as the same f64), and updates,
the count of labels learned before. Compare within 1e-9: the order of additions in w.x differs between programs.
"""
import csv
import gzip
import io
import json
import pathlib
from collections import Counter

import river
from river import linear_model, optim

ROOT = pathlib.Path(__file__).parents[2]
SEA_EVENTS, FLIGHTS = 20_000, 10_000
assert river.__version__ == "0.26.1", river.__version__


class Standardizer:
    """Welford 1962; the deviation is the population's."""

    def __init__(self):
        self.n, self.mean, self.m2 = 0, 0.0, 0.0

    def push(self, x):
        self.n += 1
        before = x - self.mean
        self.mean += before / self.n
        self.m2 += before * (x - self.mean)
        sd = (self.m2 / self.n) ** 0.5
        return (x - self.mean) / sd if sd > 0 else 0.0


def prequential(events, labels, features):
    """Events (time, id, row) and labels (time, id, bool), each by time. Yields (id, score, updates)."""
    model = linear_model.LogisticRegression(optim.SGD(0.01))
    served, at, updates = {}, 0, 0
    for time, key, row in events:
        while at < len(labels) and labels[at][0] <= time:
            _, labelled, y = labels[at]
            model.learn_one(served.pop(labelled), y)
            at, updates = at + 1, updates + 1
        x = features(time, row)
        served[key] = x
        yield key, float(model.predict_proba_one(x)[True]), updates


def lines(path):
    with gzip.open(ROOT / "datasets" / path, "rt", encoding="utf-8", newline="") as file:
        return file.readlines()


def write(path, text):
    (ROOT / path).write_bytes(gzip.compress("".join(text).encode(), 9, mtime=0))


def sea():
    events = lines("sea/events.jsonl.gz")[:SEA_EVENTS]
    rows = [json.loads(line) for line in events]
    scored_at = {r["id"]: r["at"] for r in rows}
    labels = [(line, json.loads(line)) for line in lines("sea/labels.jsonl.gz")]
    count = Counter(r["id"] for _, r in labels)
    plain = [(line, r) for line, r in labels
             if count[r["id"]] == 1 and r["y"] is not None and scored_at.get(r["id"], "z") < r["at"]]
    write("tests/data/river_sea_events.jsonl.gz", events)
    write("tests/data/river_sea_labels.jsonl.gz", [line for line, _ in plain])
    return prequential([(r["at"], r["id"], r) for r in rows], [(r["at"], r["id"], r["y"]) for _, r in plain],
                       lambda _, r: {k: r[k] for k in ("x0", "x1", "x2")})


def table(path):
    text = lines(path)
    return text, list(csv.DictReader(io.StringIO("".join(text))))


def flights():
    text, rows = table("flights/departures.csv.gz")
    text, rows = text[:FLIGHTS + 1], rows[:FLIGHTS]
    write("tests/data/river_flights_departures.csv.gz", text)
    known, end = {r["flight_id"] for r in rows}, rows[-1]["sched_dep"]
    text, arrivals = table("flights/arrivals.csv.gz")
    kept = [i for i, r in enumerate(arrivals) if r["flight_id"] in known]
    write("tests/data/river_flights_arrivals.csv.gz", [text[0]] + [text[i + 1] for i in kept])
    labels = [(arrivals[i]["landed_at"], arrivals[i]["flight_id"], float(arrivals[i]["arr_delay"]) > 15) for i in kept]
    text, weather = table("flights/weather.csv.gz")
    weather = [r for r in weather if r["observed_at"] <= end]
    write("tests/data/river_flights_weather.csv.gz", text[:len(weather) + 1])
    scale, temp, at = {k: Standardizer() for k in ("hour", "distance", "temp")}, {}, 0

    def features(time, r):
        nonlocal at
        while at < len(weather) and weather[at]["observed_at"] <= time:
            temp[weather[at]["origin"]] = weather[at]["temp"]
            at += 1
        numbers = {"hour": r["local_hour"], "distance": r["distance"], "temp": temp.get(r["origin"]) or 55}
        x = {k: scale[k].push(float(v)) for k, v in numbers.items()}
        for column in ("local_hour", "local_dow", "origin", "carrier"):
            x[f"{column}={r[column]}"] = 1
        return x

    # Times of this data set are texts of one form, which sort as what they mean.
    return prequential([(r["sched_dep"], r["flight_id"], r) for r in rows], labels, features)


def main():
    out = []
    for pipeline, run in (("river_sea", sea), ("river_flights", flights)):
        for key, score, updates in run():
            out.append(f'{{"pipeline":"{pipeline}","id":"{key}","score":{score!r},"updates":{updates}}}\n')
    write("tests/golden/river_logistic.jsonl.gz", out)


main()
