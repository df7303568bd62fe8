"""Train the LSTM under one protocol: ``models/<protocol>/`` and ``plots/<protocol>/history.csv``.

Beside the model, a control of the same shape is trained on shuffled labels: what that one gets right on the test
part is chance, or a leak. The expert is left out of it: its labels are those of other corpora, and in order.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ser import EMOTIONS, artifact, confidence, errors, expert, manifest, model, params, shards
from ser.features import column_indices, filters
from ser.files import replacing
from stages.paths import FEATURES, MANIFEST, MODELS, PLOTS, SPLITS


def load_part(table: pd.DataFrame, part: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Frames (one array per clip) and labels (clips,) of one part."""
    rows = table[table.part == part]
    return shards.read(FEATURES, rows["clip"]), rows.emotion.map(EMOTIONS.index).to_numpy()


def calibrate(
    network: model.keras.Model, history: dict[str, list[float]], settings: params.Train,
    val: tuple[list[np.ndarray], np.ndarray], reference: confidence.Reference,
) -> dict[str, Any]:  # fmt: skip
    """Calibrate the network on the validation part.

    Args:
        network: trained; its temperature is set.
        history: of its training.
        settings: it was trained with.
        val: clips, (frames, columns) each, and labels (clips,).
        reference: where the training clips lie.

    Returns:
        What that part says of it, as ``artifact.Description`` has it.
    """
    clips, labels = val
    padded = model.pad(clips)
    answers = network.predict(padded, verbose=0)
    right = answers[np.arange(len(labels)), labels]
    metrics = {"val_loss": round(float(-np.log(np.maximum(right, 1e-7)).mean()), 6),
               "val_accuracy": round(float((answers.argmax(axis=1) == labels).mean()), 6)}  # fmt: skip
    metrics |= dict(zip(("first_epoch", "last_epoch"), model.selected_epochs(history, settings), strict=True))
    temperature = confidence.fit_temperature(answers, labels)
    model.calibrate(network, temperature)
    distance, probability = confidence.limits(reference, clips, network.predict(padded, verbose=0))
    return {
        "metrics": metrics,
        "temperature": temperature,
        "max_distance": distance,
        "min_probability": probability,
    }


def export(
    network: model.keras.Model, settings: params.Train, path: Path, about: dict[str, Any],
    reference: confidence.Reference,
) -> None:  # fmt: skip
    """Write a calibrated network with all that is known of it.

    Args:
        network: trained.
        settings: it was trained with.
        path: of the ``.onnx`` file.
        about: the fields of ``artifact.Description``.
        reference: where the training clips lie.
    """
    features = params.Features(**about["features"])
    one_length = model.portable(network, column_indices(features, settings.use), settings, padded=False)
    artifact.save(one_length, path, artifact.Description(**about), filters(features), reference)


def main() -> None:
    parser = errors.parser(__doc__)
    parser.add_argument("protocol", help="a column of data/splits.csv, such as word")
    protocol = parser.parse_args().protocol
    settings, feature_settings = params.load("train"), params.load("features")

    table = manifest.with_part(MANIFEST, SPLITS, protocol)
    clips, labels = load_part(table, "train")
    val = load_part(table, "val")
    padded = model.pad(val[0]), val[1]
    reference = confidence.fit_reference(clips)
    tested = table[table.part == "test"].corpus.unique().tolist()
    fitted = expert.load(feature_settings, tested) if settings.expert else None
    about = {
        "labels": list(EMOTIONS), "features": asdict(feature_settings), "sample_rate": feature_settings.sample_rate,
        "corpus": manifest.title(table), "protocol": protocol, "revision": artifact.revision(),
    }  # fmt: skip

    with replacing(MODELS / protocol) as folder:
        layer, fitted_to = (fitted.layer(clips), fitted.corpora) if fitted else (None, [])
        network, history = model.train(clips, labels, padded, feature_settings, settings, layer)
        about |= {"expert": fitted_to} | calibrate(network, history, settings, val, reference)
        export(network, settings, folder / "model.onnx", about, reference)
        columns = column_indices(feature_settings, settings.use)
        model.portable(network, columns, settings, padded=True).save(folder / "model.keras")

        print(f"control: the same with shuffled labels, {settings.control_epochs} epochs")
        random = np.random.default_rng(settings.seed)
        shuffled, shuffled_val = random.permutation(labels), random.permutation(val[1])  # val may choose the epoch
        briefly = replace(settings, epochs=settings.control_epochs)
        control, control_history = model.train(clips, shuffled, (padded[0], shuffled_val), feature_settings, briefly)
        about |= {"expert": []} | calibrate(control, control_history, briefly, val, reference)
        export(control, briefly, folder / "control.onnx", about, reference)

    (PLOTS / protocol).mkdir(parents=True, exist_ok=True)
    pd.DataFrame(history).rename_axis("epoch").rename(index=lambda epoch: epoch + 1).round(6).to_csv(
        PLOTS / protocol / "history.csv"
    )


if __name__ == "__main__":
    errors.run(main)
