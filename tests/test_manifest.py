"""The manifest: every clip is opened once and described; a recording has one speaker and one emotion."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser.data import corpora, manifest
from ser.errors import UserError
from ser.files import read_table
from tests.corpus_files import lay_out, own, wav


def test_the_manifest_describes_every_clip(tmp_path: Path) -> None:
    source = own(tmp_path, "a/anger/null.wav", "03/fear/x.wav")
    table = manifest.describe(tmp_path / "raw", corpora.copy_folder(source, tmp_path / "raw"))
    assert list(table.columns) == manifest.COLUMNS
    assert list(table["clip"]) == ["03/fear/x.wav", "a/anger/null.wav"]
    assert table.duration.tolist() == [round(2000 / 24_414, 6)] * 2
    assert table.sample_rate.tolist() == [24_414] * 2
    assert table.sha256[0] == hashlib.sha256((source / "03/fear/x.wav").read_bytes()).hexdigest()
    table.to_csv(tmp_path / "manifest.csv", index=False)
    again = read_table(tmp_path / "manifest.csv")
    assert again.text.tolist() == ["x", "null"] and again.speaker.tolist() == ["03", "a"]


def test_a_clip_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    source = lay_out({"a/anger/x.wav": b"no audio"}, tmp_path / "mine")
    with pytest.raises(UserError, match=r"x\.wav: expected audio"):
        manifest.describe(tmp_path / "raw", corpora.copy_folder(source, tmp_path / "raw"))


def test_one_recording_under_two_emotions_is_refused(tmp_path: Path) -> None:
    source = lay_out({"a/anger/x.wav": wav(1), "a/fear/y.wav": wav(1)}, tmp_path / "mine")
    with pytest.raises(UserError, match=r"a/anger/x\.wav and a/fear/y\.wav: expected one speaker and one emotion"):
        manifest.describe(tmp_path / "raw", corpora.copy_folder(source, tmp_path / "raw"))


def test_a_copy_in_another_format_is_the_same_recording(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-9999, 9999, 2000).astype(np.int16)
    (tmp_path / "mine/a/anger").mkdir(parents=True)
    for name in ("x.wav", "y.flac"):
        soundfile.write(tmp_path / "mine/a/anger" / name, samples, 16_000)
    clips = corpora.copy_folder(tmp_path / "mine", tmp_path / "raw")
    assert manifest.describe(tmp_path / "raw", clips).recording.nunique() == 1
