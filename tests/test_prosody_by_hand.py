"""Prosody of spectra and autocorrelations that a person can work out by hand: what every constant does."""

import numpy as np
import pytest

from ser.sound.prosody import COLUMNS, _h1_h2, _smoothest, flux, pitch, prosody

GRID = 20_000  # Hz: the sample rate, with 2,000 samples of FFT


def spectra(*rows: dict[float, float], floor: float = 0.0) -> dict[str, np.ndarray]:
    """The columns of spectra that have the powers given, by their frequencies, and ``floor`` everywhere else."""
    power = np.full((len(rows), 1001), floor, np.float32)
    for row, peaks in zip(power, rows, strict=True):
        for hertz, height in peaks.items():
            row[int(hertz / 10)] = height
    return dict(zip(COLUMNS, prosody(power, np.ones(2000), GRID).T, strict=True))


BANDS = {  # of a column: the bins that raise it and those that lower it, first and last
    "alpha_ratio": ((50, 990), (1000, 4990)),
    "hammarberg": ((0, 1990), (2000, 4990)),
    "high_ratio": ((4000, 7990), (50, 3990)),
    "slope_0_500": ((490, 480), (50, 60)),
    "slope_500_1500": ((1490, 1480), (500, 510)),
}


@pytest.mark.parametrize("name", BANDS)
def test_bands_end_where_they_should(name: str) -> None:
    raising, lowering = BANDS[name]
    none = np.median(spectra({}, floor=1e-6)[name])
    for hertz in (*raising, *lowering):
        value = spectra({hertz: 1.0}, floor=1e-6)[name][0] - none
        assert value > 1 if hertz in raising else value < -1, hertz
    inside = range(min(*raising, *lowering), max(*raising, *lowering) + 10, 10)
    for hertz in (inside[0] - 10, inside[-1] + 10):
        if hertz >= 0:
            assert spectra({hertz: 1.0}, floor=1e-6)[name][0] == pytest.approx(none, abs=1e-3), hertz


def test_levels_of_bands_by_hand() -> None:
    heard = spectra({100: 1.0, 200: 1.0, 3000: 0.02, 6000: 0.2})
    assert heard["alpha_ratio"][0] == pytest.approx(20)  # 2 : 0.02
    assert heard["hammarberg"][0] == pytest.approx(10 * np.log10(1 / 0.02), abs=1e-4)
    assert heard["high_ratio"][0] == pytest.approx(10 * np.log10(0.2 / 2.02), abs=1e-4)
    # What is not there counts as 120 dB below the clip's maximum.
    assert spectra({100: 7.0})["alpha_ratio"][0] == spectra({100: 7.0})["hammarberg"][0] == 120


def test_slopes_by_hand() -> None:
    """0.05 dB less for each Hz: 22 dB from 50 to 490 Hz, 49.5 from 500 to 1490."""
    heard = spectra({hertz: 10 ** (-0.005 * hertz) for hertz in range(0, 2000, 10)})
    assert heard["slope_0_500"][0] == pytest.approx(-22, abs=1e-3)
    assert heard["slope_500_1500"][0] == pytest.approx(-49.5, abs=1e-3)


def test_level_centroid_and_flatness_by_hand() -> None:
    heard = spectra({100: 1.0}, {100: 0.1}, {100: 1e-7}, {})
    np.testing.assert_allclose(heard["level"], [0, -10, -60, -60], atol=1e-4)
    np.testing.assert_allclose(heard["centroid"], np.log2([101, 101, 101, 1]), atol=1e-4)
    np.testing.assert_allclose(heard["flatness"][0], -60)
    assert spectra({10: 3.0, 30: 1.0})["centroid"][0] == pytest.approx(np.log2(16))  # (3 * 10 + 30) / 4 = 15
    assert spectra({}, floor=2.0)["flatness"][0] == 0
    # 1,000 bins of 0.01 and one of 1: the mean of the levels is -20 + 20 / 1001; that of the powers, 11 / 1001.
    expected = -20 + 20 / 1001 - 10 * np.log10(11 / 1001)
    assert spectra({5000: 1.0}, floor=0.01)["flatness"][0] == pytest.approx(expected, abs=1e-4)


