"""Pictures for a slide: training curves, confusion matrix, reliability, risk and coverage, protocols side by side."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no screen is needed, nor looked for

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from sklearn.metrics import confusion_matrix

from ser import EMOTIONS

STYLE: Any = {
    "font.size": 12, "axes.titlesize": 13, "axes.titleweight": "bold", "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25, "legend.frameon": False, "savefig.dpi": 110,
    "figure.constrained_layout.use": True,
}  # fmt: skip
BLUE, ORANGE, GREY = "#1f5fa8", "#d9741a", "#8a8a8a"


def draw(folder: Path, figures: dict[str, Any], ending: str = "png") -> None:
    """Draw the pictures of one protocol beside the tables that they are made of.

    Args:
        folder: ``plots/<protocol>``, with history, confusion, reliability and risk_coverage as CSV.
        figures: of ``metrics/<protocol>.json``.
        ending: ``png``, or what else matplotlib writes, such as ``pdf``.
    """
    names = ("history", "confusion", "reliability", "risk_coverage")
    tables = {name: pd.read_csv(folder / f"{name}.csv") for name in names}
    paths = {name: folder / f"{name}.{ending}" for name in names}
    title = f"{corpus_title(figures['corpus'])} · {figures['protocol']}"
    history(tables["history"], title, paths["history"])
    result = f"{title} · accuracy {figures['accuracy']:.1%}, {figures['n_test']} clips"
    confusion(tables["confusion"], result, paths["confusion"])
    reliability(tables["reliability"], f"{title} · ECE {figures['ece']:.3f}", paths["reliability"])
    right = figures.get("right_if_answered")
    answered = None if right is None else (figures["answered"], 1 - right)
    risk_coverage(tables["risk_coverage"], answered, title, paths["risk_coverage"])


@contextmanager
def _one_axis(size: tuple[float, float], path: Path, **style: Any) -> Iterator[Axes]:
    with plt.rc_context(STYLE | style):
        figure, axis = plt.subplots(figsize=size)
        yield axis
        figure.savefig(path)
        plt.close(figure)


def history(table: pd.DataFrame, title: str, path: Path) -> None:
    """Loss and accuracy of train and validation over the epochs."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(11, 4.2))
        for axis, name, unit in zip(axes, ("loss", "accuracy"), ("cross-entropy (nats)", "accuracy"), strict=True):
            axis.plot(table.epoch, table[name], color=BLUE, label="train (augmented)", marker=".")
            axis.plot(table.epoch, table[f"val_{name}"], color=ORANGE, label="validation", marker=".")
            axis.set(xlabel="epoch", ylabel=unit)
            axis.xaxis.get_major_locator().set_params(integer=True)
        axes[0].set_ylim(bottom=0)
        axes[1].set_ylim(0, 1.02)
        axes[1].legend(loc="lower right")
        figure.suptitle(f"Training curves · {title}", fontweight="bold")
        figure.savefig(path)
        plt.close(figure)


def confusion(table: pd.DataFrame, title: str, path: Path) -> None:
    """Confusion matrix with counts and the percentage of each row, from a row per clip: actual, predicted."""
    matrix = confusion_matrix(table.actual, table.predicted, labels=list(EMOTIONS))
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    with _one_axis((8.4, 7.2), path, **{"axes.grid": False}) as axis:
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
        axis.figure.colorbar(image, ax=axis, shrink=0.75, label="share of the actual emotion", format="{x:.0%}")


def reliability(table: pd.DataFrame, title: str, path: Path) -> None:
    """Accuracy against confidence; the area of a point is its share of the clips."""
    below: Any = {
        "xytext": (0, -22), "textcoords": "offset points", "ha": "center", "fontsize": 9, "color": GREY,
    }  # fmt: skip
    with _one_axis((6.4, 5.6), path) as axis:
        axis.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfectly calibrated")
        axis.plot(table.confidence, table.accuracy, color=BLUE, linewidth=1)
        size = 40 + 600 * table.clips / table.clips.sum()
        axis.scatter(table.confidence, table.accuracy, s=size, color=BLUE, alpha=0.6)
        for confidence, accuracy, clips in table[["confidence", "accuracy", "clips"]].itertuples(index=False):
            axis.annotate(f"{clips:.0f}", (confidence, accuracy), **below)
        axis.set(xlim=(0, 1.03), ylim=(-0.1, 1.08))
        axis.set(xlabel="confidence (mean per bin; number of clips below)", ylabel="accuracy")
        axis.set_title(f"Reliability · {title}")
        axis.legend(loc="upper left")


def risk_coverage(table: pd.DataFrame, answered: tuple[float, float] | None, title: str, path: Path) -> None:
    """Share of wrong answers against the share of clips that are answered, the surest first.

    Args:
        table: coverage and risk.
        answered: coverage and risk of ``predict``, with its limits; None where it answers nothing.
        title: corpus and protocol.
        path: of the picture.
    """
    with _one_axis((6.4, 5.6), path) as axis:
        axis.step(table.coverage, table.risk, where="post", color=BLUE, label="the surest answers")
        highest = table.risk.max()
        if answered:
            axis.plot(*answered, "o", color=ORANGE, markersize=10, label="what predict answers")
            highest = max(highest, answered[1])
        axis.set(xlim=(0, 1.03), ylim=(0, max(0.1, 1.3 * highest)))
        axis.set(xlabel="coverage (share of the clips that are answered)", ylabel="risk (share of wrong answers)")
        axis.set_title(f"Risk and coverage · {title}")
        axis.legend(loc="upper left")


def protocols(table: pd.DataFrame, corpus: str, path: Path) -> None:
    """Accuracy of every protocol with its interval, beside clip length alone and chance."""
    with _one_axis((9, 4.8), path) as axis:
        place = np.arange(len(table))
        bounds = [table.accuracy - table.accuracy_low, table.accuracy_high - table.accuracy]
        bars = axis.bar(
            place - 0.2, table.accuracy, 0.4, yerr=bounds, capsize=4, color=BLUE, label="model (95 % interval)"
        )
        axis.bar(place + 0.2, table.duration_only, 0.4, color=ORANGE, label="clip length alone")
        axis.bar_label(bars, [_percent(value) for value in table.accuracy], padding=3, fontsize=10)
        axis.axhline(1 / len(EMOTIONS), color="black", linestyle=":", linewidth=1, label="chance")
        axis.set_xticks(place, table.protocol)
        axis.set(ylim=(0, 1.1), xlabel="protocol", ylabel="accuracy on the test part")
        axis.set_title(f"Protocols side by side · {corpus_title(corpus)}")
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=3)


def corpus_title(corpus: str) -> str:
    """Names of corpora in a title, from ``tess + ravdess``; what was synthesised says so."""
    names = {"tess": "TESS", "ravdess": "RAVDESS", "emodb": "EMO-DB", "folder": "own recordings"}
    return " + ".join(names.get(name, f"{name} corpus") for name in corpus.split(" + "))


def _percent(share: float) -> str:
    """Whole percents, but neither 0 % for a few nor 100 % for nearly all."""
    return f"{share:.1%}" if 0 < share < 0.01 or 0.99 < share < 1 else f"{share:.0%}"
