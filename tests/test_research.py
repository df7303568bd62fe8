"""The research on unseen speakers: figures worked out by hand, parts that do not touch, and no peeking."""

import re
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from research import baselines, pitch, run, table
from research.recipes import BASELINES, DEFAULT, RECIPES
from ser import EMOTIONS, corpora, expert, params
from ser.errors import UserError
from ser.features import column_names
from tests.conftest import ROOT
from tests.project import TINY, Project

RNG = np.random.default_rng(0)


NOTHING_ELSE = run.Others({}, params.load("features"))
NO_FOLDERS = {"emodb": None, "ravdess": None, "folder": None}


def part(labels: list[int], seconds: list[float], columns: int = 3) -> run.Part:
    clips = [RNG.normal(size=(int(length * 30) + 4, columns)).astype(np.float32) for length in seconds]
    return run.Part(clips, np.array(labels), np.array(seconds), np.array(["someone"] * len(labels)))


def test_speakers_that_were_kept_back_are_heard_when_asked_for_alone(tmp_path: Path) -> None:
    folder, rng = tmp_path / "ravdess", np.random.default_rng(0)
    folder.mkdir()
    for actor in (1, 2, 3, 4, 13, 24):
        for take in range(8):
            noise = rng.normal(size=8000) * 0.1
            name = f"03-01-0{(1, 3, 4, 5)[take % 4]}-01-01-{take:02}-{actor:02}.wav"
            soundfile.write(folder / name, noise, 16000)
    whole = run.corpus("ravdess", folder, params.load("features"))
    others = run.Others({"emodb": part([0], [1.0])}, params.load("features"))
    first, second = run.proxy("ravdess", whole, others)
    assert list(first.tests) == ["ravdess_1"] and list(second.tests) == ["ravdess_2"]
    for task in (first, second):
        (test,) = task.tests.values()
        assert len(test.clips) == 16 and len(task.val.clips) == 2  # two actors of four; every eighth clip of the others
        assert abs(len(task.train.clips) - run.CLIPS_PER_EPOCH) < 14 and len(task.train.clips) == len(task.train.labels)
        assert task.others is others
    alone = list(run.proxy("ravdess", whole, others, "alone"))
    assert [set(task.train.speakers) for task in alone] == [{f"ravdess0{actor}"} for actor in (1, 2, 3, 4)]
    for task in alone:
        ((name, test),) = task.tests.items()
        assert len(test.clips) == 24 and name == f"alone_{task.train.speakers[0]}"
        assert not set(test.speakers) & set(task.train.speakers) and len(task.val.clips) == 1
        assert abs(len(task.train.clips) - run.CLIPS_PER_EPOCH_ALONE) < 7
    copies = run.corpus("ravdess", folder, params.load("features"), run.COPIES)
    assert len(copies.clips) == 3 * len(whole.clips)
    np.testing.assert_array_equal(copies.labels, np.tile(whole.labels, 3))
    np.testing.assert_array_equal(copies.speakers, np.tile(whole.speakers, 3))
    np.testing.assert_array_equal(copies.clips[0], whole.clips[0])
    slower, faster = (len(copies.clips[i * len(whole.clips)]) for i in (1, 2))
    assert slower > len(whole.clips[0]) > faster
    (check,) = run.proxy("ravdess", whole, others, "kept back")
    assert list(check.tests) == ["kept_back_ravdess"]
    assert len(check.tests["kept_back_ravdess"].clips) == 16 and len(check.val.clips) == 4
    assert set(run.without_kept_back("ravdess", whole).speakers) == {f"ravdess0{actor}" for actor in (1, 2, 3, 4)}
    with pytest.raises(UserError, match="expected clips of emodb, found none"):
        run.corpus("emodb", folder, params.load("features"))
    with pytest.raises(UserError, match="expected clips of speakers of ravdess that were kept back, found none"):
        list(run.proxy("ravdess", run.without_kept_back("ravdess", whole), others, "kept back"))


