"""Generates the stream of the core benchmark: card payments, clicks, and fraud labels that come later. Needs numpy.

usage: generate.py FOLDER [--events N]     N: 2,000,000 unless told. Writes events.jsonl, labels.jsonl and clicks.jsonl.

The same bytes for the same N and numpy (seed 7). Events come ten a second of event time, so a stream ten times as long
lasts ten times as long, with the same rates in every window. Of 20,000 users and 2,000 merchants few are frequent
(squared uniform ranks). One click for two events. The chance of fraud follows the amount, the merchant's own risk, the
hour and, of every seventh user, the person; 97 % of the events get a label, after an exponential delay of 30 min on
average, 12 h at most.
"""
import argparse
import pathlib

import numpy as np

START = np.datetime64("2024-01-01T00:00:00.000", "ms")
CHUNK = 200_000


def text(ms):
    return np.datetime_as_string(START + ms.astype("timedelta64[ms]"), unit="ms").tolist()


def write(path, template, *columns):
    with open(path, "w", encoding="ascii", newline="\n") as out:
        for i in range(0, len(columns[0]), CHUNK):
            part = [c[i:i + CHUNK] for c in columns]
            lists = [text(c) if c.dtype == np.int64 and k == 0 else c.tolist() for k, c in enumerate(part)]
            out.write("".join([template % row for row in zip(*lists)]))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--events", type=int, default=2_000_000)
    given = arguments.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    n, draw = given.events, np.random.default_rng(7)
    ids = np.arange(1, n + 1)
    at = np.arange(n, dtype=np.int64) * 100 + draw.integers(0, 100, n)
    user = (draw.random(n) ** 2 * 20_000).astype(np.int64)
    merchant = (draw.random(n) ** 2 * 2_000).astype(np.int64)
    amount = np.round(np.exp(draw.normal(3, 1, n)), 2)
    risk = draw.normal(0, 1, 2_000)
    clicks = n // 2
    click_at = np.sort(draw.integers(0, n * 100, clicks))
    click_user = (draw.random(clicks) ** 2 * 20_000).astype(np.int64)
    night = (at // 3_600_000 % 24) < 6
    logit = -3 + 0.7 * (np.log(amount + 0.01) - 3) + risk[merchant] + 0.8 * night + 0.5 * (user % 7 == 0)
    fraud = draw.random(n) < 1 / (1 + np.exp(-logit))
    delay = np.minimum(1 + draw.exponential(1_800_000, n).astype(np.int64), 43_200_000)
    order = np.argsort(at + delay, kind="stable")
    order = order[(draw.random(n) < 0.97)[order]]
    write(given.folder / "events.jsonl", '{"at":"%sZ","id":"%d","user":"u%d","merchant":"m%d","amount":%r}\n',
          at, ids, user, merchant, amount)
    words = np.array(["false", "true"])[fraud.astype(int)]
    write(given.folder / "labels.jsonl", '{"at":"%sZ","id":"%d","fraud":%s}\n', (at + delay)[order], ids[order],
          words[order])
    write(given.folder / "clicks.jsonl", '{"at":"%sZ","id":"c%d","user":"u%d"}\n', click_at,
          np.arange(1, clicks + 1), click_user)


main()
