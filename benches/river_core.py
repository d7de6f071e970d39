"""River's side of the core benchmark: decode, features, one online learner, overall metrics, predictions written.

usage: river_core.py flights|stream FOLDER OUT [--events N]     needs river==0.26.1 (exit code 3 without)

FOLDER holds the streams (datasets/flights, or what benches/generate.py wrote); OUT gets a JSON line a prediction, of
the engine's form. Prints one JSON line: events, seconds (reading and writing included, imports not), events_per_s, and
metrics.
It does what dataflows/flights.toml and benches/stream.toml declare, in the law's order, as a River user would write
it: a loop, dicts and deques. So it is also an oracle: its scores are the engine's online learner's to rounding.
"""
import csv
import gzip
import heapq
import itertools
import json
import math
import sys
import time
from collections import defaultdict, deque
from datetime import datetime

try:
    from river import linear_model, metrics, optim
except ImportError:
    print("river is not installed", file=sys.stderr)
    sys.exit(3)

TABLE, CONTEXT, LABEL, EVENT = range(4)
HOUR, DAY = 3600.0, 86400.0


def seconds(text):
    return datetime.fromisoformat(text).timestamp()


class Newest:
    """Mean of the newest rows."""

    def __init__(self, rows):
        self.values, self.rows, self.sum = deque(), rows, 0.0

    def push(self, x):
        self.values.append(x)
        self.sum += x
        if len(self.values) > self.rows:
            self.sum -= self.values.popleft()

    def mean(self, missing=0.0):
        return self.sum / len(self.values) if self.values else missing


class Recent:
    """Count and mean of the rows in (t - span, t]."""

    def __init__(self, span):
        self.values, self.span, self.sum = deque(), span, 0.0

    def push(self, t, x=0.0):
        self.values.append((t, x))
        self.sum += x

    def count(self, t):
        while self.values and self.values[0][0] <= t - self.span:
            self.sum -= self.values.popleft()[1]
        return len(self.values)

    def mean(self, t):
        n = self.count(t)
        return self.sum / n if n else 0.0


def by_key(make, *arguments):
    return defaultdict(lambda: make(*arguments))


class Standardizer:
    def __init__(self):
        self.state = defaultdict(lambda: [0, 0.0, 0.0])

    def push(self, numbers):
        out = {}
        for name, x in numbers.items():
            s = self.state[name]
            s[0] += 1
            before = x - s[1]
            s[1] += before / s[0]
            s[2] += before * (x - s[1])
            sd = (s[2] / s[0]) ** 0.5
            out[name] = (x - s[1]) / sd if sd > 0 else 0.0
        return out


class Flights:
    """dataflows/flights.toml."""

    model = "late"

    def __init__(self, folder):
        self.folder = folder
        self.scale, self.weather, self.planes = Standardizer(), {}, {}
        self.origin_dep, self.origin_arr = by_key(Newest, 30), by_key(Newest, 30)
        self.carrier_arr, self.dest_arr, self.origin_late = by_key(Newest, 30), by_key(Newest, 30), by_key(Newest, 30)
        self.hour_late, self.route_late, self.network = by_key(Newest, 200), by_key(Newest, 30), Newest(60)
        self.dep_1h, self.dep_3h = by_key(Recent, HOUR), by_key(Recent, 3 * HOUR)
        self.carrier_3h = by_key(Recent, 3 * HOUR)
        self.scheduled, self.departed = Recent(DAY), Recent(DAY)
        self.scheduled_1d, self.scheduled_3h = by_key(Recent, DAY), by_key(Recent, 3 * HOUR)
        self.departed_1d, self.departed_3h = by_key(Recent, DAY), by_key(Recent, 3 * HOUR)
        self.plane_arr = {}

    def records(self):
        """(seconds, kind, source, row), merged in the law's order; `source` parts the two tables."""
        def file(name, at, kind, source):
            with gzip.open(f"{self.folder}/{name}.csv.gz", "rt", encoding="utf-8", newline="") as f:
                rows = csv.reader(f)
                next(rows)
                for row in rows:
                    yield seconds(row[at]), kind, source, row
        return heapq.merge(file("departures", 0, EVENT, 0), file("takeoffs", 0, CONTEXT, 1),
                           file("arrivals", 0, LABEL, 2), file("weather", 0, TABLE, 3), file("planes", 1, TABLE, 4),
                           key=lambda r: r[:3])

    def table(self, source, row):
        if source == 3:
            self.weather[row[1]] = [float(v) if v else None for v in row[2:]]
        else:
            self.planes[row[0]] = [int(v) if v else None for v in row[2:]]

    def context(self, t, row):
        _, delay, _, origin, carrier = row
        delay = min(180.0, max(-20.0, float(delay)))
        self.origin_dep[origin].push(delay)
        self.network.push(delay)
        for window in (self.dep_1h[origin], self.dep_3h[origin], self.carrier_3h[carrier]):
            window.push(t, delay)
        for window in (self.departed, self.departed_1d[origin], self.departed_3h[origin]):
            window.push(t)

    def label(self, t, row):
        return row[2], float(row[1]) > 15, row

    def labelled(self, t, row, event, late):
        _, hour, _, _, carrier, origin, dest, _, tail = event
        delay = min(180.0, max(-40.0, float(row[1])))
        self.origin_arr[origin].push(delay)
        self.carrier_arr[carrier].push(delay)
        self.dest_arr[dest].push(delay)
        self.origin_late[origin].push(late)
        self.hour_late[origin, hour].push(late)
        self.route_late[carrier, dest, hour].push(late)
        if tail:
            self.plane_arr[tail] = (t, delay)

    def event(self, t, row):
        at, hour, dow, key, carrier, origin, dest, distance, tail = row
        weather = self.weather.get(origin, (None,) * 6)
        temp, humid, wind, precip, visib, pressure = weather
        built, seats = self.planes.get(tail, (None, None))
        landed, plane = self.plane_arr.get(tail, (-math.inf, 0.0))
        x = self.scale.push({
            "hour": int(hour), "distance": float(distance),
            "temp": 55.0 if temp is None else temp, "humid": 60.0 if humid is None else humid,
            "wind_speed": 9.0 if wind is None else wind, "precip": precip or 0.0, "rain": 1.0 if precip else 0.0,
            "visib": 10.0 if visib is None else visib, "pressure": 1017.0 if pressure is None else pressure,
            "age": 11 if built is None else 2013 - built, "seats": 150 if seats is None else seats,
            "origin_dep_30": self.origin_dep[origin].mean(), "network_dep_60": self.network.mean(),
            "origin_dep_1h": self.dep_1h[origin].mean(t), "origin_dep_3h": self.dep_3h[origin].mean(t),
            "carrier_dep_3h": self.carrier_3h[carrier].mean(t),
            "origin_arr_30": self.origin_arr[origin].mean(), "carrier_arr_30": self.carrier_arr[carrier].mean(),
            "dest_arr_30": self.dest_arr[dest].mean(), "plane_arr": plane if landed > t - DAY else 0.0,
            "origin_late_30": self.origin_late[origin].mean(), "hour_late_200": self.hour_late[origin, hour].mean(0.2),
            "route_late_30": self.route_late[carrier, dest, hour].mean(0.2),
            "waiting": self.scheduled.count(t) - self.departed.count(t),
            "waiting_origin": self.scheduled_1d[origin].count(t) - self.departed_1d[origin].count(t),
            "waiting_origin_3h": self.scheduled_3h[origin].count(t) - self.departed_3h[origin].count(t),
        })
        for window in (self.scheduled, self.scheduled_1d[origin], self.scheduled_3h[origin]):
            window.push(t)
        for name, value in (("hour", hour), ("dow", dow), ("origin", origin), ("carrier", carrier), ("dest", dest)):
            x[f"{name}={value}"] = 1
        return key, f"{at[:-1]}:00Z", x


