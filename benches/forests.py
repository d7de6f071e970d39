"""Writes streams of River and scikit-learn as `tidemill export examples --format jsonl` would, for `cargo bench --bench forests`.

    python benches/forests.py FOLDER
"""

import json
import pathlib
import sys

from river import datasets
from river.datasets import synth
from sklearn.datasets import load_digits


def streams():
    """Name, rows, and what a label is made of."""
    yield "phishing", datasets.Phishing(), bool
    yield "bananas", datasets.Bananas(), bool
    yield "hyperplane", synth.Hyperplane(seed=7, n_features=10, mag_change=0.001).take(20_000), lambda y: y == 1
    rbf = synth.RandomRBFDrift(seed_model=7, seed_sample=7, n_features=10, n_centroids=50, change_speed=0.01)
    yield "rbf", rbf.take(20_000), bool
    yield "led", synth.LED(seed=7, noise_percentage=0.1, irrelevant_features=True).take(20_000), lambda y: f"led {y}"
    yield "friedman", synth.Friedman(seed=7).take(10_000), float
    digits = load_digits()
    yield "digits", ((dict(enumerate(x)), y) for x, y in zip(digits.data, digits.target)), lambda y: f"digit {y}"


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, rows, label in streams():
        with open(folder / f"{name}.jsonl", "w") as file:
            for x, y in rows:
                slots = {f"f{place:03}": float(value) for place, value in enumerate(x.values())}
                file.write(json.dumps({"label": label(y), "features": slots}) + "\n")


if __name__ == "__main__":
    main()
