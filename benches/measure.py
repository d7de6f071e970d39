"""Measures the engine beside the hand-written loops and River, in one run; benches/run.sh builds what it needs.

usage: measure.py [--short] [--markdown]

Wall time is that of whole processes, reading and writing included; CPU time is user and system time of all their
threads (the engine reads and decodes on threads of its own, beside its worker). Best of three of each, taken in turns,
so that a noisy neighbour meets all alike; River once. Memory is the greatest resident set.
"""
import argparse
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
WORK = ROOT / "target" / "bench"
STREAM = ROOT / "target" / "stream"
ENGINE = TARGET / "release" / "tidemill"
METRICS = ["log_loss", "roc_auc", "accuracy", "f1", "kappa", "brier", "ece"]
CORE_MODEL = f"""[model.late]
task    = "binary"
learner = {{ kind = "logistic", learning_rate = 0.01 }}

[model.late.metrics]
names = {json.dumps(METRICS)}
"""
RETRAINING = '[model.late.train]\nwindow = "365d"\nholdout = 0.1\n'


class Ran:
    """One process: seconds of wall and CPU, MiB at most, and its standard output."""

    def __init__(self, command):
        start = time.perf_counter()
        child = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, cwd=ROOT)
        self.out = child.stdout.read().decode()
        _, status, usage = os.wait4(child.pid, 0)
        self.wall = time.perf_counter() - start
        self.cpu = usage.ru_utime + usage.ru_stime
        self.mib = usage.ru_maxrss / 1024
        self.code = os.waitstatus_to_exitcode(status)
        child.returncode = self.code


def must(command):
    ran = Ran(command)
    if ran.code:
        sys.exit(f"failed with {ran.code}: {' '.join(map(str, command))}")
    return ran


def best(commands, times):
    """The best wall time of each of some commands, in turns; CPU time and memory are of the same run."""
    runs = [[must(c) for c in commands] for _ in range(times)]
    return [min(column, key=lambda r: r.wall) for column in zip(*runs)]


def loop():
    found = sorted(TARGET.glob("release/deps/core-*"), key=lambda p: p.stat().st_mtime)
    return [p for p in found if p.suffix == "" and os.access(p, os.X_OK)][-1]


def engine(pipeline, out, workers=1, inputs=()):
    command = [ENGINE, "run", pipeline, "-w", workers, "--out", out, "--fresh", "--quiet"]
    return command + [part for given in inputs for part in ("--input", given)]


def flights_pipeline(name, model, every="30d"):
    """`dataflows/flights.toml` with another model part, in a project folder of its own."""
    folder = WORK / "dataflows"
    folder.mkdir(parents=True, exist_ok=True)
    datasets = WORK / "datasets"
    if not datasets.is_symlink():
        datasets.symlink_to(ROOT / "datasets")
    whole = (ROOT / "dataflows" / "flights.toml").read_text()
    features = whole[:whole.index("[model.late]")].replace('every = "1d"', f'every = "{every}"')
    if name.startswith("core"):
        # What the hand-written loop and River's program do not compute.
        features = features[:features.index("# How many legs the plane")]
        features = "".join(line for line in features.splitlines(True) if not line.startswith("minute "))
    path = folder / f"{name}.toml"
    path.write_text(features + (model or whole[whole.index("[model.late]"):]))
    return path


def cut_flights(until):
    """The flights before an instant, in a folder of its own."""
    folder = WORK / "cut"
    folder.mkdir(parents=True, exist_ok=True)
    for name, column in [("departures", 0), ("takeoffs", 0), ("arrivals", 0), ("weather", 0), ("planes", 1)]:
        with gzip.open(ROOT / f"datasets/flights/{name}.csv.gz", "rt") as rows, \
                gzip.open(folder / f"{name}.csv.gz", "wt", compresslevel=1) as out:
            header = next(rows)
            out.write(header)
            out.writelines(row for row in rows if row.split(",")[column] < until)
    for name in ["origins", "carriers", "dests"]:
        shutil.copy(ROOT / f"datasets/flights/{name}.txt", folder)
    return folder


def generate(folder, events):
    done = folder / f"{events}.done"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        must([sys.executable, ROOT / "benches/generate.py", folder, "--events", events])
        done.touch()
    return folder


def stream_inputs(folder):
    names = {"payments": "events", "clicks": "clicks", "labels": "labels"}
    return [f"{source}={folder}/{file}.jsonl" for source, file in names.items()]


def same_bytes(a, b):
    return subprocess.run(["cmp", a, b], cwd=ROOT).returncode == 0


def compare_metrics(summary, board, model):
    """The loop's metrics of the served predictions are the engine's, to rounding (its AUC has the same bins)."""
    for metric in summary["metrics"]["by"]:
        if metric["model"] == model and metric["role"] == "champion" and metric["version"] is None \
                and metric["window"] == "all":
            for name in METRICS:
                if abs(metric[name] - board[name]) > 1e-9:
                    sys.exit(f"{name} is {metric[name]}, by the loop {board[name]}")
            return
    sys.exit("the summary has no metric of all served predictions")


