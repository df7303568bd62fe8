"""Recordings to try, synthesised on demand: none is shipped, and TESS may not be.

A synthesiser's voice is unlike the training clips, and the model says so: one example shows that. The others are
put through an equaliser, which gives them the average spectrum of the training clips, as if the same microphone
had recorded them; of those, the first ones that the model answers are taken, each with another emotion.
"""

import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from ser.answer.recogniser import Recogniser
from ser.answer.timeline import SLOT
from ser.data import synthetic
from ser.sound import audio
from ser.sound.features import column_names

WORDS = 12
ANSWERED = 2
ROUNDS = 3  # of the equaliser: what it changes moves the maximum that the features refer to
PAUSE = 3 * SLOT  # seconds


@dataclass(frozen=True)
class Example:
    """A recording to try.

    Attributes:
        title: what the page's button says.
        note: where it comes from.
        content: the bytes of a WAV file.
    """

    title: str
    note: str
    content: bytes


class Examples:
    """The examples for one model, made when first asked for and kept in memory.

    Args:
        recogniser: the model.
    """

    def __init__(self, recogniser: Recogniser) -> None:
        self.recogniser = recogniser
        self._made: dict[str, Example] = {}

    def made(self) -> dict[str, Example]:
        """Examples by the name of their file. For one thread at a time.

        Raises:
            UserError: the synthesiser is missing or failed.
        """
        self._made = self._made or self._make()
        return self._made

    def _make(self) -> dict[str, Example]:
        with tempfile.TemporaryDirectory() as folder:
            synthetic.synthesise(Path(folder), WORDS)
            paths = sorted(Path(folder).rglob("*.wav"))
            clips = {path.stem: audio.resample(*audio.read(path), self.recogniser.rate) for path in paths}
        voices = self._voices(clips)
        plain = clips["YAF_stone_neutral"]
        examples = {
            f"{stem.split('_')[1]}-{stem.split('_')[2]}.wav": self._example(*_described(stem), sound)
            for stem, sound in voices.items()
        }
        return examples | {
            "long.wav": self._example(
                "Several in a row", "longer than 3 s: a timeline", self._long([*voices.values(), plain])
            ),
            "plain.wav": self._example("Another microphone", "the same voice, not equalised", plain),
            "silence.wav": self._example(
                "Silence", "two seconds of it", np.zeros(2 * self.recogniser.rate, np.float32)
            ),
        }

    def _voices(self, clips: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The first few equalised clips that the model answers, each in another way."""
        found: dict[str, tuple[str, np.ndarray]] = {}
        # Word by word: neighbours in this order differ in what the synthesiser was told.
        for stem in sorted(clips, key=lambda stem: (stem.split("_")[1], stem)):
            sound = equalised(clips[stem], self.recogniser)
            # Whole slots, so that the clip means the same alone and in the long example.
            sound = np.pad(sound, (0, -len(sound) % int(SLOT * self.recogniser.rate)))
            alone, among_others = (
                self.recogniser.predict(one, self.recogniser.rate) for one in (sound, self._long([sound, sound]))
            )
            if alone.reason is None and alone.emotion == among_others.emotion and alone.emotion not in found:
                found[alone.emotion] = (stem, sound)
            if len(found) == ANSWERED:
                break
        return dict(found.values())

    def _long(self, sounds: list[np.ndarray]) -> np.ndarray:
        """One after the other, with pauses: (samples,)."""
        pause = np.zeros(int(PAUSE * self.recogniser.rate), np.float32)
        return np.concatenate([part for sound in sounds for part in (sound, pause)])

    def _example(self, title: str, note: str, samples: np.ndarray) -> Example:
        file = io.BytesIO()
        soundfile.write(file, samples, self.recogniser.rate, format="WAV", subtype="PCM_16")
        return Example(title, note, file.getvalue())


def equalised(samples: np.ndarray, recogniser: Recogniser) -> np.ndarray:
    """Give a clip the average mel spectrum of the training clips, which the model file knows.

    Args:
        samples: (samples,) at the model's rate.
        recogniser: the model.
    """
    model = recogniser.model
    mels = [i for i, name in enumerate(column_names(model.features)) if name.startswith("mel_")]
    if not mels:
        return samples
    bank = model.filters.mel
    peaks = bank.argmax(axis=1) / (bank.shape[1] - 1)  # of half the sample rate
    for _ in range(ROUNDS):
        gain = model.reference.centre[mels] - recogniser.frames(samples)[:, mels].mean(axis=0)
        spectrum = np.fft.rfft(samples)
        decibels = np.interp(np.linspace(0, 1, len(spectrum)), peaks, gain)
        samples = np.fft.irfft(spectrum * 10 ** (decibels / 20), len(samples))
        samples = (samples * 0.5 / np.abs(samples).max()).astype(np.float32)
    return samples


def _described(stem: str) -> tuple[str, str]:
    _, word, prosody = stem.split("_")
    return f"“Say the word {word}”", f"synthetic voice, set to {prosody}"
