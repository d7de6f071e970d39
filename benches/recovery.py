"""Measures what checkpoints cost a run, and how long a run needs to go on from one, by the size of its state.

usage: recovery.py [--short] [--markdown]

Cost: the stream of the core benchmark, four million events, with timeouts of a length that makes the state of a size;
each is run without checkpoints and with one every ten seconds, in turns, three times. Wall time is the best of them, and
so is CPU time of all threads, which noise from elsewhere changes less. Recovery: the stream with a timeout that never
passes, so that every event is kept with its vector and state grows with the events; a run saves once, 98 % of its ticks
through, and is taken up again at its end; for comparison all ticks are made again. Wall time of whole processes.
"""
import argparse
import pathlib
import shutil

from measure import ENGINE, ROOT, WORK, best, generate, must, stream_inputs

EVENTS = 4_000_000
# Ten events a second of event time, each kept for its timeout and known for as long again.
TIMEOUTS = ["25m", "4h"]
SIZES = [40_000, 400_000, 4_000_000]


def pipeline(timeout):
    text = (ROOT / "benches/stream.toml").read_text().replace('timeout = "12h"', f'timeout = "{timeout}"')
    path = WORK / "recovery.toml"
    path.write_text(text.replace("../target", str(ROOT / "target")))
    return path


def command(path, out, folder, cadence, fresh):
    inputs = stream_inputs(folder)
    words = [ENGINE, "run", path, "--out", WORK / out, "--quiet", "--checkpoint-every", cadence]
    for given in inputs:
        words += ["--input", given]
    return words + (["--fresh"] if fresh else [])


def saved(out):
    """Bytes of the newest checkpoint."""
    found = sorted((WORK / out / "state/checkpoints").iterdir())
    return sum(file.stat().st_size for file in found[-1].iterdir())


def show(head, rows, markdown):
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    if markdown:
        rows = [["---:"] * len(head), *rows]
    for row in [head, *rows]:
        cells = [cell.rjust(width) for cell, width in zip(row, widths)]
        print("| " + " | ".join(cells) + " |" if markdown else "  ".join(cells))
    print()


def cost(events):
    folder = generate(ROOT / "target" / f"stream_{events}", events)
    for timeout in TIMEOUTS:
        path = pipeline(timeout)
        cadences = ["never", "10s" if events == EVENTS else "20 ticks"]
        runs = [command(path, f"recovery_{n}", folder, cadence, True) for n, cadence in enumerate(cadences)]
        ran = list(zip(*[[must(run) for run in runs] for _ in range(1 if events < EVENTS else 3)]))
        size = saved("recovery_1")
        wall, cpu = ([min(getattr(run, clock) for run in each) for each in ran] for clock in ("wall", "cpu"))
        mib = [max(run.mib for run in each) for each in ran]
        over = [f"{100 * (every / never - 1):+.1f} %" for never, every in (wall, cpu)]
        yield [timeout, f"{size / 2**20:,.0f}", *(f"{s:.1f}" for s in wall), over[0],
               *(f"{s:.1f}" for s in cpu), over[1], f"{mib[0]:,.0f}", f"{mib[1]:,.0f}"]


def recovery(sizes):
    path = pipeline("36500d")
    for events in sizes:
        folder = generate(ROOT / "target" / f"stream_{events}", events)
        never = must(command(path, "recovery_0", folder, "never", True))
        with open(WORK / "recovery_0/progress.log", "rb") as log:
            ticks = sum(1 for _ in log)
        must(command(path, "recovery_1", folder, f"{ticks * 98 // 100} ticks", True))
        size = saved("recovery_1")
        restored = best([command(path, "recovery_1", folder, "1000000 ticks", False)], 1 if events == EVENTS else 3)[0]
        again = must(command(path, "recovery_0", folder, "never", False))
        yield [f"{events:,}", f"{size / 2**20:,.1f}", f"{restored.wall:.2f}", f"{again.wall:.2f}", f"{never.wall:.2f}"]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--short", action="store_true")
    arguments.add_argument("--markdown", action="store_true")
    given = arguments.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    head = ["timeout", "checkpoint MiB", "never: s", "every 10 s: s", "overhead", "CPU s", "CPU s", "overhead", "MiB", "MiB"]
    show(head, list(cost(50_000 if given.short else EVENTS)), given.markdown)
    head = ["events kept", "checkpoint MiB", "recovery s", "all made again s", "the run itself s"]
    show(head, list(recovery(SIZES[:1] if given.short else SIZES)), given.markdown)
    for name in ("recovery_0", "recovery_1"):
        shutil.rmtree(WORK / name)


if __name__ == "__main__":
    main()
