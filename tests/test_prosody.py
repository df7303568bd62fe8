"""Prosody: known sounds give known values, neither gain nor sample rate moves what is relative, Praat hears the same.

The values of Praat are computed here, by praat-parselmouth, on synthesised vowels and on speech of espeak-ng.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import parselmouth
import pytest
from parselmouth.praat import call

from ser.data import synthetic
from ser.params import LOWEST_PITCH
from ser.sound import audio
from ser.sound.features import RUMBLE, power_spectrogram
from ser.sound.prosody import COLUMNS, PITCH, prosody

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


def test_a_pause_is_bridged_in_the_contour_and_0_in_the_pitch() -> None:
    pause = np.zeros(RATE // 2, np.float32)
    heard = columns(np.concatenate([tone(150), pause, tone(300)]))
    middle = slice(36, 44)  # of 79 frames; the pause has 31 to 47
    assert not heard["voiced"][middle].any() and (heard["f0"][middle] == 0).all()
    assert (np.diff(heard["f0_contour"][middle]) > 0).all()
    assert heard["level"][middle].max() == -60


def test_what_lies_far_from_the_median_is_limited() -> None:
    heard = columns(np.concatenate([tone(90, 2), tone(560, 1)]))
    assert heard["f0"].max() == pytest.approx(18)
    heard = columns(np.concatenate([tone(90, 1), tone(560, 2)]))
    assert heard["f0_contour"].min() == pytest.approx(-18)


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
    """It stands twice, so that the module needs numpy alone."""
    assert PITCH[0] == LOWEST_PITCH


@pytest.mark.parametrize("rate", [4000, 8000])
def test_bands_beyond_the_sample_rate_are_finite(rate: int) -> None:
    columns(tone(150, rate=rate, fall=3), rate, np.hanning(257)[:-1].astype(np.float32))


# --- Praat ---

HOP = 512
FORMANTS = {  # Hz, of an American man (G. Peterson and H. Barney, JASA 24(2), 1952)
    "i": (270, 2290, 3010), "e": (530, 1840, 2480), "a": (730, 1090, 2440), "o": (570, 840, 2410),
}  # fmt: skip


def vowel(formants: tuple[int, ...], hertz: float) -> np.ndarray:
    """Half a second of harmonics that fall by 6 dB per octave through three resonances, with vibrato and a hiss."""
    t = np.arange(RATE // 2) / RATE
    phase = 2 * np.pi * (hertz * t + hertz / 300 * np.sin(2 * np.pi * 5 * t))
    sound = np.zeros(len(t))
    for k in range(1, int(7000 / hertz)):
        poles = [complex(-50, c) for c in formants]
        gain = np.prod([abs(p) ** 2 / abs((1j * k * hertz - p) * (1j * k * hertz - p.conjugate())) for p in poles])
        sound += gain / k * np.sin(k * phase)
    return (0.3 * sound / np.abs(sound).max() + 1e-4 * np.random.default_rng(0).standard_normal(len(t))).astype("f4")


def spoken(folder: Path) -> Iterator[np.ndarray]:
    synthetic.synthesise(folder, 5)
    for path in sorted(folder.rglob("*.wav"))[::3]:
        yield audio.resample(*audio.read(path), RATE)


@pytest.fixture(scope="module", params=["vowels", "espeak"])
def sounds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    if request.param == "vowels":
        return [vowel(formants, hertz) for formants in FORMANTS.values() for hertz in (95, 140, 230, 390)]
    return list(spoken(tmp_path_factory.mktemp("espeak")))


def heard_here(samples: np.ndarray, lowest: float = 0) -> dict[str, np.ndarray]:
    """Columns of a clip without what lies below some frequency in Hz."""
    power = power_spectrogram(samples, HANN, HOP)
    power[:, np.linspace(0, RATE / 2, power.shape[1]) < lowest] = 0
    return dict(zip(COLUMNS, prosody(power, HANN, RATE).T, strict=True))


def test_praat_hears_the_same_pitch_and_the_same_voicing(sounds: list[np.ndarray]) -> None:
    """Praat's autocorrelation method with the same costs.

    Its window has three periods of 70 Hz, 43 ms, and ours 64 ms; its silence is measured in amplitudes. So they differ
    where a voice sets in or ends: up to one frame in twenty. Inside a voice, a twentieth of a semitone is what a
    vibrato moves within a window; a gross error (20 %, the usual limit) is an octave or a formant that was followed.
    """
    ours, theirs = [], []
    for samples in sounds:
        heard = heard_here(samples, RUMBLE)
        semitones = heard["f0"] + heard["f0_level"]
        ours.append(np.where(heard["voiced"] == 1, 200 * 2 ** (semitones / 12), np.nan)[2:-2])
        sound = parselmouth.Sound(samples.astype(float), RATE)
        contour = call(sound, "To Pitch (ac)", 0.01, 70, 15, "no", 0.03, 0.45, 0.02, 0.35, 0.14, 600)
        times = np.arange(len(semitones))[2:-2] * HOP / RATE  # Praat looks at whole windows only
        theirs.append([call(contour, "Get value at time", time, "Hertz", "linear") for time in times])
    here, there = np.concatenate(ours), np.concatenate(theirs)
    both = np.isfinite(here) & np.isfinite(there)
    assert both.mean() > 0.4  # of espeak's frames 0.6; the rest is pauses and consonants
    assert (np.isfinite(here) == np.isfinite(there)).mean() > 0.95
    error = np.abs(12 * np.log2(here[both] / there[both]))
    assert np.median(error) < 0.05 and (error > 12 * np.log2(1.2)).mean() < 0.005


def test_praat_finds_the_same_tilt(sounds: list[np.ndarray]) -> None:
    """Praat's spectrum of the same 64 ms, its Hann window half a sample aside.

    Limits lie between two bins, 15.625 Hz apart: where one lies inside a bin, Praat takes a part of it and we all or
    none. The window moves a level by some hundredths of a dB, more in the gaps between harmonics, which weigh as much
    in a slope as the harmonics do.
    """
    tolerance = {  # median and largest difference
        "alpha_ratio": (0.02, 0.2), "high_ratio": (0.02, 0.2), "hammarberg": (0.03, 0.2), "centroid": (0.002, 0.02),
        "slope_0_500": (0.1, 1.5), "slope_500_1500": (0.1, 1.5), "h1_h2": (0.03, 0.2),
    }  # fmt: skip
    differences: dict[str, list[float]] = {name: [] for name in tolerance}
    for samples in sounds:
        heard, sound = heard_here(samples), parselmouth.Sound(samples.astype(float), RATE)
        for frame in range(2, len(heard["level"]) - 2, 3):
            if heard["level"][frame] > -30:
                first = 200 * 2 ** ((heard["f0"] + heard["f0_level"])[frame] / 12) if heard["voiced"][frame] else None
                for name, value in praat_tilt(sound, frame * HOP / RATE, first).items():
                    differences[name].append(abs(float(heard[name][frame]) - value))
    for name, (median, largest) in tolerance.items():
        assert len(differences[name]) > 50, name
        assert np.median(differences[name]) < median and max(differences[name]) < largest, name


def praat_tilt(sound: parselmouth.Sound, time: float, first: float | None) -> dict[str, float]:
    """Columns of one frame, computed by Praat.

    Args:
        sound: whole clip.
        time: s, the middle of the frame.
        first: Hz, of the first harmonic, if there is a voice.
    """
    width = len(HANN) / RATE
    part = call(sound, "Extract part", time - width / 2, time + width / 2, "Hanning", 1, "no")
    spectrum = call(part, "To Spectrum", "no")
    bins = call(spectrum, "To Ltas (1-to-1)")
    step = RATE / len(HANN)

    def energy(low: float, high: float) -> float:
        edges = [(np.ceil(hertz / step) - 0.5) * step for hertz in (low, high)]
        return 10 * np.log10(call(spectrum, "Get band energy", *edges))

    def highest(low: float, high: float) -> float:
        return call(bins, "Get maximum", low, high, "none")

    def slope(low: float, high: float) -> float:
        """In dB from the first bin to the last one; Praat says it in dB/Hz, in a sentence."""
        said = call(bins, "Report spectral tilt", low, high - 1, "Linear", "Least squares")
        first, last = np.ceil(low / step) * step, (np.ceil(high / step) - 1) * step
        return float(said.split("Slope: ")[1].split()[0]) * (last - first)

    result = {
        "alpha_ratio": energy(50, 1000) - energy(1000, 5000),
        "high_ratio": energy(4000, 8000) - energy(50, 4000),
        "hammarberg": highest(0, 1999) - highest(2000, 4999),
        "centroid": np.log2(call(spectrum, "Get centre of gravity", 2) + 1),
        "slope_0_500": slope(50, 500),
        "slope_500_1500": slope(500, 1500),
    }
    if first is not None:
        one = round(first / step)
        levels = [highest((k * one - 1.4) * step, (k * one + 1.4) * step) for k in (1, 2)]
        result["h1_h2"] = levels[0] - levels[1]
    return result
