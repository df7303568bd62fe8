"""How much a result owes to its seed: every protocol, trained and tested with several seeds.

    python -m benchmarks.seeds --seeds 5

Needs the data that `dvc repro` has made. Nothing is chosen by what it prints; it prints a Markdown table.
"""

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd

from ser import EMOTIONS, manifest, metrics, model, params, shards
from stages.paths import FEATURES, MANIFEST, SPLITS

Part = tuple[np.ndarray, np.ndarray]


def parts(table: pd.DataFrame, protocol: str) -> tuple[dict[str, Part], np.ndarray, np.ndarray]:
    """Padded frames and labels of each part, and mean and standard deviation of the training frames."""
    result = {}
    for part in ("train", "val", "test"):
        rows = table[table[protocol] == part]
        clips = shards.read(FEATURES, rows["clip"])
        result[part] = (model.pad(clips), rows.emotion.map(EMOTIONS.index).to_numpy())
        if part == "train":
            frames = np.concatenate(clips)
    return result, frames.mean(axis=0, dtype=np.float64), frames.std(axis=0, dtype=np.float64)


def main() -> None:
    """Train, test, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="how many (default: 5)")
    seeds = parser.parse_args().seeds
    settings = params.load("train")
    table = manifest.read(MANIFEST).merge(pd.read_csv(SPLITS), on="clip")
    lines = []
    for protocol in params.load("protocols"):
        data, mean, std = parts(table, protocol)
        results = []
        for seed in range(seeds):
            print(f"{protocol}, seed {seed}")
            model.make_deterministic(seed)
            network = model.build(mean, std, settings)
            model.fit(network, data["train"], data["val"], replace(settings, seed=seed))
            answers = network.predict(data["test"][0], batch_size=64, verbose=0)
            results.append(metrics.evaluate(data["test"][1], answers))
        accuracy, uar = (np.array([result[name] for result in results]) for name in ("accuracy", "uar"))
        lowest = min(min(result["recall"].items(), key=lambda item: item[1]) for result in results)
        lines.append(
            f"| {protocol} | {accuracy.mean():.4f} ± {accuracy.std(ddof=1):.4f} | {accuracy.min():.4f} to "
            f"{accuracy.max():.4f} | {uar.mean():.4f} ± {uar.std(ddof=1):.4f} | {lowest[0]} {lowest[1]:.2f} |"
        )
    print(f"\n| protocol | accuracy, mean ± sd of {seeds} seeds | range | UAR | lowest recall of any seed |")
    print("|---|---|---|---|---|", *lines, sep="\n")


if __name__ == "__main__":
    main()
