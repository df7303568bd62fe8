"""Print what research/results.csv holds, as the tables of docs/unseen-speakers.md.

python -m research.table
"""

import pandas as pd

from research.recipes import ALONE, DEFAULT, RECIPES
from research.run import RESULTS
from ser import EMOTIONS, errors

DIRECTIONS = {"speaker_yaf": "OAF → YAF", "speaker_oaf": "YAF → OAF"}


def in_order(results: pd.DataFrame) -> pd.DataFrame:
    """Rows in the order of the recipes, each of which adds something; those of earlier code last."""
    places = {recipe: place for place, recipe in enumerate(RECIPES)}
    order = results.recipe.map(places).fillna(len(places)).argsort(kind="stable")
    return results.iloc[order]


def spread(values: pd.Series) -> str:
    """Mean and standard deviation over the seeds; (1) is one seed."""
    values = values.dropna()
    return f"{values.mean():.3f} ± {values.std():.3f}" if len(values) > 1 else f"{values.mean():.3f} (1)"


def matched(runs: pd.DataFrame) -> str:
    """Accuracy where lengths are matched and, in brackets, what guessing gets there; mean over directions and seeds."""
    both = ("matched_accuracy", "matched_chance")
    if any(name not in runs or runs[name].isna().any() for name in both):
        return "not measured"  # in rows of before
    accuracy, chance = (runs[name].mean() for name in both)
    return f"{accuracy:.3f} ({chance:.3f})"


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
                "parameters": int(runs.parameters.iloc[0]),
                "minutes": round(runs.groupby("seed").seconds.sum().mean() / 60, 1),
            }
        )
    return pd.DataFrame(rows)


def taken_away(results: pd.DataFrame) -> pd.DataFrame:
    """A row per thing that the default can do without: what that costs on TESS, over the seeds that both were run with.

    The differences are those of the mean of both directions.
    """
    runs = results[results.test.isin(DIRECTIONS)].pivot(index=["seed", "recipe"], columns="test", values="accuracy")
    means = runs.reindex(columns=list(DIRECTIONS)).mean(axis=1, skipna=False).unstack("recipe")
    less = [name for name, changes in RECIPES.items() if name.startswith("the default, ") or changes == ALONE]
    rows = []
    for recipe in less:
        both = means.reindex(columns=[DEFAULT, recipe]).dropna()
        if len(both):
            differences = both[recipe] - both[DEFAULT]
            rows.append(
                {
                    "recipe": recipe,
                    "mean": spread(both[recipe]),
                    "the default's": spread(both[DEFAULT]),
                    "difference": f"**{differences.mean():+.3f}**",
                    "seed by seed": ", ".join(f"{difference:+.3f}" for difference in differences),
                }
            )
    return pd.DataFrame(rows)


def proxies(results: pd.DataFrame) -> pd.DataFrame:
    """A row per recipe: UAR on what recipes are chosen on."""
    kinds = {
        "emodb": "EMO-DB, halves", "ravdess": "RAVDESS, halves",
        "alone_emodb": "EMO-DB, one alone", "alone_ravdess": "RAVDESS, one alone", "pseudo": "pseudo-speakers",
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
    return (
        table.rename(columns=lambda name: name.removeprefix("recall_")).rename(index=DIRECTIONS).round(2).reset_index()
    )


def main() -> None:
    """Print every table that has rows."""
    results = in_order(pd.read_csv(RESULTS))
    right = results[results.labels == "right"]
    inductive = right[right.setting == "inductive"]
    shuffled = results[(results.labels == "shuffled") & (results.setting == "inductive")]
    kept_back = inductive[inductive.test.str.startswith("kept_back")]
    rest = inductive[inductive.test.isin(["random", "word"])]
    few = "(two speakers are few)"
    for title, table in (
        ("Proxies, on which recipes are chosen: UAR", proxies(inductive)),
        (f"TESS, inductive: nothing of the test speaker is known {few}", tess(inductive)),
        (f"Recall, inductive {few}", recalls(inductive)),
        (f"TESS, adapted: unlabelled audio of the test speaker is used {few}", tess(right[right.setting == "adapted"])),
        ("Proxies, adapted: UAR", proxies(right[right.setting == "adapted"])),
        (f"TESS, adapted and grouped: a group of clips per emotion {few}", tess(right[right.setting == "grouped"])),
        ("Shuffled labels: chance is 0.143", tess(shuffled)),
        ("Speakers that were kept back, UAR", kept_back.groupby(["recipe", "test"]).uar.agg(spread).reset_index()),
        ("One thing taken away, TESS, inductive: mean of both directions", taken_away(inductive)),
        ("Voices that were heard", rest.groupby(["recipe", "test"]).accuracy.agg(spread).reset_index()),
    ):  # fmt: skip
        if len(table):
            print(f"### {title}\n\n{table.to_markdown(index=False, disable_numparse=True)}\n")


if __name__ == "__main__":
    errors.run(main, __doc__)