def test_another_corpus_is_a_folder_of_speakers(tmp_path: Path) -> None:
    for place, seconds in (("anna/angry/1.wav", 1.0), ("anna/sad/1.wav", 5.0), ("ben/neutral/2.wav", 1.0)):
        path = tmp_path / place
        path.parent.mkdir(parents=True)
        soundfile.write(path, RNG.normal(size=int(seconds * 16000)) * 0.1, 16000)
    part = run.another_corpus(tmp_path, params.load("features"))
    assert part.speakers.tolist() == ["anna", "anna", "ben"]
    assert [EMOTIONS[label] for label in part.labels] == ["anger", "sadness", "neutral"]
    assert part.seconds[0] < 1.1 and 2.9 < part.seconds[1] <= run.LONGEST
    (tmp_path / "anna/sad/1.wav").rename(tmp_path / "anna/sad/03-01-04-01-01-01-13.wav")  # kept back
    assert len(run.another_corpus(tmp_path, params.load("features")).clips) == 3
    for heard in ("03-01-04-01-01-01-12", "03a01Ta", "OAF_back_sad"):
        path = tmp_path / f"ben/neutral/{heard}.wav"
        path.write_bytes(b"never read")
        with pytest.raises(UserError, match=f"expected unseen speakers, received .*{heard}.wav, which"):
            run.another_corpus(tmp_path, params.load("features"))
        path.unlink()
    soundfile.write(tmp_path / "ben/neutral/short.wav", RNG.normal(size=100), 16000)
    with pytest.raises(UserError, match=r"ben/neutral/short\.wav: expected at least 1024 samples"):
        run.another_corpus(tmp_path, params.load("features"))


def test_a_proxy_needs_speakers_and_clips() -> None:
    one = part([0, 1], [1.0, 1.0])
    with pytest.raises(UserError, match=r"emodb: expected at least 2 speakers, received someone \(2\)"):
        list(run.proxy("emodb", one, NOTHING_ELSE))
    two = replace(part([0] * 10, [1.0] * 10), speakers=np.array(["a"] * 3 + ["b"] * 7))
    with pytest.raises(UserError, match=r"at least 2 speakers of 8 clips each, received a \(3\), b \(7\)"):
        list(run.proxy("emodb", two, NOTHING_ELSE, "alone"))


