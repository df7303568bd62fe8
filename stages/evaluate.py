"""Test the exported model under one protocol. This is the only stage that touches the test part, and it does so once.

Writes ``metrics/<protocol>.json``, the tables and pictures of ``plots/<protocol>/``, and the answer to every test
clip, ``data/predictions/<protocol>.csv``. The figures stand in ``data/predictions/<protocol>.json``, too: stage
``summarise`` depends on that folder, since ``metrics/`` holds what it writes itself.
"""

import json

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import confusion_matrix
from tqdm import tqdm

from ser import EMOTIONS, errors, manifest, metrics, pictures, shards
from ser.artifact import Artifact
from stages.paths import FEATURES, MANIFEST, METRICS, MODELS, PLOTS, PREDICTIONS, SPLITS


def probabilities(model: Artifact, clips: list[np.ndarray]) -> np.ndarray:
    """Answers of the model, clip by clip, so that there is no padding: (clips, emotions)."""
    return np.concatenate([model.probabilities(frames[np.newaxis]) for frames in tqdm(clips, "testing", unit="clip")])


def duration_only(train: pd.DataFrame, test: pd.DataFrame) -> float:
    """Accuracy of a classifier that knows nothing of a clip but its length in seconds."""
    classifier = HistGradientBoostingClassifier(max_depth=3, max_iter=50, early_stopping=False, random_state=0)
    return classifier.fit(train[["duration"]], train.emotion).score(test[["duration"]], test.emotion)


def main() -> None:
    parser = errors.parser(__doc__)
    parser.add_argument("protocol", help="a column of data/splits.csv, such as word")
    protocol = parser.parse_args().protocol

    table = manifest.with_part(MANIFEST, SPLITS, protocol)
    corpus = manifest.title(table)
    trained_on, test = table[table.part != "test"], table[table.part == "test"].reset_index(drop=True)
    clips = shards.read(FEATURES, test["clip"])
    actual = test.emotion.map(EMOTIONS.index).to_numpy()
    model = Artifact(MODELS / protocol / "model.onnx")
    answers = probabilities(model, clips)
    control = probabilities(Artifact(MODELS / protocol / "control.onnx"), clips)

    controls = {
        "duration_only": round(duration_only(trained_on, test), 6),
        "shuffled_labels": round(float((control.argmax(axis=1) == actual).mean()), 6),
    }
    # Of the network's input, without the silence at both ends.
    hop = model.description.features["hop_length"] / model.description.sample_rate
    seconds = np.array([len(frames) for frames in clips]) * hop
    matched = metrics.length_matched(actual, answers.argmax(axis=1), seconds)
    figures = {"corpus": corpus, "protocol": protocol, **metrics.evaluate(actual, answers), "control": controls}
    figures |= {"length_matched": matched}
    for folder in (METRICS, PREDICTIONS):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{protocol}.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    write_tables(protocol, test, actual, answers)
    epochs = int(model.description.metrics["first_epoch"]), int(model.description.metrics["last_epoch"])
    draw(protocol, corpus, figures, epochs, actual, answers)
    print(
        f"{corpus}, {protocol}: accuracy {figures['accuracy']:.4f} "
        f"({figures['accuracy_low']:.4f} to {figures['accuracy_high']:.4f}), UAR {figures['uar']:.4f}, "
        f"{len(test)} clips; clip length alone {controls['duration_only']:.4f}, "
        f"shuffled labels {controls['shuffled_labels']:.4f}"
    )


def write_tables(protocol: str, test: pd.DataFrame, actual: np.ndarray, answers: np.ndarray) -> None:
    """The CSVs behind the plots, every answer, and the clips that were misheard, the most confident mistake first."""
    folder = PLOTS / protocol
    predicted = answers.argmax(axis=1)
    result = test[["clip", "speaker", "text"]].assign(
        actual=test.emotion, predicted=[EMOTIONS[i] for i in predicted], confidence=answers.max(axis=1).round(4)
    )
    result[["actual", "predicted"]].to_csv(folder / "confusion.csv", index=False)
    misheard = result[result.actual != result.predicted].sort_values(["confidence", "clip"], ascending=[False, True])
    misheard.to_csv(folder / "misheard.csv", index=False)

    per_class = pd.DataFrame(metrics.report(actual, predicted)).T.rename(columns={"f1-score": "f1"})
    per_class.rename_axis("emotion").astype({"support": int}).round(6).to_csv(folder / "per_class.csv")
    bins = pd.DataFrame(metrics.calibration(actual, answers), columns=["confidence", "accuracy", "clips"])
    bins.round(6).to_csv(folder / "reliability.csv", index=False)

    columns = pd.DataFrame(answers.astype(np.float64).round(6), columns=list(EMOTIONS))
    result.drop(columns="confidence").join(columns).to_csv(PREDICTIONS / f"{protocol}.csv", index=False)


def draw(
    protocol: str, corpus: str, figures: dict, epochs: tuple[int, int], actual: np.ndarray, answers: np.ndarray
) -> None:
    """The pictures of ``plots/<protocol>/``."""
    folder, title = PLOTS / protocol, f"{pictures.corpus_title(corpus)} · {protocol}"
    pictures.history(pd.read_csv(folder / "history.csv"), epochs, title, folder / "history.png")
    matrix = confusion_matrix(actual, answers.argmax(axis=1), labels=np.arange(len(EMOTIONS)))
    result = f"{title} · accuracy {figures['accuracy']:.1%}, {len(actual)} clips"
    pictures.confusion(matrix, result, folder / "confusion.png")
    pictures.reliability(
        pd.read_csv(folder / "reliability.csv"), f"{title} · ECE {figures['ece']:.3f}", folder / "reliability.png"
    )


if __name__ == "__main__":
    errors.run(main)
