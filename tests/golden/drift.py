"""Golden values of the drift detectors.

Writes drift.json (River 0.26.1: where its detectors fire) and psi.json (numpy and scipy: edges, counts and index by the
rules of src/drift/psi.rs, written down independently; more distances of the same counts and values by scipy; shares of
rows that are amiss by numpy) beside this file.
"""
import json
from pathlib import Path

import numpy as np
import river
import scipy
from river import drift
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance
from scipy.stats.contingency import association

assert (river.__version__, scipy.__version__) == ("0.26.1", "1.17.1")
SEED, BINS = 5, 10
rng = np.random.default_rng(SEED)


def write(name, content):
    made = dict(made_by="drift.py", river=river.__version__, numpy=np.__version__, seed=SEED)
    (Path(__file__).parent / name).write_text(json.dumps(made | content, separators=(",", ":")) + "\n")


def fires(detector, values):
    places = []
    for i, x in enumerate(values):
        detector.update(x)
        if detector.drift_detected:
            places.append(i)
    return places


def sequence(name, values, scale):
    scaled = [int(round(v * scale)) for v in values]
    values = [s / scale for s in scaled]
    return dict(
        name=name, scaled=scaled, scale=scale,
        adwin=fires(drift.ADWIN(), values),
        adwin_strict=fires(drift.ADWIN(delta=1e-6), values),
        page_hinkley=fires(drift.PageHinkley(), values),
        page_hinkley_quick=fires(drift.PageHinkley(min_instances=10, delta=0.01, threshold=5.0, alpha=1.0), values),
        ddm=fires(drift.binary.DDM(), values),
        ddm_quick=fires(drift.binary.DDM(warm_start=10, drift_threshold=2.0), values),
        eddm=fires(drift.binary.EDDM(), values),
        eddm_quick=fires(drift.binary.EDDM(warm_start=10, alpha=0.9, beta=0.8), values),
        hddm_a=fires(drift.binary.HDDMA(), values),
        hddm_a_both=fires(drift.binary.HDDMA(drift_confidence=0.05, two_sided_test=True), values),
        hddm_w=fires(drift.binary.HDDMW(), values),
        hddm_w_both=fires(drift.binary.HDDMW(drift_confidence=0.05, lambda_val=0.02, two_sided_test=True), values),
    )


def errors(*parts):
    return np.concatenate([rng.random(n) < rate for rate, n in parts]).astype(int)


ramp = np.linspace(0.1, 0.9, 3000)
sequences = [
    sequence("errors, up and down", errors((0.1, 1500), (0.5, 800), (0.15, 1500), (0.9, 400)), 1),
    sequence("errors, slowly more", (rng.random(3000) < ramp).astype(int), 1),
    sequence("errors, nothing happens", errors((0.24, 4000)), 1),
    sequence("losses, three levels", np.concatenate([rng.beta(2, b, 700) for b in (8, 3, 20)]), 1000),
]
assert sum(len(s["adwin"]) for s in sequences) > 6 and sum(len(s["page_hinkley"]) for s in sequences) > 2
write("drift.json", dict(sequences=sequences))


def edges_of(x):
    distinct = np.unique(x)
    if len(distinct) == 1:
        return [float(np.nextafter(distinct[0], -np.inf)), float(distinct[0])]
    if len(distinct) <= BINS:
        return distinct[:-1].tolist()
    marks = np.quantile(x, np.arange(1, BINS) / BINS, method="inverted_cdf")
    values, times = np.unique(marks, return_counts=True)
    edges = set(values.tolist())
    for value, count in zip(values, times):
        if (count > 1 or value == distinct[-1]) and value > distinct[0]:
            edges.add(float(distinct[distinct < value].max()))
    return sorted(edges - {float(distinct[-1])})


def cramers_v(a, b):
    # Each row of the table weighs the same: its shares, in whole numbers.
    table = np.array([a * b.sum(), b * a.sum()])
    table = table[:, table.sum(axis=0) > 0]
    return float(association(table, method="cramer", correction=False)) if table.shape[1] > 1 else 0.0


