"""What a prediction costs, beside what a user of Keras would do instead.

    python -m benchmarks.predict [--model FILE] [FOLDER]

Cold: whole processes that answer one clip, in turns; the median of five. The Keras script loads model.keras and calls
predict on the same features. Folder: all clips of FOLDER (default: data/raw), decoding and features included.
Network: the model file alone, on frames as long as two seconds, beside one that has the masks of model.keras.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from ser import errors
from stages.paths import MODELS, RAW

MODEL = MODELS / "word" / "model.onnx"
ROUNDS = 5
FRAMES = 63  # two seconds
KERAS = """
import sys, keras, librosa
from ser import EMOTIONS, params
from ser.sound.features import extract
settings = params.load().features
samples, _ = librosa.load(sys.argv[2], sr=settings.sample_rate)
answer = keras.models.load_model(sys.argv[1]).predict(extract(samples, settings)[None], verbose=0)[0]
print(EMOTIONS[answer.argmax()], answer.max())
"""


def measure(command: list[str]) -> tuple[float, float]:
    """Seconds and peak memory in MB of a whole process."""
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as notes:
        process = os.posix_spawn(
            command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, notes.fileno(), fd) for fd in (1, 2)]
        )
        _, status, usage = os.wait4(process, 0)
        if status:
            notes.seek(0)
            raise errors.UserError(f"{command} failed:\n{notes.read().decode()}")
    return time.perf_counter() - begin, usage.ru_maxrss * 1024 / 1e6  # Linux counts in KiB


def network_alone(model: Path) -> dict[str, float]:
    """Median milliseconds that the network takes for frames of one clip, with masks and as it is shipped."""
    import numpy as np

    from ser.learn.modelfile import ModelFile, save
    from ser.learn.network import keras

    shipped = ModelFile(model)
    with tempfile.TemporaryDirectory() as folder:
        path, network = Path(folder) / "masked.onnx", keras.models.load_model(model.with_suffix(".keras"))
        save(network, path, shipped.description, shipped.filters, shipped.reference)
        networks = {"with masks": ModelFile(path), "as shipped": shipped}
    columns = shipped.session.get_inputs()[0].shape[2]
    frames = np.random.default_rng(0).normal(-30, 20, (1, FRAMES, columns)).astype(np.float32)
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(100):
        for name, one in networks.items():
            begin = time.perf_counter()
            one.probabilities(frames)
            seconds[name].append(time.perf_counter() - begin)
    return {name: 1000 * statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    """Print a table."""
    parser = errors.parser(__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=RAW, help=f"with WAV files (default: {RAW})")
    parser.add_argument("--model", type=Path, default=MODEL, help=f"beside its model.keras (default: {MODEL})")
    given = parser.parse_args()
    folder, model = given.folder, given.model
    clips = sorted(folder.rglob("*.wav"))
    if not clips:
        raise errors.UserError(f"{folder}: expected WAV files, found none")
    clip = str(clips[0])
    ours = [sys.executable, "-m", "ser.predict", "--model", str(model), "--json"]
    keras = [sys.executable, "-c", KERAS, str(model.with_suffix(".keras")), clip]
    results: dict[str, list[tuple[float, float]]] = {"python -m ser.predict": [], "Keras": []}
    for _ in range(ROUNDS):  # in turns, so that both meet the same load
        results["python -m ser.predict"].append(measure([*ours, clip]))
        results["Keras"].append(measure(keras))
    print(f"{'one clip, cold':<24}{'seconds':>9}{'memory MB':>11}")
    median = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in results.items()}
    for name, (seconds, memory) in median.items():
        print(f"{name:<24}{seconds:9.2f}{memory:11.0f}")
    ratio = [theirs / own for theirs, own in zip(median["Keras"], median["python -m ser.predict"], strict=True)]
    print(f"{'ratio':<24}{ratio[0]:9.1f}{ratio[1]:11.1f}\n")
    seconds, memory = measure([*ours, str(folder)])
    print(f"folder of {len(clips)} clips: {seconds:.1f} s, {len(clips) / seconds:.0f} clips/s, {memory:.0f} MB\n")
    network = network_alone(model)  # last: TensorFlow's memory would count as that of every process started after it
    print(f"{'network alone':<24}{'ms':>9}")
    for name, milliseconds in network.items():
        print(f"{name:<24}{milliseconds:9.2f}")
    print(f"{'ratio':<24}{network['with masks'] / network['as shipped']:9.1f}")


if __name__ == "__main__":
    errors.run(main)
