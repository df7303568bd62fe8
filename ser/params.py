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
    """Waveform to frames (section ``features``).

    Attributes:
        sample_rate: Hz; every clip is resampled to it.
        n_fft: FFT size and window length, in samples.
        hop_length: samples between the starts of two frames.
        window: taper of the frames, by its name in ``scipy.signal.get_window``.
        trim_db: silence this many dB below the clip's maximum is cut off both ends; null keeps it.
        use: blocks of columns, of ``BLOCKS``; what is computed is what the network reads.
        n_mfcc: number of mel-frequency cepstral coefficients.
        n_chroma: number of pitch classes.
        n_mels: number of mel bands; MFCCs and flux are computed from them too.
    """

    sample_rate: Annotated[int, Field(ge=4000, le=192_000)]
    n_fft: Annotated[int, Field(ge=64, le=16_384, multiple_of=2)]
    hop_length: Count
    window: Literal["hann", "hamming", "blackman", "boxcar"]
    trim_db: Annotated[Real, Field(gt=0)] | None
    use: Blocks
    n_mfcc: Count
    n_chroma: Count
    n_mels: Annotated[int, Field(ge=2, le=512)]

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
    """How clips are dealt into parts (section ``split``).

    Attributes:
        folds: the test part is one fold in this many (``random`` and ``word``).
        fold: which of them.
        val_folds: the validation part is one fold in this many of the training side's words.
        seed: shuffles the folds.
    """

    folds: Annotated[int, Field(ge=2)]
    fold: Annotated[int, Field(ge=0)]
    val_folds: Annotated[int, Field(ge=2)]
    seed: Seed

    @model_validator(mode="after")
    def _consistent(self) -> "Split":
        if self.fold >= self.folds:
            raise ValueError(f"expected fold < folds = {self.folds}, received {self.fold}")
        return self


@dataclass(frozen=True, config=STRICT)
class Train:
    """The network and how it is trained (section ``train``).

    Attributes:
        filters: of each block of convolution over the mel bands; an empty list leaves the bands as they are.
        units: of the LSTM, in each direction.
        dropout: share of the pooled states that is left out in training.
        shift: standard deviation of what is added to each column of a clip as a whole, in those of the column.
        scale: standard deviation of the factor around 1 that it is multiplied by.
        warp: mel bands are stretched and moved by up to this share of their number.
        mask: up to this share of a clip's mel bands, and of its frames, is masked.
        lr: highest learning rate; it rises for a fifth of the steps and falls to 0.
        weight_decay: of AdamW.
        batch_size: clips per step.
        epochs: how many.
        seed: of the initial weights and of all that is drawn in training.
    """

    filters: list[Annotated[int, Field(ge=1, le=1024)]]
    units: Annotated[int, Field(ge=1, le=4096)]
    dropout: Share
    shift: Spread
    scale: Spread
    warp: Share
    mask: Share
    lr: Rate
    weight_decay: Share
    batch_size: Count
    epochs: Count
    seed: Seed


@dataclass(frozen=True, config=STRICT)
class Params:
    """All of ``params.yaml``.

    Attributes:
        corpora: the first one is dealt out by the protocols; the clips of the others are trained on under each of them.
        folder: what corpus ``folder`` is copied from.
        synthetic_words: words that corpus ``synthetic`` has.
        protocols: how the clips are split; each one is trained and evaluated.
        features: waveform to frames.
        split: how clips are dealt into parts.
        train: the network and its training.
    """

    corpora: Corpora
    folder: str
    synthetic_words: Annotated[int, Field(ge=5, le=60)]
    protocols: Protocols
    features: Features
    split: Split
    train: Train


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
    if unknown := [str(key) for key in value if key not in names] if names else []:
        raise UserError(f"{where}: {_unknown(unknown[0], names)}")
    try:
        return kind(**value) if names else TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        if "received" not in message:
            received = (
                "nothing" if first["type"].startswith("missing") or first["input"] is None else repr(first["input"])
            )
            message = f"expected {message[0].lower() + message[1:]}, received {received}"
        dot = "." if place and not where.endswith(" ") else ""
        raise UserError(f"{where}{dot}{place}: {message}") from error


def _unknown(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(str(key), known, n=1)
    hint = f" (did you mean `{close[0]}`?)" if close else ""
    return f"expected one of {', '.join(known)}; received the unknown key {str(key)!r}{hint}"
