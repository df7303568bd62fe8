"""Splits: what must be unseen is unseen, under every corpus that can be thought up."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ser import EMOTIONS, params
from ser.data import splits
from ser.errors import UserError
from ser.learn import parts

SETTINGS = params.Split(folds=5, fold=0, val_folds=8, seed=42)
PROTOCOLS = ("random", "word", "speaker_oaf", "speaker_yaf")


def heard(clips: pd.DataFrame, parts: np.ndarray, column: str, *names: str) -> set:
    return set(clips.loc[np.isin(parts, names), column])


def test_an_emotion_with_few_clips_is_no_warning(clips: pd.DataFrame, recwarn: pytest.WarningsRecorder) -> None:
    rare = clips.drop(clips.index[(clips.speaker == "OAF") & (clips.emotion == "fear")][2:])
    splits.split(rare.reset_index(drop=True), "word", SETTINGS)
    assert not recwarn.list


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_parts_cover_the_corpus_and_are_stratified(clips: pd.DataFrame, protocol: str) -> None:
    parts = splits.split(clips, protocol, SETTINGS)
    assert set(parts) == set(splits.PARTS)
    for part in splits.PARTS:
        counts = clips.emotion[parts == part].value_counts()
        assert set(counts.index) == set(EMOTIONS)
        assert counts.max() - counts.min() <= 2, part
    expected = 0.5 if protocol.startswith("speaker_") else 0.2
    assert (parts == "test").mean() == pytest.approx(expected, abs=0.02)


def test_word_holds_out_words_and_keeps_both_speakers(clips: pd.DataFrame) -> None:
    parts = splits.split(clips, "word", SETTINGS)
    assert not heard(clips, parts, "text", "test") & heard(clips, parts, "text", "train", "val")
    assert heard(clips, parts, "speaker", "test") == heard(clips, parts, "speaker", "train") == {"OAF", "YAF"}


def test_speaker_tests_the_one_that_its_name_says(clips: pd.DataFrame) -> None:
    parts = splits.split(clips, "speaker_oaf", SETTINGS)
    assert heard(clips, parts, "speaker", "test") == {"OAF"}
    assert heard(clips, parts, "speaker", "train", "val") == {"YAF"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_validation_words_are_not_trained_on(clips: pd.DataFrame, protocol: str) -> None:
    parts = splits.split(clips, protocol, SETTINGS)
    assert not heard(clips, parts, "text", "val") & heard(clips, parts, "text", "train")


def test_the_folds_cover_every_clip_once(clips: pd.DataFrame) -> None:
    tested = np.zeros(len(clips), int)
    for fold in range(SETTINGS.folds):
        tested += splits.split(clips, "word", params.Split(SETTINGS.folds, fold, SETTINGS.val_folds, 1)) == "test"
    np.testing.assert_array_equal(tested, 1)


def test_equal_seeds_give_equal_parts_and_others_do_not(clips: pd.DataFrame) -> None:
    first, again, other = (
        splits.split(clips, "random", params.Split(SETTINGS.folds, 0, SETTINGS.val_folds, seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def table(*rows: tuple[str, str, str], recording: list[str] | None = None) -> pd.DataFrame:
    clips = pd.DataFrame(rows, columns=["speaker", "emotion", "text"]).assign(corpus="own")
    return clips.assign(recording=recording or [f"r{i}" for i in range(len(clips))])


def test_four_words_by_hand() -> None:
    """Two folds of words, and of the words that are left, half for val: two, one and one."""
    clips = table(*[(s, e, w) for s in "AB" for e in ("fear", "anger") for w in ("one", "two", "three", "four")])
    tested = set()
    for fold in (0, 1):
        parts = splits.split(clips, "word", params.Split(folds=2, fold=fold, val_folds=2, seed=0))
        words = {part: heard(clips, parts, "text", part) for part in splits.PARTS}
        assert [len(words[part]) for part in ("test", "val", "train")] == [2, 1, 1]
        assert set.union(*words.values()) == {"one", "two", "three", "four"}
        assert (parts == "test").sum() == 8 and (parts == "val").sum() == 4
        tested |= words["test"]
    assert tested == {"one", "two", "three", "four"}


def test_words_that_share_a_recording_stay_together() -> None:
    """A and b share r0, b and c share r1: one group of three, whichever way the chain runs; d is alone."""
    for texts in ("abcd", "cbad", "bacd"):
        a, b, c, d = texts
        rows = [("A", "fear", text) for text in (a, b, b, c, d)]
        groups = splits._words(table(*rows, recording=["r0", "r0", "r1", "r1", "r2"]))
        assert groups.tolist() == ["a"] * 4 + ["d"]


def test_the_speaker_of_a_protocol_is_named_in_lower_case() -> None:
    clips = table(*[(s, "fear", w) for s in ("Zoe", "Anna-2") for w in ("one", "two", "three")])
    assert splits.protocols(clips) == ["random", "word", "speaker_anna-2", "speaker_zoe"]
    parts = splits.split(clips, "speaker_zoe", params.Split(folds=2, fold=0, val_folds=3, seed=0))
    assert parts[:3].tolist() == ["test"] * 3 and sorted(parts[3:]) == ["train", "train", "val"]


@pytest.mark.parametrize(
    ("clips", "folds", "message"),
    [
        (table(("A", "fear", "x"), ("A", "fear", "y")), 3, "folds: expected 3 different values of recording, found 2"),
        (
            table(*[("A", emotion, word) for word in "xyz" for emotion in ("fear", "anger")][:5]), 4,
            "folds: expected at least 4 clips of a speaker's emotion, found 3 at the most",
        ),
        (table(*[("A", "fear", "x")] * 6), 3, "val_folds: expected 2 different values of text, found 1"),
    ],
)  # fmt: skip
def test_too_few_clips_are_said(clips: pd.DataFrame, folds: int, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"protocol random, split.{message}")):
        splits.split(clips, "random", params.Split(folds=folds, fold=0, val_folds=2, seed=0))


@st.composite
def corpora(draw: st.DrawFn) -> pd.DataFrame:
    """Corpora with gaps, few words, and copies of a recording under another word."""
    words = [f"w{i}" for i in range(draw(st.integers(8, 14)))]
    speakers = ["a", "b", "c"][: draw(st.integers(2, 3))]
    rows = [(s, e, w) for s in speakers for e in EMOTIONS[:3] for w in words]
    keep = draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    table = pd.DataFrame([row for row, kept in zip(rows, keep, strict=True) if kept or row[2] in words[:3]])
    table.columns = ["speaker", "emotion", "text"]
    table.insert(0, "corpus", "tess")
    table["clip"] = table.speaker + "/" + table.emotion + "/" + table.text
    table["recording"] = table["clip"]
    for copy in draw(st.lists(st.integers(0, len(table) - 1), max_size=3)):
        same = table.index[(table.speaker == table.speaker[copy]) & (table.emotion == table.emotion[copy])]
        table.loc[copy, "recording"] = table.recording[same[0]]
    return table


@given(corpora(), st.integers(0, 100))
@hypothesis_settings(max_examples=40, deadline=None)
def test_nothing_leaks_whatever_the_corpus(clips: pd.DataFrame, seed: int) -> None:
    for protocol in splits.protocols(clips):
        try:
            parts = splits.split(clips, protocol, params.Split(3, 0, 3, seed))
        except UserError:
            continue  # too few words: said, not guessed
        test, rest = parts == "test", parts != "test"
        assert not set(clips.recording[test]) & set(clips.recording[rest])
        assert not heard(clips, parts, "recording", "train") & heard(clips, parts, "recording", "val")
        assert not heard(clips, parts, "text", "train") & heard(clips, parts, "text", "val")
        if protocol == "word":
            assert not set(clips.text[test]) & set(clips.text[rest])
        if protocol.startswith("speaker_"):
            assert not set(clips.speaker[test]) & set(clips.speaker[rest])


@pytest.mark.parametrize("column", ["recording", "text", "speaker"])
def test_the_check_itself_sees_a_leak(clips: pd.DataFrame, column: str) -> None:
    protocol = {"recording": "random", "text": "word", "speaker": "speaker_oaf"}[column]
    parts = splits.split(clips, protocol, SETTINGS)
    leaking = clips.copy()
    leaking.loc[np.flatnonzero(parts == "test")[0], column] = leaking[column][parts == "train"].iloc[0]
    with pytest.raises(AssertionError):
        splits.check(leaking, parts, protocol)


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        ("speaker_xyz", "expected one of random, word, speaker_oaf, speaker_yaf; received 'speaker_xyz'"),
        ("wrod", "received 'wrod'"),
    ],
)
def test_an_unknown_protocol_is_named(clips: pd.DataFrame, protocol: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        splits.split(clips, protocol, SETTINGS)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_clips_of_other_corpora_are_trained_on_and_change_no_other_part(clips: pd.DataFrame, protocol: str) -> None:
    others = clips.iloc[::7].assign(corpus="other", speaker="other" + clips.speaker)
    others["recording"] = "other" + others.recording
    both = pd.concat([clips, others], ignore_index=True)
    parts = splits.split(both, protocol, SETTINGS)
    np.testing.assert_array_equal(parts[: len(clips)], splits.split(clips, protocol, SETTINGS))
    assert set(parts[len(clips) :]) == {"train"}
    assert splits.protocols(both) == splits.protocols(clips)
    assert splits.protocols(both[len(clips) - 1 :]) == ["random", "word", "speaker_yaf"]  # one clip is a corpus, too


def test_one_speaker_cannot_be_held_out(clips: pd.DataFrame) -> None:
    with pytest.raises(UserError, match="expected a corpus of at least two speakers, found only OAF"):
        splits.split(clips[clips.speaker == "OAF"], "speaker_oaf", SETTINGS)


def test_too_few_words_are_said(clips: pd.DataFrame) -> None:
    few = clips[clips.text < "word04"]
    with pytest.raises(UserError, match="split.folds: expected 5 different values of text, found 4"):
        splits.split(few, "word", SETTINGS)


def test_a_part_is_read_back_with_what_the_manifest_says(tmp_path: Path) -> None:
    place = tmp_path / "splits.csv"
    rows = {"clip": ["a", "b"], "speaker": ["03", "03"], "text": ["null", "1"], "recording": ["x", "y"]}
    pd.DataFrame({**rows, "word": ["train", "test"], "random": ["test", "val"]}).to_csv(place, index=False)
    table = parts.with_part(place, "word")
    assert table.to_dict("list") == {**rows, "part": ["train", "test"]}
    assert parts.with_part(place, "random").part.tolist() == ["test", "val"]
    for name in ("text", "speaker_oaf"):
        with pytest.raises(UserError, match=rf"expected a protocol of .*, one of word, random; received '{name}'"):
            parts.with_part(place, name)
    with pytest.raises(UserError, match=r"none\.csv: expected the table of a run, found none"):
        parts.with_part(tmp_path / "none.csv", "word")
