"""The network, readable in one sitting: choose columns, normalise, LSTM over the frames, pool over time, softmax.

Several LSTMs are members of it, and an expert (``ser/expert.py``) has its say before the softmax. No other module of
``ser`` but ``ser/lstm.py`` imports TensorFlow.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from ser import EMOTIONS, voice
from ser.errors import UserError
from ser.expert import UNIFORM
from ser.features import column_indices, column_names
from ser.params import Features, Train


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
    from keras import layers, ops

    from ser.lstm import FusedLSTM

# An operation of an LSTM is too small to share out: members run side by side instead. It also keeps sums in one order,
# however many cores there are.
tf.config.threading.set_intra_op_parallelism_threads(1)

# A frame that is this value in every column is padding. No feature comes near it (dB, cepstra and chroma stay
# within a few thousand), so a real frame is never taken for padding, as a silent one would be with 0.
PADDING = -1e6

PITCH = "prosody_f0_level"  # a clip's median pitch, the one column of absolute pitch


def make_deterministic(seed: int) -> None:
    """Same seed, same machine: the same weights, bit for bit."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def pad(clips: list[np.ndarray], length: int | None = None) -> np.ndarray:
    """Stack clips of (frames, columns) into one (clips, length, columns) array, filled up with PADDING."""
    batch = np.full((len(clips), length or max(map(len, clips)), clips[0].shape[1]), PADDING, np.float32)
    for row, frames in zip(batch, clips, strict=True):
        row[: len(frames)] = frames
    return batch


def build(
    mean: np.ndarray,
    std: np.ndarray,
    columns: list[int],
    params: Train,
    expert: tuple[np.ndarray, np.ndarray] | None = None,
    lstm_layer: type[layers.LSTM] = layers.LSTM,
    padded: bool = True,
) -> keras.Model:
    """Build the network.

    Args:
        mean: (columns,) mean of the training frames.
        std: (columns,) their standard deviation.
        columns: those that the LSTMs hear.
        params: section ``train`` of ``params.yaml``.
        expert: kernel and bias of ``Expert.layer``, never trained; its probabilities are multiplied by the members'.
        lstm_layer: class of its LSTMs; ``FusedLSTM``, of padded clips, trains faster, Keras' own can be saved.
        padded: padding is masked; otherwise, all clips of a batch have to be of one length.

    Returns:
        Model from ``frames`` (batch, time, columns) to ``probabilities`` (batch, emotions). Padding that is masked
        changes nothing, whatever its length. Several members, alike but for their initial weights, have their logits
        averaged (B. Lakshminarayanan et al., NeurIPS 2017, https://arxiv.org/abs/1612.01474): on an unseen
        speaker, each one errs in ways of its own.
    """
    frames = keras.Input((None, len(mean)), name="frames")  # (batch, time, columns)
    x = ops.take(frames, columns, axis=-1)  # (batch, time, columns used)
    if padded:
        x = layers.Masking(PADDING)(x)

    # Normalisation is part of the model: fitted on train alone, never trained, saved with the weights. (Keras'
    # Normalization holds constants, which its ONNX export loses.)
    normalise = layers.BatchNormalization(center=False, scale=False, epsilon=0, trainable=False, name="normalise")
    x = normalise(x)
    variance = np.square(np.maximum(std, voice.FLAT))
    normalise.set_weights([mean[columns], variance[columns]])

    member_logits = []
    for member in range(params.members):
        states = x
        for depth in range(params.layers):
            every_frame = depth < params.layers - 1 or params.pooling != "last"
            lstm = lstm_layer(params.units, return_sequences=every_frame, name=f"lstm_{member}_{depth}")
            # (batch, time, units or 2 units)
            states = layers.Bidirectional(lstm)(states) if params.bidirectional else lstm(states)
            states = layers.Dropout(params.dropout)(states)
        if params.pooling != "last":
            mean_state = layers.GlobalAveragePooling1D()  # over the clip's own frames
            mean_square = mean_state(layers.Multiply()([states, states]))
            states = mean_state(states)  # (batch, units or 2 units)
            if params.pooling == "statistics":
                deviation = ops.sqrt(ops.relu(mean_square - ops.square(states)) + 1e-5)
                states = layers.Concatenate()([states, deviation])  # twice as many
        member_logits.append(layers.Dense(len(EMOTIONS), name=f"logits_{member}")(states))  # (batch, emotions)
    members = layers.Identity(name="members")(ops.stack(member_logits, axis=1))  # (batch, members, emotions)
    logits = ops.mean(members, axis=1)  # (batch, emotions)
    if expert:
        linear = layers.Dense(len(EMOTIONS), activation="softmax", trainable=False, name="expert")
        logits += ops.log((1 - UNIFORM) * linear(clip_statistics(frames, padded)) + UNIFORM / len(EMOTIONS))
        linear.set_weights(list(expert))
    temperature = layers.Dense(
        len(EMOTIONS), use_bias=False, trainable=False, kernel_initializer="identity", name="temperature"
    )
    probabilities = layers.Softmax(name="probabilities")(temperature(logits))  # (batch, emotions)
    return keras.Model(frames, probabilities, name="speech_emotion")


