"""The network and its file: padding is invisible, ONNX equals Keras, equal seeds give equal weights."""

import json
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from ser import EMOTIONS, artifact, confidence, model, params
from ser.errors import UserError
from ser.sound.features import column_indices, column_names, filters
from tests.conftest import ROOT

SETTINGS = replace(params.load("train", ROOT / "params.yaml"), members=1, units=8, epochs=2, batch_size=8)
FEATURES = params.load("features", ROOT / "params.yaml")
COLUMNS = len(column_names(FEATURES))
LISTEN = column_indices(FEATURES, SETTINGS.use)
RNG = np.random.default_rng(0)
CLIPS = [RNG.normal(-30, 20, (length, COLUMNS)).astype(np.float32) for length in (12, 20, 7, 31, 16, 9, 25, 18)]
LABELS = np.arange(8) % 7
REFERENCE = confidence.fit_reference(CLIPS)
MEAN, STD = np.concatenate(CLIPS).mean(axis=0), np.concatenate(CLIPS).std(axis=0)
SHAPES = [
    {},
    {"members": 2},
    {"bidirectional": False},
    {"layers": 2},
    {"pooling": "mean"},
    {"pooling": "last"},
    {"pooling": "last", "bidirectional": False, "layers": 2},
]


def trained(settings: params.Train) -> tuple[model.keras.Model, dict]:
    return model.train(CLIPS, LABELS, (model.pad(CLIPS[:4]), LABELS[:4]), FEATURES, settings)


def exported(network: model.keras.Model, settings: params.Train, path: Path) -> artifact.Artifact:
    one_length = model.portable(network, LISTEN, settings, padded=False)
    artifact.save(one_length, path, describe(), filters(FEATURES), REFERENCE)
    return artifact.Artifact(path)


def member_logits(network: model.keras.Model, clips: list[np.ndarray]) -> np.ndarray:
    """What every member says: (clips, members, emotions)."""
    members = model.keras.Model(network.input, network.get_layer("members").output)
    return members.predict(model.pad(clips), verbose=0)


def test_a_revision_is_that_of_the_code_and_not_of_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments], check=True)

    monkeypatch.chdir(tmp_path)
    assert artifact.revision() == "unknown"
    files = {name: tmp_path / name for name in ("data/expert.json", "ser/a.py", "research/run.py", "metrics/word.json")}
    for path in files.values():
        path.parent.mkdir()
        path.write_text("committed", encoding="utf-8")
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "all")
    commit = artifact.revision()
    assert len(commit) == 12
    files["metrics/word.json"].write_text("made by a run", encoding="utf-8")
    files["research/run.py"].write_text("changed", encoding="utf-8")
    assert artifact.revision() == commit and artifact.revision("research/*.py") == f"{commit}-dirty"
    files["data/expert.json"].write_text("changed", encoding="utf-8")
    assert artifact.revision() == f"{commit}-dirty"


def describe() -> artifact.Description:
    return artifact.Description(
        labels=list(EMOTIONS), features=asdict(FEATURES), sample_rate=FEATURES.sample_rate, corpus="synthetic",
        protocol="word", revision=artifact.revision(), metrics={"val_loss": 1.0},
        temperature=1.5, max_distance=2.0, min_probability=0.5,
    )  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_padded_or_alone_the_files_answer_as_what_was_trained(shape: dict, tmp_path: Path) -> None:
    settings = replace(SETTINGS, **shape)
    network, _ = trained(settings)
    expected = network.predict(model.pad(CLIPS), verbose=0)
    plain = model.portable(network, LISTEN, settings, padded=True)
    np.testing.assert_allclose(plain.predict(model.pad(CLIPS), verbose=0), expected, atol=1e-6)
    file = exported(network, settings, tmp_path / "model.onnx")
    for clip, answer in zip(CLIPS, expected, strict=True):  # time is dynamic
        np.testing.assert_allclose(file.probabilities(clip[None])[0], answer, atol=1e-6)
    together = np.stack([clip[:7] for clip in CLIPS])  # so is the batch
    np.testing.assert_allclose(file.probabilities(together), network.predict(together, verbose=0), atol=1e-6)
    # As operations of their own, not as loops, which take ten times as long.
    kinds = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    assert kinds.count("LSTM") == settings.layers * settings.members and "Loop" not in kinds


