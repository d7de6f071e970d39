"""Golden values of KSWIN: scipy's two-sample test on stored samples, and what River 0.26.1's detector does over seeds.

Its draws cannot be had elsewhere, so where River fires is written down as figures over many seeds: of each sequence the
share of seeds that fire behind its change, how late those do, and the firings of a seed before it. Writes kswin.json
beside this file; takes some minutes.
"""
import json
from pathlib import Path

import numpy as np
import river
import scipy
from river import drift
from scipy.stats import ks_2samp

assert (river.__version__, scipy.__version__) == ("0.26.1", "1.17.1")
SEED, SEEDS = 7, 200
rng = np.random.default_rng(SEED)


def pair(name, a, b):
    a, b = np.round(np.asarray(a, float), 3), np.round(np.asarray(b, float), 3)
    exact = ks_2samp(a, b, method="exact")
    return dict(name=name, a=a.tolist(), b=b.tolist(), statistic=float(exact.statistic), exact=float(exact.pvalue),
                # The limit of large samples, where they are.
                asymptotic=float(ks_2samp(a, b, method="asymp").pvalue) if len(a) >= 100 else None)


def figures(name, values, change, scale, **parameters):
    values = np.round(np.asarray(values, float) * scale).astype(int)
    before, delays = [], []
    for seed in range(SEEDS):
        detector = drift.KSWIN(seed=seed, **parameters)
        fired = []
        for i, x in enumerate(values / scale):
            detector.update(x)
            if detector.drift_detected:
                fired.append(i)
        before.append(sum(i < change for i in fired))
        delays += [i - change for i in fired if i >= change][:1]
    described = lambda x: dict(mean=float(np.mean(x)), deviation=float(np.std(x, ddof=1))) if x else None
    return dict(name=name, scaled=values.tolist(), scale=scale, change=change, seeds=SEEDS, parameters=parameters,
                found=len(delays) / SEEDS, delay=described(delays), before=described(before))


n = 30
pairs = [
    pair("the same numbers", np.arange(n), np.arange(n)),
    pair("nothing in common", np.arange(n), np.arange(n) + 100),
    pair("shifted", rng.normal(size=n), rng.normal(1.0, size=n)),
    pair("errors", rng.random(n) < 0.2, rng.random(n) < 0.7),
    pair("many ties", rng.integers(0, 4, n), rng.integers(1, 5, n)),
    pair("one each", [1.0], [2.0]),
    pair("larger", rng.normal(size=400), rng.normal(0.25, size=400)),
    pair("wider", rng.normal(size=100), rng.normal(scale=3.0, size=100)),
]
errors = lambda rate, n: rng.random(n) < rate
sequences = [
    figures("errors, many more", np.concatenate([errors(0.1, 400), errors(0.8, 200)]), 400, 1),
    figures("losses, shifted", np.concatenate([rng.beta(2, 8, 400), rng.beta(2, 4, 200)]), 400, 1000),
    figures("losses, nothing happens, easily alarmed", rng.beta(2, 8, 600), 600, 1000, alpha=0.02, window_size=80,
            stat_size=20),
]
made = dict(made_by="kswin.py", river=river.__version__, scipy=scipy.__version__, seed=SEED)
text = json.dumps(made | dict(pairs=pairs, sequences=sequences), separators=(",", ":"))
(Path(__file__).parent / "kswin.json").write_text(text + "\n")