def test_where_there_is_no_voice_nothing_is_said_of_it() -> None:
    heard = spectra({}, {}, floor=1.0)
    for name in ("f0", "f0_contour", "voiced", "f0_level", "h1_h2"):
        np.testing.assert_array_equal(heard[name], 0, name)


def test_the_first_two_harmonics_by_hand() -> None:
    """Around bins 13 and 26, one to each side; what lies beyond is higher and does not count."""
    power = np.zeros((2, 40))
    power[0, [11, 12, 13, 14, 15]] = 9, 1, 0.5, 0.1, 9
    power[0, [24, 25, 26, 27, 28]] = 9, 0.001, 0.002, 0.01, 9
    power[1, [29, 30, 31]] = 0.1, 0.2, 0.4
    power[1, 39] = 0.04
    octaves = np.log2([13.4 * 15.625, 30 * 15.625])  # the second harmonic of 30 is beyond the last bin
    np.testing.assert_allclose(_h1_h2(power, octaves, 15.625), [20, 10])


# --- Autocorrelations that a person can work out by hand: without a taper, what is given is what is heard ---


def follow(*rows: dict[int, float], level: float = 0.0, rate: int = 16_000) -> tuple[np.ndarray, np.ndarray]:
    """Lags that are followed, NaN where unvoiced, and harmonicity; frames by the heights at their lags, 0 elsewhere."""
    heights = np.zeros((len(rows), 1024))
    heights[:, 0] = 1
    for row, peaks in zip(heights, rows, strict=True):
        for lag, height in peaks.items():
            row[[lag, -lag]] = height
    octaves, harmonicity = pitch(np.fft.rfft(heights).real, np.ones(1024), rate, np.full(len(rows), level))
    return rate / 2**octaves, harmonicity


def test_what_is_looked_for_lies_between_70_and_600_hz() -> None:
    """At 16 kHz, lags from 26 (26.7, rounded down) to 227 (228.6; the last one has no neighbour)."""
    for lag, heard in {25: False, 26: True, 27: True, 227: True, 228: False}.items():
        lags, harmonicity = follow({lag: 0.9})
        assert np.isfinite(lags[0]) == heard and (harmonicity[0] > 0.8) == heard, lag


def test_a_voice_has_to_beat_what_is_none() -> None:
    """0.45, of which an octave above the lowest pitch is given 0.02; in a quiet frame, 1."""
    for height, level, voiced in [(0.435, 0, True), (0.425, 0, False), (0.435, -30, True), (0.435, -30.1, False),
                                  (0.985, -31, True), (0.975, -31, False)]:  # fmt: skip
        lags, harmonicity = follow({114: height}, level=level)
        assert np.isfinite(lags[0]) == voiced, (height, level)
        assert harmonicity[0] == pytest.approx(height)
    # Two octaves up, at a lag of 57, it is given 0.04.
    assert np.isfinite(follow({57: 0.415})[0][0]) and np.isnan(follow({57: 0.405})[0][0])


def test_of_two_periods_the_shorter_one_is_chosen() -> None:
    """A sound that repeats after 60 samples repeats after 120 as well."""
    assert follow({60: 0.90, 120: 0.90})[0][0] == pytest.approx(60)
    assert follow({60: 0.89, 120: 0.90})[0][0] == pytest.approx(60)
    assert follow({60: 0.87, 120: 0.90})[0][0] == pytest.approx(120)


def test_pitch_is_finer_than_the_sample_rate() -> None:
    """The maximum of the parabola through 0.8, 0.9 and 0.85 lies 0.05 / 0.3 to the right of its middle."""
    assert follow({99: 0.8, 100: 0.9, 101: 0.85})[0][0] == pytest.approx(100 + 1 / 6)
    assert follow({99: 0.85, 100: 0.9, 101: 0.8})[0][0] == pytest.approx(100 - 1 / 6)
    assert follow({99: 0.5, 100: 0.9, 101: 0.9})[0][0] == pytest.approx(100.5)


