"""Figures of a classifier, from labels and probabilities. All are fractions from 0 to 1, but for the log loss."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn import metrics as sk

from ser import EMOTIONS

LABELS = np.arange(len(EMOTIONS))
BINS = 10
RESAMPLES = 2000
POINTS = 200  # of a curve: more than a screen shows


def evaluate(actual: np.ndarray, probabilities: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Compute the figures of one protocol.

    Args:
        actual: (clips,) indices into ``EMOTIONS``.
        probabilities: (clips, emotions), rows sum to 1.
        seed: of the bootstrap.

    Returns:
        accuracy; its 95 % interval accuracy_low to accuracy_high; uar, the unweighted average recall over the
        emotions that occur; macro_f1 over the same; log_loss in nats; ece; n_test; recall per emotion.
    """
    predicted = probabilities.argmax(axis=1)
    present = np.unique(actual)
    exact = probabilities / probabilities.sum(axis=1, keepdims=True, dtype=np.float64)  # float32 adds up to 1 +- 1e-7
    recall = sk.recall_score(actual, predicted, labels=present, average=None, zero_division=0)
    low, high = accuracy_interval(actual == predicted, seed)
    figures = {
        "accuracy": sk.accuracy_score(actual, predicted),
        "accuracy_low": low,
        "accuracy_high": high,
        "uar": recall.mean(),
        "macro_f1": sk.f1_score(actual, predicted, labels=present, average="macro", zero_division=0),
        "log_loss": sk.log_loss(actual, exact, labels=LABELS),
        "ece": expected_calibration_error(actual, probabilities),
    }
    rounded = {name: round(float(value), 6) for name, value in figures.items()}
    recalls = {EMOTIONS[label]: round(float(value), 6) for label, value in zip(present, recall, strict=True)}
    return rounded | {"n_test": len(actual), "recall": recalls}


def if_answered(actual: np.ndarray, probabilities: np.ndarray, answered: np.ndarray) -> dict[str, float]:
    """What a user of ``predict`` gets.

    Args:
        actual: (clips,) indices into ``EMOTIONS``.
        probabilities: (clips, emotions)
        answered: (clips,) booleans: the others are "unsure".

    Returns:
        answered, the share of the clips; right_if_answered, the accuracy on them, if there are any.
    """
    figures = {"answered": round(float(answered.mean()), 6)}
    if answered.any():
        right = probabilities[answered].argmax(axis=1) == actual[answered]
        figures["right_if_answered"] = round(float(right.mean()), 6)
    return figures


def accuracy_interval(correct: np.ndarray, seed: int, resamples: int = RESAMPLES) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the accuracy (B. Efron, Ann. Statist. 7, 1979, doi:10.1214/aos/1176344552).

    It speaks of other clips of the same speakers; it says nothing of other speakers.

    Args:
        correct: (clips,) booleans.
        seed: of the resampling.
        resamples: how many.

    Returns:
        Its lower and its upper end.
    """
    # Drawing clips with replacement and counting the right ones is a binomial draw.
    counts = np.random.default_rng(seed).binomial(len(correct), correct.mean(), resamples)
    low, high = np.percentile(counts / len(correct), [2.5, 97.5])
    return float(low), float(high)


def calibration(actual: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """Reliability: of the clips predicted with a confidence around c, how many are right?

    Args:
        actual: (clips,) indices into ``EMOTIONS``.
        probabilities: (clips, emotions)

    Returns:
        confidence (mean), accuracy and clips of each of ten equally wide bins of confidence that has any.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == actual
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    rows = [(confidence[bins == b].mean(), correct[bins == b].mean(), int((bins == b).sum())) for b in np.unique(bins)]
    return pd.DataFrame(rows, columns=["confidence", "accuracy", "clips"])


def expected_calibration_error(actual: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean distance of confidence and accuracy, bins weighted by their clips (M. Naeini et al., AAAI 2015)."""
    bins = calibration(actual, probabilities)
    return float(((bins.confidence - bins.accuracy).abs() * bins.clips).sum() / len(actual))


def risk_coverage(actual: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """How many answers are right if only the surest are given (R. El-Yaniv and Y. Wiener, JMLR 11, 2010).

    Args:
        actual: (clips,) indices into ``EMOTIONS``.
        probabilities: (clips, emotions)

    Returns:
        coverage, the share of the clips that are answered; risk, the share of these answers that is wrong; confidence
        of the least sure one of them. At most ``POINTS`` rows, coverage rising.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(probabilities.argmax(axis=1)[order] != actual[order])
    count = np.arange(1, len(actual) + 1)
    # Clips of one confidence are answered together, or not at all.
    last = np.append(np.diff(confidence[order]) != 0, True)
    table = pd.DataFrame({"coverage": count / len(actual), "risk": wrong / count, "confidence": confidence[order]})[
        last
    ]
    shown = np.unique(np.linspace(0, len(table) - 1, min(POINTS, len(table))).round().astype(int))
    return table.iloc[shown].reset_index(drop=True)


def tables(actual: np.ndarray, probabilities: np.ndarray) -> dict[str, pd.DataFrame]:
    """What the plots of one protocol show: confusion, per_class, reliability and risk_coverage."""
    predicted = probabilities.argmax(axis=1)
    names = np.array(EMOTIONS)
    full = sk.classification_report(
        actual, predicted, labels=LABELS, target_names=EMOTIONS, output_dict=True, zero_division=0
    )
    rows = [{"emotion": emotion, **full[emotion]} for emotion in EMOTIONS if full[emotion]["support"]]
    return {
        "confusion": pd.DataFrame({"actual": names[actual], "predicted": names[predicted]}),
        "per_class": pd.DataFrame(rows).rename(columns={"f1-score": "f1"}).astype({"support": int}),
        "reliability": calibration(actual, probabilities),
        "risk_coverage": risk_coverage(actual, probabilities),
    }


def summarise(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Headline figures of several protocols, each under a name of its own; what was not run is left out.

    Args:
        results: contents of ``metrics/<protocol>.json``, all of one corpus.
    """
    summary: dict[str, Any] = {"corpus": results[0]["corpus"]}
    for result in results:
        summary |= {f"{result['protocol']}_{name}": result[name] for name in ("accuracy", "uar")}
    speakers = [result for result in results if result["protocol"].startswith("speaker_")]
    if len(speakers) > 1:  # one direction alone is no headline: it may be the easy one
        for name in ("accuracy", "uar"):
            summary[f"speaker_mean_{name}"] = round(sum(one[name] for one in speakers) / len(speakers), 6)
    return summary
