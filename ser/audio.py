"""Any audio file to mono float32 at the rate that is asked for."""

from pathlib import Path

import numpy as np
import soundfile
import soxr

from ser.errors import UserError

# A header may promise anything: refuse what would fill the memory before a sample is decoded.
MAX_SAMPLES = 2**29


def read(path: Path | str) -> tuple[np.ndarray, int]:
    """Decode a file that libsndfile reads.

    Args:
        path: WAV, AIFF, FLAC, OGG, MP3, ...; the content decides, not the file's ending.

    Returns:
        Mono samples of shape (samples,), float32 in [-1, 1] for integer formats, and the sample rate in Hz.
        Channels are averaged, see ``to_mono``.

    Raises:
        UserError: the file cannot be decoded, is empty, or holds a value that is not finite.
    """
    try:
        with soundfile.SoundFile(path) as file:
            if file.frames * file.channels > MAX_SAMPLES:
                raise UserError(
                    f"{path}: expected at most {MAX_SAMPLES} samples, received {file.frames * file.channels}"
                )
            samples, rate = file.read(dtype="float32", always_2d=True), file.samplerate
    except (soundfile.LibsndfileError, OSError, TypeError) as error:
        raise UserError(f"{path}: expected audio that libsndfile reads, received: {error}") from error
    if len(samples) == 0:
        raise UserError(f"{path}: expected audio, received a file of 0 samples")
    mono = to_mono(samples)
    if not np.isfinite(mono).all():
        raise UserError(f"{path}: expected finite samples, received NaN or infinity")
    return mono, rate


def to_mono(samples: np.ndarray) -> np.ndarray:
    """Average the channels; where they cancel each other, take the loudest one.

    Args:
        samples: (samples, channels) float32

    Returns:
        (samples,) float32
    """
    if samples.shape[1] == 1:
        return samples[:, 0]
    mono = samples.mean(axis=1)
    # A cable with one wire swapped gives two channels of opposite sign, whose average is silence.
    energy = np.einsum("ij,ij->j", samples, samples)
    loudest = int(energy.argmax())
    return samples[:, loudest] if mono @ mono < 0.1 * energy[loudest] else mono


def resample(samples: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Resample (samples,) from ``rate`` to ``target`` Hz with soxr's high quality, librosa's default."""
    return samples if rate == target else soxr.resample(samples, rate, target, quality="HQ")
