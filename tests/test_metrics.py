"""Metrics, on inputs that a person can work out by hand."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ser import EMOTIONS, metrics
from ser.errors import UserError
from stages import evaluate, summarise
from tools import report


def one_hot(labels: list[int], confidence: float = 1.0) -> np.ndarray:
    """Answers that give ``confidence`` to a label and share the rest out evenly."""
    answers = np.full((len(labels), 7), (1 - confidence) / 6)
    answers[np.arange(len(labels)), labels] = confidence
    return answers


def test_figures_by_hand() -> None:
    # anger: 3 of 4 right; disgust: 1 of 2; nothing else occurs.
    figures = metrics.evaluate(np.array([0, 0, 0, 0, 1, 1]), one_hot([0, 0, 0, 1, 1, 0]))
    assert figures["accuracy"] == pytest.approx(4 / 6, abs=1e-6)
    assert figures["uar"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert figures["recall"] == {"anger": 0.75, "disgust": 0.5}
    # F1 = 2 TP / (2 TP + FP + FN): anger 6 / (6 + 1 + 1), disgust 2 / (2 + 1 + 1).
    assert figures["macro_f1"] == pytest.approx((6 / 8 + 2 / 4) / 2)
    assert figures["n_test"] == 6


def test_length_matched_by_hand() -> None:
    # Around 1.0 s: two of anger, one right, and one of disgust, right; around 2.0 s: two of fear, alone; around 3.0 s:
    # one of anger, one of disgust, one of fear, all taken for fear.
    seconds = np.array([1.01, 1.02, 1.09, 2.0, 2.0, 3.0, 3.0, 3.0])
    actual, predicted = np.array([0, 0, 1, 2, 2, 0, 1, 2]), np.array([0, 1, 1, 2, 2, 2, 2, 2])
    figures = metrics.length_matched(actual, predicted, seconds)
    assert figures["accuracy"] == pytest.approx((0.5 + 1 + 1) / 5) and figures["chance"] == pytest.approx(2 / 5)
    assert metrics.length_matched(np.array([0, 1]), np.array([0, 1]), np.array([1.0, 2.0])) == {}


def test_length_alone_is_chance_where_lengths_are_matched() -> None:
    """Who knows the likeliest emotion of every length, and nothing else."""
    random = np.random.default_rng(0)
    actual = np.repeat(np.arange(7), 3000)
    seconds = random.normal(1 + actual / 4, 0.3)
    bins = (seconds / metrics.MATCHED).astype(int)
    likeliest = {place: np.bincount(actual[bins == place]).argmax() for place in np.unique(bins)}
    predicted = np.array([likeliest[place] for place in bins])
    assert (predicted == actual).mean() > 0.3
    figures = metrics.length_matched(actual, predicted, seconds)
    assert figures["accuracy"] == pytest.approx(figures["chance"])


def test_perfect_answers() -> None:
    labels = np.arange(7)
    figures = metrics.evaluate(labels, one_hot(list(labels)))
    assert figures["accuracy"] == figures["uar"] == figures["macro_f1"] == figures["accuracy_low"] == 1.0
    assert figures["ece"] == pytest.approx(0)
    assert list(figures["recall"]) == list(EMOTIONS)


def test_log_loss_by_hand() -> None:
    figures = metrics.evaluate(np.array([0, 1]), one_hot([0, 0], confidence=0.7))
    assert figures["log_loss"] == pytest.approx(-(math.log(0.7) + math.log(0.05)) / 2, abs=1e-5)


def test_calibration_by_hand() -> None:
    # Confidence 0.8 four times, three right; 0.4 twice, none right.
    answers = np.concatenate([one_hot([0, 0, 0, 1], 0.8), one_hot([1, 1], 0.4)])
    actual = np.zeros(6, int)
    assert metrics.calibration(actual, answers) == [
        pytest.approx((0.4, 0.0, 2)),
        pytest.approx((0.8, 0.75, 4)),
    ]
    assert metrics.expected_calibration_error(actual, answers) == pytest.approx((2 * 0.4 + 4 * 0.05) / 6)


def test_the_interval_covers_the_accuracy_at_the_rate_it_claims() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        low, high = metrics.accuracy_interval(rng.random(400) < 0.7, seed=1)
        covered += low <= 0.7 <= high
    assert 0.89 <= covered / 200 <= 1.0


def test_the_interval_shrinks_with_the_clips() -> None:
    few = metrics.accuracy_interval(np.array([True, False] * 20), seed=0)
    many = metrics.accuracy_interval(np.array([True, False] * 2000), seed=0)
    assert many[1] - many[0] < (few[1] - few[0]) / 5


def test_report_knows_every_emotion_that_occurs_in_order() -> None:
    everything = np.arange(len(EMOTIONS))
    assert list(metrics.report(everything, everything[::-1])) == list(EMOTIONS)
    report = metrics.report(np.array([6, 0, 0]), np.array([6, 0, 1]))
    assert list(report) == ["anger", "neutral"]
    assert report["anger"] == {"precision": 1.0, "recall": 0.5, "f1-score": pytest.approx(2 / 3), "support": 2.0}


def test_length_alone_is_judged_in_large_corpora_as_in_small_ones() -> None:
    """Above 10,000 clips, scikit-learn would hold some back, and fail where an emotion has a single clip."""
    train = pd.DataFrame({"duration": np.tile([1.0, 2.0], 5001), "emotion": ["fear", "anger"] * 5001})
    train.loc[0, "emotion"] = "sadness"
    test = pd.DataFrame({"duration": [1.0, 2.0], "emotion": ["fear", "anger"]})
    assert evaluate.duration_only(train, test) == 1


def test_what_has_no_run_to_speak_of_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summarise, "PREDICTIONS", tmp_path)
    with pytest.raises(UserError, match=r"random\.json: expected the figures of a run, found none; run `dvc repro`"):
        summarise.main()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"dvc\.lock: expected the record of a run, found none; run `dvc repro`"):
        report.changed_since_the_run(["word"])
