"""Decoding: the content decides, channels are averaged, what is no audio is named."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser import audio
from ser.errors import UserError

RATE = 24_414
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)


@pytest.mark.parametrize("container", ["WAV", "AIFF", "FLAC", "OGG", "AU"])
def test_the_content_decides_not_the_ending(container: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"  # TESS has two AIFF files that are called .wav
    soundfile.write(path, TONE, RATE if container != "OGG" else 48_000, format=container)
    samples, rate = audio.read(path)
    assert rate == (RATE if container != "OGG" else 48_000)
    assert samples.dtype == np.float32
    # OGG is lossy, most of all where the tone sets in.
    np.testing.assert_allclose(samples[1000:-1000], TONE[1000:-1000], atol=0.02 if container == "OGG" else 1e-4)


def test_channels_are_averaged(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "stereo.wav", np.stack([TONE, np.zeros_like(TONE)], axis=1), RATE, subtype="FLOAT")
    samples, _ = audio.read(tmp_path / "stereo.wav")
    np.testing.assert_allclose(samples, TONE / 2, atol=1e-7)


def test_resampling_keeps_the_tone_and_the_length() -> None:
    samples = audio.resample(TONE, RATE, 16_000)
    assert len(samples) == 16_000
    assert np.abs(np.fft.rfft(samples)).argmax() == 440


def test_equal_rates_change_nothing() -> None:
    assert audio.resample(TONE, RATE, RATE) is TONE


@pytest.mark.parametrize("content", [b"", b"no audio at all", b"RIFF\x24\x00\x00\x00WAVE"])
def test_what_is_no_audio_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.wav: expected audio"):
        audio.read(tmp_path / "bad.wav")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.wav: expected audio"):
        audio.read(tmp_path / "none.wav")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    samples = TONE.copy()
    samples[7] = value
    soundfile.write(tmp_path / "bad.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(UserError, match="expected finite samples"):
        audio.read(tmp_path / "bad.wav")


def test_no_samples_are_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    with pytest.raises(UserError, match="0 samples"):
        audio.read(tmp_path / "empty.wav")
