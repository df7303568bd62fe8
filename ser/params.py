"""The settings of every stage: ``params.yaml`` becomes checked, frozen dataclasses.

A misspelt key, a value of the wrong type, one out of range, or two that do not go together end in one line that names
what was expected and what was received. Every stage checks the whole file, so that a setting that only a later stage
reads is refused before anything is computed.
"""

import difflib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from ser.errors import UserError

# Strict: `units: "64"` or `units: true` is a slip of the pen, not a number.
STRICT = ConfigDict(strict=True, extra="forbid")


def _no_switch(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"expected a number, received {value}")
    return value


Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # what NumPy's older generator takes
# YAML 1.1, which PyYAML reads, takes 1e-3 for a string; 1.0e-3 for a number. Both are meant as one.
Real = Annotated[float, BeforeValidator(_no_switch), Field(strict=False, allow_inf_nan=False)]
Rate = Annotated[Real, Field(gt=0, lt=1)]
Share = Annotated[Real, Field(ge=0, lt=1)]
Spread = Annotated[Real, Field(ge=0, le=5)]

Block = Literal["mfcc", "chroma", "mel", "prosody", "flux"]
BLOCKS: tuple[str, ...] = get_args(Block)  # of columns, in this order
LOWEST_PITCH = 70  # Hz that block prosody looks for


def _unique(values: list[str]) -> list[str]:
    if len(set(values)) != len(values):
        raise ValueError(f"expected each entry once, received {values}")
    return values


def _in_order(values: list[str]) -> list[str]:
    """As the columns are, whatever the order in ``params.yaml``."""
    return sorted(values, key=BLOCKS.index)


Blocks = Annotated[list[Block], Field(min_length=1), AfterValidator(_unique), AfterValidator(_in_order)]
Corpus = Literal["tess", "ravdess", "emodb", "synthetic", "folder"]
Corpora = Annotated[list[Corpus], Field(min_length=1), AfterValidator(_unique)]
Protocol = Annotated[str, Field(pattern=r"^(random|word|speaker_[A-Za-z0-9_-]+)$")]
Protocols = Annotated[list[Protocol], Field(min_length=1), AfterValidator(_unique)]


@dataclass(frozen=True, config=STRICT)
class Features:
    """Waveform to frames (section ``features``)."""

    sample_rate: Annotated[int, Field(ge=4000, le=192_000)]  # Hz; every clip is resampled to it
    n_fft: Annotated[int, Field(ge=64, le=16_384, multiple_of=2)]  # FFT size and window length, in samples
    hop_length: Count  # samples between the starts of two frames
    window: Literal["hann", "hamming", "blackman", "boxcar"]  # taper of the frames, named as in scipy.signal.windows
    trim_db: Annotated[Real, Field(gt=0)] | None  # dB below the maximum; quieter ends are cut off; null keeps them
    use: Blocks  # blocks of columns, of BLOCKS; what is computed is what the network reads
    n_mfcc: Count  # number of mel-frequency cepstral coefficients
    n_chroma: Count  # number of pitch classes
    n_mels: Annotated[int, Field(ge=2, le=512)]  # number of mel bands; MFCCs and flux are computed from them too

    @model_validator(mode="after")
    def _consistent(self) -> "Features":
        if self.hop_length > self.n_fft:
            raise ValueError(f"expected hop_length <= n_fft = {self.n_fft}, received {self.hop_length}")
        if "prosody" in self.use and self.n_fft < (shortest := -(-2 * self.sample_rate // LOWEST_PITCH)):
            raise ValueError(f"expected n_fft >= {shortest}, two periods of {LOWEST_PITCH} Hz, received {self.n_fft}")
        if self.n_mfcc > self.n_mels:
            raise ValueError(f"expected n_mfcc <= n_mels = {self.n_mels}, received {self.n_mfcc}")
        return self


@dataclass(frozen=True, config=STRICT)
class Split:
    """How clips are dealt into parts (section ``split``)."""

    folds: Annotated[int, Field(ge=2)]  # the test part is one fold in this many (random and word)
    fold: Annotated[int, Field(ge=0)]  # which of them
    val_folds: Annotated[int, Field(ge=2)]  # the validation part is one fold in this many of the training side's words
    seed: Seed  # shuffles the folds

    @model_validator(mode="after")
    def _consistent(self) -> "Split":
        if self.fold >= self.folds:
            raise ValueError(f"expected fold < folds = {self.folds}, received {self.fold}")
        return self


@dataclass(frozen=True, config=STRICT)
class Train:
    """The network and how it is trained (section ``train``)."""

    filters: list[Annotated[int, Field(ge=1, le=1024)]]  # of each convolution over the mel bands; []: none
    units: Annotated[int, Field(ge=1, le=4096)]  # of the LSTM, in each direction
    dropout: Share  # share of the pooled states that is left out in training
    shift: Spread  # standard deviation of what is added to each column of a clip as a whole, in those of the column
    scale: Spread  # standard deviation of the factor around 1 that it is multiplied by
    warp: Share  # mel bands are stretched and moved by up to this share of their number
    mask: Share  # up to this share of a clip's mel bands, and of its frames, is masked
    lr: Rate  # highest learning rate; it rises for a fifth of the steps and falls to 0
    weight_decay: Share  # of AdamW
    batch_size: Count  # clips per step
    epochs: Count  # how many
    seed: Seed  # of the initial weights and of all that is drawn in training


@dataclass(frozen=True, config=STRICT)
class Params:
    """All of ``params.yaml``."""

    corpora: Corpora  # the protocols deal out the first one; clips of the others are trained on under each of them
    folder: str  # what corpus folder is copied from
    synthetic_words: Annotated[int, Field(ge=5, le=60)]  # words that corpus synthetic has
    protocols: Protocols  # how the clips are split; each one is trained and evaluated
    features: Features  # waveform to frames
    split: Split  # how clips are dealt into parts
    train: Train  # the network and its training


def load(path: Path = Path("params.yaml")) -> Params:
    """Read and check the whole parameter file.

    Raises:
        UserError: a key is missing or unknown, or a value has the wrong type or is out of range.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: expected the parameter file, received {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected YAML, received {' '.join(str(error).split())}") from error
    sections = {"features": Features, "split": Split, "train": Train}
    if isinstance(content, dict):  # each of them on its own, so that an error names its keys
        content |= {
            key: check(kind, content[key], f"{path}: {key}") for key, kind in sections.items() if key in content
        }
    return check(Params, content, f"{path}: ")


def check(kind: Any, value: Any, where: str) -> Any:
    """Check a plain value (from YAML or a model file) against a type; the error names ``where``."""
    names = [field.name for field in fields(kind)] if is_dataclass(kind) else []
    if names and not isinstance(value, dict):
        raise UserError(f"{where}: expected a mapping with the keys {', '.join(names)}; received {value!r}")
    if unknown := next((str(key) for key in value if key not in names), None) if names else None:
        hint = "".join(f" (did you mean `{name}`?)" for name in difflib.get_close_matches(unknown, names, n=1))
        raise UserError(f"{where}: expected one of {', '.join(names)}; received the unknown key {unknown!r}{hint}")
    try:
        return kind(**value) if names else TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        if "received" not in message:
            absent = first["type"].startswith("missing") or first["input"] is None
            message = message[0].lower() + message[1:]
            message = f"expected {message}, received {'nothing' if absent else repr(first['input'])}"
        dot = "." if place and not where.endswith(" ") else ""
        raise UserError(f"{where}{dot}{place}: {message}") from error
