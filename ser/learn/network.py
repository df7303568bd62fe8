"""The network, on one screen: normalise, convolve over time and mel bands, LSTM over the frames, pool, softmax.

A clip of 2 s has 62 frames of 131 columns: MFCC (40), chroma (12), mel (64), prosody (14), flux (1). All of them reach
the LSTM, the mel bands through the convolution, which finds the same pattern wherever a voice's formants lie.

To try another network, change what lies between ``x = ...`` and ``pooled``, and keep ``own``, which is 0 where a clip
is padded: docs/from-clip-to-emotion.md shows a GRU and a plain convolution. ``ser/learn/fitting.py`` refuses a network
that hears its padding.
"""

import contextlib
import os
from collections.abc import Iterator

import numpy as np

from ser import EMOTIONS
from ser.params import Train


@contextlib.contextmanager
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
    from keras import layers, ops

# A frame that is this value in every column is padding. No feature comes near it (dB, cepstra and chroma stay within a
# few thousand), so a real frame is never taken for padding, as a silent one would be with 0.
PADDING = -1e6


def build(names: list[str], mean: np.ndarray, std: np.ndarray, params: Train, padded: bool = True) -> keras.Model:
    """Build the network.

    Args:
        names: of the columns, as from ``ser.sound.features.column_names``.
        mean: (columns,) mean of the training frames.
        std: (columns,) their standard deviation, above 0.
        params: section ``train`` of ``params.yaml``.
        padded: clips may be padded with ``PADDING``. Otherwise all clips of a batch have one length: an LSTM without a
            mask is one operation in an ONNX file, with a mask a loop over the frames (``benchmarks/predict.py``).

    Returns:
        Model from ``frames`` (batch, time, columns) to ``probabilities`` (batch, emotions). Both kinds have the same
        weights, and padding changes nothing, whatever its length.
    """
    frames = keras.Input((None, len(names)), name="frames")  # (batch, time, columns)
    first = frames[:, :, :1]
    # 1 for a clip's own frames, 0 for padding: (batch, time, 1)
    own = ops.cast(ops.greater(first, PADDING / 2), "float32") if padded else ops.ones_like(first)

    # Fitted on train alone, never trained, saved with the weights. (Keras' Normalization holds constants, which its
    # ONNX export loses.)
    normalise = layers.BatchNormalization(center=False, scale=False, epsilon=0, trainable=False, name="normalise")
    x = normalise(frames) * own
    normalise.set_weights([mean, np.square(std)])

    # Beside each column, what of it is not the same all through the clip: the rest is the voice's and the microphone's
    # (cepstral mean normalisation, B. Atal, J. Acoust. Soc. Am. 55, 1974, doi:10.1121/1.1914702).
    moving = (x - mean_over_time(x, own)[:, None]) * own

    mel = _columns(names, "mel") if params.filters else []
    spectral = [i for i in _columns(names, "mfcc", "chroma", "mel") if i not in mel]
    prosodic = _columns(names, "prosody", "flux")
    heard = [ops.take(kind, columns, axis=-1) for kind, columns in ((moving, spectral), (x, prosodic)) if columns]
    if mel:
        bands = [ops.take(kind, mel, axis=-1) for kind in (x, moving)]
        image = ops.stack(bands, axis=-1)  # (batch, time, bands, 2)
        for filters in params.filters:
            image = layers.Conv2D(filters, 3, padding="same", use_bias=False)(image)
            image = layers.MaxPooling2D((1, 2), padding="same")(layers.BatchNormalization()(image))  # half the bands
            image = layers.ReLU()(image) * own[..., None]  # the next convolution must not see the padding
        heard.append(layers.Reshape((-1, image.shape[2] * image.shape[3]))(image))  # (batch, time, bands * filters)
    x = ops.concatenate(heard, axis=-1)  # (batch, time, 451)

    lstm = layers.Bidirectional(layers.LSTM(params.units, return_sequences=True), name="lstm")
    states = lstm(x, mask=ops.greater(own[:, :, 0], 0) if padded else None)  # (batch, time, 2 units)

    average = mean_over_time(states, own)  # (batch, 2 units)
    deviation = ops.sqrt(mean_over_time(ops.square(states - average[:, None]), own) + 1e-5)
    pooled = layers.Dropout(params.dropout)(ops.concatenate([average, deviation], axis=-1))  # (batch, 4 units)

    logits = layers.Dense(len(EMOTIONS), name="logits")(pooled)  # (batch, emotions)
    temperature = layers.Dense(
        len(EMOTIONS), use_bias=False, trainable=False, kernel_initializer="identity", name="temperature"
    )
    probabilities = layers.Softmax(name="probabilities")(temperature(logits))
    return keras.Model(frames, probabilities, name="speech_emotion")


def mean_over_time(values: keras.KerasTensor, own: keras.KerasTensor) -> keras.KerasTensor:
    """Mean over a clip's own frames: (batch, time, columns) -> (batch, columns)."""
    return ops.sum(values * own, axis=1) / ops.sum(own, axis=1)


def calibrate(model: keras.Model, temperature: float) -> None:
    """Divide the logits by a temperature, for good."""
    model.get_layer("temperature").set_weights([np.eye(len(EMOTIONS)) / temperature])


def _columns(names: list[str], *blocks: str) -> list[int]:
    """Where the columns of some blocks are."""
    return [i for i, name in enumerate(names) if name.split("_")[0] in blocks]