class Stream:
    """benches/stream.toml."""

    model = "fraud"

    def __init__(self, folder):
        self.folder, self.scale = folder, Standardizer()
        self.user_n, self.merchant_n, self.clicks = by_key(Recent, HOUR), by_key(Recent, HOUR), by_key(Recent, HOUR)
        self.user_amount, self.merchant_fraud = by_key(Newest, 10), by_key(Newest, 100)

    def records(self):
        def file(name, kind):
            with open(f"{self.folder}/{name}.jsonl", encoding="utf-8") as f:
                for line in f:
                    row = json.loads(line)
                    yield seconds(row["at"]), kind, 0, row
        return heapq.merge(file("events", EVENT), file("labels", LABEL), file("clicks", CONTEXT), key=lambda r: r[:2])

    def context(self, t, row):
        self.clicks[row["user"]].push(t)

    def label(self, t, row):
        return row["id"], row["fraud"], row

    def labelled(self, t, row, event, fraud):
        self.merchant_fraud[event["merchant"]].push(fraud)

    def event(self, t, row):
        user, merchant, amount, at = row["user"], row["merchant"], row["amount"], row["at"]
        numbers = {} if amount <= 0 else {"amount": math.log(amount)}
        numbers |= {"user_payments": self.user_n[user].count(t), "user_amount": self.user_amount[user].mean(),
                    "user_clicks": self.clicks[user].count(t), "merchant_fraud": self.merchant_fraud[merchant].mean(),
                    "merchant_payments": self.merchant_n[merchant].count(t)}
        x = self.scale.push(numbers)
        self.user_n[user].push(t)
        self.merchant_n[merchant].push(t)
        self.user_amount[user].push(amount)
        x[f"hour={int(at[11:13])}"] = 1
        return row["id"], at, x


def main():
    kind, folder, out = sys.argv[1:4]
    most = int(sys.argv[5]) if len(sys.argv) > 5 else sys.maxsize
    pipeline = {"flights": Flights, "stream": Stream}[kind](folder)
    model, waiting, events, updates = linear_model.LogisticRegression(optim.SGD(0.01)), {}, 0, 0
    scored = [metrics.LogLoss(), metrics.ROCAUC()]
    classed = [metrics.Accuracy(), metrics.F1(), metrics.CohenKappa()]
    start = time.perf_counter()
    with open(out, "w", encoding="ascii", newline="\n") as file:
        for t, what, source, row in pipeline.records():
            if what == EVENT:
                events += 1
                if events > most:
                    events = most
                    break
                key, at, x = pipeline.event(t, row)
                score = model.predict_proba_one(x)[True]
                waiting[key] = (x, score, row)
                file.write(f'{{"prediction_id":"{key}","at":"{at}","model":"{pipeline.model}","version":1,'
                           f'"role":"champion","score":{score!r},"updates":{updates}}}\n')
            elif what == LABEL:
                key, y, row = pipeline.label(t, row)
                x, score, event = waiting.pop(key)
                pipeline.labelled(t, row, event, y)
                model.learn_one(x, y)
                updates += 1
                p = min(1 - 1e-4, max(1e-4, score))
                for metric in scored:
                    metric.update(y, {True: p, False: 1 - p})
                for metric in classed:
                    metric.update(y, score > 0.5)
            elif what == CONTEXT:
                pipeline.context(t, row)
            else:
                pipeline.table(source, row)
    took = time.perf_counter() - start
    result = {type(m).__name__: round(m.get(), 5) for m in itertools.chain(scored, classed)}
    print(json.dumps({"events": events, "seconds": round(took, 3), "events_per_s": round(events / took), **result}))


main()
