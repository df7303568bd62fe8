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
from ser.sound.features import column_indices, column_names, extract, filters


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
    level = librosa.power_to_db(mel, ref=1.0 if p.loudness else np.max)
    mfcc = librosa.feature.mfcc(S=level, n_mfcc=p.n_mfcc)
    chroma = librosa.feature.chroma_stft(y=samples, sr=p.sample_rate, n_chroma=p.n_chroma, tuning=0.0, **spectrum)
    return {"mfcc": mfcc.T, "chroma": chroma.T, "mel": level.T}


TOLERANCE = {"mfcc": 2e-2, "chroma": 1e-4, "mel": 2e-3}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"loudness": True},
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


@pytest.mark.parametrize("order", [1, 2])
def test_deltas_equal_librosa(order: int, settings: params.Features) -> None:
    static = extract(voice(), settings)
    received = extract(voice(), replace(settings, deltas=order))
    expected = librosa.feature.delta(static.T, order=order, mode="nearest").T
    np.testing.assert_allclose(received[:, order * static.shape[1] :], expected, atol=1e-3)


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
def test_gain_does_not_matter_without_loudness(gain: float) -> None:
    p = replace(params.load("features"), loudness=False)
    samples = voice()
    np.testing.assert_allclose(extract(np.float32(gain) * samples, p), extract(samples, p), atol=0.05)


def test_gain_shows_with_loudness(settings: params.Features) -> None:
    p = replace(settings, loudness=True, use=["mel"])
    np.testing.assert_allclose(extract(10 * voice(), p).max() - extract(voice(), p).max(), 20, atol=0.5)


@given(arrays(np.float32, st.integers(1024, 6000), elements=st.floats(-1, 1, width=32)))
@hypothesis_settings(max_examples=40, deadline=None)
def test_every_clip_gives_finite_features(samples: np.ndarray) -> None:
    p = replace(params.load("features"), trim_db=None)
    frames = extract(samples, p)
    assert frames.shape == (1 + len(samples) // p.hop_length, len(column_names(p)))
    assert np.isfinite(frames).all()


def test_silence_is_finite(settings: params.Features) -> None:
    assert np.isfinite(extract(np.zeros(16_000, np.float32), settings)).all()


@pytest.mark.parametrize("deltas", [0, 2])
def test_blocks_are_found_by_their_names(deltas: int, settings: params.Features) -> None:
    p = replace(settings, deltas=deltas)
    names = np.array(column_names(p))
    assert list(names[column_indices(p, ["chroma"])][:2]) == ["chroma_0", "chroma_1"]
    assert len(column_indices(p, ["chroma"])) == (deltas + 1) * p.n_chroma
    assert column_indices(p, list(p.use)) == list(range(len(names)))
    with pytest.raises(UserError, match=r"train\.use: expected blocks of features\.use = \['mel'\], received 'chroma'"):
        column_indices(replace(p, use=["mel"]), ["chroma"])


def test_less_than_a_frame_is_refused(settings: params.Features) -> None:
    with pytest.raises(UserError, match=r"expected at least 1024 samples at 16000 Hz \(one frame\), received 1023"):
        extract(np.zeros(1023, np.float32), settings)


def test_filters_can_be_handed_in(settings: params.Features) -> None:
    """Mel filters of twice the gain let twice the power through: 3 dB, in what is not relative to the maximum."""
    p, own = replace(settings, use=["mel"], loudness=True), filters(settings)
    louder = extract(voice(), p, replace(own, mel=2 * own.mel)) - extract(voice(), p, own)
    np.testing.assert_allclose(louder, 10 * np.log10(2), atol=1e-3)