def test_harmonicity_is_the_highest_maximum() -> None:
    _, harmonicity = follow({100: 0.3, 150: 0.4}, {100: 1.1}, {100: 1.3}, {100: -0.5})
    np.testing.assert_allclose(harmonicity, [0.4, 1.1, 1.2, 0], atol=1e-12)
    constant = np.zeros((1, 513))
    constant[0, 0] = 1  # its autocorrelation is 1 at every lag and has no maximum
    assert pitch(constant, np.ones(1024), 16_000, np.zeros(1))[1] == 0


def test_six_maxima_of_a_frame_are_followed() -> None:
    """The voice goes on at a lag of 100, however many others are a little higher: as long as it is among the six."""
    others = {30: 0.83, 34: 0.83, 38: 0.83, 42: 0.83, 46: 0.83}
    assert follow({100: 0.9}, others | {100: 0.8}, {100: 0.9})[0][1] == pytest.approx(100)
    assert follow({100: 0.9}, others | {50: 0.83, 100: 0.8}, {100: 0.9})[0][1] != pytest.approx(100)


def path(*frames: dict[float, float], unvoiced: float = 0.45) -> list[float | None]:
    """Follow candidates (octaves: height), as many in each frame; None is unvoiced."""
    octaves = np.array([list(frame) for frame in frames])
    heights = np.array([[*frame.values(), unvoiced] for frame in frames])
    rows = [[*row, None] for row in octaves.tolist()]
    return [row[i] for row, i in zip(rows, _smoothest(heights, octaves), strict=True)]


def test_an_octave_costs_as_much_as_035_of_height() -> None:
    assert path({7: 1.0, 9: 0.1}, {7: 0.6, 8: 0.94}) == [7, 7]
    assert path({7: 1.0, 9: 0.1}, {7: 0.6, 8: 0.96}) == [7, 8]
    assert path({9: 1.0, 7: 0.1}, {7: 0.96, 8.5: 0.6}) == [9, 8.5]  # 1.3 octaves down: 0.7 less 0.175 is more
    assert path({7: 1.0, 8: 0.1}, {8: 0.7, 7: 0.6}, {7: 0.7, 8: 0.2}) == [7, 7, 7]  # whatever their order


def test_a_gap_in_the_voice_costs_twice_014() -> None:
    assert path({7: 1.0}, {7: 0.18}, {7: 1.0}) == [7, 7, 7]
    assert path({7: 1.0}, {7: 0.16}, {7: 1.0}) == [7, None, 7]
    assert path({7: 0.1}, {7: 0.72}, {7: 0.1}) == [None, None, None]
    assert path({7: 0.1}, {7: 0.74}, {7: 0.1}) == [None, 7, None]
    # To stay unvoiced costs nothing: five frames less 0.28 are 1.97, and five of 0.36 are 1.8.
    assert path({7: 1.0}, *[{7: 0.36}] * 5, {7: 1.0}) == [7, *[None] * 5, 7]


def test_the_past_is_decided_by_what_comes_after() -> None:
    assert path({7: 0.9, 8: 0.8}, {7: 0.3, 8: 0.8}, {7: 0.1, 8: 0.9}) == [8, 8, 8]


def test_flux_is_the_change_of_shape() -> None:
    """Worked out by hand: two bands, three frames. The same sound louder is no change; another sound is."""
    mel = np.array([[1, 0], [0, 1]], np.float32)
    power = np.array([[0.1, 0.01], [1.0, 0.1], [0.1, 1.0]], np.float32)
    # In dB: (-10, -20), (0, -10), (-10, 0); less their means: (5, -5), (5, -5), (-5, 5).
    np.testing.assert_allclose(flux(power, mel), [[0], [0], [10]], atol=1e-4)
    np.testing.assert_allclose(flux(1e-6 * power, mel), flux(power, mel), atol=1e-4)
    np.testing.assert_array_equal(flux(np.zeros((3, 2), np.float32), mel), np.zeros((3, 1)))


def test_flux_hears_80_db() -> None:
    """Bands of 0 and -90, -80, -70 dB: the first two are the same; then their distance from the mean is 5 less."""
    power = np.array([[1, 1e-9], [1, 1e-8], [1, 1e-7]], np.float32)
    np.testing.assert_allclose(flux(power, np.eye(2, dtype=np.float32)), [[0], [0], [5]], atol=1e-4)
