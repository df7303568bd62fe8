"""Waveform to frames: the one function that training, prediction and the demo use.

MFCC, chroma, mel, prosody and flux come from one power spectrogram per clip. The first three equal librosa's own
functions (see ``tests/test_features.py`` for the tolerance). The constants of the computation (window and filter
banks) are librosa's; they travel inside the model file, so that a prediction imports no librosa and cannot drift from
what the network was trained on.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ser.errors import UserError
from ser.params import BLOCKS, Features
from ser.sound.prosody import COLUMNS as PROSODY
from ser.sound.prosody import flux, prosody

TOP_DB = 80.0  # dynamic range kept below the maximum, in dB (librosa.power_to_db's default)
RUMBLE = 60.0  # Hz: below any voice; what lies there is the room's and the recorder's, and differs between sessions
AMIN = 1e-10  # power floor (librosa.power_to_db's default)


@dataclass(frozen=True)
class Filters:
    """The constants of the feature computation.

    Attributes:
        window: (n_fft,)
        mel: (n_mels, 1 + n_fft / 2), Slaney-style mel filter bank, from 0 Hz to half the sample rate.
        dct: (n_mfcc, n_mels), orthonormal DCT-II, which turns log-mel into MFCC.
        chroma: (n_chroma, 1 + n_fft / 2), pitch classes tuned to A4 = 440 Hz.
    """

    window: np.ndarray
    mel: np.ndarray
    dct: np.ndarray
    chroma: np.ndarray


def filters(params: Features) -> Filters:
    """Build the constants with librosa and scipy; equal settings share one copy."""
    return _filters(params.sample_rate, params.n_fft, params.window, params.n_mels, params.n_mfcc, params.n_chroma)


@lru_cache(maxsize=4)
def _filters(sample_rate: int, n_fft: int, window: str, n_mels: int, n_mfcc: int, n_chroma: int) -> Filters:
    # Imported here: a prediction takes the constants from the model file and never pays for these two.
    import librosa
    from scipy.fft import dct

    return Filters(
        window=librosa.filters.get_window(window, n_fft).astype(np.float32),
        mel=librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels),
        dct=dct(np.eye(n_mels), axis=0, norm="ortho")[:n_mfcc].astype(np.float32),
        # Speech is not tuned to a concert pitch: estimating one costs most of librosa's chroma and adds noise.
        chroma=librosa.filters.chroma(sr=sample_rate, n_fft=n_fft, n_chroma=n_chroma, tuning=0.0),
    )


def extract(samples: np.ndarray, params: Features, constants: Filters | None = None) -> np.ndarray:
    """Compute the frames of one clip.

    Args:
        samples: (samples,) float32, mono, at ``params.sample_rate`` Hz.
        params: section ``features`` of ``params.yaml``.
        constants: window and filter banks; default: built from ``params``.

    Returns:
        (frames, columns) float32 with frames = 1 + samples // hop_length, less those that ``trim_db`` cuts off;
        ``column_names`` says which is which.

    Raises:
        UserError: fewer samples than one frame.

    Example:
        >>> from ser import params
        >>> settings = params.load().features
        >>> extract(np.ones(16000, np.float32), settings).shape == (
        ...     1 + 16000 // settings.hop_length, len(column_names(settings)))
        True
    """
    if len(samples) < params.n_fft:
        expected = f"{params.n_fft} samples at {params.sample_rate} Hz (one frame)"
        raise UserError(f"expected at least {expected}, received {len(samples)}")
    constants = constants or filters(params)
    power = power_spectrogram(samples, constants.window, params.hop_length)
    frequency = np.linspace(0, params.sample_rate / 2, power.shape[1])
    voice = np.where(frequency < RUMBLE, 0, power).astype(np.float32)
    if params.trim_db is not None:
        kept = trim(voice, params.trim_db)
        power, voice = power[kept], voice[kept]
    blocks = {
        "mfcc": lambda: mfcc(power, constants),
        "chroma": lambda: chroma(power, constants),
        "mel": lambda: log_mel(power, constants),
        "prosody": lambda: prosody(voice, constants.window, params.sample_rate),
        "flux": lambda: flux(voice, constants.mel),
    }
    return np.concatenate([blocks[name]() for name in BLOCKS if name in params.use], axis=1, dtype=np.float32)


def column_names(params: Features) -> list[str]:
    """Names of the columns that ``extract`` returns, such as ``mfcc_0`` or ``prosody_f0``."""
    numbered = {"mfcc": params.n_mfcc, "chroma": params.n_chroma, "mel": params.n_mels}
    names = {block: range(size) for block, size in numbered.items()} | {"prosody": PROSODY, "flux": ("shape",)}
    return [f"{block}_{name}" for block in BLOCKS if block in params.use for name in names[block]]


def power_spectrogram(samples: np.ndarray, window: np.ndarray, hop_length: int) -> np.ndarray:
    """Squared magnitude of the STFT, frames centred and zero-padded as in ``librosa.stft``.

    Args:
        samples: (samples,) float32
        window: (n_fft,)
        hop_length: samples from one frame to the next.

    Returns:
        (1 + samples // hop_length, 1 + n_fft / 2) float32
    """
    padded = np.pad(samples, len(window) // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, len(window))[::hop_length]
    spectrum = np.fft.rfft(frames * window)
    return spectrum.real**2 + spectrum.imag**2


def trim(power: np.ndarray, trim_db: float) -> slice:
    """Which frames are left without those at both ends that lie ``trim_db`` or more below the loudest one.

    Args:
        power: (frames, bins)
        trim_db: dB
    """
    loudness = power.sum(axis=1)
    loud = np.flatnonzero(loudness > loudness.max() * 10 ** (-trim_db / 10))
    return slice(loud[0], loud[-1] + 1) if len(loud) else slice(None)  # digital silence has no loudest frame


def log_mel(power: np.ndarray, constants: Filters) -> np.ndarray:
    """Mel spectrogram in dB below its maximum, at most 80: (frames, bins) -> (frames, n_mels)."""
    mel = power @ constants.mel.T
    # Before the floor, not after it: in a very quiet recording the floor would cut off what a loud one shows.
    mel /= max(mel.max(), np.finfo(np.float32).tiny)
    level = 10 * np.log10(np.maximum(mel, AMIN))
    return np.maximum(level - level.max(), -TOP_DB)


def mfcc(power: np.ndarray, constants: Filters) -> np.ndarray:
    """Mel-frequency cepstral coefficients: (frames, bins) -> (frames, n_mfcc)."""
    return log_mel(power, constants) @ constants.dct.T


def chroma(power: np.ndarray, constants: Filters) -> np.ndarray:
    """Pitch-class profile, each frame's maximum 1 whatever the loudness: (frames, bins) -> (frames, n_chroma)."""
    raw = power @ constants.chroma.T
    peak = raw.max(axis=1, keepdims=True)
    return np.divide(raw, peak, out=raw, where=peak > np.finfo(np.float32).tiny)
