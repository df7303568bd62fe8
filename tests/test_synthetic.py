"""The synthetic corpus: what it holds, that it repeats byte for byte, and that its emotions can be heard."""

import hashlib
import importlib.util
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser import EMOTIONS
from ser.data import synthetic
from ser.errors import UserError

COUNT = 5


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of five words, two voices and seven emotions."""
    folder = tmp_path_factory.mktemp("corpus")
    synthetic.synthesise(folder, COUNT)
    return folder


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file, under its path in the folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def clips(folder: Path, speaker: str, emotion: str) -> list[np.ndarray]:
    """The samples of all clips of one speaker and emotion, each of shape ``(samples,)``."""
    return [soundfile.read(path)[0] for path in sorted((folder / speaker / emotion).iterdir())]


def pitch(samples: np.ndarray) -> float:
    """Median fundamental frequency in Hz: the autocorrelation's peak, 80 to 450 Hz, in loud 40 ms frames."""
    frames = samples[: samples.size // 882 * 882].reshape(-1, 882)
    loud = frames[frames.std(axis=1) > samples.std()]
    spectra = np.fft.rfft(loud, n=2048)
    correlation = np.fft.irfft(np.abs(spectra) ** 2)[:, :882] / (882 - np.arange(882))
    return float(np.median(22_050 / (49 + correlation[:, 49:276].argmax(axis=1))))


def test_settings_cover_the_emotions_and_sixty_different_words() -> None:
    assert tuple(synthetic.PROSODY) == EMOTIONS
    assert len(set(synthetic.WORDS)) == len(synthetic.WORDS) == 60
    assert all(word.isascii() and word.isalpha() and word.islower() for word in synthetic.WORDS)


@pytest.mark.parametrize(
    ("setting", "lowest", "highest"),
    [("rate", 80, 450), ("pitch", 0, 99), ("range", 0, 99), ("volume", 0, 200)],
)
def test_settings_stay_within_the_synthesisers_limits(setting: str, lowest: int, highest: int) -> None:
    values = [getattr(prosody, setting) for prosody in synthetic.PROSODY.values()]
    width = synthetic.JITTER[setting]
    assert lowest <= min(values) - width
    assert max(values) + width <= highest


def test_files_are_exactly_every_speaker_emotion_and_word(corpus: Path) -> None:
    expected = {
        f"{speaker}/{emotion}/{speaker}_{word}_{emotion}.wav"
        for speaker in ("OAF", "YAF")
        for emotion in EMOTIONS
        for word in synthetic.WORDS[:COUNT]
    }
    assert set(digests(corpus)) == expected
    assert len(set(digests(corpus).values())) == 2 * 7 * COUNT  # No two clips are the same.


def test_clips_are_pcm16_mono_22050_audible_unclipped_and_short(corpus: Path) -> None:
    for path in corpus.rglob("*.wav"):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.format, info.subtype) == (22_050, 1, "WAV", "PCM_16")
        assert 0.5 < info.duration < 3
        samples = soundfile.read(path)[0]
        assert samples.std() > 0.01
        assert np.abs(samples).max() < 0.999


def test_equal_calls_give_equal_bytes_from_any_directory(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    time.sleep(1.1)  # Left alone, espeak-ng seeds its noise with the time in seconds.
    synthetic.synthesise(Path("again"), COUNT)
    assert digests(tmp_path / "again") == digests(corpus)


def test_a_larger_corpus_begins_with_the_smaller_one(corpus: Path, tmp_path: Path) -> None:
    synthetic.synthesise(tmp_path, COUNT + 1)
    assert digests(corpus).items() < digests(tmp_path).items()


@pytest.mark.parametrize("speaker", ["OAF", "YAF"])
def test_emotions_differ_in_loudness_pitch_and_tempo(corpus: Path, speaker: str) -> None:
    def mean(measure, emotion: str) -> float:
        return float(np.mean([measure(samples) for samples in clips(corpus, speaker, emotion)]))

    assert mean(np.std, "anger") > 1.5 * mean(np.std, "sadness")
    assert mean(pitch, "surprise") > mean(pitch, "neutral") + 30 > mean(pitch, "sadness") + 40
    assert mean(len, "sadness") > 1.1 * mean(len, "fear")


@pytest.mark.parametrize("words", [4, 0, -5, 61])
def test_words_out_of_range_are_refused(tmp_path: Path, words: int) -> None:
    with pytest.raises(ValueError, match=f"Invalid `words`: expected 5 to 60, received {words}"):
        synthetic.synthesise(tmp_path / "corpus", words)
    assert not (tmp_path / "corpus").exists()


def test_a_missing_synthesiser_is_named_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install espeakng-loader"):
        synthetic.synthesise(tmp_path, COUNT)


def test_a_failing_worker_is_reported_by_its_last_line(tmp_path: Path) -> None:
    (tmp_path / "OAF").write_text("a file where the worker wants a folder")
    with pytest.raises(UserError, match=r"synthesis of OAF failed: (FileExists|NotADirectory)Error"):
        synthetic.synthesise(tmp_path, COUNT)


def test_importing_the_module_does_not_load_the_gpl_library() -> None:
    check = "import sys, ser.data.synthetic; sys.exit('espeakng_loader' in sys.modules)"
    root = Path(synthetic.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", check], cwd=root, check=False).returncode == 0
