"""Print what research/results.csv holds, as tables; with --write, put them into the pages that show them.

python -m research.table
"""

import re
from pathlib import Path

import pandas as pd

from research.recipes import BASELINES, DEFAULT, LEVEL_AS_THE_REST, RECIPES
from research.run import RESULTS
from ser import EMOTIONS, errors

# A table's place in them is below the heading that is its title.
PAGES = (Path("docs/unseen-speakers.md"), Path("docs/unseen-speakers-tables.md"))
DIRECTIONS = {"speaker_yaf": "OAF → YAF", "speaker_oaf": "YAF → OAF"}


def in_order(results: pd.DataFrame) -> pd.DataFrame:
    """Rows in the order of the recipes, each of which adds something, after the baselines; earlier code's last."""
    places = {recipe: place for place, recipe in enumerate([*BASELINES, *RECIPES])}
    order = results.recipe.map(places).fillna(len(places)).argsort(kind="stable")
    return results.iloc[order]


def spread(values: pd.Series) -> str:
    """Mean and standard deviation over the seeds; (1) is one seed."""
    values = values.dropna()
    return f"{values.mean():.3f} ± {values.std():.3f}" if len(values) > 1 else f"{values.mean():.3f} (1)"


def matched(runs: pd.DataFrame) -> str:
    """Accuracy where lengths are matched and, in brackets, what guessing gets there; mean over directions and seeds."""
    both = ["matched_accuracy", "matched_chance"]
    measured = runs.reindex(columns=["seed", *both]).dropna()  # rows of before have neither
    if measured.empty:
        return "not measured"
    accuracy, chance = measured[both].mean()
    seeds, of = measured.seed.nunique(), runs.seed.nunique()
    return f"{accuracy:.3f} ({chance:.3f})" + (f", {seeds} of {of} seeds" if seeds < of else "")


def tess(results: pd.DataFrame) -> pd.DataFrame:
    """A row per recipe: TESS in both directions, over the seeds that have both; without any, over what there is."""
    rows = []
    for recipe, runs in results[results.test.isin(DIRECTIONS)].groupby("recipe", sort=False):
        both = runs.groupby("seed").test.transform("nunique") == len(DIRECTIONS)
        runs = runs[both] if both.any() else runs
        accuracy, length = (
            runs.pivot(index="seed", columns="test", values=name) for name in ("accuracy", "equal_length")
        )
        # Of both directions, mean over the seeds: one that is missed in one of them is missed.
        recalls = runs.groupby("test")[[f"recall_{emotion}" for emotion in EMOTIONS]].mean().min()
        lowest = str(recalls.idxmin())
        rows.append(
            {"recipe": recipe}
            | {title: spread(accuracy[test]) for test, title in DIRECTIONS.items() if test in accuracy}
            | {
                "mean": f"**{spread(accuracy.dropna().mean(axis=1))}**",
                "pairs of equal length": f"{length.mean(axis=1).mean():.3f}",
                "lengths matched": matched(runs),
                "lowest recall": f"{lowest.removeprefix('recall_')} {recalls[lowest]:.2f}",
                "seeds": len(accuracy),
                "parameters": int(runs.parameters.iloc[-1]),  # earlier rows lack the temperature's
                "minutes": round(runs.groupby("seed").seconds.sum().mean() / 60, 1),
            }
        )
    return pd.DataFrame(rows)


def ablation(results: pd.DataFrame) -> pd.DataFrame:
    """The default, and a row per change of one thing: TESS, and what the change costs.

    That is the difference of the mean of both directions, over the seeds that both were run with, and its standard
    error.
    """
    changed = {name: name for name in RECIPES if name.startswith("the default, ")}
    names = {DEFAULT: DEFAULT, LEVEL_AS_THE_REST: "the default, level shifted as the rest"} | changed
    runs = results[results.recipe.isin(names) & results.test.isin(DIRECTIONS)]
    if DEFAULT not in set(runs.recipe):
        return pd.DataFrame()
    accuracy = runs.pivot(index=["seed", "recipe"], columns="test", values="accuracy")
    means = accuracy.reindex(columns=list(DIRECTIONS)).mean(axis=1, skipna=False).unstack("recipe")
    differences = means.sub(means[DEFAULT], axis=0)
    table = tess(runs).drop(columns=["pairs of equal length", "lengths matched"]).set_index("recipe")
    place = list(table.columns).index("mean") + 1
    error = differences.sem().map(" ± {:.3f}".format).where(differences.count() > 1, " (1)")
    costs = differences.mean().map("**{:+.3f}**".format) + error
    table.insert(place, "difference, standard error", costs.where(costs.index != DEFAULT, ""))
    return table.reindex([name for name in names if name in table.index]).rename(names).reset_index()


