"""Splits: what must be unseen is unseen, under every corpus that can be thought up."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ser import EMOTIONS, manifest, params, splits
from ser.errors import UserError
from tests.conftest import ROOT

SETTINGS = params.load("split", ROOT / "params.yaml")
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
@hypothesis_settings(max_examples=60, deadline=None)
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


def test_one_speaker_cannot_be_held_out(clips: pd.DataFrame) -> None:
    with pytest.raises(UserError, match="expected a corpus of at least two speakers, found only OAF"):
        splits.split(clips[clips.speaker == "OAF"], "speaker_oaf", SETTINGS)


def test_too_few_words_are_said(clips: pd.DataFrame) -> None:
    few = clips[clips.text < "word04"]
    with pytest.raises(UserError, match="split.folds: expected 5 different values of text, found 4"):
        splits.split(few, "word", SETTINGS)


def test_parts_belong_to_the_clips_of_the_manifest(tmp_path: Path) -> None:
    place, splits_place = tmp_path / "manifest.csv", tmp_path / "splits.csv"
    pd.DataFrame({"clip": ["a", "b"], "speaker": ["03", "03"], "text": ["null", "1"]}).to_csv(place, index=False)
    pd.DataFrame({"clip": ["b", "a"], "word": ["test", "train"]}).to_csv(splits_place, index=False)
    table = manifest.with_part(place, splits_place, "word")
    assert table.part.tolist() == ["train", "test"] and table.text.tolist() == ["null", "1"]
    with pytest.raises(UserError, match=r"expected a protocol of .*splits\.csv, one of word; received 'text'"):
        manifest.with_part(place, splits_place, "text")
    pd.DataFrame({"clip": ["a"], "word": ["train"]}).to_csv(splits_place, index=False)
    with pytest.raises(UserError, match="expected the same clips"):
        manifest.with_part(place, splits_place, "word")
    splits_place.unlink()
    with pytest.raises(UserError, match=r"splits\.csv: expected the parts of a run, found none; run `dvc repro split`"):
        manifest.with_part(place, splits_place, "word")
