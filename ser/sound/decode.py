"""Sound to be recognised: a file, a pipe or an array, read in blocks, and refused in one line.

``ser.audio`` reads the clips of a corpus, which were checked before. Here nothing is taken for granted: neither the
file's ending nor what its header says.
"""

import io
import os
import shlex
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO, Protocol

import numpy as np
import soundfile

from ser.errors import UserError
from ser.sound import audio

RATES = (4_000, 768_000)  # Hz; below lies no speech, above nobody records
MAX_CHANNELS = 32  # three seconds of that many at the highest rate still fit into 300 MB
MAX_PIPE_BYTES = 2**32
PIPES = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")  # how the paths of those begin that a shell makes
PEAK_BLOCK = 2**18  # samples
# What libsndfile decodes to floats, which may lie above full scale; all else it decodes to integers.
FLOATING = ("FLOAT", "DOUBLE", "VORBIS", "OPUS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III")
# What libsndfile does not decode, by the first bytes, so that the answer names it.
FOREIGN = {
    (4, b"ftyp"): "MP4 (m4a, mp4, mov, 3gp)",
    (0, b"\x1aE\xdf\xa3"): "Matroska or WebM",
    (0, b"0&\xb2u\x8ef\xcf\x11"): "Windows Media (wma, wmv, asf)",
    (8, b"AVI "): "AVI video",
    (0, b"FLV"): "Flash video",
    (0, b"#!AMR"): "AMR",
    (0, b"\x00\x00\x01\xba"): "MPEG video",
    (0, b"\xff\xf1"): "AAC",
    (0, b"\xff\xf9"): "AAC",
}
FOREIGN_ENDINGS = (
    ".m4a", ".m4b", ".mp4", ".m4v", ".mov", ".3gp", ".aac", ".wma", ".wmv", ".avi", ".mkv", ".webm", ".flv", ".amr",
    ".mpg", ".mpeg", ".ts",
)  # fmt: skip


class Sound(Protocol):
    """A source of samples."""

    rate: int

    def peak(self) -> float:
        """Return the largest absolute value, NaN if there is one; 1 where it cannot be far above. Before any read."""
        ...

    def read(self, count: int) -> np.ndarray:
        """Return the next samples, (at most count, channels) float32; none at the end."""
        ...


@contextmanager
def opened(source: object, rate: int | None = None) -> Iterator[Sound]:
    """Open a path, ``-`` (standard input), a binary file object or an array.

    Args:
        source: path; file object, which has to be seekable; array of (samples,) or (samples, channels), float in
            [-1, 1] or integer of up to 32 bits.
        rate: Hz, of an array.

    Raises:
        UserError: the source cannot be read as sound.
    """
    if isinstance(source, str) and source == "-":
        if sys.stdin is None:
            raise UserError("standard input: expected a recording, received a closed one")
        with _spooled(sys.stdin.buffer, "standard input") as file, closing(_File(file, "standard input")) as sound:
            yield sound
    elif isinstance(source, (str, os.PathLike)):
        known = "FILE" if str(source).startswith(PIPES) else str(source)
        with _regular(str(source) or "''") as file, closing(_File(file, str(source), known)) as sound:
            yield sound
    elif hasattr(source, "read"):
        with closing(_File(source, str(getattr(source, "name", "file")))) as sound:  # type: ignore[arg-type]
            yield sound
    elif source is None or isinstance(source, (bytes, bytearray)):
        raise UserError(
            "expected a path, a binary file object or an array of samples, received "
            + ("None" if source is None else "bytes: put them into io.BytesIO, if they are a file's")
        )
    else:
        yield _Array(source, rate)


class _File:
    def __init__(self, file: BinaryIO, name: str, path: str = "FILE") -> None:
        self.name = name
        head = _head(file, name)
        if not head:
            raise UserError(f"{name}: expected audio, received an empty file")
        try:
            # By its descriptor, where it has one: libsndfile then reads without Python. Never with its name, whose
            # ending would be believed.
            nameless = SimpleNamespace(read=file.read, seek=file.seek, tell=file.tell)
            self.file = soundfile.SoundFile(_descriptor(file) or nameless, closefd=False)
        except (soundfile.LibsndfileError, OSError, AttributeError, TypeError, ValueError, RuntimeError) as error:
            raise UserError(f"{name}: {_refusal(name, Path(path), head, error)}") from error
        audio.read_onward(self.file)
        self.rate = self.file.samplerate
        if not RATES[0] <= self.rate <= RATES[1]:
            raise UserError(f"{name}: expected a sample rate from {RATES[0]} to {RATES[1]} Hz, received {self.rate}")
        if self.file.channels > MAX_CHANNELS:
            raise UserError(f"{name}: expected at most {MAX_CHANNELS} channels, received {self.file.channels}")

    def close(self) -> None:
        """Let go of the decoder; the file stays open."""
        self.file.close()

    def peak(self) -> float:
        if self.file.subtype not in FLOATING:
            return 1.0
        highest = 0.0
        while len(block := self.read(PEAK_BLOCK)):
            highest = float(np.maximum(highest, np.abs(block).max()))  # unlike max(), it keeps NaN
        self.file.seek(0)
        return highest

    def read(self, count: int) -> np.ndarray:
        try:
            return self.file.read(count, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, OSError, ValueError, RuntimeError) as error:
            raise UserError(f"{self.name}: expected audio, received a damaged file: {_one_line(error)}") from error


