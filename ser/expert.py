"""The expert: a linear classifier on statistics of a clip, fitted to people who are not in the corpus.

Its probabilities are multiplied by the LSTM's (a product of experts, G. Hinton, Neural Computation 14, 2002). On an
unseen speaker, the two err on different clips: ``docs/unseen-speakers.md``. ``data/expert.json`` holds it, in numbers
that can be read; ``python -m research.expert`` makes it anew.

A linear classifier extrapolates without bound, and would be surest of noise. So its probabilities are smoothed: mixed
with a uniform distribution, of weight ``UNIFORM``.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

from ser import EMOTIONS
from ser.confidence import log_softmax
from ser.errors import UserError
from ser.features import column_names
from ser.params import Features
from ser.voice import FLAT

EXPERT = Path("data/expert.json")
KINDS = ("mean", "deviation", "change", "acceleration")  # of every column
IDENTITY = ("mean mfcc_", "mean chroma_", "mean mel_")  # these say whose voice it is, and are left out
# Of 0.02, 0.05, 0.1 and 0.2, the one that costs least UAR on unseen speakers: 0.007 (EMO-DB) and 0.002
# (RAVDESS), with an earlier expert: docs/unseen-speakers-trials.md.
UNIFORM = 0.02
RIDGE = 0.01  # half of it times the squared weights is added to the mean log loss


@dataclass(frozen=True)
class Expert:
    """What a clip's statistics say of its emotion, once they are z-scores.

    Attributes:
        corpora: names of those it was fitted to.
        features: section ``features`` of the params, as it was then.
        weights: emotions' weights (in the order of ``EMOTIONS``) by the name of a statistic, such as
            ``deviation mfcc_3``.
        bias: (emotions,)
    """

    corpora: list[str]
    features: dict[str, Any]
    weights: dict[str, list[float]]
    bias: list[float]

    def layer(self, clips: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return kernel (4 columns, emotions) and bias (emotions,): statistics of a clip in, logits out.

        Args:
            clips: training clips, (frames, columns) each; statistics are z-scored by theirs.
        """
        values = np.array([statistics(frames) for frames in clips])
        mean, deviation = values.mean(axis=0), np.maximum(values.std(axis=0), FLAT)
        names, nothing = statistic_names(Features(**self.features)), [0.0] * len(EMOTIONS)
        kernel = np.array([self.weights.get(name, nothing) for name in names]) / deviation[:, np.newaxis]
        return kernel, np.array(self.bias) - mean @ kernel

    def save(self, path: Path) -> None:
        """Write it as JSON, one statistic a line."""
        text = re.sub(r"\[[^\]]*\]", lambda found: " ".join(found[0].split()), json.dumps(asdict(self), indent=2))
        path.write_text(text + "\n", encoding="utf-8")


def load(features: Features, tested: Sequence[str], path: Path = EXPERT) -> Expert:
    """Read the expert, unless it cannot be asked.

    Args:
        features: section ``features`` of ``params.yaml``.
        tested: corpora that will be tested.
        path: its file.

    Raises:
        UserError: it was fitted to other features, or to a corpus that is tested.
    """
    expert = Expert(**json.loads(path.read_text(encoding="utf-8")))
    away = "set train.expert to false (-S train.expert=false)"
    if heard := sorted({*expert.corpora} & {*tested}):
        raise UserError(
            f"train.expert: expected a tested corpus that {path} was not fitted to, received {heard[0]}; {away}"
        )
    for name, value in asdict(features).items():
        if value != (expected := expert.features.get(name)):
            raise UserError(
                f"train.expert: expected the features that {path} was fitted to, {name}: {expected}, "
                f"received {value}; {away}, or make it anew (python -m research.expert --help)"
            )
    return expert


