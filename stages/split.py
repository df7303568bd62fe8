"""Give every clip a part under every protocol: ``data/splits.csv``, the manifest with a column more for each."""

import pandas as pd

from ser import errors, params
from ser.data import splits
from ser.files import read_table
from stages.paths import MANIFEST, SPLITS


def main() -> None:
    settings, clips = params.load(), read_table(MANIFEST)
    table = clips.copy()
    # All that the corpus allows, asked for or not: running one protocol alone leaves the others' splits as they are.
    for protocol in dict.fromkeys([*splits.protocols(clips), *settings.protocols]):
        try:
            table[protocol] = splits.split(clips, protocol, settings.split)
        except errors.UserError:
            if protocol in settings.protocols:
                raise
    table.to_csv(SPLITS, index=False)
    counts = pd.DataFrame({protocol: table[protocol].value_counts() for protocol in settings.protocols})
    print(counts.reindex(splits.PARTS).T.to_string())


if __name__ == "__main__":
    errors.run(main, __doc__)
