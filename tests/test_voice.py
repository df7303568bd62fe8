"""Adaptation: a voice is described by its frames alone, and moved to where the training voices lie."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import ser
from ser import voice
from ser.errors import UserError
from tests.conftest import ROOT


def test_a_voice_is_moved_to_another_one() -> None:
    """Worked out by hand: 1 +- 1 becomes 10 +- 3; a column that never changes becomes the other one's mean."""
    own = voice.fit([np.array([[0, 5]], np.float32), np.array([[2, 5]], np.float32)])
    other = voice.Voice(np.array([10.0, 7.0]), np.array([3.0, 2.0]))
    np.testing.assert_allclose(
        own.as_if(other, np.array([[0, 5], [2, 5], [3, 5]], np.float32)), [[7, 7], [13, 7], [16, 7]]
    )


@pytest.fixture
def model(folder: Path) -> ser.Recogniser:
    return ser.load(folder / "model.onnx")


def recordings(folder: Path, speaker: str) -> list[Path]:
    return sorted((folder / "clips" / speaker).rglob("*.wav"))


def test_what_was_adapted_to_lies_where_the_training_clips_do(folder: Path, model: ser.Recogniser) -> None:
    clips = [soundfile.read(path, dtype="float32") for path in recordings(folder, "OAF")]
    sounds = []
    for samples, rate in clips:
        sounds.append(io.BytesIO())
        soundfile.write(sounds[-1], samples, rate, format="WAV", subtype="FLOAT")
        sounds[-1].seek(0)
    before = model.frames(clips[0][0])
    assert model.adapt(sounds) == pytest.approx(sum(len(samples) / rate for samples, rate in clips), abs=0.1)
    heard: list[np.ndarray] = []
    for path in recordings(folder, "OAF"):
        model.predict(path, watch=lambda _, samples: heard.append(model.frames(samples)))
    moved, trained = voice.fit(heard), model.model.reference.voice
    lively = trained.std > 0.01
    np.testing.assert_allclose(moved.mean[lively], trained.mean[lively], atol=0.01)
    np.testing.assert_allclose(moved.std[lively], trained.std[lively], rtol=0.01)
    assert np.abs(model.frames(clips[0][0]) - before).max() > 0.1


def test_too_little_is_refused_and_changes_nothing(folder: Path, model: ser.Recogniser, tmp_path: Path) -> None:
    clip = recordings(folder, "OAF")[0]
    before = model.predict(clip)
    with pytest.raises(UserError, match=r"expected at least 10 s of sound to adapt to, received \d\.\d s"):
        model.adapt([clip])
    soundfile.write(tmp_path / "silence.wav", np.zeros(16_000 * 12), 16_000)
    with pytest.raises(UserError, match="expected at least 10 s of sound to adapt to, received silence"):
        model.adapt([tmp_path / "silence.wav"])
    speech, rate = soundfile.read(clip)
    pause = np.zeros(rate * 6)
    soundfile.write(tmp_path / "pauses.wav", np.concatenate([pause, speech, pause]), rate)
    with pytest.raises(UserError, match=r"expected at least 10 s of sound to adapt to, received [1-3]\.\d s"):
        model.adapt([tmp_path / "pauses.wav"])
    assert model.predict(clip) == before
    with pytest.raises(UserError, match=r"expected a list of recordings to adapt to, received 'voice\.wav'"):
        model.adapt("voice.wav")
    model.adapt(recordings(folder, "OAF"))
    adapted = model.predict(clip)
    assert adapted != before
    with pytest.raises(UserError, match="nowhere"):
        model.adapt([clip, "nowhere.wav"])
    assert model.predict(clip) == adapted
    model.adapt(recordings(folder, "OAF"))  # as if nobody had been adapted to before
    assert model.predict(clip) == adapted


def test_a_long_recording_will_do(folder: Path, model: ser.Recogniser, tmp_path: Path) -> None:
    parts = [soundfile.read(path, dtype="float32") for path in recordings(folder, "YAF")[:12]]
    rate = parts[0][1]
    pause = np.zeros(rate, np.float32)
    soundfile.write(
        tmp_path / "minute.wav", np.concatenate([part for samples, _ in parts for part in (samples, pause)]), rate
    )
    assert model.adapt([tmp_path / "minute.wav"]) > 10
    assert model.voice and np.isfinite(model.voice.mean).all()


def command(folder: Path, *given: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "ser.predict", "--model", str(folder / "model.onnx"), "--csv", *given]
    return subprocess.run(line, capture_output=True, text=True, cwd=ROOT, timeout=60)


def test_the_command_adapts_first(folder: Path, model: ser.Recogniser, tmp_path: Path) -> None:
    clips = str(folder / "clips" / "OAF")
    clip = recordings(folder, "OAF")[3]
    done = command(folder, "--adapt", clips, str(clip))
    assert done.returncode == 0, done.stderr
    seconds = model.adapt(recordings(folder, "OAF"))
    assert done.stderr.strip() == f"adapted to {seconds:.1f} s of sound"
    expected = model.predict(clip)
    row = dict(zip(*(line.split(",") for line in done.stdout.splitlines()), strict=True))
    assert row["emotion"] == expected.emotion and float(row["probability"]) == pytest.approx(
        expected.probability,
        abs=2e-6,  # the last of six digits may be rounded the other way in another process
    )
    (tmp_path / "empty").mkdir()
    for place, message in ((tmp_path / "empty", "expected recordings, found none"), (tmp_path / "nowhere", "nowhere")):
        failed = command(folder, "--adapt", str(place), str(clip))
        assert failed.returncode == 1 and message in failed.stderr and not failed.stdout
        assert failed.stderr.startswith("error: --adapt: ") and failed.stderr.count(str(place)) == 1
