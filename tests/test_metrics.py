"""Metrics, on inputs that a person can work out by hand."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ser import EMOTIONS
from ser.errors import UserError
from ser.judge import metrics
from stages import evaluate, summarise


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
    bins = metrics.calibration(actual, answers)
    assert list(bins.columns) == ["confidence", "accuracy", "clips"]
    np.testing.assert_allclose(bins, [(0.4, 0.0, 2), (0.8, 0.75, 4)])
    assert metrics.expected_calibration_error(actual, answers) == pytest.approx((2 * 0.4 + 4 * 0.05) / 6)
    assert metrics.evaluate(actual, answers)["ece"] == pytest.approx((2 * 0.4 + 4 * 0.05) / 6, abs=1e-6)


def test_a_bin_is_a_tenth_wide_and_the_last_one_holds_certainty() -> None:
    answers = np.concatenate([one_hot([0], confidence) for confidence in (0.41, 0.49, 0.51, 0.89, 0.91, 1.0)])
    bins = metrics.calibration(np.zeros(6, int), answers)
    assert bins.clips.tolist() == [2, 1, 1, 2]
    np.testing.assert_allclose(bins.confidence, [0.45, 0.51, 0.89, 0.955])


def test_risk_and_coverage_by_hand() -> None:
    # From the surest: right; then two of one confidence, one of them wrong; then wrong.
    answers = np.concatenate([one_hot([1], 0.6), one_hot([0], 0.9), one_hot([0], 0.8), one_hot([1], 0.8)])
    curve = metrics.risk_coverage(np.zeros(4, int), answers)
    np.testing.assert_allclose(curve.coverage, [1 / 4, 3 / 4, 4 / 4])
    np.testing.assert_allclose(curve.risk, [0, 1 / 3, 2 / 4])
    np.testing.assert_allclose(curve.confidence, [0.9, 0.8, 0.6])


def test_a_long_curve_keeps_its_ends_and_fits_a_screen() -> None:
    answers = np.concatenate([one_hot([0], confidence) for confidence in np.linspace(0.3, 0.9, 1000)])
    curve = metrics.risk_coverage(np.arange(1000) % 2, answers)
    assert len(curve) == metrics.POINTS == 200
    assert curve.coverage.is_monotonic_increasing and curve.coverage.iloc[[0, -1]].tolist() == [1 / 1000, 1]
    assert curve.risk.iloc[-1] == 0.5


def test_what_a_user_gets_by_hand() -> None:
    actual, answers = np.array([0, 1, 2, 3]), one_hot([0, 1, 1, 1])
    figures = metrics.if_answered(actual, answers, np.array([True, True, True, False]))
    assert figures == {"answered": 0.75, "right_if_answered": round(2 / 3, 6)}
    assert metrics.if_answered(actual[:3], answers[:3], np.array([True, False, True]))["answered"] == 0.666667
    assert metrics.if_answered(actual, answers, np.zeros(4, bool)) == {"answered": 0}


def test_probabilities_of_float32_may_miss_1() -> None:
    """They add up to 1 +- 1e-7; scikit-learn warns of it, and the log loss is that of what they mean."""
    answers = one_hot([0, 0], 0.7)
    figures = metrics.evaluate(np.array([0, 1]), (1.0001 * answers).astype(np.float32))
    assert figures["log_loss"] == pytest.approx(-(math.log(0.7) + math.log(0.05)) / 2, abs=1e-5)


def test_an_emotion_that_is_answered_but_does_not_occur_has_no_part_in_the_averages() -> None:
    figures = metrics.evaluate(np.array([0, 0]), one_hot([0, 3]))
    assert figures["uar"] == 0.5 and figures["macro_f1"] == pytest.approx(2 / 3, abs=1e-6)
    assert figures["recall"] == {"anger": 0.5}


def test_the_tables_of_the_plots_by_hand() -> None:
    tables = metrics.tables(np.array([6, 0, 0]), one_hot([6, 0, 1], 0.9))
    assert tables["confusion"].to_dict("list") == {
        "actual": ["neutral", "anger", "anger"], "predicted": ["neutral", "anger", "disgust"],
    }  # fmt: skip
    per_class = tables["per_class"].set_index("emotion")
    assert per_class.index.tolist() == ["anger", "neutral"]
    assert per_class.loc["anger"].to_dict() == {"precision": 1, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2}
    assert tables["reliability"].clips.tolist() == [3] and tables["risk_coverage"].coverage.tolist() == [1]
    # Disgust occurs and is never answered: of no answers none is right.
    assert metrics.tables(np.array([0, 1]), one_hot([0, 0]))["per_class"].precision.tolist() == [0.5, 0]
    everything = np.arange(len(EMOTIONS))
    per_class = metrics.tables(everything, one_hot(list(everything[::-1])))["per_class"]
    assert per_class.emotion.tolist() == list(EMOTIONS)


def test_a_summary_has_a_name_for_every_figure() -> None:
    results = [
        {"corpus": "tess", "protocol": name, "accuracy": accuracy, "uar": accuracy / 2}
        for name, accuracy in {"word": 0.9, "speaker_a": 0.4, "speaker_b": 0.7, "speaker_c": 0.8}.items()
    ]
    assert metrics.summarise(results) == {
        "corpus": "tess", "word_accuracy": 0.9, "word_uar": 0.45, "speaker_a_accuracy": 0.4, "speaker_a_uar": 0.2,
        "speaker_b_accuracy": 0.7, "speaker_b_uar": 0.35, "speaker_c_accuracy": 0.8, "speaker_c_uar": 0.4,
        "speaker_mean_accuracy": 0.633333, "speaker_mean_uar": 0.316667,
    }  # fmt: skip
    assert "speaker_mean_accuracy" not in metrics.summarise(results[:2])
    assert "speaker_mean_accuracy" in metrics.summarise(results[:3])


def test_the_interval_by_hand() -> None:
    """Of 100 clips, 90 right: scipy.stats.binom(100, 0.9).ppf([0.025, 0.975]) is 84 and 95, the latter by a hair."""
    low, high = metrics.accuracy_interval(np.arange(100) < 90, seed=0, resamples=20_000)
    assert low == 0.84 and high in (0.95, 0.96)
    assert metrics.accuracy_interval(np.arange(9) < 5, seed=0) == metrics.accuracy_interval(np.arange(9) < 5, seed=0)


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


def test_length_alone_is_judged_in_large_corpora_as_in_small_ones() -> None:
    """Above 10,000 clips, scikit-learn would hold some back, and fail where an emotion has a single clip."""
    train = pd.DataFrame({"duration": np.tile([1.0, 2.0], 5001), "emotion": ["fear", "anger"] * 5001})
    train.loc[0, "emotion"] = "sadness"
    test = pd.DataFrame({"duration": [1.0, 2.0], "emotion": ["fear", "anger"]})
    assert evaluate.duration_only(train, test) == 1


def test_what_has_no_run_to_speak_of_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summarise, "PREDICTIONS", tmp_path)
    with pytest.raises(UserError, match=r"figures\.json: expected the figures of a run, found none; run `dvc repro`"):
        summarise.main()
