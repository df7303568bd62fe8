"""How something is said, frame by frame: pitch, voicing, level, the tilt of the spectrum and how fast it moves.

What MFCC and mel bands say of a voice is mostly whose voice it is. These columns are relative to the clip (pitch to
its median, level to its maximum) or ratios within a frame, and carry over to an unseen speaker; one, ``f0_level``, is
that median itself. ``docs/results.md`` says what they are worth.

Pitch is the maximum of the autocorrelation, divided by that of the window, along the smoothest path through the
frames (after P. Boersma, Proc. Inst. Phonetic Sciences 17, 1993; without his zero padding, so the autocorrelation is
circular: with a Hann window of 64 ms, at the longest lag, 0.6 % of it goes around the end). Ratios and slopes follow
the GeMAPS (F. Eyben et al., IEEE Trans. Affective Computing 7(2), 2016, doi:10.1109/TAFFC.2015.2457417).
"""

import numpy as np

COLUMNS = (
    "f0", "f0_contour", "voiced", "f0_level", "harmonicity", "level", "alpha_ratio", "hammarberg", "high_ratio",
    "centroid", "flatness", "slope_0_500", "slope_500_1500", "h1_h2",
)  # fmt: skip

FLOOR_DB = -60.0  # level below the clip's maximum
PITCH = (70.0, 600.0)  # Hz
USUAL = 200.0  # Hz: f0_level is 0 semitones here
REACH = 18.0  # semitones from the median that are kept
CANDIDATES = 6  # maxima of the autocorrelation per frame
# Costs in units of the autocorrelation (0 to 1), the defaults of Praat's "To Pitch (ac)" but for OCTAVE, which is 0.01
# there. Praat has them for frames 10 ms apart and lowers the last two for longer steps, which is not done here.
UNVOICED = 0.45  # what a voiced candidate has to beat
QUIET_DB = -30.0  # below this level, it has to beat 1
OCTAVE = 0.02  # a high pitch is preferred, per octave
JUMP = 0.35  # per octave from one frame to the next
SWITCH = 0.14  # voiced to unvoiced, or back


def prosody(power: np.ndarray, window: np.ndarray, sample_rate: int) -> np.ndarray:
    """Columns ``COLUMNS`` of every frame.

    Args:
        power: (frames, 1 + n_fft / 2) power spectrogram, without what lies below a voice: rumble is taken for one.
        window: (n_fft,) that it was made with.
        sample_rate: Hz

    Returns:
        (frames, 14) float32. ``f0``, ``f0_contour`` and ``f0_level`` in semitones, the first 0 where there is no
        voice, the second interpolated there; ``voiced`` 0 or 1; ``harmonicity``, the height of the autocorrelation's
        highest maximum (not a ratio in dB, as in Praat), 0 to 1.2; ``level`` in dB below the clip's maximum;
        ``alpha_ratio`` to ``h1_h2`` in dB, but ``centroid`` in octaves over 1 Hz and the slopes in dB per band.
    """
    power = power.astype(np.float64)
    # Relative to the clip, so that a quiet recording and a loud one have the same floor.
    power /= max(power.max(), np.finfo(np.float32).tiny)
    frequency = np.linspace(0, sample_rate / 2, power.shape[1])
    total = power.sum(axis=1)
    level = np.maximum(_db(total) - _db(total.max()), FLOOR_DB)

    octaves, harmonicity = pitch(power, window, sample_rate, level)
    voiced = np.isfinite(octaves)
    frames = np.arange(len(power))
    median = np.median(octaves[voiced]) if voiced.any() else np.log2(USUAL)
    contour = np.interp(frames, frames[voiced], octaves[voiced]) if voiced.any() else np.full(len(power), median)
    contour = np.clip(12 * (contour - median), -REACH, REACH)

    def band(low: float, high: float) -> np.ndarray:
        return power[:, (frequency >= low) & (frequency < high)]

    columns = (
        np.where(voiced, contour, 0),
        contour,
        voiced,
        np.full(len(power), 12 * (median - np.log2(USUAL))),
        harmonicity,
        level,
        _db(band(50, 1000).sum(axis=1)) - _db(band(1000, 5000).sum(axis=1)),
        _db(band(0, 2000).max(axis=1)) - _db(band(2000, 5000).max(axis=1, initial=0)),
        _db(band(4000, 8000).sum(axis=1)) - _db(band(50, 4000).sum(axis=1)),
        np.log2(power @ frequency / np.maximum(total, TINY) + 1),
        np.maximum(_db(power).mean(axis=1) - _db(power.mean(axis=1)), FLOOR_DB),
        _slope(_db(band(50, 500))),
        _slope(_db(band(500, 1500))),
        np.where(voiced, _h1_h2(power, octaves, frequency[1]), 0),
    )
    return np.stack(columns, axis=1).astype(np.float32)


