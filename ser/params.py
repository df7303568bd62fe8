"""The settings of every stage: a section of ``params.yaml`` becomes a checked, frozen dataclass.

A misspelt key, a value of the wrong type or one out of range ends in one line that names what was expected and
what was received.
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


Block = Literal["mfcc", "chroma", "mel", "prosody", "flux"]
BLOCKS: tuple[str, ...] = get_args(Block)  # of columns, in this order


def _unique(values: list[str]) -> list[str]:
    if len(set(values)) != len(values):
        raise ValueError(f"expected each entry once, received {values}")
    return values


def _in_order(values: list[str]) -> list[str]:
    """As the columns are, whatever the order in ``params.yaml``."""
    return sorted(values, key=BLOCKS.index)


Blocks = Annotated[list[Block], Field(min_length=1), AfterValidator(_unique), AfterValidator(_in_order)]
LOWEST_PITCH = 70  # Hz that block prosody looks for
Spread = Annotated[Real, Field(ge=0, le=5)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
Protocols = Annotated[list[Name], Field(min_length=1), AfterValidator(_unique)]


@dataclass(frozen=True, config=STRICT)
class Corpora:
    """Where the clips come from (top level of ``params.yaml``).

    Attributes:
        corpora: the first one is dealt out by the protocols; the clips of the others are trained on under each of them.
        folder: what corpus ``folder`` is copied from.
        synthetic_words: words that corpus ``synthetic`` has.
    """

    corpora: Annotated[
        list[Literal["tess", "ravdess", "emodb", "synthetic", "folder"]], Field(min_length=1), AfterValidator(_unique)
    ]
    folder: str
    synthetic_words: Annotated[int, Field(ge=5, le=60)]


@dataclass(frozen=True, config=STRICT)
class Features:
    """Waveform to frames (section ``features``).

    Attributes:
        sample_rate: Hz; every clip is resampled to it.
        n_fft: FFT size and window length, in samples.
        hop_length: samples between the starts of two frames.
        window: taper of the frames, by its name in ``scipy.signal.get_window``.
        trim_db: silence this many dB below the clip's maximum is cut off both ends; null keeps it.
        use: blocks of columns, of ``BLOCKS``.
        n_mfcc: number of mel-frequency cepstral coefficients.
        n_chroma: number of pitch classes.
        n_mels: number of mel bands; MFCCs and flux are computed from them too.
        deltas: order up to which time derivatives are appended (0: none).
        loudness: true: dB relative to full scale; false: relative to the clip's own maximum, which makes
            the features blind to the gain of a recording.
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
    deltas: Annotated[int, Field(ge=0, le=2)]
    loudness: bool

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
        use: blocks of columns that the LSTMs hear.
        shift: standard deviation of what is added to each column of a clip as a whole, anew every epoch, in those of
            the column.
        shift_pitch: likewise, of ``f0_level``, the clip's median pitch.
        scale: standard deviation of the factor around 1 that it is multiplied by, likewise.
        stretch: a clip is made longer or shorter by up to this share, likewise.
        members: LSTMs alike but for their initial weights, whose logits are averaged.
        units: of each LSTM, and in each direction.
        layers: LSTMs on top of each other.
        bidirectional: true: a second LSTM reads the clip from its end.
        pooling: ``mean`` of the states over the clip, ``statistics`` (mean and deviation), or the ``last`` one.
        dropout: share of each LSTM's states that is left out in training.
        label_smoothing: share of the target that is spread over all emotions.
        optimizer: by its name in Keras.
        lr: learning rate.
        batch_size: clips per step.
        epochs: at the most.
        average: share of the epochs, the last ones, whose weights are averaged; 0: early stopping instead.
        patience: of early stopping, epochs without a better ``val_loss``.
        class_weights: ``balanced``: every emotion counts the same in the loss, however many clips it has.
        expert: true: the expert has its say.
        control_epochs: epochs of the control that is trained on shuffled labels.
        seed: of the initial weights and of all that is drawn in training.
    """

    use: Blocks
    shift: Spread
    shift_pitch: Spread
    scale: Spread
    stretch: Share
    members: Annotated[int, Field(ge=1, le=32)]
    units: Count
    layers: Annotated[int, Field(ge=1, le=8)]
    bidirectional: bool
    pooling: Literal["mean", "statistics", "last"]
    dropout: Share
    label_smoothing: Share
    optimizer: Literal["adam", "adamw", "rmsprop", "sgd"]
    lr: Rate
    batch_size: Count
    epochs: Count
    average: Share
    patience: Count
    class_weights: Literal["none", "balanced"]
    expert: bool
    control_epochs: Count
    seed: Seed

    def averaged(self) -> int:
        """How many epochs, the last ones, have their weights averaged; 0: those of the best ``val_loss`` are kept."""
        return max(1, round(self.average * self.epochs)) if self.average else 0


SECTIONS: dict[str, type] = {"features": Features, "split": Split, "train": Train}
TOP_LEVEL = [field.name for field in fields(Corpora)] + ["protocols", *SECTIONS]


def load(section: str, path: Path = Path("params.yaml")) -> Any:
    """Read one section of the parameter file.

    Args:
        section: ``corpora``, ``protocols``, ``features``, ``split`` or ``train``.
        path: the parameter file.

    Returns:
        The section's dataclass, or the list of protocol names.

    Raises:
        UserError: a key is missing or unknown, or a value has the wrong type or is out of range.
    """
    content = _read(path)
    if section == "protocols":
        return check(Protocols, content.get("protocols"), f"{path}: protocols")
    if section == "corpora":
        keys = {field.name: content[field.name] for field in fields(Corpora) if field.name in content}
        return check(Corpora, keys, f"{path}: ")
    return check(SECTIONS[section], content.get(section), f"{path}: {section}")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: expected the parameter file, received {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: expected YAML, received {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a mapping with the keys {', '.join(TOP_LEVEL)}, received {content!r}")
    if unknown := [key for key in content if key not in TOP_LEVEL]:
        raise UserError(f"{path}: {_unknown(unknown[0], TOP_LEVEL)}")
    return content


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
