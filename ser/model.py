"""The network, readable in one sitting: normalise, LSTM over the frames, pool over time, softmax.

The only module that imports TensorFlow, together with ``stages/train.py``.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ser import EMOTIONS
from ser.params import Train


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep TensorFlow's start-up notes on drivers and CPU flags, written by its C++ part, off the terminal."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)


with _quiet():
    import keras
    import tensorflow as tf
    from keras import layers

# A frame that is this value in every column is padding. No feature comes near it (dB, cepstra and chroma stay
# within a few thousand), so a real frame is never taken for padding, as a silent one would be with 0.
PADDING = -1e6


def make_deterministic(seed: int) -> None:
    """Same seed, same machine: the same weights, bit for bit."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def pad(clips: list[np.ndarray]) -> np.ndarray:
    """Stack clips of (frames, columns) into one (clips, longest, columns) array, filled up with PADDING."""
    batch = np.full((len(clips), max(map(len, clips)), clips[0].shape[1]), PADDING, np.float32)
    for row, frames in zip(batch, clips, strict=True):
        row[: len(frames)] = frames
    return batch


def build(mean: np.ndarray, std: np.ndarray, params: Train) -> keras.Model:
    """Build the network.

    Args:
        mean: (columns,) mean of the training frames.
        std: (columns,) their standard deviation.
        params: section ``train`` of ``params.yaml``.

    Returns:
        Model from ``frames`` (batch, time, columns) to ``probabilities`` (batch, emotions). Padding is masked: it
        changes nothing, whatever its length.
    """
    frames = keras.Input((None, len(mean)), name="frames")  # (batch, time, columns)
    x = layers.Masking(PADDING)(frames)

    # Normalisation is part of the model: fitted on train alone, never trained, saved with the weights. (Keras'
    # Normalization holds constants, which its ONNX export loses.)
    normalise = layers.BatchNormalization(center=False, scale=False, epsilon=0, trainable=False, name="normalise")
    x = normalise(x)
    normalise.set_weights([mean, np.square(np.maximum(std, 1e-3))])  # a column that never changes stays finite

    for depth in range(params.layers):
        every_frame = depth < params.layers - 1 or params.pooling == "mean"
        lstm = layers.LSTM(params.units, return_sequences=every_frame, name=f"lstm_{depth}")
        x = layers.Bidirectional(lstm)(x) if params.bidirectional else lstm(x)  # (batch, time, units or 2 units)
        x = layers.Dropout(params.dropout)(x)
    if params.pooling == "mean":
        x = layers.GlobalAveragePooling1D()(x)  # (batch, units or 2 units), over the clip's own frames
    probabilities = layers.Dense(len(EMOTIONS), activation="softmax", name="probabilities")(x)  # (batch, emotions)
    return keras.Model(frames, probabilities, name="speech_emotion")


def calibrate(model: keras.Model, temperature: float) -> None:
    """Divide the logits by a temperature, for good: softmax((W x + b) / T) is the same layer with W / T and b / T."""
    output = model.get_layer("probabilities")
    output.set_weights([weights / temperature for weights in output.get_weights()])


def fit(
    model: keras.Model, train: tuple[np.ndarray, np.ndarray], val: tuple[np.ndarray, np.ndarray], params: Train
) -> dict[str, list[float]]:
    """Train with early stopping on ``val`` and put the best weights back.

    Args:
        model: as from ``build``.
        train: frames (clips, time, columns) and labels (clips,), indices into ``EMOTIONS``.
        val: the same for the validation part.
        params: section ``train`` of ``params.yaml``.

    Returns:
        A value per epoch of ``loss``, ``val_loss``, ``accuracy`` and ``val_accuracy``.
    """
    optimizer = keras.optimizers.get({"class_name": params.optimizer, "config": {"learning_rate": params.lr}})
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = keras.callbacks.EarlyStopping("val_loss", patience=params.patience, restore_best_weights=True)
    history = model.fit(
        *train, batch_size=params.batch_size, epochs=params.epochs, validation_data=val,
        class_weight=class_weights(train[1], params), callbacks=[stop, OneLinePerEpoch()], verbose=0,
    )  # fmt: skip
    return {name: history.history[name] for name in ("loss", "val_loss", "accuracy", "val_accuracy")}


def class_weights(labels: np.ndarray, params: Train) -> dict[int, float] | None:
    """Weights that let every emotion count the same in the loss: clips / (emotions * clips of the emotion)."""
    if params.class_weights == "none":
        return None
    present, counts = np.unique(labels, return_counts=True)
    return {int(label): len(labels) / (len(present) * count) for label, count in zip(present, counts, strict=True)}


class OneLinePerEpoch(keras.callbacks.Callback):
    """Progress that reads well in a terminal and in a log file."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Print one line."""
        logs = logs or {}
        print(
            f"epoch {epoch + 1:3}/{self.params['epochs']}  loss {logs['loss']:.4f}  val_loss {logs['val_loss']:.4f}  "
            f"accuracy {logs['accuracy']:.4f}  val_accuracy {logs['val_accuracy']:.4f}",
            flush=True,
        )