def light(kind, folder):
    """The speed of light: the input's bytes read and unpacked, and as many bytes as the predictions written."""
    start = time.perf_counter()
    for path in sorted(folder.glob("*.csv.gz" if kind == "flights" else "*.jsonl")):
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            while file.read(1 << 20):
                pass
    written = (WORK / f"loop_{kind}.jsonl").read_bytes()
    (WORK / "written").write_bytes(written)
    return time.perf_counter() - start


def river(kind, folder, events):
    command = [sys.executable, ROOT / "benches/river_core.py", kind, folder, WORK / f"river_{kind}.jsonl"]
    ran = Ran(command + (["--events", events] if events else []))
    return (ran, json.loads(ran.out)) if ran.code == 0 else None


def core(kind, pipeline, folder, inputs, times, river_events):
    model = {"flights": "late", "stream": "fraud"}[kind]
    hand, ours = WORK / f"loop_{kind}.jsonl", WORK / kind
    rows = best([[loop(), kind, folder, hand], engine(pipeline, ours, 1, inputs),
                 engine(pipeline, WORK / f"{kind}_2", 2, inputs)], times)
    for out in (ours, WORK / f"{kind}_2"):
        if not same_bytes(hand, out / "predictions.jsonl"):
            sys.exit(f"{kind}: the loop's bytes are not those of {out}/predictions.jsonl")
    board = json.loads(rows[0].out)
    compare_metrics(json.loads((ours / "summary.json").read_text()), board, model)
    events = board["events"]
    names = ["hand-written loop", "tidemill -w 1", "tidemill -w 2"]
    table = [(name, events, r.wall, r.cpu, r.mib, events) for name, r in zip(names, rows)]
    peer = river(kind, folder, river_events)
    if peer:
        ran, told = peer
        share = events / told["events"]
        name = "River" if share == 1 else f"River ({told['events']:,} events, scaled)"
        # Imports are no work of the stream, and do not grow with it.
        table.append((name, told["events"], told["seconds"] * share, ran.cpu * share, ran.mib, events))
    table.append(("read, unpack, write only", events, light(kind, folder), None, None, events))
    return table


def show(title, table, markdown):
    base = table[0]
    print(f"\n{title}")
    head = ["", "wall s", "CPU s", "events/s", "wall by loop", "CPU by loop", "MiB"]
    rows = [[name, f"{wall:.2f}", "" if cpu is None else f"{cpu:.2f}", f"{events / wall:,.0f}", f"{wall / base[2]:.2f}",
             "" if cpu is None else f"{cpu / base[3]:.2f}", "" if mib is None else f"{mib:,.0f}"]
            for name, _, wall, cpu, mib, events in table]
    lay(head, rows, markdown)
    peers = [row for row in table if row[0].startswith("River")]
    if peers:
        print(f"\nriver / tidemill -w 1: {peers[0][2] / table[1][2]:.1f} in wall time, "
              f"{peers[0][3] / table[1][3]:.1f} in CPU time")