def clip_statistics(frames: keras.KerasTensor, padded: bool) -> keras.KerasTensor:
    """``ser.expert.statistics`` of clips that may be padded: (batch, time, columns) -> (batch, 4 columns)."""
    first = frames[:, :, :1]
    mask = ops.cast(ops.not_equal(first, PADDING), "float32") if padded else ops.ones_like(first)  # (batch, time, 1)
    count = ops.sum(mask, axis=1)  # (batch, 1)
    mean = ops.sum(frames * mask, axis=1) / count  # (batch, columns)
    deviation = ops.sqrt(ops.sum(ops.square(frames - mean[:, None]) * mask, axis=1) / count)
    step = frames[:, 1:] - frames[:, :-1]
    change = ops.sum(ops.abs(step) * mask[:, 1:], axis=1) / ops.maximum(count - 1, 1)
    turn = ops.abs(step[:, 1:] - step[:, :-1])
    acceleration = ops.sum(turn * mask[:, 2:], axis=1) / ops.maximum(count - 2, 1)
    return ops.concatenate([mean, deviation, change, acceleration], axis=-1)


def heads(model: keras.Model) -> list[keras.Layer]:
    """Return the last layer of every member, from what it pooled to logits."""
    return [layer for layer in model.layers if layer.name.startswith("logits_")]


def calibrate(model: keras.Model, temperature: float) -> None:
    """Divide the logits by a temperature, for good."""
    model.get_layer("temperature").set_weights([np.eye(len(EMOTIONS)) / temperature])


