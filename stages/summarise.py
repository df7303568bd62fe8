"""Put the protocols side by side: ``metrics/summary.json``, ``plots/summary.csv`` and ``plots/summary.png``.

Only the protocols that ``params.yaml`` names are taken up, so that the result of an earlier run under another
protocol is never passed off as part of this one.
"""

import json

import pandas as pd

from ser import errors, params
from ser.judge import metrics, pictures
from stages.paths import METRICS, PLOTS, PREDICTIONS


def main() -> None:
    paths = {name: PREDICTIONS / name / "figures.json" for name in params.load().protocols}
    if missing := [path for path in paths.values() if not path.exists()]:
        raise errors.UserError(f"{missing[0]}: expected the figures of a run, found none; run `dvc repro`")
    results = [json.loads(path.read_text(encoding="utf-8")) for path in paths.values()]
    summary = json.dumps(metrics.summarise(results), indent=2)
    (METRICS / "summary.json").write_text(summary + "\n", encoding="utf-8")
    columns = ["protocol", "accuracy", "accuracy_low", "accuracy_high", "uar", "macro_f1", "n_test", "answered"]
    table = pd.DataFrame([{name: result[name] for name in columns} | result["control"] for result in results])
    table.to_csv(PLOTS / "summary.csv", index=False)
    pictures.protocols(table, results[0]["corpus"], PLOTS / "summary.png")
    print(table.to_string(index=False))


if __name__ == "__main__":
    errors.run(main, __doc__)
