"""Measures what checkpoints cost a run, and how long a run needs to go on from one, by the size of its state.

usage: recovery.py [--short] [--markdown]

The stream of the core benchmark with a timeout that never passes: every event is kept, with its vector, so state grows
with the events. Each size is run without checkpoints and with one every ten seconds, in turns, best of three; then it is
run once more, on what is saved: the wall time of that is the recovery, from the start of the process to its end, with
nothing to make again. Beside it: making all ticks again, which is what a run without a checkpoint has to do.
"""
import argparse
import pathlib
import shutil

from measure import ENGINE, ROOT, WORK, best, generate, must, stream_inputs

SIZES = [40_000, 400_000, 4_000_000]


def pipeline():
    text = (ROOT / "benches/stream.toml").read_text().replace('timeout = "12h"', 'timeout = "36500d"')
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
    """Bytes of the newest checkpoint, and how many there are."""
    found = sorted((WORK / out / "state/checkpoints").iterdir())
    return sum(file.stat().st_size for file in found[-1].iterdir()), len(found)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--short", action="store_true")
    arguments.add_argument("--markdown", action="store_true")
    given = arguments.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    path = pipeline()
    rows = []
    for events in SIZES[:1] if given.short else SIZES:
        folder = generate(ROOT / "target" / f"stream_{events}", events)
        runs = [command(path, f"recovery_{cadence}", folder, cadence, True) for cadence in ("never", "10s")]
        never, every = best(runs, 1 if given.short or events == SIZES[-1] else 3)
        size, _ = saved("recovery_10s")
        again = command(path, "recovery_10s", folder, "10s", False)
        restored = best([again], 3)[0]
        replayed = must(command(path, "recovery_never", folder, "never", False))
        rows.append([f"{events:,}", f"{size / 2**20:,.1f}", f"{never.wall:.2f}", f"{every.wall:.2f}",
                     f"{100 * (every.wall / never.wall - 1):+.1f} %", f"{restored.wall:.2f}",
                     f"{replayed.wall:.2f}", f"{every.mib:,.0f}", f"{never.mib:,.0f}"])
        shutil.rmtree(WORK / "recovery_10s")
        shutil.rmtree(WORK / "recovery_never")
    head = ["events", "checkpoint MiB", "never: s", "every 10 s: s", "overhead", "recovery s", "all again s",
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
