"""A small model file for the tests of prediction, made in a second or two without TensorFlow.

Synthesised voices, and in place of the network a linear layer on the mean frame: what is tested is the way from a
recording to an answer, not how good the answer is.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ser import EMOTIONS, params
from ser.data import synthetic
from ser.learn import confidence, modelfile
from ser.sound import audio
from ser.sound.features import extract, filters

WORDS = 8


def make(folder: Path) -> Path:
    """Synthesise a corpus in ``folder``/clips, fit the model on most of it and write ``folder``/model.onnx."""
    settings = params.load().features
    synthetic.synthesise(folder / "clips", WORDS)
    paths = sorted((folder / "clips").rglob("*.wav"))
    labels = np.array([EMOTIONS.index(path.parent.name) for path in paths])
    frames = [extract(audio.resample(*audio.read(path), settings.sample_rate), settings) for path in paths]
    # Every fourth word, of which val is made, is not trained on.
    words = sorted({path.stem.split("_")[1] for path in paths})
    val = np.array([words.index(path.stem.split("_")[1]) % 4 == 0 for path in paths])

    means = np.array([clip.mean(axis=0) for clip in frames])
    centre, scale = means.mean(axis=0), np.maximum(means.std(axis=0), 1e-3)
    inputs = np.c_[(means - centre) / scale, np.ones(len(means))]
    # Ridge regression to +-4 in place of a trained softmax.
    targets = 8 * np.eye(len(EMOTIONS))[labels] - 4
    train = inputs[~val]
    weights = np.linalg.solve(train.T @ train + 3 * np.eye(train.shape[1]), train.T @ targets[~val])
    layer, bias = weights[:-1] / scale[:, None], weights[-1] - (centre / scale) @ weights[:-1]

    probabilities = np.exp(confidence.log_softmax(inputs @ weights))
    temperature = confidence.fit_temperature(probabilities[val], labels[val])
    calibrated = np.exp(confidence.log_softmax(inputs[val] @ weights / temperature))
    reference = confidence.fit_reference([clip for clip, held in zip(frames, val, strict=True) if not held])
    held_out = [clip for clip, held in zip(frames, val, strict=True) if held]
    distance, probability = confidence.limits(reference, held_out, calibrated)
    description = modelfile.Description(
        labels=list(EMOTIONS), features=asdict(settings), sample_rate=settings.sample_rate, corpus="synthetic",
        protocol="word", revision="test", metrics={"val_accuracy": float((calibrated.argmax(1) == labels[val]).mean())},
        temperature=temperature, max_distance=distance, min_probability=probability,
    )  # fmt: skip
    network = _network(layer / temperature, bias / temperature)
    modelfile.write(network, folder / "model.onnx", description, filters(settings), reference)
    return folder / "model.onnx"


def _network(layer: np.ndarray, bias: np.ndarray) -> onnx.ModelProto:
    nodes = [
        helper.make_node("ReduceMean", ["frames"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Gemm", ["mean", "layer", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    number = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "listener",
        [helper.make_tensor_value_info("frames", number, ["batch", "time", len(layer)])],
        [helper.make_tensor_value_info("probabilities", number, ["batch", len(bias)])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in [("layer", layer), ("bias", bias)]],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
