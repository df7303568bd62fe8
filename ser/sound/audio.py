"""Any audio file to mono float32 at the rate that is asked for."""

from pathlib import Path

import numpy as np
import soundfile
import soxr

from ser.errors import UserError

# A header may promise anything: refuse what would fill the memory before a sample is decoded.
MAX_SAMPLES = 2**29
UNKNOWN = 2**63 - 1  # libsndfile's length of a FLAC stream whose encoder could not go back to say it, as in a pipe
BLOCK = 2**20  # samples
DC_OFFSET = 0.05  # mean, in standard deviations, from which it is taken away: clips of TESS stay below 0.015


def read(path: Path | str) -> tuple[np.ndarray, int]:
    """Decode a file that libsndfile reads.

    Args:
        path: WAV, AIFF, FLAC, OGG, MP3, ...; the content decides, not the file's ending.

    Returns:
        Mono samples of shape (samples,), float32 in [-1, 1] for integer formats, and the sample rate in Hz.
        Channels are averaged, see ``to_mono``; a constant offset is taken away, see ``centred``.

    Raises:
        UserError: the file cannot be decoded, is empty, or holds a value that is not finite.
    """
    try:
        with soundfile.SoundFile(path) as file:
            rate, measured = file.samplerate, file.frames != UNKNOWN
            if measured and file.frames * file.channels > MAX_SAMPLES:
                raise UserError(
                    f"{path}: expected at most {MAX_SAMPLES} samples, received {file.frames * file.channels}"
                )
            samples = file.read(dtype="float32", always_2d=True) if measured else _stream(file, path)
    except (soundfile.LibsndfileError, OSError, TypeError) as error:
        raise UserError(f"{path}: expected audio that libsndfile reads, received: {error}") from error
    if len(samples) == 0:
        raise UserError(f"{path}: expected audio, received a file of 0 samples")
    mono = to_mono(samples)
    if not np.isfinite(mono).all():
        raise UserError(f"{path}: expected finite samples, received NaN or infinity")
    return centred(mono), rate


def read_onward(file: soundfile.SoundFile) -> None:
    """Keep soundfile from seeking, which fails, in a file that does not say how long it is."""
    if file.frames == UNKNOWN:
        file.seekable = lambda: False


def _stream(file: soundfile.SoundFile, path: Path | str) -> np.ndarray:
    read_onward(file)
    blocks, count = [np.zeros((0, file.channels), np.float32)], 0
    while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
        blocks.append(block)
        if (count := count + block.size) > MAX_SAMPLES:
            raise UserError(f"{path}: expected at most {MAX_SAMPLES} samples, received more")
    return np.concatenate(blocks)


def centred(samples: np.ndarray) -> np.ndarray:
    """Take away a constant offset that is too large to be a microphone's, from (samples,)."""
    mean = samples.mean(dtype=np.float64)
    return samples - np.float32(mean) if abs(mean) > DC_OFFSET * samples.std(dtype=np.float64) else samples


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