class _Array:
    def __init__(self, source: object, rate: int | None) -> None:
        try:
            array = np.asarray(source)
        except (ValueError, TypeError) as error:
            raise UserError(f"array: expected numbers, received {_one_line(error)}") from error
        number = isinstance(rate, (int, float, np.integer, np.floating)) and not isinstance(rate, bool)
        if rate is None or not number or not RATES[0] <= rate <= RATES[1] or int(rate) != rate:
            raise UserError(f"array: expected sample_rate from {RATES[0]} to {RATES[1]} Hz, received {rate!r}")
        # Integers of 64 bits are samples of a file in a wider type: on a scale of 64 bits, next to nothing.
        sound = array.dtype.kind == "f" or (array.dtype.kind in "iu" and array.dtype.itemsize <= 4)
        if not sound or array.ndim not in (1, 2) or array.size == 0:
            raise UserError(
                "array: expected (samples,) or (samples, channels) of float, or integer of up to 32 bits, "
                f"received shape {array.shape} of {array.dtype}"
            )
        array = array.reshape(len(array), -1)
        # librosa and torchaudio put the channels first; no recording has more channels than samples.
        self.samples = array.T if array.shape[0] < array.shape[1] else array
        if self.samples.shape[1] > MAX_CHANNELS:
            raise UserError(f"array: expected at most {MAX_CHANNELS} channels, received shape {array.shape}")
        self.rate, self.place = int(rate), 0

    def peak(self) -> float:
        return float(max(self.samples.max(), -self.samples.min())) if self.samples.dtype.kind == "f" else 1.0

    def read(self, count: int) -> np.ndarray:
        block = self.samples[self.place : self.place + count]
        self.place += len(block)
        if block.dtype.kind == "f":
            with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as such
                return block.astype(np.float32)
        span = np.iinfo(block.dtype)
        middle = (int(span.max) + int(span.min) + 1) // 2  # 0, and 128 for unsigned bytes
        return ((block.astype(np.float64) - middle) / (int(span.max) - middle + 1)).astype(np.float32)


@contextmanager
def _regular(path: str) -> Iterator[BinaryIO]:
    """Open a regular file; a pipe that the shell made (``<(ffmpeg ...)``) is copied into one."""
    with ExitStack() as stack:
        try:
            kind = os.stat(path).st_mode
            # Any other pipe, and most devices, would wait or run for ever.
            if not stat.S_ISREG(kind) and not path.startswith(PIPES):
                raise UserError(f"{path}: expected a file, received {'a folder' if stat.S_ISDIR(kind) else 'a device'}")
            file: BinaryIO = stack.enter_context(open(path, "rb"))
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
            raise UserError(f"{path}: {_unreadable(error)}") from error
        yield file if stat.S_ISREG(kind) else stack.enter_context(_spooled(file, path))


@contextmanager
def _spooled(pipe: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """Copy a pipe into a temporary file: decoders seek."""
    with tempfile.TemporaryFile() as file:
        try:
            shutil.copyfileobj(_Limited(pipe, name), file)
        except OSError as error:
            raise UserError(f"{name}: {_unreadable(error)}") from error
        file.seek(0)
        yield file


def _unreadable(error: Exception) -> str:
    return f"expected a readable file, received: {getattr(error, 'strerror', None) or error}"


class _Limited:
    """A pipe that ends with an error before it fills the disk."""

    def __init__(self, pipe: BinaryIO, name: str) -> None:
        self.pipe, self.name, self.left = pipe, name, MAX_PIPE_BYTES

    def read(self, count: int = -1, /) -> bytes:
        block = self.pipe.read(count)
        self.left -= len(block)
        if self.left < 0:
            raise UserError(f"{self.name}: expected at most {MAX_PIPE_BYTES} bytes, received more")
        return block


def _head(file: BinaryIO, name: str) -> bytes:
    try:
        file.seek(0)  # whoever hands it over may have read it, or just written it
        head = file.read(16)
        file.seek(0)
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{name}: expected a seekable binary file, received: {_one_line(error)}") from error
    if not isinstance(head, bytes):
        raise UserError(f"{name}: expected a seekable binary file, received one opened as text (open it with 'rb')")
    return head


def _descriptor(file: BinaryIO) -> int | None:
    """The file's descriptor, put back to its start; None for a file in memory, or one that changes what it reads."""
    if not isinstance(getattr(file, "raw", file), io.FileIO):  # a gzip.GzipFile has the descriptor of what is packed
        return None
    try:
        descriptor = file.fileno()
        # Python must not keep what it read ahead: it would count on where the descriptor was when it did.
        file.seek(0, os.SEEK_END)
        os.lseek(descriptor, 0, os.SEEK_SET)
    except (AttributeError, OSError, ValueError):
        return None
    return descriptor


def _refusal(name: str, path: Path, head: bytes, error: Exception) -> str:
    kinds = [kind for (at, magic), kind in FOREIGN.items() if head[at:].startswith(magic)]
    if not kinds and not name.lower().endswith(FOREIGN_ENDINGS):
        return f"expected audio that libsndfile reads, received: {_one_line(error)}"
    target = path.with_suffix(".converted.wav" if path.suffix.lower() == ".wav" else ".wav")
    kind = kinds[0] if kinds else Path(name).suffix
    command = f"ffmpeg -i {shlex.quote(str(path))} {shlex.quote(str(target))}"
    return f"expected audio that libsndfile reads, received {kind}; convert it: {command}"


def _one_line(error: Exception) -> str:
    return " ".join(str(getattr(error, "error_string", None) or error).split())[:200] or type(error).__name__
