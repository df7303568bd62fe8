"""Time of a training epoch, with the LSTM that the network is trained with, and with Keras' own.

    python -m benchmarks.train

As many made-up clips as one actress of TESS has for training, as long as hers are, and the network of params.yaml.
Epochs of both take turns; the median of five each, without the first one, in which TensorFlow compiles. Compare the
ratio, since the seconds depend on the machine.
"""

import time
from statistics import median

import numpy as np

from ser import EMOTIONS, errors, model, params, voice
from ser.features import column_indices, column_names

CLIPS, SHORTEST, LONGEST, EPOCHS = 1225, 36, 91, 5  # clips; frames; epochs that count


def main() -> None:
    """Measure both and print a Markdown table."""
    settings, features = params.load("train"), params.load("features")
    random = np.random.default_rng(0)
    columns = len(column_names(features))
    clips = [random.normal(size=(frames, columns)).astype(np.float32)
             for frames in random.integers(SHORTEST, LONGEST, CLIPS, endpoint=True)]  # fmt: skip
    labels, heard = random.integers(len(EMOTIONS), size=CLIPS), voice.fit(clips)
    batches = list(model.AugmentedBatches(clips, labels, heard.mean, settings.shift * heard.std, settings))

    def network(layer: type[model.layers.LSTM]) -> model.keras.Model:
        whole = model.build(heard.mean, heard.std, column_indices(features, settings.use), settings, None, layer)
        members = model.keras.Model(whole.input, whole.get_layer("members").output)
        members.compile(settings.optimizer, loss=model.smoothed(settings.label_smoothing))
        return members

    networks = {"Keras' own": network(model.layers.LSTM), "in one operation": network(model.FusedLSTM)}
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(EPOCHS + 1):
        for name, members in networks.items():
            begin = time.perf_counter()
            for frames, emotions in batches:
                members.train_on_batch(frames, emotions)
            seconds[name].append(time.perf_counter() - begin)
    theirs, ours = seconds.values()
    print("\n| LSTM | first epoch, seconds | an epoch, seconds |\n|---|---|---|")
    for name, values in seconds.items():
        print(f"| {name} | {values[0]:.1f} | {median(values[1:]):.2f} |")
    print(f"| ratio | {theirs[0] / ours[0]:.2f} | {median(theirs[1:]) / median(ours[1:]):.2f} |")


if __name__ == "__main__":
    errors.run(main, __doc__)
