"""Test the exported model under one protocol. This is the only stage that touches the test part, and it does so once.

Writes ``metrics/<protocol>.json``, the tables and pictures of ``plots/<protocol>/``, and the answer to every test
clip, ``data/predictions/<protocol>/clips.csv``. The figures stand beside them, too: stage ``summarise`` depends on that
folder, since ``metrics/`` holds what it writes itself.
"""

import json

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from tqdm import tqdm

from ser import EMOTIONS, errors
from ser.judge import metrics, pictures
from ser.learn import parts
from ser.learn.confidence import undecided, unlike
from ser.learn.modelfile import ModelFile
from stages.paths import FEATURES, METRICS, MODELS, PLOTS, PREDICTIONS, SPLITS


def duration_only(train: pd.DataFrame, test: pd.DataFrame) -> float:
    """Accuracy of a classifier that knows nothing of a clip but its length in seconds."""
    classifier = HistGradientBoostingClassifier(max_depth=3, max_iter=50, early_stopping=False, random_state=0)
    return float(classifier.fit(train[["duration"]], train.emotion).score(test[["duration"]], test.emotion))


def answered(model: ModelFile, clips: list[np.ndarray], probabilities: np.ndarray) -> np.ndarray:
    """Which clips a user of ``predict`` gets an emotion for: (clips,) booleans."""
    limits = model.description
    return np.array([
        not (unlike(model.reference.distance(frames), limits.max_distance) or undecided(one, limits.min_probability))
        for frames, one in zip(clips, probabilities, strict=True)
    ])  # fmt: skip


def main() -> None:
    protocol = errors.protocol(__doc__)
    table = parts.with_part(SPLITS, protocol)
    trained_on, test = table[table.part != "test"], table[table.part == "test"].reset_index(drop=True)
    clips, actual = parts.load_part(FEATURES, table, "test")
    model = ModelFile(MODELS / protocol / "model.onnx")
    probabilities = model.answers(tqdm(clips, "testing", unit="clip"))

    figures = {
        "corpus": parts.corpora(table),
        "protocol": protocol,
        **metrics.evaluate(actual, probabilities),
        **metrics.if_answered(actual, probabilities, answered(model, clips, probabilities)),
        "n_train": len(trained_on),
        "control": {"duration_only": round(duration_only(trained_on, test), 6)},
    }
    for path in (METRICS / f"{protocol}.json", PREDICTIONS / protocol / "figures.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    result = test[["clip", "speaker", "text"]].assign(
        actual=test.emotion, predicted=[EMOTIONS[i] for i in probabilities.argmax(axis=1)]
    )
    columns = pd.DataFrame(probabilities.astype(np.float64).round(6), columns=list(EMOTIONS))
    result.join(columns).to_csv(PREDICTIONS / protocol / "clips.csv", index=False)
    for name, rows in metrics.tables(actual, probabilities).items():
        rows.round(6).to_csv(PLOTS / protocol / f"{name}.csv", index=False)
    pictures.draw(PLOTS / protocol, figures)
    print(
        f"{figures['corpus']}, {protocol}: accuracy {figures['accuracy']:.4f} "
        f"({figures['accuracy_low']:.4f} to {figures['accuracy_high']:.4f}), UAR {figures['uar']:.4f}, {len(test)} "
        f"clips, {figures['answered']:.0%} answered; clip length alone {figures['control']['duration_only']:.4f}"
    )


if __name__ == "__main__":
    errors.run(main)