def proxies(results: pd.DataFrame) -> pd.DataFrame:
    """A row per recipe: UAR on what recipes are chosen on."""
    kinds = {
        "emodb": "EMO-DB, halves", "ravdess": "RAVDESS, halves",
        "alone_emodb": "EMO-DB, single speakers", "alone_ravdess": "RAVDESS, single speakers",
        "pseudo": "pseudo-speakers",
    }  # fmt: skip
    kind = results.test.str.extract(r"^(pseudo|(?:alone_)?(?:emodb|ravdess))", expand=False)
    table = results[kind.isin(kinds)].assign(kind=kind).groupby(["recipe", "kind", "seed"], sort=False).uar.mean()
    rows = table.groupby(["recipe", "kind"], sort=False).agg(spread).unstack("kind", fill_value="not run")
    rows = rows.rename(columns=kinds)
    return rows[[title for title in kinds.values() if title in rows]].reset_index()


def recalls(results: pd.DataFrame) -> pd.DataFrame:
    """A row per recipe and direction: recall of every emotion, mean over the seeds."""
    rows = results[results.test.isin(DIRECTIONS)]
    table = rows.groupby(["recipe", "test"], sort=False)[[f"recall_{emotion}" for emotion in EMOTIONS]].mean()
    table = table.round(2).map("{:.2f}".format).rename(columns=lambda name: name.removeprefix("recall_"))
    return table.rename(index=DIRECTIONS).reset_index()


def tables(results: pd.DataFrame) -> dict[str, str]:
    """Every table that has rows, in Markdown, by its title.

    Args:
        results: rows of ``research/results.csv``.
    """
    results = in_order(results)
    right = results[results.labels == "right"]
    inductive = right[right.setting == "inductive"]
    shuffled = results[(results.labels == "shuffled") & (results.setting == "inductive")]
    kept_back = inductive[inductive.test.str.startswith("kept_back")]
    rest = inductive[inductive.test.isin(["random", "word"])]
    few = "(only two speakers)"
    every = {
        "Proxies, on which recipes are chosen: UAR": proxies(inductive),
        f"TESS, inductive: nothing of the test speaker is known {few}": tess(inductive),
        f"Ablation of the default, TESS, inductive {few}": ablation(inductive),
        f"Recall, inductive {few}": recalls(inductive),
        f"TESS, adapted: unlabelled audio of the test speaker is used {few}": tess(right[right.setting == "adapted"]),
        "Proxies, adapted: UAR": proxies(right[right.setting == "adapted"]),
        f"TESS, adapted and grouped: a group of clips per emotion {few}": tess(right[right.setting == "grouped"]),
        "Shuffled labels: chance is 0.143": tess(shuffled),
        "Speakers that were kept back, UAR": kept_back.groupby(["recipe", "test"]).uar.agg(spread).reset_index(),
        "Seen speakers": rest.groupby(["recipe", "test"]).accuracy.agg(spread).reset_index(),
    }
    return {
        title: table.replace({"recipe": {DEFAULT: "**the default**"}}).to_markdown(index=False, disable_numparse=True)
        for title, table in every.items()
        if len(table)
    }


def filled_in(page: str, made: dict[str, str]) -> str:
    """A page whose tables are these, wherever it has the heading of one.

    Args:
        page: Markdown.
        made: tables in Markdown, by title.
    """
    for title, table in made.items():
        place = rf"^(### {re.escape(title)}\n\n)(?:\|.*\n)*"
        page = re.sub(place, rf"\g<1>{table}\n", page, flags=re.MULTILINE)
    return page


def main() -> None:
    """Print the tables, or write them into the pages."""
    parser = errors.parser(__doc__)
    parser.add_argument("--write", action="store_true", help=f"into {' and '.join(map(str, PAGES))}")
    options = parser.parse_args()
    made = tables(pd.read_csv(RESULTS))
    if not options.write:
        print("\n\n".join(f"### {title}\n\n{table}" for title, table in made.items()))
        return
    for page in PAGES:
        page.write_text(filled_in(page.read_text(encoding="utf-8"), made), encoding="utf-8")


if __name__ == "__main__":
    errors.run(main)
