"""Decoding: the content decides, channels are averaged, what is no audio is named."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser.errors import UserError
from ser.sound import audio

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


def test_a_microphones_offset_stays_and_a_larger_one_goes() -> None:
    """A square wave of 1 has a deviation of 1: an offset of 0.05 is the limit."""
    square = np.tile(np.array([1, -1], np.float32), 500)
    for offset in (0.04, -0.04):
        np.testing.assert_array_equal(audio.centred(square + np.float32(offset)), square + np.float32(offset))
    for offset in (0.06, -0.06):
        np.testing.assert_allclose(audio.centred(square + np.float32(offset)), square, atol=1e-6)
    assert audio.centred(3 * square + np.float32(0.14))[0] == np.float32(3.14)  # in deviations


def test_an_offset_is_taken_away_when_a_file_is_read(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "offset.wav", TONE + 0.25, RATE, subtype="FLOAT")
    np.testing.assert_allclose(audio.read(tmp_path / "offset.wav")[0], TONE, atol=1e-5)


@pytest.mark.parametrize(("other", "averaged"), [(1.0, True), (-0.36, True), (-0.38, False), (-1.0, False)])
def test_channels_that_cancel_each_other_are_not_averaged(other: float, averaged: bool) -> None:
    """((1 - x) / 2)^2 = 0.1 of the louder one's energy is the limit: x = 0.37."""
    expected = (1 + np.float32(other)) / 2 * TONE if averaged else TONE
    for channels in ([TONE, np.float32(other) * TONE], [np.float32(other) * TONE, TONE]):
        received = audio.to_mono(np.stack(channels, axis=1))
        # Of two that are equally loud, either will do.
        np.testing.assert_allclose(received * np.sign(received[14] * expected[14]), expected, atol=1e-6)
    np.testing.assert_array_equal(audio.to_mono(-TONE[:, None]), -TONE)


def piped_flac(path: Path, samples: np.ndarray) -> Path:
    """As an encoder writes it that cannot go back: the header's 36 bits of length are 0."""
    soundfile.write(path, samples, 16_000, format="FLAC")
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("channels", [1, 2])
def test_a_stream_that_does_not_say_its_length_is_read_to_its_end(
    channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = piped_flac(tmp_path / "piped.flac", np.stack([TONE] * channels, axis=1))
    assert soundfile.info(path).frames == audio.UNKNOWN
    for block in (audio.BLOCK, 1000):
        monkeypatch.setattr(audio, "BLOCK", block)
        samples, rate = audio.read(path)
        assert rate == 16_000 and len(samples) == len(TONE)
        np.testing.assert_allclose(samples, TONE, atol=1e-4)  # 16 bits


@pytest.mark.parametrize("streamed", [False, True])
def test_more_than_fits_into_the_memory_is_refused(
    streamed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted over all channels, before more is decoded: an hour of 48 kHz, and no more than 2 GiB."""
    assert 3600 * 48_000 < audio.MAX_SAMPLES <= 2 * 2**30 / 4
    path, stereo = tmp_path / "clip.flac", np.stack([TONE, TONE], axis=1)
    if streamed:
        piped_flac(path, stereo)
    else:
        soundfile.write(path, stereo, 16_000)
    monkeypatch.setattr(audio, "MAX_SAMPLES", stereo.size)
    assert len(audio.read(path)[0]) == len(TONE)
    monkeypatch.setattr(audio, "MAX_SAMPLES", stereo.size - 1)
    with pytest.raises(UserError, match=f"expected at most {stereo.size - 1} samples, received "):
        audio.read(path)