class AugmentedBatches:
    """Batches in a new order every epoch, each clip as if somebody else had spoken it.

    Every column of a clip is scaled and shifted as a whole by random amounts, drawn anew each time: where a voice lies
    and how far it moves is left uncertain, how it moves is kept (after X. Li et al., ICLR 2022,
    https://arxiv.org/abs/2202.03958, who do so to the statistics of hidden layers). Some speak faster, some slower.

    Args:
        clips: training clips, (frames, columns) each.
        labels: (clips,)
        mean: (columns,) mean of the training frames.
        spread: (columns,) standard deviation of what a column is shifted by, as from ``spreads``.
        params: section ``train`` of ``params.yaml``.
    """

    def __init__(
        self, clips: list[np.ndarray], labels: np.ndarray, mean: np.ndarray, spread: np.ndarray, params: Train
    ) -> None:
        self.clips, self.labels, self.params = clips, labels, params
        self.mean, self.spread = mean.astype(np.float32), spread.astype(np.float32)
        # One length for all batches: TensorFlow compiles anew for each shape.
        self.length = int(np.ceil(max(map(len, clips)) * (1 + params.stretch)))
        self.random = np.random.default_rng(params.seed)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Deal one epoch: batches of (batch, length, columns) and (batch,)."""
        order = self.random.permutation(len(self.labels))
        for begin in range(0, len(order), self.params.batch_size):
            chosen = order[begin : begin + self.params.batch_size]
            yield pad([self.augment(self.clips[i]) for i in chosen], self.length), self.labels[chosen]

    def augment(self, frames: np.ndarray) -> np.ndarray:
        """Change a clip: (frames, columns) -> (frames more or less, columns)."""
        scale = 1 + self.params.scale * self.random.standard_normal(frames.shape[1], np.float32)
        shift = self.spread * self.random.standard_normal(frames.shape[1], np.float32)
        stretch = self.random.uniform(1 - self.params.stretch, 1 + self.params.stretch)
        if count := self.params.stretch and max(2, int(len(frames) * stretch)):
            place = np.linspace(0, len(frames) - 1, count, dtype=np.float32)
            before = np.minimum(place.astype(int), max(len(frames) - 2, 0))
            after, share = np.minimum(before + 1, len(frames) - 1), (place - before)[:, None]
            frames = frames[before] * (1 - share) + frames[after] * share
        return self.mean + (frames - self.mean) * scale + shift


def spreads(std: np.ndarray, features: Features, params: Train) -> np.ndarray:
    """Return the standard deviation of what each column is shifted by, from that of the training frames: (columns,).

    The level of pitch is shifted by more than the rest: in nothing that the LSTMs hear do speakers differ as much
    (``docs/unseen-speakers-trials.md``).
    """
    return std * [params.shift_pitch if name == PITCH else params.shift for name in column_names(features)]


def train(
    clips: list[np.ndarray],
    labels: np.ndarray,
    val: tuple[np.ndarray, np.ndarray],
    features: Features,
    params: Train,
    expert: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[keras.Model, dict[str, list[float]]]:
    """Build the network for some clips and fit it to them; ``params.seed`` decides all that is drawn.

    Args:
        clips: training clips, (frames, columns) each.
        labels: (clips,) indices into ``EMOTIONS``.
        val: as ``fit`` takes it.
        features: section ``features`` of ``params.yaml``.
        params: section ``train``.
        expert: as ``build`` takes it.

    Returns:
        The network, of ``FusedLSTM``, and its history (see ``fit``).

    Raises:
        UserError: a loss was not finite.
    """
    trained = voice.fit(clips)
    make_deterministic(params.seed)
    columns, spread = column_indices(features, params.use), spreads(trained.std, features, params)
    network = build(trained.mean, trained.std, columns, params, expert, FusedLSTM)
    history = fit(network, AugmentedBatches(clips, labels, trained.mean, spread, params), val, params)
    return network, history


def portable(network: keras.Model, columns: list[int], params: Train, padded: bool) -> keras.Model:
    """Make a network of Keras' own layers, to save or to export, of one that was trained.

    Args:
        network: as from ``train``.
        columns: as it was built with.
        params: likewise.
        padded: whether padding is masked. Not in an ONNX file: without masks, an LSTM is one operation there, with
            masks a loop over the frames, which takes about ten times as long (``benchmarks/predict.py``).

    Returns:
        A network with the same weights, temperature included, that changes no more when the other one does.
    """
    kept = {layer.name: layer.get_weights() for layer in network.layers}
    nothing = np.zeros(network.input_shape[-1])  # set_weights replaces it
    expert = tuple(kept["expert"]) if "expert" in kept else None
    own = build(nothing, nothing, columns, params, expert, padded=padded)
    own.set_weights(network.get_weights())
    return own


def fit(
    model: keras.Model, train: AugmentedBatches, val: tuple[np.ndarray, np.ndarray], params: Train
) -> dict[str, list[float]]:
    """Train, and put the mean of the last epochs' weights in place, or those of the epoch with the best ``val_loss``.

    The mean lies in a flatter place of the loss, which suits voices that were not trained on (J. Cha et al., NeurIPS
    2021, https://arxiv.org/abs/2102.08604; with several members, D. Arpit et al., NeurIPS 2022,
    https://arxiv.org/abs/2110.10832). Where ``val`` has the training voice, its loss says little of others.

    Every member has a loss of its own: with a joint one, a member could rely on the others.

    Args:
        model: as from ``build``.
        train: the training part.
        val: frames (clips, time, columns) and labels (clips,), indices into ``EMOTIONS``.
        params: section ``train`` of ``params.yaml``.

    Returns:
        A value per epoch of ``loss`` and ``val_loss``, the mean of the members' losses, and of ``accuracy`` and
        ``val_accuracy``, of their mean logits: all before weights are averaged, and without the expert.

    Raises:
        UserError: a loss was not finite.
    """
    optimizer = keras.optimizers.get({"class_name": params.optimizer, "config": {"learning_rate": params.lr}})
    members = keras.Model(model.input, model.get_layer("members").output)  # the same weights
    members.compile(optimizer, loss=smoothed(params.label_smoothing), metrics=[accuracy])
    count, weighting = params.averaged(), class_weights(train.labels, params)
    history: dict[str, list[float]] = {name: [] for name in ("loss", "val_loss", "accuracy", "val_accuracy")}
    weights: list[list[np.ndarray]] = []
    # Batch by batch, not with Keras' fit: under its iterator, members of Keras' own LSTMs wait for each other in every
    # second epoch or so.
    for epoch in range(1, params.epochs + 1):
        learned = [
            (len(labels), members.train_on_batch(frames, labels, class_weight=weighting, return_dict=True))
            for frames, labels in train
        ]
        checked = members.evaluate(*val, batch_size=params.batch_size, verbose=0, return_dict=True)
        for name in ("loss", "accuracy"):
            sizes, values = zip(*((size, of_batch[name]) for size, of_batch in learned), strict=True)
            history[name].append(float(np.average(values, weights=sizes)))
            history[f"val_{name}"].append(float(checked[name]))
        figures = (f"{name} {course[-1]:.4f}" for name, course in history.items())
        print(f"epoch {epoch:3}/{params.epochs}", *figures, sep="  ", flush=True)
        if not np.isfinite([history["loss"][-1], history["val_loss"][-1]]).all():
            raise UserError(f"train.lr: expected finite losses, received {history['loss'][-1]} and "
                            f"{history['val_loss'][-1]} in epoch {epoch}: try less than {params.lr}")  # fmt: skip
        if count:
            if epoch > params.epochs - count:
                weights.append(members.get_weights())
        elif (best := selected_epochs(history, params)[1]) == epoch:
            weights = [members.get_weights()]
        elif epoch - best >= params.patience:
            break
    members.set_weights([np.mean(values, axis=0) for values in zip(*weights, strict=True)])
    return history


def selected_epochs(history: dict[str, list[float]], params: Train) -> tuple[int, int]:
    """Return the first and the last epoch, counted from 1, whose weights the network has after ``fit``."""
    if count := params.averaged():
        return params.epochs - count + 1, params.epochs
    best = int(np.argmin(history["val_loss"])) + 1
    return best, best


def smoothed(share: float) -> Callable:
    """Cross-entropy against targets of which ``share`` is spread over all emotions (C. Szegedy et al., CVPR 2016).

    The loss takes labels (batch,) and logits (batch, members, emotions), and gives the members' mean (batch,).
    """

    def loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        targets = ops.one_hot(ops.reshape(labels, (-1, 1)), len(EMOTIONS))  # (batch, 1, emotions)
        targets = targets * (1 - share) + share / len(EMOTIONS)
        return -ops.mean(ops.sum(targets * ops.log_softmax(logits), axis=-1), axis=-1)

    return loss


def accuracy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Where the members together are right: (batch,) and (batch, members, emotions) -> (batch,) of 0 and 1."""
    predicted = ops.argmax(ops.mean(logits, axis=1), axis=-1)
    return ops.cast(ops.equal(predicted, ops.cast(ops.reshape(labels, (-1,)), predicted.dtype)), "float32")


def class_weights(labels: np.ndarray, params: Train) -> dict[int, float] | None:
    """Weights that let every emotion count the same in the loss: clips / (emotions * clips of the emotion)."""
    if params.class_weights == "none":
        return None
    present, counts = np.unique(labels, return_counts=True)
    return {int(label): len(labels) / (len(present) * count) for label, count in zip(present, counts, strict=True)}
