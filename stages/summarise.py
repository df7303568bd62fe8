"""Put the protocols side by side: ``metrics/summary.json``, ``plots/summary.csv`` and ``plots/summary.png``.

Only the protocols that ``params.yaml`` names are taken up, so that the result of an earlier run under another
protocol is never passed off as part of this one.
"""

import json

import pandas as pd

from ser import errors, params, pictures
from stages.paths import METRICS, PLOTS, PREDICTIONS

SUMMARY = METRICS / "summary.json"


def summarise(results: dict[str, dict]) -> dict:
    """Headline figures of the metrics of each protocol; what was not run is left out, not guessed."""
    summary: dict = {"corpus": next(iter(results.values()))["corpus"]}
    for protocol in ("random", "word"):
        if protocol in results:
            summary[protocol] = {"accuracy": results[protocol]["accuracy"]}
    speakers = [result for protocol, result in results.items() if protocol.startswith("speaker_")]
    # One direction alone is not the headline: it may be the easy one.
    if len(speakers) > 1:
        summary["speaker"] = {name: mean(speakers, name) for name in ("accuracy", "uar")}
    controls = [result["control"] for result in results.values()]
    summary["control"] = {name: mean(controls, name) for name in ("duration_only", "shuffled_labels")}
    return summary


def mean(results: list[dict], name: str) -> float:
    """Mean of one figure over results."""
    return round(sum(result[name] for result in results) / len(results), 6)


def main() -> None:
    names = params.load("protocols")
    paths = {name: PREDICTIONS / f"{name}.json" for name in names}
    if missing := [path for path in paths.values() if not path.exists()]:
        raise errors.UserError(f"{missing[0]}: expected the figures of a run, found none; run `dvc repro`")
    results = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items()}
    summary = summarise(results)
    SUMMARY.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    columns = ["protocol", "accuracy", "accuracy_low", "accuracy_high", "uar", "macro_f1", "n_test"]
    table = pd.DataFrame([{name: result[name] for name in columns} | result["control"] for result in results.values()])
    table.to_csv(PLOTS / "summary.csv", index=False)
    pictures.protocols(table, pictures.corpus_title(summary["corpus"]), PLOTS / "summary.png")
    print(table.to_string(index=False))


if __name__ == "__main__":
    errors.run(main, __doc__)
