"""Measures what checkpoints cost a run, and how long a run needs to go on from one, by the size of its state.

usage: recovery.py [--short] [--markdown]

Cost: the stream of the core benchmark, four million events, with timeouts of a length that makes the state of a size;
with the longest it grows to the end, every event being kept with its vector. Each is run without checkpoints and with
one every ten seconds. Recovery: the run is taken up again at its end; from its newest checkpoint, whose size is given,
and the ticks behind it; and, for comparison, without one, which makes all ticks again. Wall time of whole processes.
"""
import argparse
import pathlib
import shutil

from measure import ENGINE, ROOT, WORK, best, generate, must, stream_inputs

EVENTS = 4_000_000
# Ten events a second of event time, each kept for its timeout and known for as long again.
TIMEOUTS = ["25m", "4h", "36500d"]


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


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--short", action="store_true")
    arguments.add_argument("--markdown", action="store_true")
    given = arguments.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    events = 50_000 if given.short else EVENTS
    folder = generate(ROOT / "target" / f"stream_{events}", events)
    rows = []
    for timeout in TIMEOUTS:
        path = pipeline(timeout)
        runs = [command(path, f"recovery_{cadence}", folder, cadence, True) for cadence in ("never", "10s")]
        never, every = best(runs, 1)
        size = saved("recovery_10s") if not given.short else 0
        restored = must(command(path, "recovery_10s", folder, "10s", False))
        replayed = must(command(path, "recovery_never", folder, "never", False))
        rows.append([timeout, f"{size / 2**20:,.0f}", f"{never.wall:.1f}", f"{every.wall:.1f}",
                     f"{100 * (every.wall / never.wall - 1):+.1f} %", f"{restored.wall:.1f}",
                     f"{replayed.wall:.1f}", f"{every.mib:,.0f}", f"{never.mib:,.0f}"])
        shutil.rmtree(WORK / "recovery_10s")
        shutil.rmtree(WORK / "recovery_never")
    head = ["timeout", "checkpoint MiB", "never: s", "every 10 s: s", "overhead", "recovery s", "all again s",
            "MiB at most", "of them without"]
    if given.markdown:
        print("| " + " | ".join(head) + " |")
        print("|" + " ---: |" * len(head))
        for row in rows:
            print("| " + " | ".join(row) + " |")
    else:
        widths = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]
        for row in [head, *rows]:
            print("  ".join(cell.rjust(width) for cell, width in zip(row, widths)))


if __name__ == "__main__":
    main()
