"""What a model answers, and what it says `unsure` to: the table of docs/predict.md.

    python -m benchmarks.unsure [--model FILE] [NAME=FOLDER ...]

Clips that it was trained on the like of, the same clips spoilt, sounds that are no speech, and the recordings of other
speakers in each FOLDER. Needs data/ as `dvc repro` leaves it.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soxr

from ser import errors
from ser.answer.recogniser import TRAINED, Recogniser
from ser.files import AUDIO_ENDINGS
from ser.learn import parts
from ser.sound import audio
from stages.paths import RAW, SPLITS

SPEECH, NOISES = 140, 40  # clips per set
SURE = 0.9
Set = tuple[list[np.ndarray], list[str] | None]  # (samples,) of each clip; the right emotions, where they are known


def sounds(seed: int, rate: int) -> dict[str, Callable[[int], np.ndarray]]:
    """Generators of (samples,) that are no speech, by name; each call draws new parameters."""
    g = np.random.default_rng(seed)

    def time(count: int) -> np.ndarray:
        return np.arange(count) / rate

    def noise(count: int, slope: float) -> np.ndarray:
        spectrum = np.fft.rfft(g.standard_normal(count)) / np.arange(1, count // 2 + 2) ** (slope / 2)
        return np.fft.irfft(spectrum, count)

    def swell(count: int) -> np.ndarray:
        """An envelope at the rate of syllables."""
        points = max(3, int(8 * count / rate))
        return np.interp(np.arange(count), np.linspace(0, count, points), g.uniform(0, 1, points))

    def voice(count: int) -> np.ndarray:
        """Harmonics of a pitch that trembles."""
        pitch = g.uniform(80, 350) * (1 + 0.03 * np.sin(2 * np.pi * 5 * time(count)))
        phase = 2 * np.pi * np.cumsum(pitch) / rate
        return np.sum([np.sin(k * phase) / k for k in range(1, 20)], axis=0)

    def music(count: int) -> np.ndarray:
        """Chords, two a second, struck and dying away."""
        chords = []
        for _ in range(2 * count // rate + 1):
            t, root = time(rate // 2), 220 * 2 ** (g.integers(-12, 12) / 12)
            notes = [root * 2 ** (step / 12) * k for step in (0, 4, 7) for k in range(1, 6)]
            chords.append(np.exp(-3 * t) * np.sum([np.sin(2 * np.pi * f * t) * root / f for f in notes], axis=0))
        return np.concatenate(chords)[:count]

    def hum(count: int) -> np.ndarray:
        mains = g.choice([50, 60])
        tones = [np.sin(2 * np.pi * mains * k * time(count)) * g.uniform(0, 1) / k for k in range(1, 8)]
        return np.sum(tones, axis=0) + 0.01 * g.standard_normal(count)

    def clicks(count: int) -> np.ndarray:
        click = np.zeros(count)
        click[g.integers(100, count - 100) :: int(rate / g.uniform(0.2, 60))] = 1
        return click

    def sweep(count: int) -> np.ndarray:
        t, low, high = time(count), g.uniform(50, 500), g.uniform(1000, 0.49 * rate)
        return np.sin(2 * np.pi * (low * t + (high - low) * t**2 / (2 * t[-1])))

    return {
        "white noise": lambda count: noise(count, 0),
        "pink noise": lambda count: noise(count, 1),
        "brown noise": lambda count: noise(count, 2),
        "pulsing pink noise": lambda count: noise(count, 1) * swell(count),
        "the same, reversed": lambda count: (noise(count, 1) * swell(count))[::-1],
        "mains hum": hum,
        "tone": lambda count: np.sin(2 * np.pi * g.uniform(60, 0.25 * rate) * time(count)),
        "square wave": lambda count: np.sign(np.sin(2 * np.pi * g.uniform(60, 0.25 * rate) * time(count))),
        "trembling harmonics": voice,
        "the same, pulsing": lambda count: voice(count) * swell(count),
        "chords": music,
        "sweep": sweep,
        "clicks": clicks,
    }


def spoilt(seed: int, rate: int) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """What may happen to a clip of a known voice, by name: (samples,) -> (samples,)."""
    g = np.random.default_rng(seed)

    def band(x: np.ndarray, hertz: int) -> np.ndarray:
        return soxr.resample(soxr.resample(x, rate, 2 * hertz), 2 * hertz, rate)

    def noisy(x: np.ndarray, db: float) -> np.ndarray:
        return x + g.standard_normal(len(x)) * x.std() * 10 ** (-db / 20)

    return {
        "first second only": lambda x: x[:rate],
        "half a second of silence around": lambda x: np.pad(x, rate // 2),
        "8 bits": lambda x: np.round(x * 127) / 128,
        "up to 6 kHz": lambda x: band(x, 6000),
        "up to 4 kHz (telephone)": lambda x: band(x, 4000),
        "white noise 20 dB below": lambda x: noisy(x, 20),
        "white noise 5 dB below": lambda x: noisy(x, 5),
        "overdriven by 20 dB": lambda x: np.clip(x / np.abs(x).max() * 10, -1, 1),
        "played backwards": lambda x: x[::-1],
    }


def collect(rate: int, protocol: str, folders: dict[str, Path]) -> dict[str, Set]:
    """All sets of clips at ``rate`` Hz, by name."""
    table = parts.with_part(SPLITS, protocol)
    sets: dict[str, Set] = {}
    for part in ("val", "test"):
        rows = table[table.part == part]
        rows = rows.sample(min(SPEECH, len(rows)), random_state=0)
        sets[part] = [_samples(RAW / clip, rate) for clip in rows["clip"]], rows.emotion.tolist()
    clips, right = sets["test"]
    for name, spoil in spoilt(0, rate).items():
        sets[f"test, {name}"] = [spoil(clip).astype(np.float32) for clip in clips], right
    random = np.random.default_rng(0)
    for name, folder in folders.items():
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_ENDINGS)
        if not paths:
            raise errors.UserError(f"{folder}: expected recordings, found none")
        chosen = random.choice(len(paths), min(SPEECH, len(paths)), replace=False)
        sets[name] = [_samples(paths[i], rate) for i in chosen], None
    for name, make in sounds(2, rate).items():
        counts = (rate * random.uniform(0.5, 4, NOISES)).astype(int)
        sets[name] = [(make(count) / 10).astype(np.float32) for count in counts], None
    return sets


def _samples(path: Path, rate: int) -> np.ndarray:
    return audio.resample(*audio.read(path), rate)


def row(recogniser: Recogniser, clips: list[np.ndarray], right: list[str] | None) -> list[str]:
    """What the model says to one set, a cell each for the columns that ``main`` names."""
    verdicts = [recogniser.judge(clip) for clip in clips]
    answered = [i for i, verdict in enumerate(verdicts) if verdict.label in recogniser.labels]
    true = f"{np.mean([verdicts[i].label == right[i] for i in answered]):.0%}" if right and answered else ""
    distance = np.median([recogniser.model.reference.distance(recogniser.frames(clip)) for clip in clips])
    sure = np.mean([verdict.probabilities.max() > SURE for verdict in verdicts])
    return [f"{len(answered) / len(clips):.0%}", true, f"{distance:.1f}", f"{sure:.0%}"]


def main() -> None:
    """Print the table as Markdown."""
    parser = errors.parser(__doc__)
    parser.add_argument("--model", type=Path, default=TRAINED, help=f"model file (default: {TRAINED})")
    parser.add_argument("folders", nargs="*", metavar="NAME=FOLDER", help="recordings of other speakers")
    given = parser.parse_args()
    pairs = [text.partition("=") for text in given.folders]
    if wrong := [name for name, _, folder in pairs if not (folder and Path(folder).is_dir())]:
        raise errors.UserError(f"expected NAME=FOLDER, received {wrong[0]!r} without a folder that exists")
    recogniser = Recogniser(given.model)
    about = recogniser.model.description
    sets = collect(recogniser.rate, about.protocol, {name: Path(folder) for name, _, folder in pairs})
    print(f"Limits: distance {about.max_distance:.2f}, probability {about.min_probability:.2f}\n")
    names = ["recordings", "answered", "right, of those", "median distance", f"bare network above {SURE}"]
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for name, (clips, right) in sets.items():
        print(f"| {name} | {' | '.join(row(recogniser, clips, right))} |", flush=True)


if __name__ == "__main__":
    errors.run(main)
