"""Features equal librosa's own functions. Tolerance: 2e-3 dB for mel, 2e-2 for MFCC, 1e-4 for chroma.

float32 sums in another order differ in the last bits; the logarithm of a power near the floor magnifies them.
"""

from dataclasses import replace

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ser import params
from ser.errors import UserError
from ser.sound import features, prosody
from ser.sound.features import Filters, column_names, extract, filters


def voice(seconds: float = 1.7, rate: int = 16_000) -> np.ndarray:
    """A gliding harmonic sound with noise and a pause: every part of the range that speech covers."""
    t = np.arange(int(seconds * rate)) / rate
    noise = np.random.default_rng(0).standard_normal(len(t))
    phase = 2 * np.pi * np.cumsum(180 + 60 * np.sin(3 * t)) / rate
    sound = sum(np.sin(k * phase) / k for k in range(1, 12)) * np.hanning(len(t))
    sound[len(t) // 2 : len(t) // 2 + rate // 8] = 0
    return (0.1 * sound + 1e-4 * noise).astype(np.float32)


def librosa_features(samples: np.ndarray, p: params.Features) -> dict[str, np.ndarray]:
    """What a reader of librosa's documentation would write, three calls of their own."""
    spectrum = {"n_fft": p.n_fft, "hop_length": p.hop_length, "window": p.window}
    mel = librosa.feature.melspectrogram(y=samples, sr=p.sample_rate, n_mels=p.n_mels, **spectrum)
    level = librosa.power_to_db(mel, ref=np.max)
    mfcc = librosa.feature.mfcc(S=level, n_mfcc=p.n_mfcc)
    chroma = librosa.feature.chroma_stft(y=samples, sr=p.sample_rate, n_chroma=p.n_chroma, tuning=0.0, **spectrum)
    return {"mfcc": mfcc.T, "chroma": chroma.T, "mel": level.T}


TOLERANCE = {"mfcc": 2e-2, "chroma": 1e-4, "mel": 2e-3}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"window": "hamming", "hop_length": 160, "n_fft": 400, "n_mels": 40, "n_mfcc": 13},
        {"sample_rate": 22_050, "n_fft": 2048, "n_chroma": 24},
    ],
)
@pytest.mark.parametrize("block", ["mfcc", "chroma", "mel"])
def test_equals_librosa(change: dict, block: str, settings: params.Features) -> None:
    p = replace(settings, **change, use=[block], trim_db=None)
    samples = voice(rate=p.sample_rate)
    expected = librosa_features(samples, p)[block]
    received = extract(samples, p)
    assert received.shape == expected.shape == (1 + len(samples) // p.hop_length, len(column_names(p)))
    np.testing.assert_allclose(received, expected, atol=TOLERANCE[block], rtol=0)


@pytest.mark.parametrize("trim_db", [20.0, 40.0])
def test_trim_cuts_quiet_frames_off_both_ends_alone(trim_db: float, settings: params.Features) -> None:
    p = replace(settings, use=["mel"])
    quiet = 1e-5 * np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    whole = extract(np.concatenate([quiet, voice(), quiet]), replace(p, trim_db=None))
    trimmed = extract(np.concatenate([quiet, voice(), quiet]), replace(p, trim_db=trim_db))
    # The same frame of a longer clip differs in its last bits, on some machines.
    first = next(i for i in range(len(whole)) if np.allclose(whole[i], trimmed[0], atol=TOLERANCE["mel"], rtol=0))
    inner = whole[first : first + len(trimmed)]  # the pause inside stays
    np.testing.assert_allclose(trimmed, inner, atol=TOLERANCE["mel"], rtol=0)
    # A frame is a third of a tenth of a second; the voice swells and fades.
    assert 8000 / 512 - 2 <= first <= 8000 / 512 + 12
    assert len(trimmed) <= len(whole) - 2 * first + 4


def test_rumble_is_no_voice(settings: params.Features) -> None:
    """The hum of a room below any voice: neither its pitch nor the length of the clip comes through."""
    random = np.random.default_rng(0)
    hiss = 0.003 * random.standard_normal(8000).astype(np.float32)
    clean = np.concatenate([np.zeros(8000, np.float32), voice(), hiss, voice(), np.zeros(8000, np.float32)])
    low = np.fft.rfft(random.standard_normal(len(clean)))
    low[np.fft.rfftfreq(len(clean), 1 / settings.sample_rate) > 28] = 0
    rumble = np.fft.irfft(low, len(clean)).astype(np.float32)
    rumble *= 0.003 / rumble.std()
    p = replace(settings, use=["prosody"])
    expected, received = extract(clean, p), extract(clean + rumble, p)
    assert abs(len(expected) - len(received)) <= 1
    names = column_names(p)
    for name, tolerance in {"prosody_voiced": 0.03, "prosody_f0_level": 0.2, "prosody_level": 1.5}.items():
        means = (frames[:, names.index(name)].mean() for frames in (expected, received))
        assert abs(np.subtract(*means)) < tolerance, name


def test_golden_values(settings: params.Features) -> None:
    """Fixed numbers: an upgrade of librosa or numpy that moves them is noticed."""
    t = np.arange(16_000) / 16_000
    sound = (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    p = replace(settings, sample_rate=16_000, n_fft=1024, hop_length=512, n_mels=64, n_mfcc=40, n_chroma=12)
    middle = dict(zip(column_names(p), extract(sound, p)[15], strict=True))
    assert middle["chroma_9"] == 1.0  # A
    loudest = max((f"mel_{i}" for i in range(64)), key=middle.__getitem__)
    mel_centres = librosa.mel_frequencies(66, fmax=8000)[1:-1]
    assert abs(mel_centres[int(loudest[4:])] - 440) < 30
    # From librosa.feature.mfcc, melspectrogram and chroma_stft of librosa 0.11.0.
    golden = {"mfcc_0": -601.144, "mfcc_1": 49.518, "mel_10": -36.930, "mel_11": -59.794, "chroma_8": 0.2590}
    for name, value in golden.items():
        assert middle[name] == pytest.approx(value, abs=2e-2), name


def test_blocks_are_columns_of_the_whole(settings: params.Features) -> None:
    samples = voice()
    whole = extract(samples, replace(settings, use=["flux", "prosody", "mel", "mfcc", "chroma"]))
    parts = [extract(samples, replace(settings, use=[block])) for block in params.BLOCKS]
    np.testing.assert_array_equal(whole, np.concatenate(parts, axis=1))
    assert whole.dtype == np.float32


@given(gain=st.floats(0.01, 100))
@hypothesis_settings(max_examples=20, deadline=None)
def test_gain_does_not_matter(gain: float) -> None:
    p, samples = params.load().features, voice()
    np.testing.assert_allclose(extract(np.float32(gain) * samples, p), extract(samples, p), atol=0.05)


@given(arrays(np.float32, st.integers(2048, 6000), elements=st.floats(-1, 1, width=32)))
@hypothesis_settings(max_examples=40, deadline=None)
def test_every_clip_gives_finite_features(samples: np.ndarray) -> None:
    p = replace(params.load().features, trim_db=None)
    frames = extract(samples, p)
    assert frames.shape == (1 + len(samples) // p.hop_length, len(column_names(p)))
    assert np.isfinite(frames).all()


def test_silence_is_finite(settings: params.Features) -> None:
    assert np.isfinite(extract(np.zeros(16_000, np.float32), settings)).all()


def test_every_column_has_a_name_of_its_own(settings: params.Features) -> None:
    names = column_names(settings)
    assert len(set(names)) == len(names) == extract(voice(), settings).shape[1]
    assert [name for name in names if name.startswith("chroma")] == [f"chroma_{i}" for i in range(12)]
    assert column_names(replace(settings, use=["flux"])) == ["flux_shape"]
    assert column_names(replace(settings, use=["prosody"]))[:2] == ["prosody_f0", "prosody_f0_contour"]


def test_less_than_a_frame_is_refused(settings: params.Features) -> None:
    with pytest.raises(UserError, match=r"expected at least 1024 samples at 16000 Hz \(one frame\), received 1023"):
        extract(np.zeros(1023, np.float32), settings)


def test_filters_can_be_handed_in(settings: params.Features) -> None:
    """As a prediction does, which has them from the model file."""
    p, own = replace(settings, use=["mel"]), filters(settings)
    np.testing.assert_array_equal(extract(voice(), p, replace(own, mel=2 * own.mel)), extract(voice(), p, own))
    upside_down = extract(voice(), p, replace(own, mel=own.mel[::-1]))
    np.testing.assert_allclose(upside_down, extract(voice(), p, own)[:, ::-1], atol=TOLERANCE["mel"])


def test_one_frame_is_enough(settings: params.Features) -> None:
    frames = extract(voice()[4000 : 4000 + settings.n_fft], settings)
    assert frames.shape == (3, len(column_names(settings)))  # 1 + 1024 // 512, centred


def identity(bands: int) -> Filters:
    """Filter banks that let the bins of a spectrum through as they are."""
    eye = np.eye(bands, dtype=np.float32)
    return Filters(window=np.ones(4, np.float32), mel=eye, dct=eye, chroma=eye)


def test_the_power_spectrum_by_hand() -> None:
    """Four samples, a window of ones, hop 2: frames (0, 0, 1, 2), (1, 2, 3, 4), (3, 4, 0, 0)."""
    received = features.power_spectrogram(np.array([1, 2, 3, 4], np.float32), np.ones(4, np.float32), 2)
    np.testing.assert_allclose(received, [[9, 5, 1], [100, 8, 4], [49, 25, 1]], rtol=1e-6)
    # A window is applied before the transform: half the height, a quarter of the power.
    np.testing.assert_allclose(
        features.power_spectrogram(np.array([1, 2, 3, 4], np.float32), np.full(4, 0.5, np.float32), 2), received / 4
    )


def test_levels_by_hand() -> None:
    """In dB below the loudest band, at most 80, however quiet the whole is."""
    power = np.array([[1e-3, 1e-5], [1e-12, 0]], np.float32)
    for gain in (1, 1e-15, 1e15):
        np.testing.assert_allclose(
            features.log_mel(np.float32(gain) * power, identity(2)), [[0, -20], [-80, -80]], atol=1e-4
        )
    np.testing.assert_array_equal(features.log_mel(0 * power, identity(2)), np.zeros((2, 2)))  # silence: all the same


def test_mfcc_by_hand() -> None:
    """The DCT of log-mel: of two bands, their sum and difference over the root of two."""
    own = replace(identity(2), dct=np.array([[1, 1], [1, -1]], np.float32) / np.sqrt(np.float32(2)))
    received = features.mfcc(np.array([[1, 0.1], [0.01, 1]], np.float32), own)
    np.testing.assert_allclose(received * np.sqrt(2), [[-10, 10], [-20, -20]], atol=1e-4)


def test_chroma_by_hand() -> None:
    """Each frame by its own maximum; a silent one is 0."""
    power = np.array([[2, 1, 0], [1e-3, 4e-3, 2e-3], [0, 0, 0]], np.float32)
    np.testing.assert_allclose(features.chroma(power, identity(3)), [[1, 0.5, 0], [0.25, 1, 0.5], [0, 0, 0]])


def test_trimming_by_hand() -> None:
    """20 dB below the loudest frame is 1 of 100: what lies there or lower goes, but not between two loud frames."""
    power = np.array([0, 1, 1.01, 0, 100, 2, 0.5])[:, None]
    assert features.trim(power, 20) == slice(2, 6) and features.trim(power, 10) == slice(4, 5)
    assert features.trim(np.stack([power[:, 0], 0 * power[:, 0]], axis=1), 20) == slice(2, 6)  # the sum of the bins
    assert features.trim(0 * power, 20) == slice(None)


@pytest.mark.parametrize(("hertz", "heard"), [(31.25, False), (54.6875, False), (62.5, True), (125.0, True)])
def test_what_lies_below_60_hz_is_no_voice(hertz: float, heard: bool, settings: params.Features) -> None:
    """A voice, and a tone alone after it, on a bin of the FFT: without a taper, all of it is in that bin."""
    p = replace(settings, use=["prosody"], trim_db=None, window="boxcar", n_fft=2048)  # 7.8 Hz from bin to bin
    tone = 0.05 * np.sin(2 * np.pi * hertz * np.arange(8192) / 16_000)
    frames = extract(np.concatenate([voice(1.024), tone.astype(np.float32)]), p)[34:46]  # the voice has 32
    level = frames[:, column_names(p).index("prosody_level")]
    assert level.min() > -30 if heard else level.max() == prosody.FLOOR_DB


def test_equal_settings_share_their_filters(settings: params.Features) -> None:
    assert filters(settings) is filters(replace(settings, hop_length=256))
    assert filters(settings) is not filters(replace(settings, n_mels=63))
