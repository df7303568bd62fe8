"""Keras' LSTM with its loop over the frames in one operation of TensorFlow: what the network is trained with.

Keras starts dozens of operations for every frame; with LSTMs as small as these, that takes nearly half of the time of
an epoch (``benchmarks/train.py``). Weights and results are those of ``keras.layers.LSTM``, up to rounding; trained
weights go back into that layer, which the ONNX export knows.
"""

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("ser")  # Bidirectional makes its two copies by name
class FusedLSTM(keras.layers.LSTM):
    """An LSTM over padded clips; padding follows a clip's own frames, and masks say where."""

    def inner_loop(
        self, sequences: tf.Tensor, initial_state: list[tf.Tensor], mask: tf.Tensor, training: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """Run over all frames, as Keras' ``RNN`` asks for it.

        Args:
            sequences: (batch, time, columns)
            initial_state: output and cell state before the first frame, (batch, units) each.
            mask: (batch, time), true for a clip's own frames.
            training: ignored: these layers have no dropout of their own.

        Returns:
            Output at the clip's end (batch, units); at every frame (batch, time, units), 0 where there is padding,
            from the last one to the first if ``go_backwards``; output and cell state at the clip's end.
        """
        lengths = tf.math.count_nonzero(mask, axis=1)
        own = tf.cast(mask[:, :, None], sequences.dtype)
        frames = tf.reverse_sequence(sequences, lengths, seq_axis=1) if self.go_backwards else sequences
        peephole = tf.zeros(self.units)  # none
        # Not BlockLSTMV2, whose gates lie as Keras' do: TensorFlow gives it the gradient of this one, whose don't.
        _, cells, _, _, _, _, outputs = tf.raw_ops.BlockLSTM(
            seq_len_max=tf.reduce_max(lengths),
            x=tf.transpose(frames, (1, 0, 2)),
            h_prev=initial_state[0],
            cs_prev=initial_state[1],
            w=_reordered(tf.concat([self.cell.kernel, self.cell.recurrent_kernel], axis=0)),
            b=_reordered(self.cell.bias),
            wci=peephole, wcf=peephole, wco=peephole, forget_bias=0, cell_clip=0,
        )  # fmt: skip
        outputs, cells = (tf.transpose(states, (1, 0, 2)) for states in (outputs, cells))
        output, cell = (tf.gather(states, lengths - 1, batch_dims=1) for states in (outputs, cells))
        every_frame = outputs * own
        if self.go_backwards:  # Keras has the padding first then
            every_frame = tf.reverse(tf.reverse_sequence(every_frame, lengths, seq_axis=1), axis=(1,))
        return output, every_frame, [output, cell]


def _reordered(gates: Any) -> tf.Tensor:
    """Gates from Keras' order (input, forget, cell, output) to that of BlockLSTM: input, cell, forget, output."""
    enter, forget, cell, leave = tf.split(gates, 4, axis=-1)
    return tf.concat([enter, cell, forget, leave], axis=-1)
