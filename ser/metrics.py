"""Figures of a classifier, from labels and probabilities. All are fractions from 0 to 1, but for the log loss."""

import numpy as np
from sklearn import metrics as sk

from ser import EMOTIONS

LABELS = np.arange(len(EMOTIONS))
BINS = 10
RESAMPLES = 2000
MATCHED = 0.1  # seconds within which two clips count as equally long; set by hand (at an edge, rounding decides)


def evaluate(actual: np.ndarray, probabilities: np.ndarray, seed: int = 0) -> dict:
    """All figures of one protocol.

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


def length_matched(actual: np.ndarray, predicted: np.ndarray, seconds: np.ndarray) -> dict[str, float]:
    """Accuracy on clips whose length says nothing of their emotion.

    Clips are compared within a tenth of a second. There, every emotion that occurs counts as much as the rarest one,
    so that knowing the length is of no use; what one emotion has to itself is left out.

    Args:
        actual: (clips,) indices into ``EMOTIONS``.
        predicted: (clips,) likewise.
        seconds: (clips,) lengths.

    Returns:
        accuracy, and chance, what guessing among the emotions of the same length would get; none where no two emotions
        have clips of the same length.
    """
    bins = (seconds / MATCHED).astype(int)
    right = guessed = total = 0.0
    for place in np.unique(bins):
        here = bins == place
        emotions, counts = np.unique(actual[here], return_counts=True)
        if len(emotions) > 1:
            weight = int(counts.min())
            right += weight * sum(float((predicted[here & (actual == one)] == one).mean()) for one in emotions)
            guessed += weight  # one in as many as there are, of each
            total += weight * len(emotions)
    if not total:
        return {}
    return {"accuracy": round(right / total, 6), "chance": round(guessed / total, 6)}


def calibration(actual: np.ndarray, probabilities: np.ndarray) -> list[tuple[float, float, int]]:
    """Reliability: of the clips predicted with a confidence around c, how many are right?

    Args:
        actual: (clips,) indices into ``EMOTIONS``.
        probabilities: (clips, emotions)

    Returns:
        Mean confidence, accuracy and number of clips of each of ten equally wide bins of confidence that has any.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == actual
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        (float(confidence[bins == b].mean()), float(correct[bins == b].mean()), int((bins == b).sum()))
        for b in np.unique(bins)
    ]


def expected_calibration_error(actual: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean distance of confidence and accuracy, bins weighted by their clips (M. Naeini et al., AAAI 2015)."""
    return sum(abs(conf - acc) * clips for conf, acc, clips in calibration(actual, probabilities)) / len(actual)


def report(actual: np.ndarray, predicted: np.ndarray) -> dict[str, dict[str, float]]:
    """scikit-learn's classification report: precision, recall, F1 and support of every emotion that occurs."""
    full = sk.classification_report(
        actual, predicted, labels=LABELS, target_names=EMOTIONS, output_dict=True, zero_division=0
    )
    return {emotion: full[emotion] for emotion in EMOTIONS if full[emotion]["support"]}
