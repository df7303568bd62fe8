"""A recording as the network wants it: mono, on one scale, at one rate, every sample finite."""

from collections.abc import Iterator

import numpy as np
import soxr

from ser.errors import UserError
from ser.sound import audio, decode

BLOCK = 3.0  # seconds
# Full scale is 1. Float samples far above it are those of integers, of one of these scales; what has a standard
# deviation of 1 stays below LOUDEST.
FULL_SCALES = (2.0**15, 2.0**23, 2.0**31)
LOUDEST = 32.0


class Recording:
    """An open sound, read from its first sample to its last.

    Args:
        sound: from ``decode.opened``.
        name: for messages.

    Raises:
        UserError: a sample is not finite; raised by every method.
    """

    def __init__(self, sound: decode.Sound, name: str) -> None:
        self.sound, self.name, self.rate = sound, name, sound.rate
        # Of the whole sound: a quiet beginning does not tell the scale, and must not count as loud.
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused as infinite
            peak = self._finite(np.array(sound.peak(), np.float32))
        self.scale = next((scale for scale in (1.0, *FULL_SCALES) if peak <= LOUDEST * scale), peak)

    def read(self, count: int) -> np.ndarray:
        """The next samples at the recording's own rate, (at most count,) float32."""
        return np.ascontiguousarray(self._finite(audio.to_mono(self.sound.read(count) / np.float32(self.scale))))

    def blocks(self, head: np.ndarray, rate: int) -> Iterator[np.ndarray]:
        """All of it, block by block: an hour needs no more memory than a minute.

        Args:
            head: (samples,) that were read already; it tells the constant offset that is taken away.
            rate: Hz

        Yields:
            (samples,) float32 at ``rate`` Hz.
        """
        stream = soxr.ResampleStream(self.rate, rate, 1, dtype="float32", quality="HQ")
        centred = audio.centred(head)
        offset = head[0] - centred[0]
        block = centred
        while len(block):
            following = self.read(int(BLOCK * self.rate)) - offset
            yield stream.resample_chunk(block, last=len(following) == 0) if self.rate != rate else block
            block = following

    def _finite(self, values: np.ndarray) -> np.ndarray:
        if not np.isfinite(values).all():
            raise UserError(f"{self.name}: expected finite samples, received NaN or infinity")
        return values