def fit(corpora: Mapping[str, tuple[Sequence[np.ndarray], np.ndarray, np.ndarray]], features: Features) -> Expert:
    """Fit an expert: multinomial logistic regression with a ridge penalty.

    For each speaker of a corpus in turn, the statistics of all clips of the corpus are z-scored by that speaker's mean
    and standard deviation. So it will be applied: the statistics of an unseen speaker are z-scored by those of the
    training speakers (``Expert.layer``), and what merely tells speakers apart is worth nothing then. Each corpus counts
    the same and, within it, each emotion. A clip's emotion is one of those that its corpus has: that EMO-DB has no
    surprise says nothing of how surprise sounds.

    Args:
        corpora: by name, clips, (frames, columns) each, their labels (clips,), indices into ``EMOTIONS``, and their
            speakers (clips,).
        features: section ``features`` of the params that made them.

    Returns:
        The expert; its weights have four digits.

    Raises:
        UserError: an emotion is missing, or the fit does not converge.
    """
    used = [i for i, name in enumerate(statistic_names(features)) if not name.startswith(IDENTITY)]
    scores, every_label, shares, absent = [], [], [], []
    for clips, labels, speakers in corpora.values():
        values = np.array([statistics(frames) for frames in clips])[:, used]
        _, emotion, count = np.unique(labels, return_inverse=True, return_counts=True)
        listeners = np.unique(speakers)
        for listener in listeners:
            own = values[speakers == listener]
            scores.append((values - own.mean(axis=0)) / np.maximum(own.std(axis=0), FLAT))
            every_label.append(labels)
            shares.append(1 / (count[emotion] * len(count) * len(listeners) * len(corpora)))  # in all, 1
            absent.append(np.tile(~np.isin(np.arange(len(EMOTIONS)), labels), (len(labels), 1)))
    targets = np.concatenate(every_label)
    if missing := [name for i, name in enumerate(EMOTIONS) if i not in targets]:
        raise UserError(f"{' + '.join(corpora)}: expected clips of every emotion, received none of {missing[0]}")
    kernel, bias = _regression(np.concatenate(scores), targets, np.concatenate(shares), np.concatenate(absent))
    names = statistic_names(features)
    weights = {names[i]: _short(row) for i, row in zip(used, kernel, strict=True)}
    return Expert(list(corpora), asdict(features), weights, _short(bias))


def _regression(
    scores: np.ndarray, labels: np.ndarray, shares: np.ndarray, absent: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Multinomial logistic regression with emotions out of the question, which scikit-learn has no option for.

    It minimises the mean log loss, plus half of ``RIDGE`` times the squared weights of the kernel.

    Args:
        scores: (clips, statistics)
        labels: (clips,) indices into ``EMOTIONS``.
        shares: (clips,) of each in the mean log loss.
        absent: (clips, emotions), true for an emotion that is out of the question: its probability is 0.

    Returns:
        Kernel (statistics, emotions) and bias (emotions,).

    Raises:
        UserError: it does not converge, as where a statistic is not finite.
    """
    rows, emotions = np.arange(len(labels)), absent.shape[1]

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        kernel, bias = values[:-emotions].reshape(-1, emotions), values[-emotions:]
        logs = log_softmax(np.where(absent, -np.inf, scores @ kernel + bias))
        errors = np.exp(logs)
        errors[rows, labels] -= 1
        errors *= shares[:, np.newaxis]
        slope = np.concatenate([(scores.T @ errors + RIDGE * kernel).ravel(), errors.sum(axis=0)])
        return RIDGE / 2 * (kernel**2).sum() - shares @ logs[rows, labels], slope

    start = np.zeros((scores.shape[1] + 1) * emotions)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 10_000, "ftol": 0, "gtol": 1e-6})
    if not found.success:
        raise UserError(f"expert: expected a fit that converges, received {found.message!r}; are all features finite?")
    return found.x[:-emotions].reshape(-1, emotions), found.x[-emotions:]


def statistics(frames: np.ndarray) -> np.ndarray:
    """Describe a clip without time: (frames, columns) -> (4 columns,).

    They are the mean of every column, its standard deviation, its mean absolute change from frame to frame, and the
    mean absolute change of that change.
    """
    frames = frames.astype(np.float64)
    change = np.abs(np.diff(frames, axis=0)).sum(axis=0) / max(len(frames) - 1, 1)
    acceleration = np.abs(np.diff(frames, 2, axis=0)).sum(axis=0) / max(len(frames) - 2, 1)
    return np.concatenate([frames.mean(axis=0), frames.std(axis=0), change, acceleration])


def statistic_names(features: Features) -> list[str]:
    """Names of what ``statistics`` returns, such as ``change mel_63``."""
    return [f"{kind} {column}" for kind in KINDS for column in column_names(features)]


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.4g}") for value in values]
