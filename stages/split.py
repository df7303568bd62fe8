"""Give every clip a part under every protocol: ``data/splits.csv``."""

import pandas as pd

from ser import errors, manifest, params, splits
from stages.paths import MANIFEST, SPLITS


def main() -> None:
    clips = manifest.read(MANIFEST)
    settings, wanted = params.load("split"), params.load("protocols")
    table = clips[["clip"]].copy()
    # All that the corpus allows, asked for or not: running one protocol alone leaves the others' splits as they are.
    for protocol in dict.fromkeys([*splits.protocols(clips), *wanted]):
        try:
            table[protocol] = splits.split(clips, protocol, settings)
        except errors.UserError:
            if protocol in wanted:
                raise
    table.to_csv(SPLITS, index=False)
    counts = pd.DataFrame({protocol: table[protocol].value_counts() for protocol in wanted})
    print(counts.reindex(splits.PARTS).T.to_string())


if __name__ == "__main__":
    errors.run(main, __doc__)