def test_data_of_several_corpora_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RAVDESS among the training clips would be heard by who is tested on it."""
    monkeypatch.setattr(run, "MANIFEST", tmp_path / "manifest.csv")
    arguments = Namespace(**NO_FOLDERS, recipes=[DEFAULT], protocols=["speaker_yaf"], how="halves", shuffled=False)
    with pytest.raises(UserError, match=r"manifest\.csv: expected the data of a run, found none; run `dvc repro`"):
        run.gather(arguments, params.load("features"))
    pd.DataFrame({"corpus": ["tess", "ravdess"], "speaker": ["YAF", "01"], "text": ["a", "b"]}).to_csv(run.MANIFEST)
    with pytest.raises(UserError, match=r"manifest\.csv: expected TESS alone, received tess \+ ravdess"):
        run.gather(arguments, params.load("features"))


def test_pairs_of_equal_length_by_hand() -> None:
    """Short: two of anger, one of disgust; long: one of each. Longer still: fear, which has no pair."""
    clips = part([0, 0, 1, 0, 1, 2], [1.0, 1.0, 1.0, 2.0, 2.0, 3.0])
    answers = np.array([[0.8, 0.2, 0], [0.3, 0.7, 0], [0.1, 0.9, 0], [0.6, 0.4, 0], [0.7, 0.3, 0], [1, 0, 0]])
    # Anger, short: half right; disgust, short: right; anger, long: right; disgust, long: wrong. Each weighs 1.
    assert run.equal_length(clips, answers) == pytest.approx((0.5 + 1 + 1 + 0) / 4)


def test_length_alone_is_chance_at_equal_length() -> None:
    seconds = RNG.uniform(1, 3, 4000)
    labels = (RNG.uniform(0, 1, 4000) < (seconds - 1) / 2).astype(int)
    clips = run.Part([], labels, seconds, np.array([]))
    by_length = np.stack([3 - seconds, seconds - 1], axis=1)
    assert (by_length.argmax(axis=1) == labels).mean() > 0.7
    assert run.equal_length(clips, by_length) == pytest.approx(0.5, abs=0.03)


def test_adapted_clips_of_each_speaker_have_the_statistics_of_those_trained_on() -> None:
    heard, unheard = part([0] * 9, [2.0] * 9).clips, part([0] * 12, [1.5] * 12)
    speakers = np.array(["deep", "high"] * 6)
    clips = [clip * 3 + (5 if speaker == "deep" else 9) for clip, speaker in zip(unheard.clips, speakers, strict=True)]
    moved = run.adapted(replace(unheard, clips=clips, speakers=speakers), heard)
    expected = np.concatenate(heard)
    for speaker in ("deep", "high"):
        frames = np.concatenate([clip for clip, its in zip(moved, speakers, strict=True) if its == speaker])
        np.testing.assert_allclose(frames.mean(axis=0), expected.mean(axis=0), atol=1e-4)
        np.testing.assert_allclose(frames.std(axis=0), expected.std(axis=0), atol=1e-4)


def test_shuffling_parts_clips_from_their_labels_but_not_those_of_the_test() -> None:
    unheard = part([0, 1], [1.0, 1.0])
    train, val, other = (part(list(range(7)) * count, [1.0] * 7 * count) for count in (20, 4, 30))
    task = run.Task(train, val, {"t": unheard}, run.Others({"other": other}, params.load("features")))
    shuffled = run.shuffle(task, seed=0)
    assert shuffled.tests["t"] is unheard
    pairs = (task.train, shuffled.train), (task.val, shuffled.val), (other, shuffled.others.parts["other"])
    for before, after in pairs:
        assert after.clips is before.clips
        np.testing.assert_array_equal(np.bincount(after.labels), np.bincount(before.labels))
        assert (after.labels == before.labels).mean() < 0.4  # 1 / 7 by chance
    for copy in shuffled.others.parts["other"].labels.reshape(3, 70):
        np.testing.assert_array_equal(copy, shuffled.others.parts["other"].labels[:70])
    assert not np.array_equal(shuffled.train.labels, run.shuffle(task, seed=1).train.labels)


def test_a_run_that_lacks_a_folder_says_so_before_it_reads_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "MANIFEST", tmp_path / "manifest.csv")
    pd.DataFrame({"corpus": ["tess"], "speaker": ["YAF"], "text": ["a"]}).to_csv(run.MANIFEST)
    default, alone = DEFAULT, "four members, weights averaged, flux"
    nothing = Namespace(**NO_FOLDERS, recipes=[alone], protocols=[], how="halves", shuffled=True)
    features = params.load("features")
    assert run.gather(nothing, features) == []  # no expert, whose labels would have to be shuffled
    with pytest.raises(UserError, match="expected --emodb and --ravdess: an expert is fitted .* received neither"):
        run.gather(Namespace(**vars(nothing) | {"recipes": [alone, default]}), features)
    one = {"recipes": [default], "emodb": Path("emodb"), "shuffled": False}
    with pytest.raises(UserError, match="received --emodb alone"):
        run.gather(Namespace(**vars(nothing) | one), features)
    with pytest.raises(UserError, match="--alone: expected --emodb FOLDER or --ravdess FOLDER, received none"):
        run.gather(Namespace(**vars(nothing) | {"shuffled": False, "how": "alone"}), features)
    with pytest.raises(UserError, match="--kept-back: expected --ravdess FOLDER or --folder FOLDER, received neither"):
        run.gather(Namespace(**vars(nothing) | {"how": "kept back"}), features)
    with pytest.raises(UserError, match="--folder: expected --kept-back with it, received none"):
        run.gather(Namespace(**vars(nothing) | {"folder": Path("another")}), features)


def test_an_expert_is_asked_that_other_corpora_made() -> None:
    features = replace(params.load("features"), use=["prosody"])
    columns = len(column_names(features))
    mine, other = (part(list(range(7)) * 6, [1.0] * 42, columns) for _ in range(2))
    others = run.Others({"other": other}, features)
    kernel, bias = others.expert.layer(mine.clips)
    assert kernel.shape == (4 * columns, 7)
    expected = expert.fit({"other": (other.clips, other.labels, other.speakers)}, features).layer(mine.clips)
    np.testing.assert_array_equal(kernel, expected[0])
    assert others.expert is others.expert  # fitted once
    assert NOTHING_ELSE.expert == expert.load(params.load("features"), [])


def test_a_group_gets_the_emotion_that_no_other_one_claims_more() -> None:
    """Three heaps of clips; the first two sound like emotion 0, the first one more so."""
    labels = np.repeat([0, 1, 2], 30)
    states = np.array([[0, 0], [9, 0], [0, 9]])[labels] + RNG.normal(size=(90, 2))
    probabilities = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]])[labels]
    probabilities += RNG.uniform(0, 0.05, probabilities.shape)
    assert (probabilities.argmax(axis=1) == labels).mean() < 0.7
    np.testing.assert_array_equal(run.grouped(probabilities, states), np.eye(3)[labels])


def test_baselines_know_what_they_should() -> None:
    """Clips whose MFCC alone tell the emotion: who knows MFCC knows it, the expert was never told."""
    features = params.load("features")
    names = column_names(features)

    def clips(seed: int) -> run.Part:
        random, labels = np.random.default_rng(seed), np.repeat(np.arange(len(EMOTIONS)), 20)
        made = part(labels.tolist(), [1.0] * len(labels), len(names))
        for clip, label in zip(made.clips, labels, strict=True):
            clip[:] = random.normal(size=clip.shape)
            clip[:, names.index(f"mfcc_{label}")] += 3
        return made

    task = run.Task(clips(0), clips(1), {"speaker_oaf": clips(2)}, NOTHING_ELSE)
    test = task.tests["speaker_oaf"]
    right = []
    for name in BASELINES:
        classifier, weights = baselines.fit(name, task, features)
        said = classifier(test.clips)
        np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-6)
        right.append((said.argmax(axis=1) == test.labels).mean())
    mfcc, statistics, alone = right
    assert mfcc == 1 and alone < 0.5
    assert statistics < mfcc  # means of MFCC say whose voice it is, and are not among them
    assert weights == 408 * 7 + 7  # of the expert, as docs/unseen-speakers.md says


def test_height_and_ending_of_an_emotion_by_hand() -> None:
    """Two voices, one an octave above the other; both are surprised three semitones up, and end five above that."""
    features = replace(params.load("features"), use=["prosody"])
    names = column_names(features)
    clips, labels, speakers = [], [], []
    for speaker, own in (("deep", -6.0), ("high", 6.0)):
        for emotion, height, ending in (("neutral", 0.0, -1.0), ("surprise", 3.0, 5.0)):
            clip = np.zeros((10, len(names)), np.float32)
            clip[:, names.index("prosody_f0_level")] = own + height
            clip[1:9, names.index("prosody_voiced")] = 1
            clip[7:9, names.index("prosody_f0_contour")] = ending
            clips.append(clip)
            labels.append(EMOTIONS.index(emotion))
            speakers.append(speaker)
    silent = np.zeros((10, len(names)), np.float32)
    every = run.Part([*clips, silent], np.array([*labels, 0]), np.ones(5), np.array([*speakers, "deep"]))
    table = pitch.medians({"both": every}, features).both
    assert table["neutral"] == "+0.0, -1.0" and table["surprise"] == "+3.0, +5.0" and table["anger"] == "none"


def test_every_recipe_is_a_change_of_the_settings() -> None:
    settings = params.load("train")
    for name, changes in RECIPES.items():
        replace(settings, **changes)
        assert "seed" not in changes, name
    assert sum(not changes for changes in RECIPES.values()) == 1  # the default


def test_the_table_by_hand() -> None:
    rows = [
        {"recipe": "r", "labels": "right", "setting": "inductive", "test": test, "seed": seed, "accuracy": accuracy,
         "uar": accuracy, "equal_length": 0.5, "seconds": 60, "parameters": 10, "recall_anger": accuracy,
         **{f"recall_{emotion}": 0.9 for emotion in EMOTIONS[1:]}}
        for seed, pair in enumerate([(0.6, 0.8), (0.8, 0.8)])
        for test, accuracy in zip(("speaker_yaf", "speaker_oaf"), pair, strict=True)
    ]  # fmt: skip
    halves = [rows[0] | {"test": name, "uar": uar} for name, uar in (("emodb_1", 0.5), ("emodb_2", 0.7))]
    alone = [rows[0] | {"test": f"alone_ravdess0{i}", "uar": uar} for i, uar in ((1, 0.2), (2, 0.4))]
    row = table.proxies(pd.DataFrame([*rows, *halves, *alone])).iloc[0]
    assert row["EMO-DB, halves"] == "0.600 (1)" and row["RAVDESS, single speakers"] == "0.300 (1)"
    row = table.tess(pd.DataFrame(rows)).iloc[0]
    assert row["OAF → YAF"] == "0.700 ± 0.141" and row["YAF → OAF"] == "0.800 ± 0.000"
    assert row["mean"] == "**0.750 ± 0.071**"  # of the seeds' means, 0.7 and 0.8
    assert row["lowest recall"] == "anger 0.70"  # to YAF
    assert row["lengths matched"] == "not measured"
    measured = [one | {"matched_accuracy": place / 10, "matched_chance": 0.2} for place, one in enumerate(rows)]
    assert table.tess(pd.DataFrame(measured)).iloc[0]["lengths matched"] == "0.150 (0.200)"
    some = table.tess(pd.DataFrame([*measured[:2], *rows[2:]])).iloc[0]
    assert some["lengths matched"] == "0.050 (0.200), 1 of 2 seeds"
    one_way = rows[0] | {"seed": 9, "accuracy": 0.1}  # as Ctrl-C may leave it
    pd.testing.assert_series_equal(table.tess(pd.DataFrame([*rows, one_way])).iloc[0], row)


def test_an_ablation_is_compared_seed_by_seed() -> None:
    one_member = "the default, one member"
    accuracy = {DEFAULT: {0: (0.8, 0.6), 1: (0.9, 0.7), 2: (0.1, 0.1)}, one_member: {0: (0.7, 0.6), 1: (0.8, 0.4)}}
    rows = [
        {"recipe": recipe, "seed": seed, "test": test, "accuracy": value, "equal_length": 0.5, "seconds": 60,
         "parameters": 10, **{f"recall_{emotion}": value for emotion in EMOTIONS}}
        for recipe, seeds in accuracy.items()
        for seed, pair in seeds.items()
        for test, value in zip(table.DIRECTIONS, pair, strict=True)
    ]  # fmt: skip
    rows.append(rows[-1] | {"seed": 2})  # as Ctrl-C may leave it
    default, changed = table.ablation(pd.DataFrame(rows)).to_dict("records")
    assert default["recipe"] == DEFAULT and default["mean"] == "**0.533 ± 0.379**"
    assert changed["recipe"] == one_member and changed["mean"] == "**0.625 ± 0.035**"
    assert not default["difference, standard error"]
    assert changed["difference, standard error"] == "**-0.125** ± 0.075"  # of -0.05 and -0.2
    assert table.ablation(pd.DataFrame(rows[6:])).empty
    _, once = table.ablation(pd.DataFrame([*rows[:6], *rows[6:8]])).to_dict("records")
    assert once["difference, standard error"] == "**-0.050** (1)"


def test_the_pages_show_what_the_results_say() -> None:
    """Every table stands on one page, as `python -m research.table --write` puts it there."""
    made = table.tables(pd.read_csv(ROOT / run.RESULTS))
    pages = [(ROOT / page).read_text(encoding="utf-8") for page in table.PAGES]
    for title in made:
        assert sum(page.count(f"### {title}\n") for page in pages) == 1, title
    for page in pages:
        assert table.filled_in(page, made) == page
        assert table.filled_in(page, {title: "| nothing |" for title in made}).count("| nothing |\n") == sum(
            f"### {title}\n" in page for title in made
        )


@pytest.mark.parametrize("page", ["README.md", "docs/results.md", "docs/unseen-speakers.md"])
def test_the_headline_is_that_of_the_results(page: str) -> None:
    """Outside of the tables that are filled in."""
    results = pd.read_csv(ROOT / run.RESULTS)
    runs = results.query("recipe == @DEFAULT and labels == 'right' and setting == 'inductive'")
    means = runs[runs.test.isin(table.DIRECTIONS)].groupby("seed").accuracy.mean()
    assert len(means) == 5
    text = table.filled_in((ROOT / page).read_text(encoding="utf-8"), {title: "" for title in table.tables(results)})
    assert table.spread(means) in " ".join(text.split())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("research"))
    project.set(corpora=["synthetic"], **TINY | {"protocols": ["speaker_oaf"]})
    project.dvc("repro")
    refused = project.run("python", "-m", "research.baselines")
    assert refused.stderr.strip().endswith("expected TESS alone, received synthetic; change `corpora`, run `dvc repro`")
    clips = project.folder / "data/manifest.csv"
    pretended = clips.read_text(encoding="utf-8").replace("\nsynthetic,", "\ntess,")
    clips.unlink()  # it may be a link into DVC's cache
    clips.write_text(pretended, encoding="utf-8")
    return project


@pytest.mark.slow
def test_no_statistic_of_the_test_speaker_reaches_the_model(project: Project) -> None:
    """The test speaker's features become noise: weights, answers and what the model says of itself stay."""
    script = """
import hashlib, json, sys, numpy as np, onnx
from ser.artifact import Artifact
# Sorted by content: the export deals out names and places as it likes.
weights = sorted(hashlib.sha256(onnx.numpy_helper.to_array(one).tobytes()).hexdigest()
                 for one in onnx.load("models/speaker_oaf/model.onnx").graph.initializer)
assert len(weights) > 10, weights
model = Artifact("models/speaker_oaf/model.onnx")
columns = model.session.get_inputs()[0].shape[2]
frames = np.random.default_rng(1).normal(-10, 20, (50, 60, columns)).astype(np.float32)
metadata = model.session.get_modelmeta().custom_metadata_map
print(json.dumps([metadata, weights, model.probabilities(frames).tolist()], sort_keys=True))
"""
    said = []
    for name in ("before", "after"):
        if name == "after":
            shard = project.folder / "data/features/OAF.npz"
            with np.load(shard) as arrays:
                content = dict(arrays)
            content["frames"] = RNG.normal(size=content["frames"].shape).astype(np.float32)
            np.savez(shard, **content)
        for command in (("-m", "stages.train", "speaker_oaf"), ("-c", script)):
            result = project.run("python", *command)
            assert result.returncode == 0, result.stderr
        said.append(result.stdout)
    assert said[0] == said[1] and '"temperature' in said[0].replace("\\", "")


