"""Pictures for a slide: training curves, confusion matrix, reliability diagram, protocols side by side."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no screen is needed, nor looked for

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ser import EMOTIONS

STYLE: Any = {
    "font.size": 12, "axes.titlesize": 13, "axes.titleweight": "bold", "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25, "legend.frameon": False, "savefig.dpi": 110,
    "figure.constrained_layout.use": True,
}  # fmt: skip
BLUE, ORANGE, GREY = "#1f5fa8", "#d9741a", "#8a8a8a"


def history(table: pd.DataFrame, kept: tuple[int, int], title: str, path: Path) -> None:
    """Loss and accuracy of train and validation over the epochs; the first to the last that was ``kept`` are marked."""
    first, last = kept
    label = f"kept: epoch {last}" if first == last else f"averaged: epochs {first} to {last}"
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(11, 4.2))
        for axis, name, unit in zip(axes, ("loss", "accuracy"), ("cross-entropy (nats)", "accuracy"), strict=True):
            axis.plot(table.epoch, table[name], color=BLUE, label="train", marker=".")
            axis.plot(table.epoch, table[f"val_{name}"], color=ORANGE, label="validation", marker=".")
            # One epoch is a line, several are a band.
            axis.axvspan(first, last, color=GREY, alpha=0.25 if last > first else 1, linewidth=1, label=label)
            axis.set(xlabel="epoch", ylabel=unit)
            axis.xaxis.get_major_locator().set_params(integer=True)
        axes[0].set_ylim(bottom=0)
        axes[1].set_ylim(0, 1.02)
        axes[1].legend(loc="lower right")
        figure.suptitle(f"Training curves · {title}", fontweight="bold")
        figure.savefig(path)
        plt.close(figure)


def confusion(matrix: np.ndarray, title: str, path: Path) -> None:
    """Confusion matrix with counts and the percentage of each row.

    Args:
        matrix: (emotions, emotions) counts, actual emotions in rows.
        title: corpus, protocol and the result.
        path: PNG file.
    """
    totals = np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    share = matrix / totals
    with plt.rc_context({**STYLE, "axes.grid": False}):
        figure, axis = plt.subplots(figsize=(8.4, 7.2))
        image = axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(matrix):
            if count:
                colour = "white" if share[row, column] > 0.5 else "black"
                text = f"{count}\n{_percent(share[row, column])}"
                axis.text(column, row, text, ha="center", va="center", color=colour, fontsize=11)
        ticks = range(len(EMOTIONS))
        axis.set_xticks(ticks, EMOTIONS, rotation=35, ha="right", rotation_mode="anchor")
        axis.set_yticks(ticks, EMOTIONS)
        axis.set(xlabel="predicted emotion", ylabel="actual emotion", title=f"Confusion matrix · {title}")
        figure.colorbar(image, ax=axis, shrink=0.75, label="share of the actual emotion", format="{x:.0%}")
        figure.savefig(path)
        plt.close(figure)


def reliability(table: pd.DataFrame, title: str, path: Path) -> None:
    """Accuracy against confidence; the area of a point is its share of the clips."""
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(6.4, 5.6))
        axis.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfectly calibrated")
        axis.plot(table.confidence, table.accuracy, color=BLUE, linewidth=1)
        axis.scatter(
            table.confidence, table.accuracy, s=40 + 600 * table.clips / table.clips.sum(), color=BLUE, alpha=0.6
        )
        for confidence, accuracy, clips in table[["confidence", "accuracy", "clips"]].itertuples(index=False):
            below: Any = {
                "xytext": (0, -22),
                "textcoords": "offset points",
                "ha": "center",
                "fontsize": 9,
                "color": GREY,
            }
            axis.annotate(f"{clips}", (confidence, accuracy), **below)
        axis.set(xlim=(0, 1.03), ylim=(-0.1, 1.08))
        axis.set(xlabel="confidence (mean per bin; number of clips below)", ylabel="accuracy")
        axis.set_title(f"Reliability · {title}")
        axis.legend(loc="upper left")
        figure.savefig(path)
        plt.close(figure)


def protocols(table: pd.DataFrame, corpus: str, path: Path) -> None:
    """Accuracy of every protocol with its interval, beside both controls and chance."""
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(9, 4.8))
        place = np.arange(len(table))
        bounds = [table.accuracy - table.accuracy_low, table.accuracy_high - table.accuracy]
        bars = axis.bar(
            place - 0.27, table.accuracy, 0.27, yerr=bounds, capsize=4, color=BLUE, label="model (95 % interval)"
        )
        axis.bar(place, table.duration_only, 0.27, color=ORANGE, label="clip length alone")
        axis.bar(place + 0.27, table.shuffled_labels, 0.27, color=GREY, label="shuffled labels")
        axis.bar_label(bars, [f"{value:.1%}" for value in table.accuracy], padding=3, fontsize=10)
        axis.axhline(1 / len(EMOTIONS), color="black", linestyle=":", linewidth=1, label="chance")
        axis.set_xticks(place, table.protocol)
        axis.set(
            ylim=(0, 1.1),
            xlabel="protocol",
            ylabel="accuracy on the test part",
            title=f"Protocols side by side · {corpus}",
        )
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=4)
        figure.savefig(path)
        plt.close(figure)


def corpus_title(corpus: str) -> str:
    """Names of corpora in a title, from the form that ``manifest.title`` gives; what was synthesised says so."""
    names = {"tess": "TESS", "ravdess": "RAVDESS", "emodb": "EMO-DB", "folder": "own recordings"}
    return " + ".join(names.get(name, f"{name} corpus") for name in corpus.split(" + "))


def _percent(share: float) -> str:
    """Whole percents, but neither 0 % for a few nor 100 % for nearly all."""
    return f"{share:.1%}" if 0 < share < 0.01 or 0.99 < share < 1 else f"{share:.0%}"
