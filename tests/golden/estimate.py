"""Golden values of what is estimated without labels: confidence-based performance estimation as NannyML documents and
computes it, with scikit-learn 1.9.1's isotonic regression, written to estimate.json beside this file.

Written anew from the formulas, a prediction at a time: expected confusion for accuracy, F1 and kappa; for the area the
expected true and false positives by descending score; for the losses, which NannyML does not estimate, their
expectation. Scores of sets that are `binned` lie on the middle of one of 4096 bins, so that nothing is lost by binning.
"""
import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import auc

assert sklearn.__version__ == "1.9.1"
rng = np.random.default_rng(23)


def estimates(reference, labels, scores):
    map = IsotonicRegression(out_of_bounds="clip", y_min=0, y_max=1).fit(reference, labels)
    p, said = map.predict(scores), scores > 0.5
    tp, fp = p[said].sum(), (1 - p)[said].sum()
    fn, tn = p[~said].sum(), (1 - p)[~said].sum()
    n = len(scores)
    chance = ((tp + fp) * (tp + fn) + (tn + fn) * (tn + fp)) / n**2
    down = np.argsort(scores, kind="stable")[::-1]
    true, false = np.r_[0, np.cumsum(p[down])], np.r_[0, np.cumsum(1 - p[down])]
    s = np.clip(scores, 1e-4, 1 - 1e-4)
    return dict(
        accuracy=(tp + tn) / n,
        f1=tp / (tp + 0.5 * (fp + fn)),
        kappa=((tp + tn) / n - chance) / (1 - chance),
        roc_auc=auc(false / false[-1], true / true[-1]),
        log_loss=np.mean(-p * np.log(s) - (1 - p) * np.log(1 - s)),
        brier=np.mean(p * (1 - scores) ** 2 + (1 - p) * scores**2),
    )


def drawn(n, a, b, binned):
    scores = rng.beta(a, b, n)
    return (np.floor(scores * 4096) + 0.5) / 4096 if binned else np.round(scores, 6)


def of(name, truth, binned, reference=(2, 2), window=(2, 2), n=500):
    """Of a model whose score `s` comes true with the chance `truth(s)`."""
    known, scores = drawn(n, *reference, binned), drawn(400, *window, binned)
    labels = (rng.random(n) < truth(known)).astype(int)
    values = {k: float(v) for k, v in estimates(known, labels, scores).items()}
    return dict(name=name, binned=binned, reference=known.tolist(), labels=labels.tolist(), scores=scores.tolist(),
                metrics=values)


def sure(s):
    """Too sure of itself: what it gives 0.9 comes true in 0.7."""
    return 0.5 + (s - 0.5) / 2


sets = [
    of("calibrated", lambda s: s, True),
    of("too sure of itself", sure, True),
    of("the wrong way round", lambda s: 1 - s, True),
    of("other inputs than before", sure, True, (2, 5), (5, 2)),
    of("beyond what was known", sure, True, (20, 20), (0.5, 0.5)),
    of("few known", sure, True, n=12),
    of("any scores", sure, False, n=3000),
]
text = json.dumps(dict(tool=f"scikit-learn {sklearn.__version__}", seed=23, sets=sets))
Path(__file__).with_suffix(".json").write_text(text + "\n")
