"""A voice, as the network hears it: where the columns of somebody's clips lie.

Everybody has a pitch, a level and a timbre of their own. Unlabelled recordings of a speaker say where theirs lie. Each
column is given the mean and the standard deviation that it has for the training speakers: mean and variance
normalisation by speaker (O. Viikki and K. Laurila, Speech Communication 25, 1998, do so to cepstra). What is left is
how something is said. This is adaptation: ``docs/unseen-speakers.md`` says what it gains, and keeps its figures apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FLAT = 1e-3  # a column that never changes stays finite


@dataclass(frozen=True)
class Voice:
    """Mean and standard deviation of every column over the frames of somebody's clips.

    Attributes:
        mean: (columns,)
        std: (columns,)
    """

    mean: np.ndarray
    std: np.ndarray

    def as_if(self, other: "Voice", frames: np.ndarray) -> np.ndarray:
        """Frames of this voice as if the other one had spoken: (frames, columns) -> (frames, columns) float32."""
        moved = (frames - self.mean) / np.maximum(self.std, FLAT) * other.std + other.mean
        return moved.astype(np.float32)


def fit(clips: Sequence[np.ndarray]) -> Voice:
    """Describe a voice by (frames, columns) of each of its clips."""
    frames = np.concatenate(clips)
    return Voice(frames.mean(axis=0, dtype=np.float64), frames.std(axis=0, dtype=np.float64))
