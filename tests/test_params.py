"""params.yaml: every slip of the pen is one line that says what was expected and what was received."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ser import params
from ser.errors import UserError
from tests.conftest import ROOT

GOOD = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
SECTIONS = ("corpora", "protocols", "features", "split", "train")


def load_all(content: Any, folder: Path) -> None:
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    for section in SECTIONS:
        params.load(section, path)


def changed(key: str, value: Any) -> dict:
    content = copy.deepcopy(GOOD)
    *sections, name = key.split(".")
    target = content
    for section in sections:
        target = target[section]
    target[name] = value
    return content


def test_the_committed_file_is_valid(tmp_path: Path) -> None:
    load_all(GOOD, tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("corpora", ["tes"], "corpora.0: expected 'tess', 'ravdess', 'emodb', 'synthetic' or 'folder', received 'tes'"),
        ("corpora", ["tess", "tess"], "corpora: expected each entry once, received ['tess', 'tess']"),
        ("corpora", "tess", "corpora: expected a valid list, received 'tess'"),
        ("corpora", [], "corpora: expected "),
        ("trian", {}, "unknown key 'trian' (did you mean `train`?)"),
        ("train.unitz", 64, "unknown key 'unitz' (did you mean `units`?)"),
        ("train.two\nlines", 64, "unknown key 'two\\nlines'"),
        ("train.units", 0, "train.units: expected greater than or equal to 1, received 0"),
        ("train.units", "64", "train.units: expected a valid integer, received '64'"),
        ("train.units", True, "train.units: expected a valid integer, received True"),
        ("train.lr", 5, "train.lr: expected less than 1, received 5"),
        ("train.lr", float("nan"), "train.lr: expected a finite number, received nan"),
        ("train.dropout", False, "train.dropout: expected a number, received False"),
        ("features.trim_db", True, "features.trim_db: expected a number, received True"),
        ("train.dropout", 1, "train.dropout: expected less than 1, received 1"),
        ("train.optimizer", None, "train.optimizer: expected 'adam', 'adamw', 'rmsprop' or 'sgd', received nothing"),
        ("train", None, "train: expected a mapping with the keys use, "),
        (
            "features.use",
            ["mfcc", "mfc"],
            "features.use.1: expected 'mfcc', 'chroma', 'mel', 'prosody' or 'flux', received 'mfc'",
        ),
        ("features.use", [], "features.use: expected "),
        ("features.use", ["mel", "mel"], "features.use: expected each entry once, received ['mel', 'mel']"),
        ("features.n_mfcc", 65, "features: expected n_mfcc <= n_mels = 64, received 65"),
        ("features.hop_length", 2048, "features: expected hop_length <= n_fft = 1024, received 2048"),
        ("features.n_fft", 128, "features: expected hop_length <= n_fft = 128, received 512"),
        ("features.n_fft", 1023, "features.n_fft: expected a multiple of 2, received 1023"),
        ("features.sample_rate", 48_000, "features: expected n_fft >= 1372, two periods of 70 Hz, received 1024"),
        ("features.trim_db", -1, "features.trim_db: expected greater than 0, received -1"),
        ("split.seed", 2**32, "split.seed: expected less than 4294967296, received 4294967296"),
        ("split.fold", 5, "split: expected fold < folds = 5, received 5"),
        ("synthetic_words", 4, "synthetic_words: expected greater than or equal to 5, received 4"),
        ("protocols", [], "protocols: expected "),
        ("protocols", ["word", "word"], "protocols: expected each entry once"),
        ("protocols", "word", "protocols: expected a valid list, received 'word'"),
        ("protocols", ["../word"], "protocols.0: expected "),
    ],
)
def test_a_bad_value_is_one_line(key: str, value: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        load_all(changed(key, value), tmp_path)
    assert message in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "params.yaml"))
    assert "\n" not in str(error.value)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    content = copy.deepcopy(GOOD)
    del content["train"]["units"]
    with pytest.raises(UserError, match=r"train\.units: expected field required, received nothing"):
        load_all(content, tmp_path)


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "train: {units: 1, units: }: "])
def test_what_is_no_mapping_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="expected"):
        params.load("train", tmp_path / "params.yaml")


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"params\.yaml: expected YAML, received .*utf-8"):
        params.load("train", tmp_path / "params.yaml")


def test_blocks_have_one_order(tmp_path: Path) -> None:
    content = copy.deepcopy(GOOD)
    content["train"]["use"].reverse()
    content["features"]["use"].reverse()
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    for section in ("features", "train"):
        assert params.load(section, tmp_path / "params.yaml") == params.load(section, ROOT / "params.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere.yaml: expected the parameter file"):
        params.load("train", tmp_path / "nowhere.yaml")


def test_scientific_notation_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(
        (ROOT / "params.yaml").read_text(encoding="utf-8").replace("lr: 0.002", "lr: 2e-3"), encoding="utf-8"
    )
    assert params.load("train", path).lr == 0.002


@hypothesis_settings(deadline=None)
@given(st.dictionaries(st.text(), st.one_of(st.none(), st.integers(), st.text(), st.lists(st.integers()))))
def test_any_mapping_is_refused_and_named(content: dict) -> None:
    try:
        params.check(params.Train, content, "train")
    except UserError as error:
        assert str(error).startswith("train")
    else:
        raise AssertionError("no random mapping holds every key")