def pitch(power: np.ndarray, window: np.ndarray, sample_rate: int, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Follow the pitch.

    Args:
        power: (frames, 1 + n_fft / 2)
        window: (n_fft,)
        sample_rate: Hz
        level: (frames,) dB below the clip's maximum.

    Returns:
        (frames,) log2 of the pitch in Hz, NaN where there is no voice; and (frames,) the height of the
        autocorrelation's highest maximum, 1 for a perfectly periodic frame, at most 1.2.
    """
    shortest, longest = int(sample_rate / PITCH[1]), int(sample_rate / PITCH[0])
    reference = np.fft.irfft(np.abs(np.fft.rfft(window)) ** 2)[: longest + 1]
    height = np.fft.irfft(power)[:, : longest + 1]
    height = height / np.maximum(height[:, :1], TINY) / (reference / reference[0])

    before, here, after = height[:, shortest - 1 : -2], height[:, shortest:-1], height[:, shortest + 1 :]
    peak = (here > before) & (here >= after)
    lags = np.arange(shortest, longest)
    score = np.where(peak, here - OCTAVE * np.log2(lags / longest), -1)
    best = np.argpartition(-score, CANDIDATES, axis=1)[:, :CANDIDATES]
    heights, left, middle, right = (np.take_along_axis(a, best, axis=1) for a in (score, before, here, after))
    # The maximum of the parabola through three lags: pitch is finer than the sample rate.
    bend = np.minimum(left - 2 * middle + right, -TINY)
    octaves = np.log2(sample_rate / (lags[best] + np.clip((left - right) / (2 * bend), -0.5, 0.5)))
    rows = np.arange(len(power))

    unvoiced = np.where(level < QUIET_DB, 1.0, UNVOICED)
    heights = np.column_stack([heights, unvoiced])
    path = _smoothest(heights, octaves)
    found = np.column_stack([octaves, np.full(len(power), np.nan)])[rows, path]
    return found, np.clip(np.where(peak, here, 0).max(axis=1), 0, 1.2)


def _smoothest(heights: np.ndarray, octaves: np.ndarray) -> np.ndarray:
    """Viterbi path: (frames, candidates + 1), the last one unvoiced, and (frames, candidates) -> (frames,) columns."""
    frames, states = heights.shape
    cost = np.full((states, states), SWITCH)
    cost[-1, -1] = 0
    total, came_from = heights[0], np.zeros((frames, states), int)
    for t in range(1, frames):
        cost[:-1, :-1] = JUMP * np.abs(octaves[t][:, None] - octaves[t - 1][None])
        reached = total - cost
        came_from[t] = reached.argmax(axis=1)
        total = heights[t] + reached.max(axis=1)
    path = np.empty(frames, int)
    path[-1] = total.argmax()
    for t in range(frames - 1, 0, -1):
        path[t - 1] = came_from[t, path[t]]
    return path


def flux(power: np.ndarray, mel: np.ndarray) -> np.ndarray:
    """How fast the shape of the spectrum changes, as a mouth moves; whose mouth it is cancels out.

    Spectral flux (E. Scheirer and M. Slaney, ICASSP 1997), here the mean absolute change of log-mel bands.

    Args:
        power: (frames, 1 + n_fft / 2) power spectrogram, without what lies below a voice.
        mel: (n_mels, 1 + n_fft / 2) mel filter bank.

    Returns:
        (frames, 1) float32, dB: what changed since the frame before, the change of the bands' mean taken off; 0 in the
        first frame. Bands more than 80 dB below the clip's maximum count as 80 dB below.
    """
    bands = power @ mel.T
    level = 10 * np.log10(np.maximum(bands / max(bands.max(), np.finfo(np.float32).tiny), 1e-8))
    shape = level - level.mean(axis=1, keepdims=True)
    return np.abs(np.diff(shape, axis=0, prepend=shape[:1])).mean(axis=1, keepdims=True).astype(np.float32)


TINY = 1e-12  # of the clip's maximum power: -120 dB


def _db(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.maximum(power, TINY))


def _slope(level: np.ndarray) -> np.ndarray:
    """Least-squares slope over the bins of a band, in dB from its one end to the other: (frames, bins) -> (frames,)."""
    x = np.linspace(-0.5, 0.5, level.shape[1])
    return level @ x / (x @ x)


def _h1_h2(power: np.ndarray, octaves: np.ndarray, step: float) -> np.ndarray:
    """Level of the first harmonic over the second: the strongest of three bins around each one."""
    first = np.rint(2 ** np.nan_to_num(octaves) / step).astype(int)
    rows = np.arange(len(power))

    def around(harmonic: np.ndarray) -> np.ndarray:
        bins = np.clip(harmonic[:, None] + [-1, 0, 1], 0, power.shape[1] - 1)
        return power[rows[:, None], bins].max(axis=1)

    return _db(around(first)) - _db(around(2 * first))
