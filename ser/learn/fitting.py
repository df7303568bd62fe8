"""Training: batches of clips of like length, augmented as they come, and Keras' ``fit``."""

import time
from pathlib import Path

import numpy as np

from ser.errors import UserError
from ser.learn import network  # first: it keeps TensorFlow's start-up notes off the terminal
from ser.learn.network import PADDING, keras
from ser.params import Train

import tensorflow as tf  # isort: skip

FLAT = 1e-3  # a column that never changes stays finite
BUCKETS = 8  # clips are padded to one of so many lengths: TensorFlow prepares each of them once
TOLERANCE = 1e-3  # of a probability, between the network in Keras and its ONNX file


def statistics(clips: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of every column over the frames of clips: (frames, columns) each -> (columns,)."""
    count = sum(map(len, clips))
    mean = sum(frames.sum(axis=0, dtype=np.float64) for frames in clips) / count
    variance = sum(np.square(frames - mean).sum(axis=0) for frames in clips) / count
    return mean.astype(np.float32), np.maximum(np.sqrt(variance), FLAT).astype(np.float32)


class Batches:
    """Clips of like length together, padded with ``PADDING``: (batch, time, columns) and labels (batch,).

    Args:
        clips: (frames, columns) each.
        labels: (clips,) indices into ``EMOTIONS``.
        size: clips per batch.
    """

    def __init__(self, clips: list[np.ndarray], labels: np.ndarray, size: int) -> None:
        lengths = np.array([len(frames) for frames in clips])
        # A clip belongs to the first bucket whose edge its length stays below; the last edge is above them all.
        edges = np.unique(np.quantile(lengths, np.linspace(0, 1, BUCKETS + 1)[1:], method="higher")) + 1
        in_bucket = np.bincount(np.digitize(lengths, edges), minlength=len(edges))
        self.count = int(np.ceil(in_bucket / size).sum())
        ragged = tf.RaggedTensor.from_row_lengths(np.concatenate(clips), lengths)
        sliced = tf.data.Dataset.from_tensor_slices((ragged, labels.astype(np.int64)))
        # A slice is a tensor that still calls itself ragged, which padding refuses.
        self.clips = sliced.map(lambda frames, label: (tf.identity(frames), label))
        self.total, self.edges, self.size = len(clips), edges.tolist(), size

    def in_order(self) -> tf.data.Dataset:
        """Every clip once, for evaluation."""
        return self._padded(self.clips).apply(tf.data.experimental.assert_cardinality(self.count)).prefetch(2)

    def augmented(self, names: list[str], mean: np.ndarray, std: np.ndarray, params: Train) -> tf.data.Dataset:
        """Every clip once, in a new order and as ``augment`` changes it, anew in each epoch."""
        shuffled = self.clips.shuffle(self.total, seed=params.seed, reshuffle_each_iteration=True)
        seeds = tf.data.Dataset.random(params.seed, rerandomize_each_iteration=True).batch(2)
        return (
            tf.data.Dataset.zip(self._padded(shuffled), seeds)
            .map(lambda batch, seed: (augment(batch[0], seed, names, mean, std, params), batch[1]))
            .apply(tf.data.experimental.assert_cardinality(self.count))
            .prefetch(2)
        )

    def _padded(self, clips: tf.data.Dataset) -> tf.data.Dataset:
        return clips.bucket_by_sequence_length(
            lambda frames, label: tf.shape(frames)[0], self.edges, [self.size] * (len(self.edges) + 1),
            padding_values=(tf.constant(PADDING, tf.float32), tf.constant(0, tf.int64)), pad_to_bucket_boundary=True,
        )  # fmt: skip


def augment(
    frames: tf.Tensor, seed: tf.Tensor, names: list[str], mean: np.ndarray, std: np.ndarray, params: Train
) -> tf.Tensor:
    """Change clips as if other people had spoken into other microphones, each clip in a way of its own.

    Every column is scaled and shifted as a whole by random amounts: where a voice lies and how far it moves is left
    uncertain, how it moves is kept (after X. Li et al., ICLR 2022, https://arxiv.org/abs/2202.03958, who do so to the
    statistics of hidden layers). Mel bands are stretched and moved, as a longer or shorter vocal tract does (N. Jaitly
    and G. Hinton, ICML 2013 workshop), and some bands and frames are masked (D. Park et al., Interspeech 2019,
    https://arxiv.org/abs/1904.08779).

    Args:
        frames: (batch, time, columns), padded with ``PADDING``.
        seed: (2,) integers; equal ones change equal batches in the same way.
        names: of the columns.
        mean: (columns,) mean of the training frames.
        std: (columns,) their standard deviation.
        params: section ``train`` of ``params.yaml``.

    Returns:
        As ``frames``; what is padding stays padding.
    """
    batch, time_steps = tf.shape(frames)[0], tf.shape(frames)[1]
    own = frames[:, :, :1] > PADDING / 2
    draws = iter(tf.unstack(tf.random.split(seed, 9)))

    def normal() -> tf.Tensor:
        return tf.random.stateless_normal((batch, 1, len(names)), next(draws))

    def uniform(low: float = 0.0) -> tf.Tensor:
        return tf.random.stateless_uniform((batch, 1), next(draws), low, 1.0)

    x = (frames - mean) / std  # the mean is 0, and a change of 1 is one standard deviation
    x = x * (1 + params.scale * normal()) + params.shift * normal()

    mel = [i for i, name in enumerate(names) if name.startswith("mel_")]
    if mel:
        bands = tf.gather(x, mel, axis=2)
        place = tf.range(len(mel), dtype=tf.float32)[None]
        centre, stretch = uniform() * len(mel), params.warp * uniform(-1.0)
        source = tf.clip_by_value(centre + (place - centre) * (1 + stretch), 0, len(mel) - 1)
        below = tf.minimum(tf.floor(source), len(mel) - 2)
        share, below = (source - below)[:, None], tf.cast(below, tf.int32)
        lower, upper = (tf.gather(bands, index, axis=2, batch_dims=1) for index in (below, below + 1))
        bands = lower * (1 - share) + upper * share
        bands = bands * _kept(len(mel), params.mask * uniform(), uniform())[:, None]
        bands = bands * _kept(time_steps, params.mask * uniform(), uniform())[:, :, None]
        x = tf.concat([x[:, :, : mel[0]], bands, x[:, :, mel[-1] + 1 :]], axis=2)
    return tf.where(own, x * std + mean, PADDING)


def _kept(size: tf.Tensor | int, share: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    """1, but 0 for a stretch of ``share`` of ``size`` places that begins at ``start`` of it: (batch, size)."""
    place = tf.range(size, dtype=tf.float32)[None] / tf.cast(size, tf.float32)
    return tf.cast((place < start) | (place >= start + share), tf.float32)


class Progress(keras.callbacks.CSVLogger):
    """A row of the table and a line on the terminal for every epoch, as it ends."""

    def __init__(self, path: Path, epochs: int) -> None:
        super().__init__(path)
        self.epochs, self.began = epochs, time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Take down an epoch, counted from 1."""
        super().on_epoch_end(epoch + 1, {name: round(value, 6) for name, value in (logs or {}).items()})
        left = (time.monotonic() - self.began) / (epoch + 1) * (self.epochs - epoch - 1)
        figures = "  ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items())
        print(f"epoch {epoch + 1:3}/{self.epochs}  {figures}  {left // 60:.0f}:{left % 60:02.0f} left", flush=True)


def fit(
    train: tuple[list[np.ndarray], np.ndarray],
    val: tuple[list[np.ndarray], np.ndarray],
    names: list[str],
    params: Train,
    curves: Path,
) -> tuple[keras.Model, keras.Model]:
    """Build the network and train it; ``params.seed`` decides all that is drawn.

    The learning rate rises and then falls to 0 (I. Loshchilov and F. Hutter, ICLR 2017,
    https://arxiv.org/abs/1608.03983), so that the last epoch is the one to keep and ``val`` chooses nothing.

    Args:
        train: clips, (frames, columns) each, and labels (clips,), indices into ``EMOTIONS``.
        val: likewise.
        names: of the columns.
        params: section ``train`` of ``params.yaml``.
        curves: CSV that gets a row per epoch.

    Returns:
        The trained network, for padded clips; and one for clips of one length, which takes over its weights once they
        are calibrated.

    Raises:
        UserError: a loss was not finite.
    """
    # Same seed, same machine: the same weights, bit for bit.
    keras.utils.set_random_seed(params.seed)
    tf.config.experimental.enable_op_determinism()
    mean, std = statistics(train[0])
    model = network.build(names, mean, std, params)
    logits = keras.Model(model.input, model.get_layer("logits").output)  # the same weights
    batches = Batches(*train, params.batch_size)
    steps = params.epochs * batches.count
    rate = keras.optimizers.schedules.CosineDecay(
        params.lr / 10, steps - steps // 5, warmup_target=params.lr, warmup_steps=steps // 5
    )
    logits.compile(
        keras.optimizers.AdamW(rate, weight_decay=params.weight_decay),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    history = logits.fit(
        batches.augmented(names, mean, std, params),
        validation_data=Batches(*val, params.batch_size).in_order(),
        epochs=params.epochs,
        shuffle=False,  # the batches are
        verbose=0,
        callbacks=[Progress(curves, params.epochs), keras.callbacks.TerminateOnNaN()],
    ).history
    if not np.isfinite([history["loss"][-1], history["val_loss"][-1]]).all():
        raise UserError(
            f"train.lr: expected finite losses, received {history['loss'][-1]} in epoch {len(history['loss'])}: "
            f"try less than {params.lr}"
        )
    alone = network.build(names, mean, std, params, padded=False)
    return model, alone


def pad(clips: list[np.ndarray]) -> np.ndarray:
    """Stack clips of (frames, columns) into one (clips, time, columns) array, filled up with ``PADDING``."""
    batch = np.full((len(clips), max(map(len, clips)), clips[0].shape[1]), PADDING, np.float32)
    for row, frames in zip(batch, clips, strict=True):
        row[: len(frames)] = frames
    return batch


def predict(model: keras.Model, clips: list[np.ndarray], batch_size: int) -> np.ndarray:
    """Answers of the network for padded clips: (clips, emotions)."""
    return model.predict(pad(clips), batch_size=batch_size, verbose=0)


def check_agreement(padded: np.ndarray, alone: np.ndarray) -> None:
    """Make sure that a clip gets the same answer in a padded batch of Keras and alone in the model file.

    Args:
        padded: (clips, emotions) of the network that was trained, clips padded.
        alone: (clips, emotions) of the file that is shipped, each clip by itself.

    Raises:
        UserError: they differ by more than ``TOLERANCE``.
    """
    if (difference := float(np.abs(padded - alone).max())) > TOLERANCE:
        share = float((padded.argmax(axis=1) == alone.argmax(axis=1)).mean())
        raise UserError(
            f"ser/learn/network.py: expected the same probabilities of padded clips and of each clip alone, received "
            f"differences of up to {difference:.3f} (the same emotion for {share:.0%} of the val clips): some layer "
            "hears the padding; multiply what it gets by `own`, or give it a mask"
        )