def test_the_file_describes_itself(tmp_path: Path) -> None:
    network, _ = trained(SETTINGS)
    loaded = exported(network, SETTINGS, tmp_path / "model.onnx")
    assert loaded.description == describe()
    assert loaded.features == FEATURES
    for name, expected in asdict(filters(FEATURES)).items():
        np.testing.assert_array_equal(getattr(loaded.filters, name), expected)
    for name, expected in asdict(REFERENCE).items():
        np.testing.assert_array_equal(getattr(loaded.reference, name), expected)
    assert loaded.reference.distance(CLIPS[0]) == REFERENCE.distance(CLIPS[0])
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert [value.name for value in (*graph.input, *graph.output)] == ["frames", "probabilities"]
    assert [d.dim_param or d.dim_value for d in graph.input[0].type.tensor_type.shape.dim] == ["batch", "time", COLUMNS]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("every_frame", [False, True])
def test_the_fused_lstm_is_keras_own(bidirectional: bool, every_frame: bool) -> None:
    """Same states and same gradients from the same weights, whatever is padded, down to the input."""
    frames = model.tf.constant(RNG.normal(size=(5, 12, 7)).astype(np.float32))
    mask = np.arange(12) < np.array([12, 3, 7, 1, 5])[:, None]
    own = mask[:, :, None] if every_frame else np.ones((5, 1))  # what Keras says of padding is nobody's concern
    received = []
    for kind in (model.layers.LSTM, model.FusedLSTM):
        layer = kind(6, return_sequences=every_frame)
        layer = model.layers.Bidirectional(layer) if bidirectional else layer
        layer.build(frames.shape)
        if received:
            layer.set_weights(received[0][2])
        with model.tf.GradientTape() as tape:
            tape.watch(frames)
            states = layer(frames, mask=mask) * own
            total = model.tf.reduce_sum(states * np.sin(np.arange(states.shape[-1])))
        gradients = tape.gradient(total, [frames, *layer.trainable_variables])
        received.append((states.numpy(), [gradient.numpy() for gradient in gradients], layer.get_weights()))
    keras_own, fused = received
    np.testing.assert_allclose(fused[0], keras_own[0], atol=1e-6)
    assert len(keras_own[1]) == (7 if bidirectional else 4)
    for ours, theirs in zip(fused[1], keras_own[1], strict=True):
        assert np.abs(theirs).max() > 0.01
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_what_is_saved_is_made_of_keras_own_layers() -> None:
    settings = replace(SETTINGS, members=2)
    network = model.portable(trained(settings)[0], LISTEN, settings, padded=True)
    pairs = [layer for layer in network.layers if isinstance(layer, model.layers.Bidirectional)]
    assert len(pairs) == 2
    assert {type(layer) for pair in pairs for layer in (pair.forward_layer, pair.backward_layer)} == {model.layers.LSTM}


def test_a_temperature_divides_the_logits() -> None:
    network, _ = trained(replace(SETTINGS, members=2))
    before = network.predict(model.pad(CLIPS), verbose=0)
    model.calibrate(network, 2.0)
    expected = np.exp(confidence.log_softmax(np.log(before) / 2))
    np.testing.assert_allclose(network.predict(model.pad(CLIPS), verbose=0), expected, atol=1e-6)