def lay(head, rows, markdown):
    if markdown:
        lines = [head, ["---"] + ["---:"] * (len(head) - 1)] + rows
        print("\n".join("| " + " | ".join(line) + " |" for line in lines))
        return
    widths = [max(len(row[i]) for row in [head] + rows) for i in range(len(head))]
    for row in [head] + rows:
        print("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))))


def whole(times, markdown):
    """`dataflows/flights.toml` as it is, and what becomes cheaper when parts of it are left out."""
    text = (ROOT / "dataflows" / "flights.toml").read_text()
    model = text[text.index("[model.late]"):]
    triggers, train = model.index("# Every cooldown"), model.index("[model.late.train]")
    quiet = model[:triggers] + model[train:]
    unsliced = quiet.replace('slices  = ["carrier", "origin"]\n', "")
    steps = [("whole", model), ("without triggers and training", quiet), ("and without slices", unsliced),
             ("and without frozen shadow and windows", CORE_MODEL)]
    paths = [flights_pipeline(f"whole_{i}", part, "1d") for i, (_, part) in enumerate(steps)]
    runs = best([engine(path, WORK / f"whole_{i}") for i, path in enumerate(paths)], times)
    summary = json.loads((WORK / "whole_0" / "summary.json").read_text())
    rows = [[name, f"{r.wall:.2f}", f"{r.cpu:.2f}", f"{summary['events'] / r.wall:,.0f}", f"{r.mib:,.0f}"]
            for (name, _), r in zip(steps, runs)]
    print("\nwhole: flights as it is, then with parts left out one after the other")
    lay(["", "wall s", "CPU s", "events/s", "MiB"], rows, markdown)
    print(f"\ntrainings {summary['trainings']}, seconds of training {summary['training_s']:.2f}, "
          f"waited for {summary['waited_for_training_s']:.2f}")


def shares(path, inputs, title, markdown):
    """The share of each room in the worker's time, where `perf` is there: by the room that calls."""
    perf = shutil.which("perf")
    if not perf:
        return print("\n(no perf: no shares of rooms)")
    data = WORK / "perf.data"
    ran = Ran([perf, "record", "-q", "-o", data, "-F", "499", *engine(path, WORK / "perf", 1, inputs)])
    if ran.code:
        return print("\n(perf cannot record here: no shares of rooms)")
    told = Ran([perf, "report", "-i", data, "--no-children", "--sort", "comm,symbol", "--stdio", "-t", ";"]).out
    rooms, total = {}, 0.0
    for line in told.splitlines():
        parts = [p.strip() for p in line.split(";")]
        if line.startswith("#") or len(parts) < 3 or not parts[0].endswith("%"):
            continue
        share = float(parts[0][:-1])
        total += share
        room = room_of(parts[1], parts[2])
        rooms[room] = rooms.get(room, 0.0) + share
    rows = [[room, f"{share * 100 / total:.0f} %"] for room, share in sorted(rooms.items(), key=lambda r: -r[1])]
    print(f"\n{title}")
    lay(["", "CPU"], rows, markdown)


# Where a symbol belongs, by the first word that it contains.
ROOMS = [
    ("ingest: merge and cut ticks", ["flow::mint", "flow::lanes", "flow::ingest"]),
    ("enrich: windows and tables", ["flow::enrich", "flow::alone", "feature::window", "asof"]),
    ("match: labels meet events", ["flow::matching", "flow::pairing", "flow::feeding", "record::key"]),
    ("score and learn: features, models", ["flow::score", "flow::modelling", "feature::", "model::", "__float", "__div",
                                           "u128_div", "ieee754_exp"]),
    ("measure and publish", ["flow::measure", "flow::publish", "flow::sums", "evaluate::", "differential", "ieee754_log"]),
    ("watch, judge, train", ["flow::watch", "flow::retrain", "flow::judging", "drift", "trigger", "train", "linfa",
                             "ndarray"]),
    ("emit: lines, digests, files", ["flow::emit", "flow::lines", "flow::progress", "sink::", "serde_json", "zmij", "itoa",
                                     "blake3", "Time::write", "flow::release", "registry"]),
    ("timely: channels and progress", ["timely"]),
    ("memory: allocate, copy, free", ["mi_", "memmove", "memcpy", "memset", "drop", "alloc::", "malloc"]),
]


# Threads that belong to one room, by their names as the system cuts them.
THREADS = {"training": "watch, judge, train", "sweeper": "memory: allocate, copy, free", "sink": "emit: lines, digests, files"}


def room_of(thread, symbol):
    if not thread.startswith("timely"):
        return THREADS.get(thread.split("-")[0], "sources: read, unpack, decode (own threads)")
    if symbol.startswith("[k]"):
        return "kernel: pages, files, waking"
    return next((room for room, words in ROOMS if any(word in symbol for word in words)), "other")


def memory(sizes, markdown):
    """The stream with timeouts of an hour, so that also the shortest is long past its first."""
    text = (ROOT / "benches/stream.toml").read_text()
    assert 'timeout = "12h"' in text
    pipeline = WORK / "dataflows" / "memory.toml"
    pipeline.write_text(text.replace('timeout = "12h"', 'timeout = "1h"'))
    rows = []
    for events in sizes:
        folder = generate(ROOT / "target" / f"stream_{events}", events)
        ran = must(engine(pipeline, WORK / "memory", 1, stream_inputs(folder)))
        rows.append([f"{events:,}", f"{events / 864_000:.1f} days", f"{ran.mib:,.0f}"])
    print("\nmemory at most: the stream, timeouts and windows of 1 h fixed")
    lay(["events", "event time", "MiB"], rows, markdown)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--short", action="store_true")
    arguments.add_argument("--markdown", action="store_true")
    given = arguments.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    print(f"{os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}")
    pipeline = flights_pipeline("core_flights", CORE_MODEL)
    flights = cut_flights("2013-02-01") if given.short else ROOT / "datasets/flights"
    names = ["departures", "takeoffs", "arrivals", "weather", "planes"]
    inputs = [f"{name}={flights}/{name}.csv.gz" for name in names]
    times = 1 if given.short else 3
    show("core: flights", core("flights", pipeline, flights, inputs, times, None), given.markdown)
    try:
        folder = generate(ROOT / "target/stream_50000", 50_000) if given.short else generate(STREAM, 2_000_000)
    except SystemExit:
        folder = None
        print("\n(no numpy: the stream is left out)")
    if folder:
        table = core("stream", ROOT / "benches/stream.toml", folder, stream_inputs(folder), times,
                     20_000 if given.short else 100_000)
        show("core: stream", table, given.markdown)
    if not given.short:
        whole(times, given.markdown)
        shares(ROOT / "dataflows/flights.toml", [], "whole: shares of CPU time", given.markdown)
        shares(pipeline, inputs, "core, flights: shares of CPU time", given.markdown)
        if folder:
            memory([400_000, 4_000_000], given.markdown)
    print(f"\nload after {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
