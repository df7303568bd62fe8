"""Sound to be recognised: a file, a pipe or an array, read in blocks, and refused in one line.

``ser.sound.audio`` reads the clips of a corpus, which were checked before. Here nothing is taken for granted: neither
the file's ending nor what its header says.
"""

import os
import shlex
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO, Protocol, cast

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
    with ExitStack() as stack:
        if isinstance(source, (str, os.PathLike)):
            file, name = _open(str(source), stack), "standard input" if source == "-" else str(source)
        elif hasattr(source, "read"):
            file, name = cast(BinaryIO, source), str(getattr(source, "name", "file"))
        elif source is None or isinstance(source, (bytes, bytearray)):
            received = "None" if source is None else "bytes: put them into io.BytesIO, if they are a file's"
            raise UserError(f"expected a path, a binary file object or an array of samples, received {received}")
        else:
            yield _Array(source, rate)
            return
        sound = _File(file, name)
        stack.enter_context(sound.file)  # the decoder; what was handed in stays open
        yield sound


class _File:
    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        head = _head(file, name)
        if not head:
            raise UserError(f"{name}: expected audio, received an empty file")
        try:
            # Never with its name, whose ending would be believed.
            nameless = SimpleNamespace(read=file.read, seek=file.seek, tell=file.tell)
            self.file = soundfile.SoundFile(nameless)
        except (soundfile.LibsndfileError, OSError, AttributeError, TypeError, ValueError, RuntimeError) as error:
            raise UserError(f"{name}: expected audio that libsndfile reads, {_received(name, head, error)}") from error
        audio.read_onward(self.file)
        self.rate = self.file.samplerate
        if not RATES[0] <= self.rate <= RATES[1]:
            raise UserError(f"{name}: expected a sample rate from {RATES[0]} to {RATES[1]} Hz, received {self.rate}")
        if self.file.channels > MAX_CHANNELS:
            raise UserError(f"{name}: expected at most {MAX_CHANNELS} channels, received {self.file.channels}")

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
        if not isinstance(rate, (int, float, np.integer, np.floating)) or rate % 1 or not RATES[0] <= rate <= RATES[1]:
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


def _open(path: str, stack: ExitStack) -> BinaryIO:
    """A regular file as it is; standard input, or a pipe of the shell (``<(ffmpeg ...)``), as a copy: decoders seek."""
    try:
        if path == "-":
            if sys.stdin is None:
                raise UserError("standard input: expected a recording, received a closed one")
            return _copy(sys.stdin.buffer, "standard input", stack)
        kind = os.stat(path).st_mode
        # Any other pipe, and most devices, would wait or run for ever.
        if not stat.S_ISREG(kind) and not path.startswith(PIPES):
            raise UserError(f"{path}: expected a file, received {'a folder' if stat.S_ISDIR(kind) else 'a device'}")
        file: BinaryIO = stack.enter_context(open(path, "rb"))  # noqa: SIM115
        return file if stat.S_ISREG(kind) else _copy(file, path, stack)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        name = "standard input" if path == "-" else path or "''"
        raise UserError(f"{name}: expected a readable file, received: {_one_line(error)}") from error


def _copy(pipe: BinaryIO, name: str, stack: ExitStack) -> BinaryIO:
    file: BinaryIO = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    while block := pipe.read(2**20):
        if file.write(block) and file.tell() > MAX_PIPE_BYTES:  # before it fills the disk
            raise UserError(f"{name}: expected at most {MAX_PIPE_BYTES} bytes, received more")
    return file


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


def _received(name: str, head: bytes, error: Exception) -> str:
    kinds = [kind for (at, magic), kind in FOREIGN.items() if head[at:].startswith(magic)]
    if not kinds and not name.lower().endswith(FOREIGN_ENDINGS):
        return f"received: {_one_line(error)}"
    path = Path(name if os.path.isfile(name) and not name.startswith(PIPES) else "FILE")
    target = path.with_suffix(".converted.wav" if path.suffix.lower() == ".wav" else ".wav")
    command = f"ffmpeg -i {shlex.quote(str(path))} {shlex.quote(str(target))}"
    return f"received {kinds[0] if kinds else Path(name).suffix}; convert it: {command}"


def _one_line(error: Exception) -> str:
    reason = getattr(error, "error_string", None) or getattr(error, "strerror", None) or error
    return " ".join(str(reason).split())[:200] or type(error).__name__
