"""What needs no LSTM, on the same clips of TESS: linear classifiers on statistics of a clip, and the expert alone.

    python -m research.baselines

Needs data/ as `dvc repro` leaves it. Nothing here depends on a seed: one row per direction, in research/results.csv,
beside those of the recipes.
"""

import time
from collections.abc import Callable

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from research.recipes import BASELINES, EXPERT_ALONE, MFCC_STATISTICS
from research.run import Clips, Others, Task, adapted, figures, save, tess
from ser import artifact, errors, expert, params

Classifier = Callable[[Clips], np.ndarray]  # clips -> (clips, emotions), probabilities


def statistics(clips: Clips) -> np.ndarray:
    """``ser.expert.statistics`` of each clip: (clips, 4 columns)."""
    return np.array([expert.statistics(clip) for clip in clips])


def regression(task: Task, used: list[int]) -> tuple[Classifier, int]:
    """Logistic regression on the statistics in these places, fitted to ``task.train`` with the expert's penalty.

    Returns:
        The classifier, and how many weights it has.
    """
    fitted = make_pipeline(
        StandardScaler(), LogisticRegression(C=1 / (expert.RIDGE * len(task.train.clips)), max_iter=10_000)
    ).fit(statistics(task.train.clips)[:, used], task.train.labels)
    weights = fitted[-1].coef_.size + fitted[-1].intercept_.size
    return lambda clips: fitted.predict_proba(statistics(clips)[:, used]), weights


def expert_alone(task: Task, features: params.Features) -> tuple[Classifier, int]:
    """The committed expert; of ``task.train`` it knows mean and standard deviation of each statistic, no label."""
    known = expert.load(features, tested=["tess"])
    kernel, bias = known.layer(task.train.clips)
    weights = sum(map(len, known.weights.values())) + len(known.bias)
    return lambda clips: softmax(statistics(clips) @ kernel + bias, axis=1), weights


def fit(name: str, task: Task, features: params.Features) -> tuple[Classifier, int]:
    """One of ``BASELINES``, fitted, with the number of its weights."""
    if name == EXPERT_ALONE:
        return expert_alone(task, features)
    names = expert.statistic_names(features)
    if name == MFCC_STATISTICS:
        return regression(task, [i for i, one in enumerate(names) if one.startswith(("mean mfcc_", "deviation mfcc_"))])
    return regression(task, [i for i, one in enumerate(names) if not one.startswith(expert.IDENTITY)])


def main() -> None:
    """Fit, test, write."""
    features = params.load("features")
    revision = artifact.revision("research/*.py")
    rows = []
    for protocol in ("speaker_yaf", "speaker_oaf"):
        task = tess(protocol, Others({}, features))
        for name in BASELINES:
            begin = time.perf_counter()
            classifier, weights = fit(name, task, features)
            shared = {"recipe": name, "labels": "right", "seed": 0, "epoch": 0, "parameters": weights,
                      "seconds": round(time.perf_counter() - begin), "revision": revision}  # fmt: skip
            for test, part in task.tests.items():
                settings = {"inductive": part.clips}
                if test == protocol:  # pseudo-speakers are not unseen
                    settings["adapted"] = adapted(part, task.train.clips)
                for setting, clips in settings.items():
                    rows.append(shared | {"test": test, "setting": setting} | figures(part, classifier(clips)))
                    print(f"{name}, {test}, {setting}: UAR {rows[-1]['uar']:.4f}", flush=True)
    save(rows)


if __name__ == "__main__":
    errors.run(main, __doc__)
