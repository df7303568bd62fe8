"""What the page draws and offers: spectrogram, outline, examples."""

import base64
from pathlib import Path

import numpy as np
import pytest
import soundfile

import ser
from demo import app, drawing, examples
from ser import EMOTIONS
from ser.answer.recogniser import RELEASED
from ser.sound.features import column_names


def test_the_picture_is_made_of_the_very_frames(folder: Path, clip: Path) -> None:
    recogniser = ser.load(folder / "model.onnx")
    spectrogram, seen = drawing.Spectrogram(recogniser), []
    judged = recogniser.model.probabilities
    recogniser.model.probabilities = lambda frames: seen.append(frames[0]) or judged(frames)  # type: ignore
    result = recogniser.predict(clip, watch=spectrogram.watch)
    features = recogniser.model.features
    mel = seen[-1][:, [name.startswith("mel_") for name in column_names(features)]]
    picture = spectrogram.seen[0][1]  # with the quiet ends, that the network does not hear
    first = next(i for i in range(len(picture)) if np.allclose(picture[i], mel[0] - mel.max(), atol=0.05))
    # dB, as float16 has them
    np.testing.assert_allclose(picture[first : first + len(mel)], mel - mel.max(), atol=0.05)
    drawn = spectrogram.drawn(result.duration)
    assert drawn is not None and drawn["hertz"] == sorted(drawn["hertz"]) and len(drawn["hertz"]) == features.n_mels
    assert abs(drawn["duration"] - result.duration) < features.hop_length / features.sample_rate


def test_the_picture_of_a_long_recording_leaves_out_what_was_not_heard(folder: Path, clip: Path) -> None:
    recogniser = ser.load(folder / "model.onnx")
    sound, rate = soundfile.read(clip, dtype="float32")
    spectrogram = drawing.Spectrogram(recogniser)
    samples = np.concatenate([sound, np.zeros(3 * rate, np.float32), sound])
    result = recogniser.predict(samples, rate, watch=spectrogram.watch)
    drawn = spectrogram.drawn(result.duration)
    assert drawn is not None
    pixels = np.frombuffer(base64.b64decode(drawn["pixels"]), np.uint8).reshape(drawn["columns"], -1)
    quiet = next(part for part in result.timeline if part.emotion == "silence" and part.end - part.start > 2)
    middle = int((quiet.start + quiet.end) / 2 / drawn["duration"] * drawn["columns"])
    assert not pixels[middle].any() and pixels[5:40].all(axis=1).any() and pixels.max() == 255


def test_the_outline_has_its_peak_where_the_sound_is(folder: Path) -> None:
    samples = np.zeros(80_000, np.float32)
    samples[60_000] = -0.5
    soundfile.write(folder / "peak.wav", samples, 8000)
    with (folder / "peak.wav").open("rb") as file:
        peaks = drawing.outline(file, 60)
    assert len(peaks) <= drawing.POINTS and max(peaks) == 1
    assert peaks.index(1) / len(peaks) == pytest.approx(0.75, abs=0.01)


def test_the_released_model_answers_some_examples_and_is_unsure_of_others() -> None:
    recogniser = ser.load(RELEASED)
    made = examples.Examples(recogniser).made()
    answers = {name: recogniser.predict(app.Upload(one.content, name)).emotion for name, one in made.items()}
    assert set(answers.values()) & set(EMOTIONS) and "unsure" in answers.values()
    again = examples.Examples(recogniser).made()
    assert {name: one.content for name, one in again.items()} == {name: one.content for name, one in made.items()}
