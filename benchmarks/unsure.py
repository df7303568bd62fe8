"""Which score tells what the network was not trained on? The tables of docs/unsure.md.

    python -m benchmarks.unsure [NAME=FOLDER ...]

Needs data/ and models/word/ as `dvc repro` leaves them. Each FOLDER holds recordings of other speakers. Every score
gets its limit from the validation part alone, such that 99 % of it are answered.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import soxr

from ser import AUDIO_ENDINGS, EMOTIONS, audio, confidence, errors, manifest, shards
from ser.answer.recogniser import TRAINED, Recogniser
from stages.paths import FEATURES, MANIFEST, RAW, SPLITS

RATE = 16_000
SPEECH, NOISES = 140, 40  # clips per set
Set = tuple[list[np.ndarray], np.ndarray | None]  # frames of each clip; the right emotions, where known


def sounds(seed: int) -> dict[str, Callable[[int], np.ndarray]]:
    """Generators of (samples,) that are no speech, by name; each call draws new parameters."""
    g = np.random.default_rng(seed)

    def time(count: int) -> np.ndarray:
        return np.arange(count) / RATE

    def noise(count: int, slope: float) -> np.ndarray:
        spectrum = np.fft.rfft(g.standard_normal(count)) / np.arange(1, count // 2 + 2) ** (slope / 2)
        return np.fft.irfft(spectrum, count)

    def swell(count: int) -> np.ndarray:
        """An envelope at the rate of syllables."""
        points = max(3, int(8 * count / RATE))
        return np.interp(np.arange(count), np.linspace(0, count, points), g.uniform(0, 1, points))

    def voice(count: int) -> np.ndarray:
        """Harmonics of a pitch that trembles."""
        pitch = g.uniform(80, 350) * (1 + 0.03 * np.sin(2 * np.pi * 5 * time(count)))
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        return np.sum([np.sin(k * phase) / k for k in range(1, 20)], axis=0)

    def music(count: int) -> np.ndarray:
        """Chords of two notes a second, struck and dying away."""
        parts = []
        for _ in range(2 * count // RATE + 1):
            t, root = time(RATE // 2), 220 * 2 ** (g.integers(-12, 12) / 12)
            notes = [root * 2 ** (step / 12) * k for step in (0, 4, 7) for k in range(1, 6)]
            parts.append(np.exp(-3 * t) * np.sum([np.sin(2 * np.pi * f * t) * root / f for f in notes], axis=0))
        return np.concatenate(parts)[:count]

    def hum(count: int) -> np.ndarray:
        mains = g.choice([50, 60])
        tones = [np.sin(2 * np.pi * mains * k * time(count)) * g.uniform(0, 1) / k for k in range(1, 8)]
        return np.sum(tones, axis=0) + 0.01 * g.standard_normal(count)

    def clicks(count: int) -> np.ndarray:
        click = np.zeros(count)
        click[g.integers(100, count - 100) :: int(RATE / g.uniform(0.2, 60))] = 1
        return click

    def sweep(count: int) -> np.ndarray:
        t, low, high = time(count), g.uniform(50, 500), g.uniform(1000, 7900)
        return np.sin(2 * np.pi * (low * t + (high - low) * t**2 / (2 * t[-1])))

    return {
        "white noise": lambda count: noise(count, 0),
        "pink noise": lambda count: noise(count, 1),
        "brown noise": lambda count: noise(count, 2),
        "pulsing pink noise": lambda count: noise(count, 1) * swell(count),
        "the same, reversed": lambda count: (noise(count, 1) * swell(count))[::-1],
        "mains hum": hum,
        "tone": lambda count: np.sin(2 * np.pi * g.uniform(60, 4000) * time(count)),
        "square wave": lambda count: np.sign(np.sin(2 * np.pi * g.uniform(60, 4000) * time(count))),
        "trembling harmonics": voice,
        "the same, pulsing": lambda count: voice(count) * swell(count),
        "chords": music,
        "sweep": sweep,
        "clicks": clicks,
    }


def spoilt(seed: int) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """What may happen to a clip that the network knows, by name: (samples,) -> (samples,)."""
    g = np.random.default_rng(seed)

    def band(x: np.ndarray, rate: int) -> np.ndarray:
        return soxr.resample(soxr.resample(x, RATE, rate), rate, RATE)

    def noisy(x: np.ndarray, db: float) -> np.ndarray:
        return x + g.standard_normal(len(x)) * x.std() * 10 ** (-db / 20)

    return {
        "first second only": lambda x: x[:RATE],
        "half a second of silence around": lambda x: np.pad(x, RATE // 2),
        "8 bits": lambda x: np.round(x * 127) / 128,
        "up to 6 kHz": lambda x: band(x, 12_000),
        "up to 4 kHz (telephone)": lambda x: band(x, 8000),
        "white noise 20 dB below": lambda x: noisy(x, 20),
        "white noise 5 dB below": lambda x: noisy(x, 5),
        "overdriven by 20 dB": lambda x: np.clip(x / np.abs(x).max() * 10, -1, 1),
        "played backwards": lambda x: x[::-1],
    }


def collect(recogniser: Recogniser, folders: dict[str, Path]) -> tuple[dict[str, Set], list[np.ndarray]]:
    """All sets, and the frames of the training clips."""
    table = manifest.with_part(MANIFEST, SPLITS, "word")
    table["label"] = table.emotion.map(EMOTIONS.index)
    parts = {part: table[table.part == part] for part in ("train", "val", "test")}
    sets: dict[str, Set] = {
        part: (shards.read(FEATURES, parts[part]["clip"]), parts[part].label.to_numpy()) for part in ("val", "test")
    }
    some = parts["test"].sample(SPEECH, random_state=0)
    clips = [audio.resample(*audio.read(RAW / clip), RATE) for clip in some["clip"]]
    for name, spoil in spoilt(0).items():
        sets[f"test, {name}"] = [frames(recogniser, spoil(clip)) for clip in clips], some.label.to_numpy()
    for name, folder in folders.items():
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_ENDINGS)
        if not paths:
            raise errors.UserError(f"{folder}: expected recordings, found none")
        chosen = np.random.default_rng(0).choice(len(paths), min(SPEECH, len(paths)), replace=False)
        sets[name] = [frames(recogniser, audio.resample(*audio.read(paths[i]), RATE)) for i in chosen], None
    random = np.random.default_rng(1)
    for name, make in sounds(2).items():
        counts = (RATE * random.uniform(0.5, 4, NOISES)).astype(int)
        sets[name] = [frames(recogniser, make(count)) for count in counts], None
    return sets, shards.read(FEATURES, parts["train"]["clip"])


def frames(recogniser: Recogniser, samples: np.ndarray) -> np.ndarray:
    """Features as prediction computes them."""
    return recogniser.frames(samples.astype(np.float32))


def opened_up(path: Path) -> onnxruntime.InferenceSession:
    """The network with its logits and what its members' last layers get (pooled) as outputs too."""
    network = onnx.load(path)
    makers = {output: node for node in network.graph.node for output in node.output}
    logits = makers["probabilities"].input[0]
    pooled, ahead = [], [logits]
    while ahead:
        node = makers[ahead.pop()]
        if node.op_type != "MatMul" or "temperature" in node.name:
            ahead += [name for name in node.input if name in makers]
        elif "expert" not in node.name:
            pooled.append(node.input[0])
    network.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in (logits, *pooled))
    return onnxruntime.InferenceSession(network.SerializeToString(), providers=["CPUExecutionProvider"])


