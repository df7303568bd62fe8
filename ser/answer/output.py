"""Answers for people (bars on a terminal), for programs (JSON, CSV), and as a picture."""

import csv
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ser.answer.recogniser import Result
from ser.errors import UserError

WIDTH = 30  # characters of a full bar
# 256-colour codes for a terminal, and the same for a picture.
COLOURS = {
    "anger": (203, "#e45756"), "disgust": (107, "#7a9a4b"), "fear": (141, "#a17bd1"), "happiness": (221, "#eec244"),
    "surprise": (209, "#f28e5b"), "sadness": (75, "#5b9bd5"), "neutral": (247, "#9e9e9e"),
    "unsure": (240, "#d0d0d0"), "silence": (236, "#f2f2f2"),
}  # fmt: skip


def writer(as_json: bool, as_csv: bool, labels: list[str]) -> Callable[[str, Result], None]:
    """Return the function that prints an answer, ``(name, result)``, and prints at once what comes before the first."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if as_json:
        return lambda name, result: print(json.dumps(record(name, result)), flush=True)
    if as_csv:
        table = csv.writer(sys.stdout, lineterminator="\n")
        table.writerow(["file", "emotion", "probability", *labels, "duration", "reason"])

        def row(name: str, result: Result) -> None:
            values = result.probabilities.values()
            table.writerow(
                [printable(name), result.emotion, result.probability, *values, result.duration, result.reason]
            )
            sys.stdout.flush()

        return row
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return lambda name, result: print(text(name, result, colour), flush=True)


def record(name: str, result: Result) -> dict[str, Any]:
    """The answer for a program."""
    return {"file": name} | asdict(result)


def text(name: str, result: Result, colour: bool) -> str:
    """The answer for a person."""
    full = "█" if "utf" in (sys.stdout.encoding or "").lower() else "#"
    certainty = f" {result.probability:.0%}" if result.reason is None and result.emotion != "silence" else ""
    reason = f": {result.reason}" if result.reason else ""
    answer = _paint(result.emotion, result.emotion, colour)
    lines = [f"{printable(name)} ({result.duration:.2f} s): {answer}{certainty}{reason}"]
    if result.emotion != "silence":
        if result.reason:
            lines.append("  What the network alone would say, which means little here:")
        for emotion, probability in result.probabilities.items():
            bar = _paint(full * round(WIDTH * probability), emotion, colour)
            lines.append(f"  {emotion:<10}{probability:5.0%} {bar}".rstrip())
    for part in result.timeline:
        certainty = f" {part.probability:.0%}" if part.emotion not in ("unsure", "silence") else ""
        label = _paint(part.emotion, part.emotion, colour)
        lines.append(f"  {clock(part.start)} - {clock(part.end)}  {label}{certainty}")
    return "\n".join(lines)


def printable(line: str) -> str:
    """One line that a terminal shows as it is: control characters, which a file's name may hold, are written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in line)


def clock(seconds: float) -> str:
    """Minutes and seconds, ``1:02.50``, with hours where there are any."""
    minutes, rest = divmod(round(seconds, 2), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:05.2f}" if hours else f"{minutes}:{rest:05.2f}"


def plot(result: Result, path: Path) -> None:
    """Draw the timeline of a long recording, or the probabilities of a short one."""
    try:
        import matplotlib
    except ImportError as error:
        raise UserError(f"--plot: expected matplotlib (pip install matplotlib), received: {error}") from error

    matplotlib.use("Agg")  # no screen is needed, nor looked for
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(10, 4), layout="constrained")
    names = list(result.probabilities)
    if result.timeline:
        for part in result.timeline:
            row = part.emotion if part.emotion in names else None
            # What is no emotion is a band behind all rows.
            if row is None:
                axis.axvspan(part.start, part.end, color=COLOURS[part.emotion][1], linewidth=0)
            else:
                place = (part.start, part.end - part.start)
                axis.broken_barh([place], (names.index(row) - 0.4, 0.8), color=COLOURS[row][1])
        axis.set(xlim=(0, result.duration), xlabel="time in seconds (grey: unsure; light grey: silence)")
    else:
        axis.barh(names, list(result.probabilities.values()), color=[COLOURS[name][1] for name in names])
        axis.set(xlim=(0, 1), xlabel="probability")
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    reason = f" ({result.reason})" if result.reason else ""
    axis.set_title(f"{result.emotion}{reason}, {result.duration:.1f} s")
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: expected a picture file that can be written, received: {error}") from error
    finally:
        plt.close(figure)


def _paint(characters: str, emotion: str, colour: bool) -> str:
    return f"\x1b[38;5;{COLOURS[emotion][0]}m{characters}\x1b[0m" if colour and characters else characters
