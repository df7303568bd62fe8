"""The model file: an ONNX network with its own description inside. A prediction needs this file and nothing else.

Input ``frames`` (batch, time, columns) float32: clips of one length, without padding, which would be heard; output
``probabilities`` (batch, emotions). Normalisation is part of the network. The metadata (ONNX ``metadata_props``,
strings) holds what a program needs to feed it: ``description``, a JSON object with the fields of ``Description``;
``filters``, the constants of the features, and ``reference``, where the training clips lie, each as a base64-coded npz.
"""

import base64
import io
import json
import subprocess
import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import onnxruntime

from ser import params
from ser.errors import UserError
from ser.learn.confidence import Reference
from ser.sound.features import Filters

if TYPE_CHECKING:  # a prediction never imports TensorFlow
    import keras

# What decides over a model, besides the data that dvc.lock names.
CODE = ("dvc.yaml", "params.yaml", "ser", "stages")
Arrays = TypeVar("Arrays", Filters, Reference)


@dataclass(frozen=True)
class Description:
    """What a model file says of itself.

    Attributes:
        labels: emotion of each output column.
        features: section ``features`` of the params it was trained with.
        sample_rate: Hz, as in ``features``.
        corpus: what it was trained on.
        protocol: how the clips were split.
        revision: git revision of the code, with ``-dirty`` where code or params differed.
        metrics: ``val_loss`` and ``val_accuracy``; of a released model, figures on the test part, too
            (``test_accuracy`` and the like).
        temperature: what the logits were divided by to calibrate the probabilities; it is part of the network.
        max_distance: a clip farther than this from the training clips is not answered.
        min_probability: neither is one whose likeliest emotion has less than this.
    """

    labels: list[str]
    features: dict[str, Any]
    sample_rate: int
    corpus: str
    protocol: str
    revision: str
    metrics: dict[str, float]
    temperature: float
    max_distance: float
    min_probability: float


class ModelFile:
    """A model file, opened with ONNX Runtime.

    Args:
        path: model file that ``save`` wrote.

    Raises:
        UserError: the file is missing, is not ONNX, or does not describe itself.
    """

    def __init__(self, path: Path | str) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # One clip is too little work to share out; several clips at once are spread over threads by the caller.
        options.intra_op_num_threads = 1
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            metadata = self.session.get_modelmeta().custom_metadata_map
            self.description = Description(**json.loads(metadata["description"]))
            self.filters = _unpack(metadata["filters"], Filters)
            self.reference = _unpack(metadata["reference"], Reference)
        # ONNX Runtime's errors share no base class but Exception; each of them means the same to a user.
        except Exception as error:
            reason = "no such file" if not Path(path).exists() else " ".join(str(error).split())[:200]
            raise UserError(
                f"{path}: expected a model file that this project wrote (`dvc repro` trains some), received: {reason}"
            ) from error
        self.features: params.Features = params.check(params.Features, self.description.features, str(path))

    def probabilities(self, frames: np.ndarray) -> np.ndarray:
        """Run the network: (batch, time, columns) float32 -> (batch, emotions)."""
        return self.session.run(None, {"frames": frames})[0]

    def answers(self, clips: Iterable[np.ndarray]) -> np.ndarray:
        """Run the network on each clip by itself, so that there is no padding: (clips, emotions)."""
        return np.concatenate([self.probabilities(frames[np.newaxis]) for frames in clips])


def save(model: "keras.Model", path: Path, description: Description, filters: Filters, reference: Reference) -> None:
    """Export a Keras model, name its input and output and put the description in.

    Args:
        model: from frames (batch, time, columns) to probabilities (batch, emotions); without masks, or it is slow.
        path: of the file to write.
        description: what it says of itself.
        filters: constants of its features.
        reference: where its training clips lie.
    """
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "model.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # Keras's, about NumPy's names
            # Without a signature, Keras asks for a model that has answered before.
            model.export(exported, format="onnx", verbose=False, input_signature=model.inputs)
        network = onnx.load(exported)
    _rename(network.graph, network.graph.input[0], "frames", ("batch", "time"))
    _rename(network.graph, network.graph.output[0], "probabilities", ("batch",))
    write(network, path, description, filters, reference)


def write(network: Any, path: Path, description: Description, filters: Filters, reference: Reference) -> None:
    """Write any ONNX network (``onnx.ModelProto``) from ``frames`` to ``probabilities`` as a model file.

    The other arguments are those of ``save``.

    Raises:
        onnx.checker.ValidationError: the network is none.
    """
    import onnx

    entries = {"filters": _pack(filters), "reference": _pack(reference)}
    entries["description"] = json.dumps(asdict(description))
    onnx.helper.set_model_props(network, entries)
    onnx.checker.check_model(network)
    path.write_bytes(network.SerializeToString(deterministic=True))


def revision() -> str:
    """Git revision of the code, ``-dirty`` where code or params differ; ``unknown`` outside a repository.

    Results are left out: a run rewrites metrics and plots, and would call itself dirty from its second model on.
    """
    try:
        commit = _git("rev-parse", "--short=12", "HEAD").strip()
        changes = _git("status", "--porcelain", "--", *CODE)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}-dirty" if changes else commit


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout


def _rename(graph: Any, value: Any, name: str, dynamic: tuple[str, ...]) -> None:
    """Rename an input or output of an ONNX graph everywhere it is used, and name its dynamic dimensions."""
    old, value.name = value.name, name
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [name if used == old else used for used in names]
    for dimension, label in zip(value.type.tensor_type.shape.dim, dynamic, strict=False):
        dimension.dim_param = label


def _pack(arrays: Filters | Reference) -> str:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **asdict(arrays))
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _unpack(text: str, kind: type[Arrays]) -> Arrays:
    with np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False) as arrays:
        return kind(**{entry.name: arrays[entry.name] for entry in fields(kind)})
