"""Any audio file to mono float32 at the rate that is asked for."""

from pathlib import Path

import numpy as np
import soundfile
import soxr

from ser.errors import UserError

MAX_SAMPLES = 2**29  # of all channels: what would fill the memory is refused, whatever the header promises
UNKNOWN = 2**63 - 1  # libsndfile's length of a FLAC stream whose encoder could not go back to say it, as in a pipe
BLOCK = 2**20  # samples
DC_OFFSET = 0.05  # mean, in standard deviations, from which it is taken away: clips of TESS stay below 0.015


def read(path: Path | str) -> tuple[np.ndarray, int]:
    """Decode a file that libsndfile reads.

    Args:
        path: WAV, AIFF, FLAC, OGG, MP3, ...; the content decides, not the file's ending.

    Returns:
        (samples,) float32 in [-1, 1] for integer formats, ``to_mono`` and ``centred``, and the sample rate in Hz.

    Raises:
        UserError: the file cannot be decoded, is empty, or holds a value that is not finite.
    """
    blocks, count = [], 0
    try:
        with soundfile.SoundFile(path) as file:
            read_onward(file)
            while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
                blocks.append(block)
                if (count := count + block.size) > MAX_SAMPLES:
                    raise UserError(f"{path}: expected at most {MAX_SAMPLES} samples, received more")
    except (soundfile.LibsndfileError, OSError, TypeError) as error:
        raise UserError(f"{path}: expected audio that libsndfile reads, received: {error}") from error
    if not blocks:
        raise UserError(f"{path}: expected audio, received a file of 0 samples")
    mono = to_mono(np.concatenate(blocks))
    if not np.isfinite(mono).all():
        raise UserError(f"{path}: expected finite samples, received NaN or infinity")
    return centred(mono), file.samplerate


def read_onward(file: soundfile.SoundFile) -> None:
    """Keep soundfile from seeking, which fails, in a file that does not say how long it is."""
    if file.frames == UNKNOWN:
        file.seekable = lambda: False


def centred(samples: np.ndarray) -> np.ndarray:
    """Take away a constant offset that is too large to be a microphone's, from (samples,)."""
    mean = samples.mean(dtype=np.float64)
    return samples - np.float32(mean) if abs(mean) > DC_OFFSET * samples.std(dtype=np.float64) else samples


def to_mono(samples: np.ndarray) -> np.ndarray:
    """Average the channels, (samples, channels) to (samples,); where they cancel each other, take the loudest one."""
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
