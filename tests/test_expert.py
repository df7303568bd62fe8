"""The expert: statistics by hand, a fit that listens to what it should, and a place in the network."""

import os
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from sklearn.linear_model import LogisticRegression

from research.run import COPIES, corpus, without_kept_back
from ser import EMOTIONS, confidence, corpora, expert, model, params
from ser.errors import UserError
from ser.expert import Expert
from ser.features import column_names
from tests.test_model import CLIPS, FEATURES, LISTEN, MEAN, SETTINGS, STD, describe, exported, member_logits

SMALL = replace(FEATURES, use=["mfcc", "prosody"], n_mfcc=2)
COLUMNS = column_names(SMALL)
FIRST = COLUMNS.index("prosody_f0")  # and the six after it


def somewhere(offset: float, factor: float, seed: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """A speaker whose columns lie elsewhere; each emotion lifts one of them."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(7), 12)
    clips = [random.normal(size=(random.integers(10, 30), len(COLUMNS))) for _ in labels]
    for frames, label in zip(clips, labels, strict=True):
        frames[:, FIRST + label] += 2
    return [(frames * factor + offset).astype(np.float32) for frames in clips], labels, np.full(len(clips), seed)


def answer(made: Expert, clips: list[np.ndarray]) -> np.ndarray:
    kernel, bias = made.layer(clips)
    return np.array([expert.statistics(frames) for frames in clips]) @ kernel + bias


def test_statistics_by_hand() -> None:
    frames = np.array([[1, 0], [3, 0], [2, 6]], np.float32)
    mean, deviation, change, acceleration = expert.statistics(frames).reshape(4, 2)
    np.testing.assert_allclose(mean, [2, 2])
    np.testing.assert_allclose(deviation, [np.sqrt(2 / 3), np.sqrt(8)])
    np.testing.assert_allclose(change, [1.5, 3])
    np.testing.assert_allclose(acceleration, [3, 6])  # up by 2, down by 1; still, up by 6
    np.testing.assert_array_equal(expert.statistics(frames[:2]), [2, 0, 1, 0, 2, 0, 0, 0])  # two frames do not turn
    np.testing.assert_array_equal(expert.statistics(frames[:1]), [1, 0, 0, 0, 0, 0, 0, 0])  # a single one stands still
    names = expert.statistic_names(SMALL)
    assert names[0] == "mean mfcc_0" and names[-1].startswith("acceleration prosody_")
    assert len(names) == 4 * len(COLUMNS)


def test_its_layer_by_hand() -> None:
    """The mean of one column tells; the training clips have it at 1 and 5, so 1 is a z-score of -1."""
    weights = {f"mean {COLUMNS[FIRST]}": [2.0, 0, 0, 0, 0, 0, -1.0]}
    made = Expert(["other"], asdict(SMALL), weights, [0.5] * 7)
    clips = [np.full((4, len(COLUMNS)), level, np.float32) for level in (1, 5)]
    expected = np.outer([-1, 1], weights[f"mean {COLUMNS[FIRST]}"]) + 0.5
    np.testing.assert_allclose(answer(made, clips), expected)


def test_the_network_computes_the_same_statistics() -> None:
    clips = [*CLIPS, CLIPS[0][:1], CLIPS[0][:2]]
    frames = model.keras.Input((None, CLIPS[0].shape[1]))
    network = model.keras.Model(frames, model.clip_statistics(frames, padded=True))
    expected = np.array([expert.statistics(clip) for clip in clips])
    np.testing.assert_allclose(network.predict(model.pad(clips), verbose=0), expected, rtol=1e-4, atol=1e-4)


def test_a_corpus_is_understood_wherever_its_columns_lie() -> None:
    made = expert.fit({"one": somewhere(0, 1, 0), "other": somewhere(50, 4, 1)}, SMALL)
    clips, labels, _ = somewhere(-9, 0.5, 2)
    assert (answer(made, clips).argmax(axis=1) == labels).mean() > 0.9
    for label in range(7):
        strongest = max(made.weights, key=lambda name: made.weights[name][label])
        assert strongest == f"mean {COLUMNS[FIRST + label]}"
    assert not [name for name in made.weights if name.startswith("mean mfcc")]
    assert all(f"{kind} mfcc_1" in made.weights for kind in ("deviation", "change", "acceleration"))


def test_what_tells_speakers_apart_is_worth_less() -> None:
    """Two columns tell two emotions apart; one of them lies elsewhere for each of four speakers."""
    random = np.random.default_rng(0)
    labels, speakers = np.tile(np.arange(7), 48), np.repeat(np.arange(4), 84)
    clips = [random.normal(size=(20, len(COLUMNS))) for _ in labels]
    for frames, label, speaker in zip(clips, labels, speakers, strict=True):
        frames[:, FIRST : FIRST + 2] += label
        frames[:, FIRST] += 9 * speaker
    made = expert.fit({"one": (clips, labels, speakers)}, SMALL)
    shaky, steady = (np.ptp(made.weights[f"mean {COLUMNS[FIRST + i]}"]) for i in (0, 1))
    assert shaky < steady / 3
    unaware = expert.fit({"one": (clips, labels, np.zeros(len(labels)))}, SMALL)
    assert unaware != made


def test_each_corpus_counts_the_same_and_so_does_each_emotion() -> None:
    (clips, labels, speakers), other = somewhere(0, 1, 0), somewhere(50, 4, 1)
    once = expert.fit({"one": (clips, labels, speakers), "other": other}, SMALL)
    thrice = expert.fit({"one": (clips * 3, np.tile(labels, 3), np.tile(speakers, 3)), "other": other}, SMALL)
    for name, weights in once.weights.items():
        np.testing.assert_allclose(thrice.weights[name], weights, atol=5e-3)
    rare = np.flatnonzero((labels != 0) | (np.arange(len(labels)) < 3))
    few = expert.fit({"one": ([clips[i] for i in rare], labels[rare], speakers[rare]), "other": other}, SMALL)
    heard = answer(few, clips).argmax(axis=1)
    assert (heard[labels == 0] == 0).mean() > 0.9


def test_it_is_the_logistic_regression_of_scikit_learn_where_a_corpus_has_every_emotion() -> None:
    random = np.random.default_rng(0)
    scores, labels, shares = random.normal(size=(140, 5)), np.arange(140) % 7, random.random(140) / 70
    scores[np.arange(140), labels % 5] += 1
    kernel, bias = expert._regression(scores, labels, shares, np.zeros((140, 7), bool))
    theirs = LogisticRegression(C=1 / expert.RIDGE, tol=1e-8).fit(scores, labels, shares)
    np.testing.assert_allclose(kernel, theirs.coef_.T, atol=1e-4)
    np.testing.assert_allclose(bias, theirs.intercept_, atol=1e-4)
    scores[7, 2] = np.nan
    with pytest.raises(UserError, match="expert: expected a fit that converges"):
        expert._regression(scores, labels, shares, np.zeros((140, 7), bool))


def test_what_a_corpus_lacks_it_says_nothing_of() -> None:
    """By hand, without any statistic: one corpus has three emotions, equally often, another one the first two."""
    labels, shares = np.array([0, 1, 2, 0, 1]), np.array([1, 1, 1, 1.5, 1.5]) / 6
    absent = np.arange(3) > np.array([2, 2, 2, 1, 1])[:, np.newaxis]
    np.testing.assert_allclose(expert._regression(np.zeros((5, 0)), labels, shares, absent)[1], 0, atol=1e-5)
    everywhere = expert._regression(np.zeros((5, 0)), labels, shares, np.zeros((5, 3), bool))[1]
    np.testing.assert_allclose(everywhere[0] - everywhere[2], np.log(5 / 2), atol=1e-4)
    (clips, labels, speakers), surprise = somewhere(0, 1, 0), EMOTIONS.index("surprise")
    keep = np.flatnonzero(labels != surprise)
    less = [clips[i] for i in keep], labels[keep], speakers[keep]
    alone = expert.fit({"one": (clips, labels, speakers)}, SMALL)
    both = expert.fit({"one": (clips, labels, speakers), "other": less}, SMALL)
    assert both.bias[surprise] > alone.bias[surprise]  # below -0.5 if the other one counted against surprise


def test_every_emotion_is_needed() -> None:
    clips, labels, speakers = somewhere(0, 1, 0)
    keep = np.flatnonzero(labels != EMOTIONS.index("surprise"))
    with pytest.raises(UserError, match="emodb: expected clips of every emotion, received none of surprise"):
        expert.fit({"emodb": ([clips[i] for i in keep], labels[keep], speakers[keep])}, SMALL)


def test_it_comes_back_as_it_was_written(tmp_path: Path) -> None:
    made = expert.fit({"one": somewhere(0, 1, 0)}, SMALL)
    made.save(tmp_path / "expert.json")
    assert expert.load(SMALL, ["tess"], tmp_path / "expert.json") == made
    lines = (tmp_path / "expert.json").read_text(encoding="utf-8").splitlines()
    assert sum('"deviation mfcc_1"' in line and line.count(",") >= 6 for line in lines) == 1


def test_it_is_not_asked_of_what_it_knows_or_does_not_know(settings: params.Features) -> None:
    with pytest.raises(UserError) as caught:
        expert.load(settings, ["ravdess"])
    assert str(caught.value) == (
        f"train.expert: expected a tested corpus that {expert.EXPERT} was not fitted to, received ravdess; "
        "set train.expert to false (-S train.expert=false)"
    )
    with pytest.raises(UserError, match=r"n_mfcc: 40, received 20; set train\.expert to false .*research\.expert"):
        expert.load(replace(settings, n_mfcc=20), ["tess"])


def test_the_committed_expert_fits_the_committed_settings(settings: params.Features) -> None:
    made = expert.load(settings, ["tess", "synthetic", "folder"])
    assert set(made.corpora) == {"emodb", "ravdess"} and params.load("train").expert
    names = [name for name in expert.statistic_names(settings) if not name.startswith(expert.IDENTITY)]
    assert list(made.weights) == names


def has(name: str) -> bool:
    place = os.environ.get("SER_DATA_DIR")
    return bool(place) and any(Path(place).glob(f"{name}*"))


@pytest.mark.skipif(not (has("emodb") and has("ravdess_01-12")), reason="SER_DATA_DIR lacks EMO-DB or RAVDESS")
def test_the_committed_expert_is_what_its_corpora_say(tmp_path: Path, settings: params.Features) -> None:
    parts = {}
    committed = expert.load(settings, [])
    for name in committed.corpora:
        corpora.obtain_declared(name, tmp_path / name)
        part = without_kept_back(name, corpus(name, tmp_path / name, settings, COPIES))
        parts[name] = part.clips, part.labels, part.speakers
    made = expert.fit(parts, settings)
    assert made.weights.keys() == committed.weights.keys()
    for name, weights in committed.weights.items():
        np.testing.assert_allclose(made.weights[name], weights, atol=5e-3)


def test_it_has_a_say_in_the_network_and_is_never_trained(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    weights = {name: random.normal(size=7).tolist() for name in expert.statistic_names(FEATURES)}
    opinion = Expert(["elsewhere"], describe().features, weights, [0.5] * 7).layer(CLIPS)
    settings = replace(SETTINGS, members=2)
    model.make_deterministic(settings.seed)
    network = model.build(MEAN, STD, LISTEN, settings, opinion)
    model.fit(network, model.AugmentedBatches(CLIPS, np.arange(8) % 7, MEAN, STD, settings),
              (model.pad(CLIPS[:4]), np.arange(4)), settings)  # fmt: skip
    for after, before in zip(network.get_layer("expert").get_weights(), opinion, strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-6)
    logits = member_logits(network, CLIPS).mean(axis=1)
    said = np.array([expert.statistics(frames) for frames in CLIPS]) @ opinion[0] + opinion[1]
    logits += np.log((1 - expert.UNIFORM) * np.exp(confidence.log_softmax(said)) + expert.UNIFORM / len(EMOTIONS))
    expected = np.exp(confidence.log_softmax(logits))
    np.testing.assert_allclose(network.predict(model.pad(CLIPS), verbose=0), expected, atol=1e-4)
    model.calibrate(network, 2.0)
    cooler = np.exp(confidence.log_softmax(logits / 2))
    np.testing.assert_allclose(network.predict(model.pad(CLIPS), verbose=0), cooler, atol=1e-4)
    file = exported(network, settings, tmp_path / "model.onnx")
    kinds = {node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node}
    assert not kinds & {"Loop", "Equal", "NotEqual"}  # nothing looks for padding
    for clip in (*CLIPS, CLIPS[0][:1]):
        whole = network.predict(clip[None], verbose=0)
        np.testing.assert_allclose(file.probabilities(clip[None]), whole, atol=1e-4)
