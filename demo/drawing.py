"""What the page draws: the outline of a recording, and the spectrogram of what the network heard."""

import base64
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np

from ser.answer.recogniser import Recogniser
from ser.errors import UserError
from ser.sound import audio, decode
from ser.sound.features import TOP_DB, extract

POINTS = 800  # of an outline: more than a screen shows
STEP = 0.005  # seconds per value before an outline is thinned
COLUMNS = 1600  # of a spectrogram


class TooLong(UserError):
    """A recording beyond the limit."""


def outline(file: BinaryIO, limit: float) -> list[float]:
    """Read a recording once through, and refuse it as soon as it is too long: headers can lie about that.

    Args:
        file: as for ``Recogniser.predict``.
        limit: seconds.

    Returns:
        Peak of every stretch of equal length, at most ``POINTS`` of them, the largest 1.
    """
    peaks: list[np.ndarray] = []
    count = 0
    with decode.opened(file) as sound:
        step = max(1, int(STEP * sound.rate))
        while len(block := sound.read(200 * step)):
            count += len(block)
            if count > limit * sound.rate:
                raise TooLong(f"{getattr(file, 'name', 'recording')}: expected at most {limit / 60:g} minutes, "
                              "received more")  # fmt: skip
            with np.errstate(over="ignore", invalid="ignore"):
                mono = np.nan_to_num(np.abs(audio.to_mono(block)))
            peaks.append(np.maximum.reduceat(mono, np.arange(0, len(mono), step)))
    values = _thin(np.concatenate(peaks or [np.zeros(1, np.float32)]), POINTS)
    return [round(float(value), 3) for value in values / max(values.max(), np.finfo(np.float32).tiny)]


class Spectrogram:
    """The mel spectrogram of what the network heard: where its windows overlap, their mean.

    Args:
        recogniser: the model.
    """

    def __init__(self, recogniser: Recogniser) -> None:
        self.recogniser = recogniser
        # Untrimmed, so that a column's place is its time.
        self.features = replace(recogniser.model.features, use=["mel"], trim_db=None)
        self.step = self.features.hop_length / recogniser.rate
        self.seen: list[tuple[int, np.ndarray]] = []

    def watch(self, start: float, samples: np.ndarray) -> None:
        """Take in a stretch, as ``Recogniser.predict`` offers it."""
        if len(samples) >= self.features.n_fft:
            level = extract(samples, self.features, self.recogniser.model.filters)
            self.seen.append((round(start / self.step), (level - level.max()).astype(np.float16)))

    def drawn(self, duration: float) -> dict[str, Any] | None:
        """The picture for a page, None if the network heard nothing.

        Args:
            duration: seconds of the recording.

        Returns:
            ``pixels``: base64 of (columns, mels) bytes, 255 at the maximum, 1 at ``-range`` dB, 0 where the network
            heard nothing; ``hertz``: centre of each mel; ``duration``: seconds from the first column to the last.
        """
        if not self.seen:
            return None
        # A window's last frame may stand beyond the end of the recording.
        size = max(1, round(duration / self.step))
        total, count = np.zeros((size, self.features.n_mels), np.float32), np.zeros((size, 1), np.float32)
        for start, level in self.seen:
            level = level[: max(0, size - start)]
            total[start : start + len(level)] += level
            count[start : start + len(level)] += 1
        group = -(-size // COLUMNS)
        edges = np.arange(0, size, group)
        total, count = np.add.reduceat(total, edges), np.add.reduceat(count, edges)
        pixels = np.where(count > 0, 255 + 254 / TOP_DB * total / np.maximum(count, 1), 0)
        return {
            "columns": len(pixels),
            "pixels": base64.b64encode(np.clip(pixels, 0, 255).round().astype(np.uint8).tobytes()).decode("ascii"),
            "hertz": self._centres(),
            "range": TOP_DB,
            "duration": size * self.step,
        }

    def _centres(self) -> list[int]:
        bank = self.recogniser.model.filters.mel
        frequencies = np.linspace(0, self.recogniser.rate / 2, bank.shape[1])
        return [round(float(hertz)) for hertz in bank @ frequencies / bank.sum(axis=1)]


def _thin(values: np.ndarray, most: int) -> np.ndarray:
    """At most so many values, each the maximum of as many neighbours: (values,) -> (at most ``most``,)."""
    return np.maximum.reduceat(values, np.arange(0, len(values), -(-len(values) // most)))