def test_members_differ_and_answer_together() -> None:
    network, _ = trained(replace(SETTINGS, members=3))
    logits = member_logits(network, CLIPS)
    assert logits.shape == (len(CLIPS), 3, len(EMOTIONS)) and len(model.heads(network)) == 3
    assert all(np.abs(logits[:, a] - logits[:, b]).max() > 1e-3 for a, b in ((0, 1), (0, 2), (1, 2)))
    expected = np.exp(confidence.log_softmax(logits.mean(axis=1)))
    np.testing.assert_allclose(network.predict(model.pad(CLIPS), verbose=0), expected, atol=1e-6)
    heard = expected.argmax(axis=1)
    np.testing.assert_array_equal(model.accuracy(heard, logits), np.ones(len(CLIPS)))
    np.testing.assert_array_equal(model.accuracy((heard + 1) % 7, logits), np.zeros(len(CLIPS)))


def test_a_member_learns_as_if_it_were_alone() -> None:
    """The loss of the one does not see what the other says."""
    logits = RNG.normal(size=(4, 2, 7)).astype(np.float32)
    other = logits.copy()
    other[:, 1] = RNG.normal(size=(4, 7))
    gradients = []
    for value in (logits, other):
        variable = model.tf.Variable(value)
        with model.tf.GradientTape() as tape:
            loss = model.ops.mean(model.smoothed(0.1)(LABELS[:4], variable))
        gradients.append(tape.gradient(loss, variable).numpy())
    np.testing.assert_array_equal(gradients[0][:, 0], gradients[1][:, 0])
    assert not np.allclose(gradients[0][:, 1], gradients[1][:, 1])


def test_normalisation_is_inside_and_is_not_trained() -> None:
    network, _ = trained(SETTINGS)
    mean, variance = network.get_layer("normalise").get_weights()
    np.testing.assert_allclose(mean, MEAN[LISTEN], rtol=1e-6)
    np.testing.assert_allclose(variance, STD[LISTEN] ** 2, rtol=1e-5)


def test_a_constant_column_stays_finite() -> None:
    network = model.build(np.zeros(3), np.zeros(3), [0, 1, 2], SETTINGS)
    assert np.isfinite(network.predict(np.zeros((1, 5, 3)), verbose=0)).all()


def test_columns_that_are_not_heard_change_nothing() -> None:
    network, _ = trained(SETTINGS)
    deaf = np.setdiff1d(np.arange(COLUMNS), LISTEN)
    assert len(deaf) and len(LISTEN)
    frames = CLIPS[0][None].copy()
    expected = network.predict(frames, verbose=0)
    frames[..., deaf] += 1000
    np.testing.assert_array_equal(network.predict(frames, verbose=0), expected)
    frames[..., LISTEN[0]] += 1000
    assert not np.array_equal(network.predict(frames, verbose=0), expected)


def test_an_epoch_has_every_clip_once_in_an_order_of_its_own() -> None:
    settings = replace(SETTINGS, scale=0.0, batch_size=3)
    plain = model.AugmentedBatches(CLIPS, LABELS, MEAN, 0 * STD, settings)
    orders = []
    for _ in range(2):
        every = list(plain)
        assert [len(labels) for _, labels in every] == [3, 3, 2]
        firsts = [clip[0, 0] for frames, _ in every for clip in frames]
        np.testing.assert_allclose(sorted(firsts), sorted(clip[0, 0] for clip in CLIPS), rtol=1e-5)
        orders.append(firsts)
    assert orders[0] != orders[1]


def test_another_voice_moves_whole_columns_by_what_was_asked_for() -> None:
    """Each column of a clip becomes scale * column + shift: two numbers explain all of its frames."""
    settings = replace(SETTINGS, scale=0.2)
    frames = CLIPS[1][:, :1]
    dealer = model.AugmentedBatches([frames], LABELS[:1], MEAN[:1], 0.5 * STD[:1], settings)
    after = np.array([dealer.augment(frames)[:, 0] for _ in range(2000)], np.float64)
    before = np.tile(frames[:, 0].astype(np.float64), (2000, 1))
    scale = (after[:, 1] - after[:, 0]) / (before[:, 1] - before[:, 0])
    shift = after[:, 0] - (MEAN[0] + (before[:, 0] - MEAN[0]) * scale)
    expected = MEAN[0] + (before - MEAN[0]) * scale[:, None] + shift[:, None]
    np.testing.assert_allclose(after, expected, atol=1e-2)
    assert scale.mean() == pytest.approx(1, abs=0.02) and scale.std() == pytest.approx(0.2, abs=0.02)
    assert shift.mean() == pytest.approx(0, abs=float(0.05 * STD[0])) and shift.std() == pytest.approx(
        float(0.5 * STD[0]), rel=0.1
    )