def nearness(
    session: onnxruntime.InferenceSession, recogniser: Recogniser, train: list[np.ndarray]
) -> Callable[[list[np.ndarray]], dict[str, np.ndarray]]:
    """Learn what is familiar.

    Args:
        session: from ``opened_up``.
        recogniser: the same model.
        train: training clips, (frames, columns) each.

    Returns:
        A function of clips: by name, the answers (clips,), indices into ``EMOTIONS``, and every score (clips,), larger
        is more familiar. ``energy``: W. Liu et al., NeurIPS 2020. ``pooled``: a Mahalanobis distance of what the last
        layers get, after K. Lee et al., NeurIPS 2018, with one covariance for all emotions, to which 0.01 of its mean
        variance is added: in some directions there is none.
    """

    def run(clips: list[np.ndarray]) -> list[np.ndarray]:
        outputs = [session.run(None, {"frames": clip[None]}) for clip in clips]
        probabilities, logits, *pooled = (
            np.concatenate(values, dtype=np.float64) for values in zip(*outputs, strict=True)
        )
        return [probabilities, logits, np.concatenate(pooled, axis=1)]

    pooled = run(train)[2]
    centre, (_, values, axes) = pooled.mean(axis=0), np.linalg.svd(pooled - pooled.mean(axis=0), full_matrices=False)
    spread = np.sqrt(np.square(values) / len(pooled) + 0.01 * np.mean(np.square(values)) / len(pooled))

    def scores(clips: list[np.ndarray]) -> dict[str, np.ndarray]:
        probabilities, logits, inner = run(clips)
        return {
            "answer": probabilities.argmax(axis=1),
            "probability": probabilities.max(axis=1),
            "energy": np.logaddexp.reduce(logits, axis=1),
            "pooled": -np.linalg.norm((inner - centre) @ axes.T / spread, axis=1),
            "features": -np.array([recogniser.model.reference.distance(clip) for clip in clips]),
        }

    return scores


