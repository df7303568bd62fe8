"""Prosody: known sounds give known values, and neither gain nor sample rate moves what is relative."""

import numpy as np
import pytest

from ser.params import LOWEST_PITCH
from ser.sound.features import power_spectrogram
from ser.sound.prosody import COLUMNS, FLOOR_DB, PITCH, REACH, flux, prosody

RATE = 16_000
HANN = np.hanning(1025)[:-1].astype(np.float32)


def tone(hertz: float | np.ndarray, seconds: float = 1.0, rate: int = RATE, fall: float = 1.0) -> np.ndarray:
    """Harmonics up to 4 kHz, each ``fall`` times as high as its number says: (samples,)."""
    hertz = np.broadcast_to(hertz, int(seconds * rate))
    phase = 2 * np.pi * np.cumsum(hertz) / rate
    count = int(4000 / hertz.max())
    return (0.1 * sum(np.sin(k * phase) / k**fall for k in range(1, count + 1))).astype(np.float32)


def columns(samples: np.ndarray, rate: int = RATE, window: np.ndarray = HANN) -> dict[str, np.ndarray]:
    frames = prosody(power_spectrogram(samples, window, len(window) // 2), window, rate)
    assert frames.dtype == np.float32 and np.isfinite(frames).all()
    return dict(zip(COLUMNS, frames.T, strict=True))


@pytest.mark.parametrize("hertz", [80, 110, 147.3, 220, 311, 440, 550])
def test_the_pitch_of_a_tone(hertz: float) -> None:
    heard = columns(tone(hertz))
    assert heard["voiced"][2:-2].all()
    np.testing.assert_allclose(heard["f0_level"], 12 * np.log2(hertz / 200), atol=0.1)
    np.testing.assert_allclose(heard["f0"][2:-2], 0, atol=0.1)
    assert heard["harmonicity"][2:-2].min() > 0.9


def test_the_shortest_window_that_is_accepted_hears_a_low_voice() -> None:
    shortest = 2 * -(-RATE // LOWEST_PITCH)
    heard = columns(tone(80), window=np.hanning(shortest + 1)[:-1].astype(np.float32))
    assert heard["voiced"][2:-2].all()
    np.testing.assert_allclose(heard["f0_level"], 12 * np.log2(80 / 200), atol=0.2)


def test_a_glide_is_followed_in_semitones_from_its_median() -> None:
    t = np.linspace(0, 1, 2 * RATE)
    heard = columns(tone(150 * 2**t, seconds=2))  # an octave up
    expected = 12 * (np.linspace(0, 1, len(heard["f0"])) - 0.5)
    np.testing.assert_allclose(heard["f0_contour"][3:-3], expected[3:-3], atol=0.4)


def test_an_octave_more_pitch_moves_the_level_alone() -> None:
    t = np.linspace(0, 4 * np.pi, RATE)
    low, high = (columns(tone(hertz * 2 ** (np.sin(t) / 6))) for hertz in (130, 260))
    np.testing.assert_allclose(high["f0_level"] - low["f0_level"], 12, atol=0.3)
    np.testing.assert_allclose(high["f0"][3:-3], low["f0"][3:-3], atol=0.4)


def test_noise_has_no_pitch() -> None:
    heard = columns(np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32))
    assert heard["voiced"].mean() < 0.05 and heard["harmonicity"].mean() < 0.4
    np.testing.assert_array_equal(heard["f0"][heard["voiced"] == 0], 0)


def test_flux_is_the_change_of_shape() -> None:
    """Worked out by hand: two bands, three frames. The same sound louder is no change; another sound is."""
    mel = np.array([[1, 0], [0, 1]], np.float32)
    power = np.array([[0.1, 0.01], [1.0, 0.1], [0.1, 1.0]], np.float32)
    # In dB: (-10, -20), (0, -10), (-10, 0); less their means: (5, -5), (5, -5), (-5, 5).
    np.testing.assert_allclose(flux(power, mel), [[0], [0], [10]], atol=1e-4)
    np.testing.assert_allclose(flux(1e-3 * power, mel), flux(power, mel), atol=1e-4)
    np.testing.assert_array_equal(flux(np.zeros((3, 2), np.float32), mel), np.zeros((3, 1)))


def test_a_pause_is_bridged_in_the_contour_and_0_in_the_pitch() -> None:
    pause = np.zeros(RATE // 2, np.float32)
    heard = columns(np.concatenate([tone(150), pause, tone(300)]))
    middle = slice(36, 44)  # of 79 frames; the pause has 31 to 47
    assert not heard["voiced"][middle].any() and (heard["f0"][middle] == 0).all()
    assert (np.diff(heard["f0_contour"][middle]) > 0).all()
    assert heard["level"][middle].max() == FLOOR_DB


def test_what_lies_far_from_the_median_is_limited() -> None:
    heard = columns(np.concatenate([tone(90, 2), tone(560, 1)]))
    assert heard["f0"].max() == pytest.approx(REACH)


def test_a_steeper_spectrum_shows_in_every_tilt() -> None:
    flat, steep = columns(tone(250, fall=0.5)), columns(tone(250, fall=2.0))
    for name, sign in {"alpha_ratio": 1, "hammarberg": 1, "centroid": -1, "slope_500_1500": -1, "h1_h2": 1}.items():
        assert sign * (np.median(steep[name]) - np.median(flat[name])) > 0.3, name
    np.testing.assert_allclose(np.median(steep["h1_h2"]), 20 * np.log10(2**2), atol=0.5)
    np.testing.assert_allclose(np.median(flat["h1_h2"]), 20 * np.log10(2**0.5), atol=0.5)


def test_gain_does_not_matter() -> None:
    sound = tone(180) + 0.003 * np.random.default_rng(1).standard_normal(RATE).astype(np.float32)
    loud, quiet = columns(sound), columns(np.float32(0.01) * sound)
    for name in COLUMNS:
        np.testing.assert_allclose(quiet[name], loud[name], atol=0.02, err_msg=name)


def test_the_sample_rate_does_not_matter() -> None:
    low = columns(tone(200))
    high = columns(tone(200, rate=2 * RATE), 2 * RATE, np.hanning(2049)[:-1].astype(np.float32))
    for name in ("f0_level", "alpha_ratio", "hammarberg", "h1_h2", "slope_500_1500"):
        np.testing.assert_allclose(np.median(high[name]), np.median(low[name]), atol=0.5, err_msg=name)


@pytest.mark.parametrize(
    "samples",
    [np.zeros(RATE), np.ones(RATE), np.eye(1, RATE, RATE // 2)[0], np.sin(np.arange(RATE))],
    ids=["silence", "offset", "click", "sine"],
)
def test_what_is_no_voice_is_finite(samples: np.ndarray) -> None:
    columns(samples.astype(np.float32))


def test_the_settings_know_the_lowest_pitch() -> None:
    """It stands twice, so that ``ser/prosody.py`` needs numpy alone."""
    assert PITCH[0] == LOWEST_PITCH


@pytest.mark.parametrize("rate", [4000, 8000])
def test_bands_beyond_the_sample_rate_are_finite(rate: int) -> None:
    columns(tone(150, rate=rate, fall=3), rate, np.hanning(257)[:-1].astype(np.float32))
