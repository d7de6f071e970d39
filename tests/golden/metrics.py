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


def several(classes, n, sharp):
    """Probabilities of several classes; of the last class there is no label in the first set."""
    logits = rng.normal(size=(n, classes)) * sharp
    p = np.round(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), 5)
    p[:, 0] += 1 - p.sum(axis=1)
    y = np.array([rng.choice(classes, p=np.abs(row) / np.abs(row).sum()) for row in p])
    return p, np.where(y == classes - 1, 0, y) if sharp < 1 else y


def of_several(p, y):
    classes, said, top = p.shape[1], p.argmax(axis=1), p.max(axis=1)
    values = dict(
        log_loss=-np.log(np.clip(p[np.arange(len(y)), y], 1e-4, 1 - 1e-4)).mean(),
        accuracy=m.accuracy_score(y, said),
        f1=m.f1_score(y, said, average="macro", zero_division=0),
        kappa=m.cohen_kappa_score(y, said),
        brier=((p - np.eye(classes)[y]) ** 2).sum(axis=1).mean(),
        ece=ece((said == y).astype(int), top),
    )
    metrics = {k: float(v) for k, v in values.items()}
    return dict(classes=classes, probabilities=p.tolist(), labels=y.tolist(), metrics=metrics)


def of_values(said, y):
    values = dict(mae=m.mean_absolute_error(y, said), rmse=m.root_mean_squared_error(y, said), r2=m.r2_score(y, said))
    return dict(said=said.tolist(), labels=y.tolist(), metrics={k: float(v) for k, v in values.items()})


truth = np.round(rng.normal(size=200) * 50 + 1000, 3)
others = dict(
    several=[of_several(*several(3, 200, 0.5)), of_several(*several(7, 400, 2.0))],
    values=[
        of_values(np.round(truth + rng.normal(size=200) * 20, 3), truth),
        of_values(np.full(5, 2.5), np.array([1.0, 2.0, 3.0, 4.0, 1e6])),
    ],
)
made = dict(made_by="metrics.py", sklearn=sklearn.__version__, seed=SEED)
content = made | dict(sets=sets) | others
(Path(__file__).parent / "metrics.json").write_text(json.dumps(content, separators=(",", ":")) + "\n")
