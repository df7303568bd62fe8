"""Print a pull request's comment in Markdown. Called by tools/pull_request.sh, which sets the tags that it reads.

``base`` and ``change`` are the two commits as they are, ``base-run`` and ``change-run`` what was run on each here.
GitHub shows no picture in a comment that is not hosted somewhere, so the plots are drawn from their numbers: Mermaid
charts and tables, which GitHub renders itself. The pictures are in the report.
"""

import json
import subprocess
from pathlib import Path

import pandas as pd

from ser import EMOTIONS, errors, params
from stages.paths import METRICS, PLOTS

SUMMARY = (METRICS / "summary.json").as_posix()


def main() -> None:
    base, change = (output("git", "rev-parse", "--short=12", f"{tag}^{{commit}}") for tag in ("base", "change"))
    protocols = params.load("protocols")
    corpus = json.loads(Path(SUMMARY).read_text(encoding="utf-8"))["corpus"]
    if json.loads(output("git", "show", f"base-run:{SUMMARY}"))["corpus"] == corpus:
        runs = diff("base-run", "change-run", "--targets", SUMMARY) or "Every figure is the same on both sides."
        everything = diff("base-run", "change-run")
    else:
        runs, everything = "The base could not be run, so there is nothing to compare with.", ""
    parts = [
        f"## Results of {change} against {base}",
        "### Committed results",
        diff("base", "change", "--targets", SUMMARY) or "The change leaves the committed figures as they are.",
        f"### Both sides run anew: {corpus} corpus",
        "Synthesised speech: it shows that the pipeline works, and nothing of human emotion." * (corpus == "synthetic"),
        runs,
        accuracies(pd.read_csv(PLOTS / "summary.csv")),
        folded("Every figure that changed", everything),
        *(folded(f"Plots of {name}", f"{curves(name)}\n\n{confusion(name)}") for name in protocols),
    ]
    print("\n\n".join(part for part in parts if part))


def diff(old: str, new: str, *options: str) -> str:
    """`dvc metrics diff` as a Markdown table; empty where nothing changed."""
    table = output("dvc", "metrics", "diff", "--md", old, new, *options)
    return table if table.count("\n") > 1 else ""


def output(*command: str) -> str:
    """Standard output of a command."""
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise errors.UserError(f"{' '.join(command)}: {result.stderr.strip()}")
    return result.stdout.strip()


def accuracies(table: pd.DataFrame) -> str:
    """Bars of every protocol's accuracy, and a line for what clip length alone gets."""
    return chart(
        "Accuracy per protocol: model (bars), clip length alone (line)",
        f"x-axis [{', '.join(table.protocol)}]",
        'y-axis "accuracy" 0 --> 1',
        f"bar {numbers(table.accuracy)}",
        f"line {numbers(table.duration_only)}",
    )


def curves(protocol: str) -> str:
    """Training and validation loss over the epochs."""
    table = pd.read_csv(PLOTS / protocol / "history.csv")
    highest = max(table.loss.max(), table.val_loss.max())
    return chart(
        f"Loss, {protocol}: training (blue), validation (orange)",
        f'x-axis "epoch" 1 --> {len(table)}',
        f'y-axis "cross-entropy (nats)" 0 --> {highest:.3f}',
        f"line {numbers(table.loss)}",
        f"line {numbers(table.val_loss)}",
    )


def chart(title: str, *lines: str) -> str:
    """A Mermaid chart of x and y."""
    colours = '%%{init: {"themeVariables": {"xyChart": {"plotColorPalette": "#1f5fa8, #d9741a"}}}}%%'
    body = [f'    title "{title}"', *(f"    {line}" for line in lines)]
    return "\n".join(["```mermaid", colours, "xychart-beta", *body, "```"])


def numbers(values: pd.Series) -> str:
    """A list in Mermaid's notation, which knows no exponents."""
    return f"[{', '.join(f'{value:.4f}' for value in values)}]"


def confusion(protocol: str) -> str:
    """Confusion matrix as a table: percent of the actual emotion."""
    answers = pd.read_csv(PLOTS / protocol / "confusion.csv")
    shares = pd.crosstab(answers.actual, answers.predicted, normalize="index") * 100
    shares = shares.reindex(index=EMOTIONS, columns=EMOTIONS, fill_value=0).round().astype(int)
    rows = [f"| **{actual}** | {' | '.join(map(str, shares.loc[actual]))} |" for actual in EMOTIONS]
    head = [f"| actual ↓ predicted → (%) | {' | '.join(EMOTIONS)} |", f"|---|{'--:|' * len(EMOTIONS)}"]
    return "\n".join(head + rows)


def folded(title: str, content: str) -> str:
    """A part that opens at a click."""
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>" if content else ""


if __name__ == "__main__":
    errors.run(main, __doc__)
