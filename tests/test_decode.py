"""What may be handed in: arrays of every kind, file objects, floats on another scale, streams of unknown length."""

import bz2
import gzip
import io
import lzma
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser.answer.recogniser import Recogniser
from ser.answer.recording import Recording
from ser.errors import UserError
from ser.sound import audio, decode


@pytest.mark.parametrize(
    "change",
    [
        lambda x: (x * 32767).astype(np.int16),
        lambda x: (x * 2147483000).astype(np.int32),
        lambda x: np.round(x * 32767).astype(np.int16)[:, None],
        lambda x: np.stack([x, x]),  # channels first
        lambda x: np.stack([x, -x], axis=1),
        lambda x: x.tolist(),
        lambda x: x[::-1][::-1],  # negative strides
    ],
)
def test_arrays_of_every_kind_are_understood(model: Recogniser, clip: Path, change) -> None:
    samples, rate = soundfile.read(clip)
    assert model.predict(change(samples), rate).emotion == clip.parent.name


@pytest.mark.parametrize(
    "array, rate, message",
    [
        (np.zeros(100), None, "sample_rate"),
        (None, 16_000, "received None"),
        (b"RIFF", None, "received bytes: put them into io.BytesIO"),
        (np.zeros(16_000), 0, "sample_rate"),
        (np.zeros(16_000), -16_000, "sample_rate"),
        (np.zeros(16_000), "16000", "sample_rate"),
        (np.zeros(16_000), float("nan"), "sample_rate"),
        (np.zeros(0), 16_000, "shape"),
        (np.zeros((2, 2, 2)), 16_000, "shape"),
        (np.float32(1), 16_000, "shape"),
        (np.zeros(16_000, complex), 16_000, "complex"),
        (np.zeros(16_000, bool), 16_000, "bool"),
        ([0, 9000] * 8_000, 16_000, "integer of up to 32 bits, received shape .* of int64"),
        (np.array(["a"]), 16_000, "array"),
        ([[1], [1, 2]], 16_000, "array"),
        (np.full(16_000, np.nan), 16_000, "finite"),
        (np.full(16_000, 1e300), 16_000, "finite"),
        (np.ones(10), 16_000, "one frame"),
    ],
)
def test_arrays_that_are_no_sound_are_refused(model: Recogniser, array, rate, message: str) -> None:
    with pytest.raises(UserError, match=message):
        model.predict(array, rate)


@pytest.mark.parametrize("as_file", [False, True])
@pytest.mark.parametrize(
    ("first", "then", "scale"),
    [
        (20, 20_000, 2**15),
        (50, 20_000, 2**15),
        (20, 32, 1),
        (20, 32.1, 2**15),
        (2e6, 4e6, 2**23),
        (2e6, 2e9, 2**31),
        (1e12, 9, 1e12),
    ],
)
def test_a_quiet_beginning_does_not_count_as_loud(first: float, then: float, scale: float, as_file: bool) -> None:
    samples = np.repeat(np.array([first, -then], np.float32), 10)
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, "FLOAT", format="WAV")
    file.seek(0)
    with decode.opened(file if as_file else samples, 16_000) as sound:
        mono = Recording(sound, "sound")
        received = [float(np.abs(mono.read(10)).max()) for _ in range(2)]
        assert len(mono.read(10)) == 0
    assert received == pytest.approx([first / scale, then / scale])


@pytest.mark.parametrize(("format", "subtype"), [("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")])
def test_compressed_sound_may_lie_above_full_scale_too(format: str, subtype: str) -> None:
    tone = np.sin(np.arange(16_000 * 3) / 20).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, np.concatenate([20 * tone, 20_000 * tone]), 16_000, subtype, format=format)
    file.seek(0)
    with decode.opened(file) as sound:
        mono = Recording(sound, "sound")
        first, then = mono.read(16_000 * 2), mono.read(16_000 * 4)
    assert 1e-4 < np.abs(first).max() < 1e-3 and 0.2 < np.abs(then).max() < 1


@pytest.mark.parametrize("pack", [gzip.open, bz2.open, lzma.open])
def test_a_file_object_may_unpack_what_it_reads(model: Recogniser, clip: Path, tmp_path: Path, pack) -> None:
    with pack(tmp_path / "packed", "wb") as file:
        file.write(clip.read_bytes())
    with pack(tmp_path / "packed", "rb") as file:
        assert model.predict(file) == model.predict(clip)


def test_a_file_object_of_text_is_one_line(model: Recogniser, clip: Path) -> None:
    with clip.open(encoding="latin-1") as file, pytest.raises(UserError, match="received one opened as text"):
        model.predict(file)
    with pytest.raises(UserError, match="file: expected a seekable binary file, received one opened as text"):
        model.predict(io.StringIO("RIFF"))


def test_a_fault_while_a_file_is_open_is_not_the_files(model: Recogniser, clip: Path) -> None:
    def watch(*_: object) -> None:
        raise ValueError("a bug of the caller's")

    with pytest.raises(ValueError, match="a bug of the caller's"):
        model.predict(clip, watch=watch)


def test_a_file_object_is_left_as_it_was(model: Recogniser, clip: Path, tmp_path: Path) -> None:
    """Wherever the caller stood in it; what it says of itself afterwards is true."""
    content = clip.read_bytes()
    for text in (content, content + 20_000 * b" ", b"no sound" * 5000):  # long enough for Python to read ahead
        (tmp_path / "sound").write_bytes(text)
        with tempfile.TemporaryFile() as written, (tmp_path / "sound").open("rb") as opened:
            written.write(text)
            for file in (written, opened, io.BytesIO(text)):
                file.read(100)
                if text.startswith(b"RIFF"):
                    assert model.predict(file) == model.predict(clip)
                else:
                    with pytest.raises(UserError, match="expected audio that libsndfile reads"):
                        model.predict(file)
                file.seek(0)
                assert file.read() == text


def test_a_flac_stream_need_not_say_how_long_it_is(model: Recogniser, clip: Path, tmp_path: Path) -> None:
    """As one that was written into a pipe: its header has 0 for the number of samples."""
    samples, rate = soundfile.read(clip, dtype="int16")
    whole, stream = tmp_path / "whole.flac", tmp_path / "stream.flac"
    for times, seconds in ((1, len(samples) / rate), (5, 5 * len(samples) / rate)):
        soundfile.write(whole, np.tile(samples, times), rate)
        content = bytearray(whole.read_bytes())
        content[21] &= 0xF0  # the lower half of this byte, and the next four, are the number of samples
        content[22:26] = bytes(4)
        stream.write_bytes(content)
        assert model.predict(stream) == model.predict(whole)
        assert model.predict(stream).duration == pytest.approx(seconds, abs=1e-3)
        for one, other in zip(audio.read(stream), audio.read(whole), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("rate", [8000, 4000])
def test_an_offset_is_taken_away_from_every_block(rate: int) -> None:
    """That of the beginning: a mean of its own for each block would be a step between two of them."""
    tone = np.sin(np.arange(8000 * 7) / 50).astype(np.float32) / 4
    with decode.opened(tone + np.float32(0.5), 8000) as sound:
        recording = Recording(sound, "sound")
        blocks = [*recording.blocks(recording.read(8000 * 3), rate)]
    expected = audio.resample(tone - tone[: 8000 * 3].mean(), 8000, rate)
    assert len(blocks) == 3
    # float32 beside 0.5; the ends, where the resampler sees an edge, left out
    np.testing.assert_allclose(np.concatenate(blocks)[100:-100], expected[100:-100], atol=1e-3)