@pytest.mark.slow
def test_pseudo_speakers_last_as_long_as_they_are_played(project: Project) -> None:
    script = """
from research import run
from ser import params
tests = run.tess("speaker_oaf", run.Others({}, params.load("features"))).tests
slow, fast = (tests[f"pseudo_{speed}_speaker_oaf"].seconds.mean() for speed in run.SPEEDS)
print(slow / fast)
"""
    result = project.run("python", "-c", script)
    assert result.returncode == 0, result.stderr
    assert float(result.stdout) == pytest.approx(run.SPEEDS[1] / run.SPEEDS[0], rel=0.05)


@pytest.mark.slow
def test_no_label_of_the_control_is_in_order(project: Project) -> None:
    """Neither those that it is trained on, nor those of ``val``, which may choose its epoch."""
    script = """
import sys
from ser import model
from stages import train
heard, real = [], model.train
def record(clips, labels, val, *rest):
    heard.append((labels, val[1]))
    return real(clips, labels, val, *rest)
model.train, sys.argv = record, ["train", "speaker_oaf"]
train.main()
right, control = heard
print([bool((one == other).mean() < 0.5 and sorted(one) == sorted(other)) for one, other in zip(right, control)])
"""
    result = project.run("python", "-c", script)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[True, True]"


@pytest.mark.slow
def test_a_run_from_audio_to_table(project: Project, tmp_path: Path) -> None:
    """Synthetic clips under the names of EMO-DB and RAVDESS stand for the proxies."""
    emodb, ravdess = tmp_path / "emodb", tmp_path / "ravdess"
    letters, numbers = (
        {emotion: code for code, emotion in corpora.CORPORA[name].emotions.items()} for name in ("emodb", "ravdess")
    )
    emodb.mkdir()
    ravdess.mkdir()
    for i, path in enumerate(sorted((project.folder / "data/raw").rglob("*.wav"))):
        emotion, content = path.parent.name, path.read_bytes()
        if emotion in letters:
            (emodb / f"{10 + i % 6}a{i % 90 + 10}{letters[emotion]}a.wav").write_bytes(content)
        (ravdess / f"03-01-{numbers[emotion]}-01-{i % 90 + 10}-01-0{i % 6 + 1}.wav").write_bytes(content)
    (project.folder / "research/results.csv").unlink()
    recipe = "four members, weights averaged, flux"  # as small as the project's settings, without an expert
    result = project.run("python", "-m", "research.run", recipe, "default", "--seeds", "1",
                         "--emodb", str(emodb), "--ravdess", str(ravdess))  # fmt: skip
    assert result.returncode == 0, result.stderr
    mine = pd.read_csv(project.folder / "research/results.csv")
    assert set(mine.recipe) == {recipe, DEFAULT} and set(mine.seed) == {1} and mine.seconds.notna().all()
    head = project.run("git", "rev-parse", "--short=12", "HEAD").stdout.strip()
    assert set(mine.revision) == {f"{head}-dirty"}  # its params.yaml is not the committed one
    assert mine[mine.test == "speaker_oaf"].matched_accuracy.between(0, 1).all()
    assert mine[mine.test == "emodb_1"].setting.tolist() == ["inductive", "adapted"] * 2
    assert {"emodb_1", "emodb_2", "ravdess_1", "ravdess_2"} <= set(mine.test)
    assert {"speaker_oaf", "speaker_yaf", "pseudo_0.85_speaker_oaf"} <= set(mine.test)
    for path in (project.folder / "data/raw").rglob("*.wav"):
        folder = tmp_path / "another" / path.parent.relative_to(project.folder / "data/raw")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.name.replace("_", "-")).write_bytes(path.read_bytes())
    result = project.run("python", "-m", "research.run", "default", "--seeds", "1", "--kept-back",
                         "--folder", str(tmp_path / "another"))  # fmt: skip
    assert result.returncode == 0, result.stderr
    both = pd.read_csv(project.folder / "research/results.csv")
    check = both[both.test.str.startswith("kept_back")]
    assert len(both) == len(mine) + len(check) and set(check.test) == {"kept_back_folder_another"}
    assert check.setting.tolist() == ["inductive", "adapted"] and check.filter(like="recall_").notna().all(axis=None)
    result = project.run("python", "-m", "research.baselines")
    assert result.returncode == 0, result.stderr
    linear = pd.read_csv(project.folder / "research/results.csv").query("recipe in @BASELINES")
    assert (linear[linear.test.str.startswith("speaker_")].groupby("test").size() == 2 * len(BASELINES)).all()
    printed = project.run("python", "-m", "research.table")
    assert printed.returncode == 0, printed.stderr
    assert re.search(rf"^\| {recipe} +\|", printed.stdout, re.MULTILINE)  # however wide the column
    assert "| kept_back_folder_another |" in printed.stdout.partition("### Speakers that were kept back, UAR")[2]
    assert "expected default, or one of" in project.run("python", "-m", "research.run", "nothing").stderr
