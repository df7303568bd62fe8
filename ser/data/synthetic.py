"""A small corpus of synthesised speech in the shape of TESS, to run the whole pipeline without a download.

Two voices of espeak-ng, a formant synthesiser, say "Say the word <word>" in seven emotions, which are only settings of
rate, pitch and loudness: a score on it says nothing about human emotion. espeak-ng is licensed under the GPL, version
3. Only this module needs it, and only to make the corpus: ``pip install espeakng-loader``.
"""

import ctypes
import importlib.util
import itertools
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from ser import EMOTIONS
from ser.errors import UserError

SAMPLE_RATE = 22_050  # Hz, the only rate that espeak-ng speaks at.

WORDS = tuple(
    "bird tree stone cloud bread milk fish ship lamp clock glass spoon plate brush horse frog snake bear wolf leaf "
    "grass seed fruit plum peach grape snow rope storm sand beach wave lake hill bridge street house roof floor wall "
    "bed desk pen ink song drum flute bell dance smile hand foot nose ear knee heart green blue skirt cup".split()
)

# Synthetic stand-ins under TESS's speaker names, so that the same protocols run on both corpora. Neither
# imitates a TESS speaker and neither has an age: "OAF" is only the lower and darker voice of the two.
VOICES: dict[str, str] = {"OAF": "en-us+f2", "YAF": "en-us+f3"}


class Prosody(NamedTuple):
    """How one emotion is spoken."""

    rate: int  # words per minute, from 80
    pitch: int  # base pitch, 0 to 99; 50 is the voice's own
    range: int  # pitch range, 0 (monotone) to 99
    volume: int  # percent of the normal amplitude, to 200
    end: str  # closing punctuation, which shapes the last word's pitch contour


PROSODY: dict[str, Prosody] = {
    "anger": Prosody(rate=195, pitch=48, range=70, volume=108, end="!"),
    "disgust": Prosody(rate=155, pitch=34, range=52, volume=80, end="."),
    "fear": Prosody(rate=205, pitch=74, range=26, volume=60, end="."),
    "happiness": Prosody(rate=185, pitch=64, range=80, volume=88, end="!"),
    "surprise": Prosody(rate=170, pitch=82, range=85, volume=84, end="?"),
    "sadness": Prosody(rate=140, pitch=38, range=18, volume=44, end="."),
    "neutral": Prosody(rate=170, pitch=52, range=42, volume=72, end="."),
}

# Widest change of a setting from clip to clip. Neighbouring emotions have to overlap: if every recogniser
# were perfect, none could be told from another.
JITTER: dict[str, int] = {"rate": 20, "pitch": 8, "range": 12, "volume": 13}
PAUSE = (1_000, 8_000)  # Samples of near-silence at either end, 0.05 to 0.36 s.
NOISE = 4  # 16-bit steps: a recording's floor, since exact zeros would have a log energy of minus infinity.

PARAMETERS: dict[str, int] = {"rate": 1, "volume": 2, "pitch": 3, "range": 4}  # As numbered in speak_lib.h,
SYNCHRONOUS, DONT_EXIT, CHARACTERS, UTF8 = 2, 0x8000, 1, 1  # and so are these.


def listing(words: int) -> list[tuple[str, str, str, str]]:
    """Path below the folder, speaker, emotion and word of every clip, in the order in which they are spoken."""
    return [
        (f"{speaker}/{emotion}/{speaker}_{word}_{emotion}.wav", speaker, emotion, word)
        for speaker, word, emotion in itertools.product(VOICES, WORDS[:words], EMOTIONS)
    ]


