"""Makes the two streams of pipeline `sea`: SEA concepts with abrupt drifts, and labels that come as labels do.

usage: make.py     Python 3.9 or later; the package zopfli 0.4.3 for the vendored bytes, without it gzip -9.

Writes events.jsonl.gz and labels.jsonl.gz beside itself; prints of each file its name, rows, bytes, SHA-256, and the
SHA-256 of what is inside.

- events: one every 30 s from 2024-01-01; x0, x1, x2 uniform in [0, 10] (x2 means nothing). The concept is
  x0 + x1 <= theta, with theta 8, 9, 7, 9.5 for 15,000 events each: three abrupt drifts. Source: Street and Kim, A
  streaming ensemble algorithm (SEA) for large-scale classification, KDD 2001.
- labels: flipped with a chance of 10 % (the noise); 1 to 60 minutes after the event. Of the events, 1 % never get one,
  1 % get it twice, 2 % get a wrong one that is corrected within two hours, 1 % get one that is withdrawn (y is null)
  within two hours, and 0.5 % get it up to 10 minutes before the event.
"""
import gzip
import hashlib
import pathlib
import random
from datetime import datetime, timedelta

try:
    from zopfli.gzip import compress as pack  # writes mtime 0
except ImportError:
    def pack(plain):
        return gzip.compress(plain, 9, mtime=0)

HERE = pathlib.Path(__file__).parent
SEED = 2001
START = datetime(2024, 1, 1)
THETAS = (8, 9, 7, 9.5)
EACH = 15_000


def stamp(second):
    return f"{START + timedelta(seconds=second):%Y-%m-%dT%H:%M:%SZ}"


def make():
    """The events as (second, id, x0, x1, x2), and the labels as (second, id, y), each by time."""
    draw = random.Random(SEED)
    events, labels = [], []
    for n in range(EACH * len(THETAS)):
        at = 30 * n
        x = [draw.randint(0, 1000) / 100 for _ in range(3)]
        y = (x[0] + x[1] <= THETAS[n // EACH]) != (draw.random() < 0.1)
        events.append((at, n + 1, *x))
        fate, delay, later = draw.random(), draw.randint(60, 3600), draw.randint(60, 7200)
        if fate < 0.01:
            continue
        if fate < 0.015 and at >= 600:
            labels.append((at - draw.randint(1, 600), n + 1, y))
        elif fate < 0.025:
            labels += [(at + delay, n + 1, y), (at + delay + later, n + 1, y)]
        elif fate < 0.045:
            labels += [(at + delay, n + 1, not y), (at + delay + later, n + 1, y)]
        elif fate < 0.055:
            labels += [(at + delay, n + 1, y), (at + delay + later, n + 1, None)]
        else:
            labels.append((at + delay, n + 1, y))
    return events, sorted(labels, key=lambda r: r[:2])


def write(name, lines):
    plain = "".join(lines).encode()
    packed = pack(plain)
    (HERE / f"{name}.jsonl.gz").write_bytes(packed)
    sums = [hashlib.sha256(data).hexdigest() for data in (packed, plain)]
    print(f"{name}.jsonl.gz", len(lines), len(packed), *sums)


def main():
    events, labels = make()
    word = {True: "true", False: "false", None: "null"}
    write("events", [f'{{"at":"{stamp(t)}","id":"{i}","x0":{a},"x1":{b},"x2":{c}}}\n' for t, i, a, b, c in events])
    write("labels", [f'{{"at":"{stamp(t)}","y":{word[y]},"id":"{i}"}}\n' for t, i, y in labels])


if __name__ == "__main__":
    main()