def test_the_level_of_pitch_is_shifted_by_an_amount_of_its_own() -> None:
    spreads = model.spreads(STD, FEATURES, replace(SETTINGS, shift=0.5, shift_pitch=2.0)) / STD
    names = column_names(FEATURES)
    assert {name for name, spread in zip(names, spreads, strict=True) if spread == 2} == {"prosody_f0_level"}
    assert {*spreads} == {0.5, 2.0}


def test_equal_seeds_give_equal_weights_and_others_do_not() -> None:
    runs = [trained(replace(SETTINGS, seed=seed)) for seed in (1, 1, 2)]
    assert runs[0][1] == runs[1][1]
    assert runs[0][1] != runs[2][1]
    for first, second in zip(runs[0][0].get_weights(), runs[1][0].get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_the_history_is_of_whole_epochs() -> None:
    """Hardly any step is made: the loss of the epoch is that of all clips, in batches of three, three and two."""
    settings = replace(
        SETTINGS, batch_size=3, dropout=0.0, shift=0.0, shift_pitch=0.0, scale=0.0, optimizer="sgd", lr=1e-9
    )
    network, history = trained(settings)
    logits = member_logits(network, CLIPS)
    loss = np.mean(model.smoothed(settings.label_smoothing)(LABELS, logits))
    np.testing.assert_allclose(history["loss"], loss, atol=1e-5)
    np.testing.assert_allclose(history["accuracy"], np.mean(model.accuracy(LABELS, logits)), atol=1e-6)
    checked = np.mean(model.smoothed(settings.label_smoothing)(LABELS[:4], logits[:4]))
    np.testing.assert_allclose(history["val_loss"], checked, atol=1e-5)


def test_the_best_weights_come_back() -> None:
    """What is learned is wrong on ``val``, so its loss rises."""
    settings = replace(SETTINGS, members=2, epochs=30, average=0.0, patience=2, lr=0.05)
    wrong = (LABELS[:4] + 1) % len(EMOTIONS)
    network, history = model.train(CLIPS, LABELS, (model.pad(CLIPS[:4]), wrong), FEATURES, settings)
    best = int(np.argmin(history["val_loss"])) + 1
    assert model.selected_epochs(history, settings) == (best, best)
    assert len(history["val_loss"]) == best + settings.patience < settings.epochs
    loss = model.smoothed(settings.label_smoothing)(wrong, member_logits(network, CLIPS[:4]))
    assert float(np.mean(loss)) == pytest.approx(min(history["val_loss"]), abs=1e-5)


def test_a_loss_that_is_not_finite_ends_the_training() -> None:
    clips = [*CLIPS]
    clips[0] = np.full_like(clips[0], np.nan)
    train = model.AugmentedBatches(clips, LABELS, MEAN, STD, SETTINGS)
    network = model.build(MEAN, STD, LISTEN, SETTINGS)
    with pytest.raises(UserError, match=r"train\.lr: expected finite losses, received nan and .* in epoch 1"):
        model.fit(network, train, (model.pad(CLIPS[:4]), LABELS[:4]), SETTINGS)


def test_the_last_weights_are_averaged() -> None:
    def weights(epochs: int, average: float) -> list[np.ndarray]:
        settings = replace(SETTINGS, members=2, epochs=epochs, average=average)
        network, history = trained(settings)
        first, last = model.selected_epochs(history, settings)
        assert (last, last - first + 1, len(history["loss"])) == (epochs, settings.averaged(), epochs)
        return network.get_weights()

    # The same seed takes the same way: a run that keeps its last epoch alone shows where the longer one was.
    third, fourth, both = weights(3, 0.01), weights(4, 0.01), weights(4, 0.5)
    assert any(not np.array_equal(*pair) for pair in zip(third, fourth, strict=True))
    for before, after, received in zip(third, fourth, both, strict=True):
        np.testing.assert_allclose(received, (before + after) / 2, rtol=1e-5, atol=1e-7)


def test_class_weights_by_hand() -> None:
    balanced = replace(SETTINGS, class_weights="balanced")
    assert model.class_weights(np.array([0, 0, 0, 4]), balanced) == {0: pytest.approx(4 / 6), 4: pytest.approx(2.0)}
    assert model.class_weights(np.array([0, 4]), SETTINGS) is None


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "sgd"])
def test_every_optimizer_trains(optimizer: str) -> None:
    _, history = trained(replace(SETTINGS, optimizer=optimizer, units=2, epochs=1))
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize(
    "change",
    [{"label_smoothing": 0.2}, {"class_weights": "balanced"}, {"stretch": 0.2}, {"shift": 1.0}, {"shift_pitch": 2.0}],
)
def test_what_a_batch_is_made_of_reaches_the_loss(change: dict) -> None:
    settings = replace(SETTINGS, units=2, epochs=1)
    (_, plain), (_, other) = trained(settings), trained(replace(settings, **change))
    assert other["loss"] != pytest.approx(plain["loss"], rel=1e-5)  # equal seeds give equal losses