def main() -> None:
    """Print both tables as Markdown."""
    parser = errors.parser(__doc__)
    parser.add_argument("folders", nargs="*", metavar="NAME=FOLDER", help="recordings of other speakers")
    pairs = [text.partition("=") for text in parser.parse_args().folders]
    if wrong := [name for name, _, folder in pairs if not (folder and Path(folder).is_dir())]:
        raise errors.UserError(f"expected NAME=FOLDER, received {wrong[0]!r} without a folder that exists")
    folders = {name: Path(folder) for name, _, folder in pairs}
    recogniser = Recogniser(TRAINED)
    sets, train = collect(recogniser, folders)
    score = nearness(opened_up(TRAINED), recogniser, train)
    results = {name: score(clips) for name, (clips, _) in sets.items()}
    names = ["probability", "energy", "pooled", "features"]
    limits = {name: np.quantile(results["val"][name], 1 - confidence.ACCEPTED) for name in names}

    def cell(accepted: np.ndarray, name: str) -> str:
        right = sets[name][1]
        known = (
            ""
            if right is None or not accepted.any()
            else f" ({(results[name]['answer'] == right)[accepted].mean():.0%})"
        )
        return f"{accepted.mean():.0%}{known}"

    print("| recordings | " + " | ".join(names) + " | p > 0.9 |\n|---|" + "---|" * (len(names) + 1))
    for name, result in results.items():
        cells = [cell(result[score] >= limits[score], name) for score in names]
        print(f"| {name} | {' | '.join(cells)} | {(result['probability'] > 0.9).mean():.0%} |")
    about = recogniser.model.description
    factors = (1.0, 1.25, 1.5, 2.0, 2.5)
    print(
        f"\n| recordings | distance | {' | '.join(f'{f:g} x limit' for f in factors)} |\n|---|"
        + "---|" * (1 + len(factors))
    )
    for name, result in results.items():
        sure = result["probability"] >= about.min_probability
        cells = [cell(sure & (-result["features"] <= factor * about.max_distance), name) for factor in factors]
        low, middle, high = np.quantile(-result["features"], [0.01, 0.5, 0.99])
        print(f"| {name} | {low:.1f} {middle:.1f} {high:.1f} | {' | '.join(cells)} |")


if __name__ == "__main__":
    errors.run(main)
