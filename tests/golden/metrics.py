"""Golden values of the metrics: scikit-learn 1.9.1 on several sets of scores, written to metrics.json beside this file.

The expected calibration error, which scikit-learn does not have, is computed with numpy. Where scikit-learn gives NaN:
the area is null, kappa is 0 (as in River).
"""
import json
import math
import warnings
from pathlib import Path

import numpy as np
import sklearn
from sklearn import metrics as m

assert sklearn.__version__ == "1.9.1"
SEED = 11
rng = np.random.default_rng(SEED)
warnings.filterwarnings("ignore")  # the undefined ones are asked for on purpose


def ece(y, p):
    part = np.minimum((p * 10).astype(int), 9)
    return sum(abs(p[part == b].mean() - y[part == b].mean()) * (part == b).mean() for b in np.unique(part))


def of(name, p, y):
    p, y = np.asarray(p, float), np.asarray(y, int)
    said = (p > 0.5).astype(int)
    auc, kappa = m.roc_auc_score(y, p) if len(set(y)) == 2 else math.nan, m.cohen_kappa_score(y, said, labels=[0, 1])
    values = dict(
        log_loss=m.log_loss(y, np.clip(p, 1e-4, 1 - 1e-4), labels=[0, 1]),
        roc_auc=None if math.isnan(auc) else auc,
        accuracy=m.accuracy_score(y, said),
        f1=m.f1_score(y, said, zero_division=0),
        kappa=0.0 if math.isnan(kappa) else kappa,
        brier=m.brier_score_loss(y, p, labels=[0, 1]),
        ece=ece(y, p),
    )
    values = {k: None if v is None else float(v) for k, v in values.items()}
    return dict(name=name, scores=p.tolist(), labels=y.tolist(), metrics=values)


def draw(p):
    p = np.round(p, 5)
    return p, (rng.random(len(p)) < p).astype(int)


uniform, narrow = draw(rng.random(300)), draw(0.5 + rng.normal(size=300) * 0.001)
sets = [
    of("uniform", *uniform),
    of("skewed", *draw(rng.beta(0.3, 2.0, 300))),
    of("narrow", *narrow),
    of("ties", *draw(np.round(rng.random(200), 1))),
    of("wrong way round", 1 - uniform[0], uniform[1]),
    of("ends", [0.0, 1.0, 0.0, 1.0, 0.5], [0, 1, 1, 0, 1]),
    of("all positive", uniform[0][:20], np.ones(20)),
    of("all negative, all said so", [0.1, 0.2, 0.5], [0, 0, 0]),
    of("one row", [0.7], [1]),
]
made = dict(made_by="metrics.py", sklearn=sklearn.__version__, seed=SEED)
(Path(__file__).parent / "metrics.json").write_text(json.dumps(made | dict(sets=sets), separators=(",", ":")) + "\n")
