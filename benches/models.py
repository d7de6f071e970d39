"""What the second, fourth and twelfth model of a pipeline cost: throughput and memory, over one stream.

    python benches/models.py [PROGRAM]       prints a table in Markdown

The stream is that of `sea`; the models are copies of one (online logistic regression, a metrics window of a day), and, in
the second table, the first so many of `dataflows/twelve.toml`. Best of three of wall time.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

PROJECT = pathlib.Path(__file__).parent.parent
EVENTS = 60_000


def head_and_models():
    text = (PROJECT / "dataflows/twelve.toml").read_text()
    head, *models = text.split("\n[model.")
    blocks = []
    for block in ("[model." + model for model in models):
        name = block.removeprefix("[model.").split("]")[0]
        if "." in name:
            blocks[-1] += "\n" + block
        else:
            blocks.append(block)
    return head.replace('path = "', f'path = "{PROJECT}/').replace('path    = "', f'path = "{PROJECT}/'), blocks


def run(program, pipeline):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "bench.toml"
        file.write_text(pipeline)
        began = time.perf_counter()
        child = subprocess.Popen([program, "run", file, "--out", pathlib.Path(folder) / "out", "--quiet"])
        _, status, used = os.wait4(child.pid, 0)
        assert status == 0, status
        return time.perf_counter() - began, used.ru_maxrss / 1024


def table(program, pipelines):
    print("| models | wall s | events/s | MiB | wall by the first | MiB a further model |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    first = None
    for models, pipeline in pipelines:
        runs = [run(program, pipeline) for _ in range(3)]
        wall, memory = min(wall for wall, _ in runs), max(memory for _, memory in runs)
        first = first or (wall, memory)
        further = f"{(memory - first[1]) / (models - 1):.1f}" if models > 1 else ""
        print(f"| {models} | {wall:.2f} | {EVENTS / wall:,.0f} | {memory:.0f} | {wall / first[0]:.2f} | {further} |", flush=True)


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else PROJECT / "target/release/tidemill"
    head, blocks = head_and_models()
    steady = next(block for block in blocks if block.startswith("[model.steady]"))
    print("Copies of one model\n")
    copies = lambda n: "\n".join([head, *(steady.replace("model.steady", f"model.m{i}") for i in range(n))])
    table(program, [(n, copies(n)) for n in (1, 2, 4, 12)])
    print("\nThe first of `twelve.toml`\n")
    table(program, [(n, "\n".join([head, *blocks[:n]])) for n in (1, 2, 4, 12)])


if __name__ == "__main__":
    main()