@pytest.mark.parametrize("content", [None, b"", b"not a model", "description"])
def test_what_is_no_model_is_refused(content: bytes | str | None, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    if content == "description":  # a sound network that says nothing of itself
        node = onnx.helper.make_node("Identity", ["frames"], ["probabilities"])
        values = [
            onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [1]) for n in ("frames", "probabilities")
        ]
        onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", values[:1], values[1:])), path)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.onnx: expected a model file that this project wrote"):
        artifact.Artifact(path)


def test_metadata_is_plain_json(tmp_path: Path) -> None:
    exported(trained(SETTINGS)[0], SETTINGS, tmp_path / "model.onnx")
    entries = {entry.key: entry.value for entry in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert json.loads(entries["description"])["labels"] == list(EMOTIONS)


def test_a_stretched_clip_keeps_its_course() -> None:
    ramp = np.linspace(0, 10, 21, dtype=np.float32)[:, None]
    settings = replace(SETTINGS, scale=0.0, stretch=0.3)
    dealer = model.AugmentedBatches([ramp], LABELS[:1], np.zeros(1), np.zeros(1), settings)
    stretched = [dealer.augment(ramp)[:, 0] for _ in range(200)]
    lengths = {len(clip) for clip in stretched}
    assert min(lengths) in (14, 15) and max(lengths) in (26, 27) and max(lengths) <= dealer.length
    for clip in stretched:
        np.testing.assert_allclose(clip, np.linspace(0, 10, len(clip)), atol=1e-4)
    assert len(dealer.augment(ramp[:1])) == 2  # a single frame is enough


def test_smoothing_by_hand() -> None:
    probabilities = np.full(7, 0.05, np.float32)
    probabilities[2] = 0.7
    # A member that knows, and one that guesses.
    logits = np.stack([np.log(probabilities) + 3, np.zeros(7, np.float32)])[None]
    guess = np.log(7)
    assert float(model.smoothed(0.0)(np.array([2]), logits)[0]) == pytest.approx((guess - np.log(0.7)) / 2, abs=1e-5)
    expected = -0.94 * np.log(0.7) - 6 * 0.01 * np.log(0.05)
    assert float(model.smoothed(0.07)(np.array([2]), logits)[0]) == pytest.approx((guess + expected) / 2, abs=1e-5)
