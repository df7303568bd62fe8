"""params.yaml: every slip of the pen is one line that says what was expected and what was received."""

import copy
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ser import params
from ser.errors import UserError
from tests.conftest import ROOT

COMMITTED = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
# Whatever stands in the file, these are the values that the messages below name.
GOOD = COMMITTED | {
    "features": COMMITTED["features"] | {"sample_rate": 16_000, "n_fft": 1024, "hop_length": 512, "n_mels": 64,
                                         "n_mfcc": 40, "use": list(params.BLOCKS)},
    "split": {"folds": 5, "fold": 0, "val_folds": 8, "seed": 42},
}  # fmt: skip


def one_of(kind: Any) -> str:
    """The values of a Literal, as an error lists them."""
    *others, last = map(repr, get_args(kind))
    return f"expected {', '.join(others)} or {last}"


def load(content: Any, folder: Path) -> params.Params:
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return params.load(path)


def changed(key: str, value: Any) -> dict:
    content = copy.deepcopy(GOOD)
    *sections, name = key.split(".")
    target = content
    for section in sections:
        target = target[section]
    target[name] = value
    return content


def test_the_committed_file_is_valid(tmp_path: Path) -> None:
    loaded = load(COMMITTED, tmp_path)
    assert loaded == params.load()
    # What stands in the file is what the stages get; whole numbers may stand for fractions.
    for key, value in COMMITTED.items():
        received = getattr(loaded, key)
        assert (vars(received) if isinstance(value, dict) else received) == value, key


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("corpora", ["tes"], f"corpora.0: {one_of(params.Corpus)}, received 'tes'"),
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
        ("train.units", None, "train.units: expected a valid integer, received nothing"),
        ("train.filters", [16, 0], "train.filters.1: expected greater than or equal to 1, received 0"),
        ("train.filters", 16, "train.filters: expected a valid list, received 16"),
        ("train.lr", 0, "train.lr: expected greater than 0, received 0"),
        ("train.shift", 5.1, "train.shift: expected less than or equal to 5, received 5.1"),
        ("train.scale", -0.1, "train.scale: expected greater than or equal to 0, received -0.1"),
        ("train.mask", 1, "train.mask: expected less than 1, received 1"),
        ("train", None, "train: expected a mapping with the keys filters, "),
        (
            "features.use",
            ["mfcc", "mfc"],
            f"features.use.1: {one_of(params.Block)}, received 'mfc'",
        ),
        ("features.use", [], "features.use: expected "),
        ("features.use", ["mel", "mel"], "features.use: expected each entry once, received ['mel', 'mel']"),
        ("features.n_mfcc", 65, "features: expected n_mfcc <= n_mels = 64, received 65"),
        ("features.hop_length", 2048, "features: expected hop_length <= n_fft = 1024, received 2048"),
        ("features.n_fft", 128, "features: expected hop_length <= n_fft = 128, received 512"),
        (
            "features.window",
            "han",
            "features.window: expected 'hann', 'hamming', 'blackman' or 'boxcar', received 'han'",
        ),
        ("features.sample_rate", 3999, "features.sample_rate: expected greater than or equal to 4000, received 3999"),
        ("features.n_fft", 1023, "features.n_fft: expected a multiple of 2, received 1023"),
        ("features.sample_rate", 48_000, "features: expected n_fft >= 1372, two periods of 70 Hz, received 1024"),
        ("features.trim_db", -1, "features.trim_db: expected greater than 0, received -1"),
        ("split.seed", 2**32, "split.seed: expected less than 4294967296, received 4294967296"),
        ("split.fold", 5, "split: expected fold < folds = 5, received 5"),
        ("split.folds", 1, "split.folds: expected greater than or equal to 2, received 1"),
        ("folder", 3, "folder: expected a valid string, received 3"),
        ("synthetic_words", 4, "synthetic_words: expected greater than or equal to 5, received 4"),
        ("protocols", [], "protocols: expected "),
        ("protocols", ["word", "word"], "protocols: expected each entry once"),
        ("protocols", "word", "protocols: expected a valid list, received 'word'"),
        ("protocols", ["../word"], "protocols.0: expected "),
    ],
)
def test_a_bad_value_is_one_line(key: str, value: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        load(changed(key, value), tmp_path)
    assert message in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "params.yaml"))
    assert "\n" not in str(error.value)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    content = copy.deepcopy(GOOD)
    del content["train"]["units"]
    with pytest.raises(UserError, match=r"train\.units: expected field required, received nothing"):
        load(content, tmp_path)


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "train: {units: 1, units: }: "])
def test_what_is_no_mapping_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="expected"):
        params.load(tmp_path / "params.yaml")


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"params\.yaml: expected YAML, received .*utf-8"):
        params.load(tmp_path / "params.yaml")


def test_the_columns_have_one_order_whatever_the_file_says(tmp_path: Path) -> None:
    blocks = load(changed("features.use", list(reversed(params.BLOCKS))), tmp_path).features.use
    assert tuple(blocks) == params.BLOCKS


def test_limits_belong_to_what_is_allowed(tmp_path: Path) -> None:
    """Two periods of 70 Hz at 16 kHz are 457.1 samples; prosody alone needs them."""
    for key, value in {"split.fold": 4, "features.n_mfcc": 64, "features.hop_length": 1024, "train.shift": 5}.items():
        load(changed(key, value), tmp_path)
    short = changed("features.n_fft", 456)
    short["features"]["hop_length"] = 256
    with pytest.raises(UserError, match="expected n_fft >= 458, two periods of 70 Hz, received 456"):
        load(short, tmp_path)
    short["features"]["n_fft"] = 458
    load(short, tmp_path)
    short["features"] |= {"n_fft": 456, "use": ["mel"]}
    load(short, tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere.yaml: expected the parameter file"):
        params.load(tmp_path / "nowhere.yaml")


def test_scientific_notation_is_a_number(tmp_path: Path) -> None:
    """YAML 1.1 reads 2e-3 as a string."""
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed("train.lr", 987)).replace("987", "2e-3"))
    assert params.load(tmp_path / "params.yaml").train.lr == 0.002


@hypothesis_settings(deadline=None)
@given(st.dictionaries(st.text(), st.one_of(st.none(), st.integers(), st.text(), st.lists(st.integers()))))
def test_any_mapping_is_refused_and_named(content: dict) -> None:
    try:
        params.check(params.Train, content, "train")
    except UserError as error:
        assert str(error).startswith("train")
    else:
        raise AssertionError("no random mapping holds every key")
