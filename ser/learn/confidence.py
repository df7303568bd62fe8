"""When to believe the network: calibrated probabilities, and a limit beyond which it is not asked.

A softmax is as sure of white noise as it is of speech. Two scores say when not to trust it, with limits fitted on the
validation part alone: the probability of the likeliest emotion, and the distance of the clip from the training
clips. ``docs/predict.md`` shows what they catch and what they cost.
"""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np

FLAT = 1e-3  # a column that never changes stays finite
# Of the validation clips, the share that is answered; both scores refuse the same number of the others.
ACCEPTED = 0.99
# With few clips, no more than a quarter of them.
AXES = 40
LEAST = 1e-2  # variance in a direction that training clips do not take, where theirs is 1: it must not count for ever
TEMPERATURES = np.geomspace(0.25, 10, 400)  # from four times as sure to a tenth, in steps of 1 %


@dataclass(frozen=True)
class Reference:
    """Where the training clips lie: a Gaussian with free variance along ``axes`` and one variance across them.

    Probabilistic principal components (M. Tipping and C. Bishop, J. R. Stat. Soc. B 61, 1999,
    doi:10.1111/1467-9868.00196): a covariance of hundreds of columns from few clips that can still be inverted.

    Attributes:
        centre: (2 columns,) mean of the clips' summaries.
        scale: (2 columns,) their standard deviation.
        axes: (2 columns, components) orthonormal.
        spread: (components,) standard deviation along each axis.
        rest: () standard deviation in every other direction.
    """

    centre: np.ndarray
    scale: np.ndarray
    axes: np.ndarray
    spread: np.ndarray
    rest: np.ndarray

    def distance(self, frames: np.ndarray) -> float:
        """Mahalanobis distance of a clip, per column: about 1 for a training clip, whatever the number of columns.

        Args:
            frames: (frames, columns) of one clip.
        """
        point = (summary(frames) - self.centre) / self.scale
        along = point @ self.axes
        across = max(float(point @ point - along @ along), 0.0)
        return float(np.sqrt((np.square(along / self.spread).sum() + across / self.rest**2) / len(point)))


def summary(frames: np.ndarray) -> np.ndarray:
    """Mean and standard deviation of every column over a clip: (frames, columns) -> (2 columns,)."""
    return np.concatenate([frames.mean(axis=0), frames.std(axis=0)])


def fit_reference(clips: list[np.ndarray]) -> Reference:
    """Describe where clips lie.

    Args:
        clips: training clips, (frames, columns) each.

    Returns:
        The Gaussian of their summaries.
    """
    points = np.array([summary(frames) for frames in clips], np.float64)
    centre, scale = points.mean(axis=0), np.maximum(points.std(axis=0), FLAT)
    points = (points - centre) / scale
    _, singular, directions = np.linalg.svd(points, full_matrices=False)
    count = min(AXES, max(1, len(clips) // 4), len(scale) - 1)
    variance = np.square(singular) / len(clips)
    rest = max(variance[count:].sum() / (len(scale) - count), LEAST)
    spread = np.sqrt(np.maximum(variance[:count], rest))
    arrays = (centre, scale, directions[:count].T, spread, np.sqrt(rest))
    return Reference(*(np.asarray(array, np.float32) for array in arrays))


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Find the temperature that calibrates a softmax (C. Guo et al., ICML 2017, https://arxiv.org/abs/1706.04599).

    Args:
        probabilities: (clips, emotions) on the validation part.
        labels: (clips,) column of the right emotion.

    Returns:
        What the logits have to be divided by, between 0.25 and 10. Above 1: the network was too sure of itself.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-30))
    clips, emotions = logits.shape
    # Where every clip is right, the log loss falls for ever as the temperature does. One clip more, shared by all
    # emotions alike, keeps the network from being surer than so many clips can prove (in the spirit of J. Platt, 1999,
    # who counts two more).
    targets = (np.eye(emotions)[labels] * clips + 1 / emotions) / (clips + 1)
    losses = [-(targets * log_softmax(logits / temperature)).sum() for temperature in TEMPERATURES]
    return round(float(TEMPERATURES[int(np.argmin(losses))]), 4)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logarithm of the softmax over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def unlike(distance: float, limit: float) -> str | None:
    """Say that a clip lies too far from the training clips; None where it does not."""
    return None if distance <= limit else f"unlike the training clips (distance {distance:.1f}, limit {limit:.1f})"


def undecided(probabilities: np.ndarray, limit: float) -> str | None:
    """Say that none of (emotions,) is likely enough; None where one is."""
    best = float(probabilities.max())
    return None if best >= limit else f"no emotion prevails (likeliest {best:.2f}, limit {limit:.2f})"


def limits(reference: Reference, clips: list[np.ndarray], probabilities: np.ndarray) -> tuple[float, float]:
    """Limits that accept ``ACCEPTED`` of the validation clips.

    Args:
        reference: from ``fit_reference`` on the training part.
        clips: validation clips, (frames, columns) each.
        probabilities: (clips, emotions), calibrated.

    Returns:
        The largest distance and the smallest probability of the likeliest emotion that are still answered.
    """
    refused = (1 - ACCEPTED) / 2
    distances = [reference.distance(frames) for frames in clips]
    # What a clip really has, and rounded such that this clip is still answered.
    distance = np.quantile(distances, 1 - refused, method="higher")
    probability = np.quantile(probabilities.max(axis=1), refused, method="lower")
    # No more than even odds are asked of a weak model.
    return ceil(distance * 1e4) / 1e4, floor(min(probability, 0.5) * 1e4) / 1e4
