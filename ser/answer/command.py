"""Recognise the emotion of recordings: ``python -m ser.predict clip.wav``. See docs/predict.md."""

import argparse
import glob
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ser import errors
from ser.files import AUDIO_ENDINGS, walk

if TYPE_CHECKING:  # numpy is to be imported after main has set the number of its threads
    from ser.answer.recogniser import Recogniser, Result

# In a folder, what has one of these endings is a recording; one of them that cannot be decoded is reported. Of
# decode.FOREIGN_ENDINGS, those that phones and browsers give to a voice: a folder may well hold films, or TypeScript.
ENDINGS = (*AUDIO_ENDINGS, ".m4a", ".mp4", ".mov", ".3gp", ".aac", ".amr", ".wma", ".webm")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = errors.parser("Recognise the emotion of recordings.")
    parser.add_argument("clips", nargs="*", help="files, folders, patterns such as '*.wav', or - for standard input")
    parser.add_argument("--mic", type=_seconds, metavar="SECONDS", help="record from the microphone first")
    parser.add_argument(
        "--model", type=Path, help="model file (default: the released one, else the one of models/word)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object per line")
    form.add_argument("--csv", action="store_true", help="one row per recording")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the answer to a single recording")
    given = parser.parse_args()
    if not given.clips and given.mic is None:
        parser.error("expected a recording, or --mic SECONDS")
    return given


def expand(clips: Iterable[str]) -> Iterator[str | errors.UserError]:
    """Turn arguments into paths: folders into their recordings, patterns into what they match, sorted."""
    for clip in clips:
        if os.path.isdir(clip):
            found: Iterator[str | errors.UserError] = _recordings(clip)
        elif glob.has_magic(clip) and not os.path.lexists(clip):
            # A pattern that matches a folder means the recordings in it.
            matches = sorted(glob.glob(clip, recursive=True))
            found = (path for match in matches for path in (_recordings(match) if os.path.isdir(match) else [match]))
        else:
            yield clip
            continue
        first = next(found, None)
        if first is None:
            yield errors.UserError(f"{clip}: expected recordings, found none")
            continue
        yield first
        yield from found


def answers(
    recogniser: "Recogniser", clips: Iterable[str | errors.UserError]
) -> Iterator[tuple[str, "Result | errors.UserError"]]:
    """Answer clips on all cores, in the order given, with a few of them under way at any time."""
    workers = os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers)
    waiting: deque[tuple[str, Future[Result | errors.UserError]]] = deque()
    try:
        for clip in clips:
            waiting.append((str(clip), pool.submit(_answer, recogniser, clip)))
            # In the order given: the oldest answer as soon as it is there, waited for only while many are under way.
            while waiting and (len(waiting) > 4 * workers or waiting[0][1].done()):
                name, future = waiting.popleft()
                yield name, future.result()
        while waiting:
            name, future = waiting.popleft()
            yield name, future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def main() -> None:
    """Print an answer per recording; failures go to standard error."""
    given = arguments()
    # Several clips are answered at once: linear algebra with threads of its own would fight them for the cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from ser.answer import output
    from ser.answer.recogniser import load

    clips: Iterable[str | errors.UserError] = expand(given.clips)
    if given.plot:
        clips = list(clips)
        if (count := len(clips) + (given.mic is not None)) != 1:
            raise errors.UserError(f"--plot: expected one recording, received {count}")
    recogniser = load(given.model)
    write = output.writer(given.json, given.csv, recogniser.labels)
    failed = False
    last: Result | None = None
    if given.mic is not None:
        last = microphone(recogniser, given.mic)
        write("microphone", last)
    for name, answer in answers(recogniser, clips):
        if isinstance(answer, errors.UserError):
            failed = True
            sys.stdout.flush()
            print(output.printable(f"error: {answer}"), file=sys.stderr, flush=True)
        else:
            last = answer
            write(name, answer)
    if given.plot and last:
        output.plot(last, given.plot)
    if failed:
        sys.exit(1)


def microphone(recogniser: "Recogniser", seconds: float) -> "Result":
    """Record from the default microphone and answer."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: the PortAudio library is missing
        needed = "sounddevice (pip install sounddevice; on Linux PortAudio, too: apt install libportaudio2)"
        raise errors.UserError(f"--mic: expected {needed}, received: {error}") from error
    try:
        rate = int(sounddevice.query_devices(kind="input")["default_samplerate"])
        print(f"recording {seconds:g} s ...", file=sys.stderr, flush=True)
        samples = sounddevice.rec(int(seconds * rate), samplerate=rate, channels=1, dtype="float32", blocking=True)
    except (sounddevice.PortAudioError, ValueError) as error:
        raise errors.UserError(f"--mic: expected a microphone, received: {error}") from error
    return recogniser.predict(samples, rate)


def _answer(recogniser: "Recogniser", clip: str | errors.UserError) -> "Result | errors.UserError":
    try:
        return clip if isinstance(clip, errors.UserError) else recogniser.predict(clip)
    except errors.UserError as error:
        return error


def _recordings(folder: str) -> Iterator[str | errors.UserError]:
    """Recordings below a folder, sorted, one folder's names in memory at a time; then, what could not be read."""
    unreadable: list[OSError] = []
    for root, folders, names in walk(folder, unreadable.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (
            os.path.join(root, name)
            for name in sorted(names)
            if name.lower().endswith(ENDINGS) and not name.startswith(".")
        )
    for error in unreadable:
        yield errors.UserError(f"{error.filename}: expected a readable folder, received: {error.strerror}")


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0.1 <= (value := float(text)) <= 3600:
            return value
    raise argparse.ArgumentTypeError(f"expected 0.1 to 3600 seconds, received {text}")


def quiet_decoders() -> None:
    """Let Python alone write to standard error: libmpg123 tells it all that it finds in a damaged MP3."""
    try:
        descriptor = os.dup(2)
    except OSError:  # closed by whoever called, and nobody listens; without it, print would take standard output
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        return
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    sys.stderr = open(descriptor, "w", encoding=sys.stderr.encoding, errors="backslashreplace", buffering=1)  # noqa: SIM115


def run() -> None:
    """Run ``main``; a reader that goes away and Ctrl-C end it at once, without a trace."""
    quiet_decoders()
    try:
        errors.run(main)
    except BrokenPipeError:
        os._exit(1)
    except SystemExit as end:
        if end.code == 130:  # a decoder may be in the middle of an hour: do not wait for its thread
            with suppress(OSError):
                sys.stdout.flush()
            os._exit(130)
        raise