def synthesise(folder: Path, words: int) -> None:
    """Write the clips of a ``listing``: 16-bit mono WAV at 22,050 Hz.

    With one release of espeakng-loader, equal calls write equal bytes and a larger corpus contains a smaller one. Other
    files that are already in the folder stay there.

    Raises:
        ValueError: ``words``, how many of ``WORDS`` to say, is not from 5 to 60.
        UserError: espeakng-loader is not installed, or the synthesiser failed.
    """
    if not 5 <= words <= len(WORDS):
        raise ValueError(f"Invalid `words`: expected 5 to {len(WORDS)}, received {words}")
    if importlib.util.find_spec("espeakng_loader") is None:
        raise UserError("The synthetic corpus needs espeak-ng (GPL-3): pip install espeakng-loader")
    for speaker in VOICES:  # each in a fresh process: within one, a clip depends on those before it
        command = [sys.executable, "-m", "ser.data.synthetic", speaker, str(Path(folder).resolve()), str(words)]
        root = Path(__file__).parents[2]  # `-m` looks here first, wherever the caller stands
        worker = subprocess.run(command, cwd=root, stderr=subprocess.PIPE, encoding="utf-8", errors="replace")
        if worker.returncode:
            reason = (worker.stderr.strip().splitlines() or [f"exit code {worker.returncode}"])[-1]
            raise UserError(f"The synthesis of {speaker} failed: {reason}")


def _speak(speaker: str, folder: Path, words: int) -> None:
    """Write one speaker's clips, word by word."""
    voice = _Voice(VOICES[speaker])
    for path, _, emotion, word in (clip for clip in listing(words) if clip[1] == speaker):
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(zlib.crc32(place.stem.encode()))
        prosody = PROSODY[emotion]
        moved = {name: getattr(prosody, name) + int(rng.integers(-width, width + 1)) for name, width in JITTER.items()}
        speech = voice.say(f"Say the word {word}", prosody._replace(**moved)).astype(np.int64)
        padded = np.pad(speech, rng.integers(*PAUSE, size=2))
        padded += rng.integers(-NOISE, NOISE + 1, size=padded.size)
        soundfile.write(place, np.clip(padded, -32_768, 32_767).astype(np.int16), SAMPLE_RATE, subtype="PCM_16")


class _Voice:
    """One espeak-ng voice; made by workers only, so that nothing else loads the GPL library."""

    def __init__(self, name: str) -> None:
        import espeakng_loader

        self._library = library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = os.fsencode(espeakng_loader.get_data_path())
        rate = library.espeak_Initialize(SYNCHRONOUS, 0, data, DONT_EXIT)
        if rate != SAMPLE_RATE or library.espeak_SetVoiceByName(name.encode()):
            raise RuntimeError(f"espeak-ng has no voice {name} of {SAMPLE_RATE} Hz in {os.fsdecode(data)}")
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # espeak-ng seeds its noise with the time of day.
        text, flag, pointer = (ctypes.c_char_p, ctypes.c_size_t), ctypes.c_uint, ctypes.c_void_p
        library.espeak_Synth.argtypes = [*text, flag, ctypes.c_int, flag, flag, pointer, pointer]
        self._pieces: list[bytes] = []
        # Kept on the object: espeak-ng holds no reference, and calling a collected callback crashes.
        self._callback = ctypes.CFUNCTYPE(ctypes.c_int, pointer, ctypes.c_int, pointer)(self._collect)
        library.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: int | None, count: int, _events: int | None) -> int:
        if samples and count:
            self._pieces.append(ctypes.string_at(samples, 2 * count))
        return 0  # Go on.

    def say(self, text: str, prosody: Prosody) -> np.ndarray:
        """Return `text` as int16 samples, shape ``(samples,)``, at 22,050 Hz."""
        self._pieces.clear()
        for name, number in PARAMETERS.items():
            self._library.espeak_SetParameter(number, getattr(prosody, name), 0)
        encoded = (text + prosody.end).encode()
        if self._library.espeak_Synth(encoded, len(encoded) + 1, 0, CHARACTERS, 0, UTF8, None, None):
            raise RuntimeError(f"espeak-ng could not say {text!r}")
        self._library.espeak_Synchronize()
        return np.frombuffer(b"".join(self._pieces), dtype=np.int16)


if __name__ == "__main__":
    _speak(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
