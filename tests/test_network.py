"""The network and its file: padding is invisible, ONNX equals Keras, equal seeds give equal weights."""

import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest

from ser import EMOTIONS, params
from ser.errors import UserError
from ser.learn import confidence, fitting, modelfile, network
from ser.learn.network import keras
from ser.sound.features import column_names, filters
from tests.conftest import ROOT

SETTINGS = params.load(ROOT / "params.yaml")
FEATURES = SETTINGS.features
SMALL = replace(SETTINGS.train, filters=[4, 4], units=6, epochs=2, batch_size=4)
NAMES = column_names(FEATURES)
RNG = np.random.default_rng(0)
CLIPS = [RNG.normal(-30, 20, (length, len(NAMES))).astype(np.float32) for length in (12, 20, 7, 31, 16, 9, 25, 18)]
LABELS = np.arange(8) % 7
MEAN, STD = fitting.statistics(CLIPS)
REFERENCE = confidence.fit_reference(CLIPS)


def trained(folder: Path, train: params.Train = SMALL, names: list[str] = NAMES) -> tuple[keras.Model, keras.Model]:
    clips = [clip[:, : len(names)] for clip in CLIPS]
    model, alone = fitting.fit((clips, LABELS), (clips[:4], LABELS[:4]), names, train, folder / "history.csv")
    alone.set_weights(model.get_weights())
    return model, alone


def describe() -> modelfile.Description:
    return modelfile.Description(
        labels=list(EMOTIONS), features=asdict(FEATURES), sample_rate=FEATURES.sample_rate, corpus="synthetic",
        protocol="word", revision="0123456789ab", metrics={"val_loss": 1.0},
        temperature=1.5, max_distance=2.0, min_probability=0.5,
    )  # fmt: skip


def exported(alone: keras.Model, path: Path) -> modelfile.ModelFile:
    modelfile.save(alone, path, describe(), filters(FEATURES), REFERENCE)
    return modelfile.ModelFile(path)


@pytest.mark.parametrize("blocks", [("mfcc", "chroma", "mel", "prosody", "flux"), ("mfcc",), ("mel",)])
@pytest.mark.parametrize("bands", [[4, 4], []])
def test_padding_changes_no_answer(blocks: tuple[str, ...], bands: list[int]) -> None:
    """Whatever the network reads, and however long the padding."""
    keras.utils.set_random_seed(1)
    names = [name for name in NAMES if name.startswith(tuple(f"{block}_" for block in blocks))]
    columns = [NAMES.index(name) for name in names]
    clips = [clip[:, columns] for clip in CLIPS]
    settings = replace(SMALL, filters=bands)
    padded, alone = (network.build(names, MEAN[columns], STD[columns], settings, padded=kind) for kind in (True, False))
    assert [weight.shape for weight in padded.weights] == [weight.shape for weight in alone.weights]
    alone.set_weights(padded.get_weights())
    expected = np.concatenate([alone.predict(clip[None], verbose=0) for clip in clips])
    assert len(np.unique(expected.round(6), axis=0)) == len(clips)  # it hears the clips
    received = fitting.predict(padded, [*clips, np.zeros((60, len(names)), np.float32)], 4)[:-1]
    np.testing.assert_allclose(received, expected, atol=1e-5)


