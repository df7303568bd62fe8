"""Train the network under one protocol: ``models/<protocol>/`` and ``plots/<protocol>/history.csv``."""

from dataclasses import asdict

import numpy as np

from ser import EMOTIONS, errors, params
from ser.learn import confidence, fitting, modelfile, network, parts
from ser.sound.features import column_names, filters
from stages.paths import FEATURES, MODELS, PLOTS, SPLITS


def main() -> None:
    protocol = errors.protocol(__doc__)
    settings = params.load()
    table = parts.with_part(SPLITS, protocol)
    train, val = (parts.load_part(FEATURES, table, part) for part in ("train", "val"))
    folder, curves = MODELS / protocol, PLOTS / protocol / "history.csv"
    for place in (folder, curves.parent):
        place.mkdir(parents=True, exist_ok=True)

    names = column_names(settings.features)
    model, alone = fitting.fit(train, val, names, settings.train, curves)

    clips, labels = val
    answers = fitting.predict(model, clips, settings.train.batch_size)
    right = answers[np.arange(len(labels)), labels]
    temperature = confidence.fit_temperature(answers, labels)
    network.calibrate(model, temperature)
    alone.set_weights(model.get_weights())
    calibrated = fitting.predict(model, clips, settings.train.batch_size)
    reference = confidence.fit_reference(train[0])
    max_distance, min_probability = confidence.limits(reference, clips, calibrated)
    description = modelfile.Description(
        labels=list(EMOTIONS),
        features=asdict(settings.features),
        sample_rate=settings.features.sample_rate,
        corpus=parts.corpora(table),
        protocol=protocol,
        revision=modelfile.revision(),
        metrics={
            "val_loss": round(float(-np.log(np.maximum(right, 1e-7)).mean()), 6),
            "val_accuracy": round(float((answers.argmax(axis=1) == labels).mean()), 6),
        },
        temperature=temperature,
        max_distance=max_distance,
        min_probability=min_probability,
    )
    model.save(folder / "model.keras")
    modelfile.save(alone, folder / "model.onnx", description, filters(settings.features), reference)
    fitting.check_agreement(calibrated, modelfile.ModelFile(folder / "model.onnx").answers(clips))
    print(f"{description.corpus}, {protocol}: {model.count_params()} parameters, {description.metrics}")


if __name__ == "__main__":
    errors.run(main)
