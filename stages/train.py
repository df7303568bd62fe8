"""Train the LSTM under one protocol: ``models/<protocol>/`` and ``plots/<protocol>/history.csv``.

Beside the model, a control of the same shape is trained on shuffled labels: what that one gets right on the test
part is chance, or a leak. The expert is left out of it: its labels are those of other corpora, and in order.
"""

import argparse
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ser import EMOTIONS, artifact, confidence, errors, expert, manifest, model, params, shards
from ser.features import column_indices, filters
from ser.files import replacing
from stages.paths import FEATURES, MANIFEST, MODELS, PLOTS, SPLITS


def load_part(table: pd.DataFrame, protocol: str, part: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Frames (one array per clip) and labels (clips,) of one part."""
    rows = table[table[protocol] == part]
    return shards.read(FEATURES, rows["clip"]), rows.emotion.map(EMOTIONS.index).to_numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocol", help="a column of data/splits.csv, such as word")
    protocol = parser.parse_args().protocol
    settings, feature_settings = params.load("train"), params.load("features")

    table = manifest.read(MANIFEST).merge(pd.read_csv(SPLITS), on="clip")
    clips, labels = load_part(table, protocol, "train")
    val_clips, val_labels = load_part(table, protocol, "val")
    every_frame = np.concatenate(clips)
    mean, std = every_frame.mean(axis=0, dtype=np.float64), every_frame.std(axis=0, dtype=np.float64)
    val = (model.pad(val_clips), val_labels)
    listen = column_indices(feature_settings, settings.use)

    reference = confidence.fit_reference(clips)
    tested = table[table[protocol] == "test"].corpus.unique()
    asked = expert.load(feature_settings, tested) if settings.expert else None
    opinion = asked.layer(clips) if asked else None

    def export(network: model.keras.Model, epochs: tuple[int, int], path: Path, fitted_to: list[str]) -> None:
        answers = network.predict(val[0], verbose=0)
        right = answers[np.arange(len(val_labels)), val_labels]
        metrics = {"val_loss": round(float(-np.log(np.maximum(right, 1e-7)).mean()), 6),
                   "val_accuracy": round(float((answers.argmax(axis=1) == val_labels).mean()), 6)}  # fmt: skip
        metrics |= dict(zip(("first_epoch", "last_epoch"), epochs, strict=True))  # whose weights it has
        temperature = confidence.fit_temperature(answers, val_labels)
        model.calibrate(network, temperature)
        distance, probability = confidence.limits(reference, val_clips, network.predict(val[0], verbose=0))
        description = artifact.Description(
            labels=list(EMOTIONS), features=asdict(feature_settings), sample_rate=feature_settings.sample_rate,
            corpus=manifest.title(table), protocol=protocol, revision=artifact.revision(), metrics=metrics,
            temperature=temperature, max_distance=distance, min_probability=probability, expert=fitted_to,
        )  # fmt: skip
        artifact.save(network, path, description, filters(feature_settings), reference)

    with replacing(MODELS / protocol) as folder:
        model.make_deterministic(settings.seed)
        network = model.build(mean, std, listen, settings, opinion)
        history = model.fit(network, model.Voices(clips, labels, mean, std, settings), val, settings)
        export(network, model.kept(history, settings), folder / "model.onnx", asked.corpora if asked else [])
        # The same layers without their loss, which is defined here: it loads wherever Keras is.
        model.keras.Model(network.inputs, network.outputs).save(folder / "model.keras")

        print(f"control: the same with shuffled labels, {settings.control_epochs} epochs")
        shuffled = np.random.default_rng(settings.seed).permutation(labels)
        model.make_deterministic(settings.seed)
        control, briefly = model.build(mean, std, listen, settings), replace(settings, epochs=settings.control_epochs)
        control_history = model.fit(control, model.Voices(clips, shuffled, mean, std, briefly), val, briefly)
        export(control, model.kept(control_history, briefly), folder / "control.onnx", [])

    (PLOTS / protocol).mkdir(parents=True, exist_ok=True)
    pd.DataFrame(history).rename_axis("epoch").rename(index=lambda epoch: epoch + 1).round(6).to_csv(
        PLOTS / protocol / "history.csv"
    )


if __name__ == "__main__":
    errors.run(main)