def test_the_file_answers_as_what_was_trained(tmp_path: Path) -> None:
    model, alone = trained(tmp_path)
    expected = fitting.predict(model, CLIPS, 8)
    file = exported(alone, tmp_path / "model.onnx")
    np.testing.assert_allclose(file.answers(CLIPS), expected, atol=1e-5)  # time is dynamic
    together = np.stack([clip[:7] for clip in CLIPS])  # so is the batch
    np.testing.assert_allclose(file.probabilities(together), model.predict(together, verbose=0), atol=1e-5)
    # One operation for each direction, not loops, which take ten times as long.
    kinds = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert "LSTM" in kinds and "Loop" not in kinds
    # The Keras file needs nothing of this project.
    model.save(tmp_path / "model.keras")
    code = "import sys, keras; print(keras.models.load_model(sys.argv[1]).output_shape)"
    result = subprocess.run(
        ["python", "-c", code, "model.keras"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "(None, 7)"


def test_the_file_describes_itself(tmp_path: Path) -> None:
    loaded = exported(network.build(NAMES, MEAN, STD, SMALL, padded=False), tmp_path / "model.onnx")
    assert loaded.description == describe() and loaded.features == FEATURES
    for name, expected in asdict(filters(FEATURES)).items():
        np.testing.assert_array_equal(getattr(loaded.filters, name), expected)
    for name, expected in asdict(REFERENCE).items():
        np.testing.assert_array_equal(getattr(loaded.reference, name), expected)
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert [value.name for value in (*graph.input, *graph.output)] == ["frames", "probabilities"]
    assert [d.dim_param or d.dim_value for d in graph.input[0].type.tensor_type.shape.dim] == [
        "batch", "time", len(NAMES),
    ]  # fmt: skip


@pytest.mark.parametrize("content", [None, b"", b"not a model", b"\x08\x08"])
def test_what_is_no_model_file_is_one_line(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.onnx: expected a model file that this project wrote") as caught:
        modelfile.ModelFile(path)
    assert "\n" not in str(caught.value)


def test_a_network_of_known_weights_gives_the_answer_worked_out_by_hand() -> None:
    """One column, one unit: gates 1/2, cell tanh, worked out with NumPy."""
    settings = replace(SMALL, filters=[], units=1)
    model = network.build(["prosody_f0"], np.float32([10]), np.float32([2]), settings, padded=False)
    for layer in model.layers:
        weights = layer.get_weights()
        if layer.name == "lstm":  # kernel, recurrent kernel, bias of each direction; gates i f c o
            layer.set_weights([np.float32([[0, 0, 1, 0]]), np.zeros((1, 4)), np.zeros(4)] * 2)
        elif layer.name == "logits":
            kernel = np.zeros((4, 7))
            kernel[0, 0], kernel[2, 1] = 1, 1  # the mean of the forward states, and their deviation
            layer.set_weights([kernel, np.zeros(7)])
        elif layer.name == "normalise":
            np.testing.assert_allclose(weights, [[10], [4]])
    frames = np.float32([12, 8, 14])  # normalised: 1, -1, 2
    cells, states = 0.0, []
    for value in (1, -1, 2):
        cells = 0.5 * cells + 0.5 * np.tanh(value)
        states.append(0.5 * np.tanh(cells))
    logits = np.zeros(7)
    logits[:2] = np.mean(states), np.sqrt(np.var(states) + 1e-5)
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(model.predict(frames[None, :, None], verbose=0)[0], expected, atol=1e-6)
    network.calibrate(model, 0.5)
    expected = np.exp(2 * logits) / np.exp(2 * logits).sum()
    np.testing.assert_allclose(model.predict(frames[None, :, None], verbose=0)[0], expected, atol=1e-6)


def test_equal_seeds_give_equal_weights_and_others_do_not(tmp_path: Path) -> None:
    first, again, other = (trained(tmp_path, replace(SMALL, seed=seed))[0].get_weights() for seed in (1, 1, 2))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert any(np.abs(one - two).max() > 1e-4 for one, two in zip(first, other, strict=True))


def test_the_curves_grow_and_hold_what_keras_says(tmp_path: Path) -> None:
    trained(tmp_path, replace(SMALL, epochs=3))
    table = pd.read_csv(tmp_path / "history.csv")
    assert table.epoch.tolist() == [1, 2, 3]
    assert {"loss", "val_loss", "accuracy", "val_accuracy"} < set(table)
    progress = fitting.Progress(tmp_path / "growing.csv", 2)
    progress.set_model(keras.Sequential())
    progress.on_train_begin()
    progress.on_epoch_end(0, {"loss": 0.5, "val_loss": 0.25})
    assert pd.read_csv(tmp_path / "growing.csv").to_dict("records") == [{"epoch": 1, "loss": 0.5, "val_loss": 0.25}]


def test_it_learns_what_can_be_learnt(tmp_path: Path) -> None:
    """Two emotions that one column tells apart, in clips of all lengths."""
    labels = np.arange(40) % 2
    clips = [RNG.normal(0, 1, (5 + i, 3)).astype(np.float32) for i in range(40)]
    for clip, label in zip(clips, labels, strict=True):
        clip[:, 1] += 4 * label
    settings = replace(SMALL, epochs=12, lr=0.02, shift=0.1)
    for block, expected in (("prosody", 1.0), ("mfcc", 0.5)):  # where an MFCC lies is not heard, how it moves is
        model, _ = fitting.fit(
            (clips, labels), (clips, labels), [f"{block}_{i}" for i in range(3)], settings, tmp_path / "h"
        )
        accuracy = (fitting.predict(model, clips, 8).argmax(axis=1) == labels).mean()
        assert accuracy == expected if expected == 1 else accuracy < 0.9


def test_a_loss_that_is_not_finite_names_the_learning_rate(tmp_path: Path) -> None:
    broken = [clip.copy() for clip in CLIPS]
    broken[0][0, 0] = np.inf
    with pytest.raises(UserError, match=r"train\.lr: expected finite losses, received \w+ in epoch 1: try less"):
        fitting.fit((broken, LABELS), (CLIPS, LABELS), NAMES, SMALL, tmp_path / "history.csv")


# --- Batches and augmentation ----------------------------------------------------------------------------------------


def test_batches_hold_every_clip_once_and_little_padding() -> None:
    batches = fitting.Batches(CLIPS, LABELS, 3)
    received = [(frames.numpy(), labels.numpy()) for frames, labels in batches.in_order()]
    assert len(received) == batches.count
    found = []
    for frames, labels in received:
        assert len(frames) <= 3
        for one, label in zip(frames, labels, strict=True):
            own = (one != network.PADDING).all(axis=1)
            assert not own[own.sum() :].any()  # padding follows a clip's own frames
            found.append((int(label), one[own].tobytes()))
    assert sorted(found) == sorted((int(label), clip.tobytes()) for clip, label in zip(CLIPS, LABELS, strict=True))


def augmented(clips: list[np.ndarray], seed: tuple[int, int] = (1, 2), **changes: object) -> np.ndarray:
    settings = replace(SMALL, **{"shift": 0, "scale": 0, "warp": 0, "mask": 0, **changes})
    return fitting.augment(fitting.pad(clips), np.array(seed), NAMES, MEAN, STD, settings).numpy()


def test_without_augmentation_nothing_changes() -> None:
    np.testing.assert_allclose(augmented(CLIPS), fitting.pad(CLIPS), atol=1e-3)


@pytest.mark.parametrize("changes", [{"shift": 0.5}, {"scale": 0.5}, {"warp": 0.3}, {"mask": 0.5}])
def test_augmentation_leaves_padding_alone_and_is_decided_by_its_seed(changes: dict) -> None:
    before, after = fitting.pad(CLIPS), augmented(CLIPS, **changes)
    own = before[:, :, :1] != network.PADDING
    np.testing.assert_array_equal(np.where(own, 0, after), np.where(own, 0, before))
    assert np.abs(np.where(own, after - before, 0)).max() > 1
    np.testing.assert_array_equal(after, augmented(CLIPS, **changes))
    assert np.abs(after - augmented(CLIPS, (1, 3), **changes)).max() > 1


def test_a_shift_is_one_number_for_each_column_of_a_clip() -> None:
    clips = [RNG.normal(MEAN, STD, (10, len(NAMES))).astype(np.float32) for _ in range(200)]
    change = (augmented(clips, shift=0.5) - fitting.pad(clips)) / STD
    assert np.ptp(change, axis=1).max() < 1e-2  # the same in all frames
    assert change.mean() == pytest.approx(0, abs=0.02) and change[:, 0].std() == pytest.approx(0.5, rel=0.02)


def test_a_scale_keeps_the_mean_of_training() -> None:
    clips = [np.tile(MEAN + STD, (10, 1)) for _ in range(200)]  # one deviation above the mean
    factor = (augmented(clips, scale=0.2) - MEAN) / STD
    assert np.ptp(factor, axis=1).max() < 1e-2
    assert factor.mean() == pytest.approx(1, abs=0.01) and factor[:, 0].std() == pytest.approx(0.2, rel=0.02)
    assert np.abs(augmented([np.tile(MEAN, (10, 1))] * 4, scale=0.5) - MEAN).max() < 1e-2


def test_warping_stretches_the_mel_bands_and_nothing_else() -> None:
    mel = [i for i, name in enumerate(NAMES) if name.startswith("mel_")]
    ramp = np.tile(MEAN, (5, 1))
    ramp[:, mel] += STD[mel] * np.arange(len(mel), dtype=np.float32)  # normalised: band i has the value i
    after = (augmented([ramp] * 50, warp=0.2) - MEAN) / STD
    others = np.delete(np.arange(len(NAMES)), mel)
    assert np.abs(after[:, :, others]).max() < 1e-2
    steps = np.diff(after[:, 0, mel], axis=1)
    # Each clip has one slope, of 0.8 to 1.2, but where it ends at the lowest or the highest band.
    slopes = np.median(steps, axis=1)
    assert slopes.min() >= 0.8 - 1e-3 and slopes.max() <= 1.2 + 1e-3 and np.ptp(slopes) > 0.2
    assert all(((np.abs(row - slope) < 1e-2) | (row < slope)).all() for row, slope in zip(steps, slopes, strict=True))


def test_a_mask_is_one_stretch_of_bands_and_one_of_frames() -> None:
    mel = [i for i, name in enumerate(NAMES) if name.startswith("mel_")]
    ones = np.tile(MEAN + STD, (40, 1))
    after = ((augmented([ones] * 50, mask=0.25) - MEAN) / STD)[:, :, mel] > 0.5
    assert ((augmented([ones] * 50, mask=0.25) - MEAN) / STD)[:, :, 0].min() > 0.99  # the MFCCs stay
    for clip in after:
        for kept, most in ((clip.any(axis=0), len(mel)), (clip.any(axis=1), 40)):
            holes = np.flatnonzero(~kept)
            assert len(holes) <= np.ceil(0.25 * most) and (len(holes) < 2 or np.ptp(holes) == len(holes) - 1)
    shares = 1 - after.any(axis=1).mean(axis=1)
    assert 0.05 < shares.mean() < 0.2 and shares.max() > 0.2


def test_answers_that_depend_on_padding_are_refused() -> None:
    even = np.full((4, 7), 1 / 7)
    fitting.check_agreement(even, even + 0.0005)
    other = np.eye(7)[:4]
    with pytest.raises(UserError, match=r"network\.py: expected the same .* \(the same emotion for 25% of the val"):
        fitting.check_agreement(other, other[[0, 0, 0, 0]])


# --- Where a model comes from ----------------------------------------------------------------------------------------


def test_a_revision_is_that_of_the_code_and_not_of_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments], check=True)

    monkeypatch.chdir(tmp_path)
    assert modelfile.revision() == "unknown"
    files = {name: tmp_path / name for name in ("ser/learn/a.py", "metrics/word.json", "params.yaml")}
    for path in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("committed", encoding="utf-8")
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "all")
    commit = modelfile.revision()
    assert len(commit) == 12
    files["metrics/word.json"].write_text("made by a run", encoding="utf-8")
    assert modelfile.revision() == commit
    files["params.yaml"].write_text("changed", encoding="utf-8")
    assert modelfile.revision() == f"{commit}-dirty"