def carried(edges, a, b):
    """Wasserstein's distance of the bins' means, and of the values, in standard deviations of the first."""
    scale = np.std(a) or abs(a[0]) or 1.0
    def bins(x):
        places = np.searchsorted(edges, x, side="left")
        used = np.unique(places)
        return [x[places == i].mean() for i in used], [(places == i).sum() for i in used]
    (means, counts), (others, weights) = bins(a), bins(b)
    return [float(d / scale) for d in (wasserstein_distance(means, others, counts, weights), wasserstein_distance(a, b))]


def feature(name, reference, recent):
    reference, recent = np.round(np.asarray(reference, float), 3), np.round(np.asarray(recent, float), 3)
    edges = edges_of(reference)
    count = lambda x: np.bincount(np.searchsorted(edges, x, side="left"), minlength=len(edges) + 1)
    a, b = count(reference), count(recent)
    p, q = np.maximum(a, 0.5) / a.sum(), np.maximum(b, 0.5) / b.sum()
    terms = np.where((a == 0) & (b == 0), 0.0, (q - p) * np.log(q / p))
    binned, plain = carried(edges, reference, recent)
    return dict(name=name, reference=reference.tolist(), recent=recent.tolist(), edges=edges, counts=a.tolist(),
                psi=float(terms.sum()), jensen_shannon=float(jensenshannon(a / a.sum(), b / b.sum())),
                kolmogorov_smirnov=float(np.abs(np.cumsum(a / a.sum() - b / b.sum())).max()),
                cramers_v=cramers_v(a, b), wasserstein=binned, wasserstein_of_values=plain)


normal = lambda n, m=0.0: rng.normal(m, 1.0, n)
heavy = lambda n: np.where(rng.random(n) < 0.7, 0.0, normal(n))
capped = lambda n, m: np.minimum(normal(n, m), 0.0)
features = [
    feature("unchanged", normal(211), normal(150)),
    feature("shifted", normal(211), normal(150, 1.0)),
    feature("gone elsewhere", normal(211), normal(80, 9.0)),
    feature("one value holds most", heavy(211), normal(150)),
    feature("the greatest value holds most", capped(211, 1.5), capped(150, 0.5)),
    feature("zero or one", rng.random(200) < 0.95, rng.random(100) < 0.6),
    feature("few values", rng.integers(0, 5, 200), rng.integers(2, 7, 100)),
    feature("constant", np.full(50, 2.0), np.array([2.0] * 30 + [3.0] * 20)),
]

VALUES, FILLED = ["UA", "AA", "B6"], -1.0


def rows(n, missing, weights, spread):
    x = np.where(rng.random(n) < missing, np.nan, np.round(rng.normal(5.0, spread, n), 3))
    return x, rng.choice(np.array(VALUES + ["ZZ", None], object), n, p=weights)


then, now = rows(200, 0.05, [0.5, 0.3, 0.15, 0.05, 0.0], 1.0), rows(150, 0.2, [0.3, 0.3, 0.1, 0.2, 0.1], 3.0)
missing, filled = [np.isnan(x) for x, _ in (then, now)], [np.nan_to_num(x, nan=FILLED) for x, _ in (then, now)]
unseen = [~np.isin(c.astype(str), VALUES) for _, c in (then, now)]
by_value = lambda c: np.array([(c == v).sum() for v in VALUES] + [(~np.isin(c.astype(str), VALUES)).sum()])
listed = lambda x, c: [[None if np.isnan(number) else number, text] for number, text in zip(x.tolist(), c)]
write("psi.json", dict(features=features, shares=dict(
    values=VALUES, filled=FILLED, reference=listed(*then), recent=listed(*now),
    missing_rate=float(missing[1].mean() - missing[0].mean()),
    unseen=float(unseen[1].mean() - unseen[0].mean()),
    range=float(((filled[1] < filled[0].min()) | (filled[1] > filled[0].max())).mean()),
    cramers_v=cramers_v(by_value(then[1]), by_value(now[1])),
)))
