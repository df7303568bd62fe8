"""What a person did that the program can name in one line; everything else is a bug and keeps its traceback."""

import argparse
import sys
from collections.abc import Callable


class UserError(Exception):
    """A message that says what was expected and what was received."""


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser that prints the description as it is written, and a usage line as one types it: python -m module."""
    spec = sys.modules["__main__"].__spec__
    name = f"python -m {spec.name.removesuffix('.__main__')}" if spec else None
    return argparse.ArgumentParser(name, description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def protocol(description: str | None) -> str:
    """Read the one argument of a stage that runs once for each protocol."""
    command = parser(description)
    command.add_argument("protocol", help="a column of data/splits.csv, such as word")
    return command.parse_args().protocol


def run(main: Callable[[], None], description: str | None = None) -> None:
    """Run a command line's ``main``: a UserError becomes one line and exit status 1, Ctrl-C exit status 130.

    Args:
        main: what to run.
        description: what --help prints, of a command that takes no arguments.
    """
    if description:
        parser(description).parse_args()
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        sys.exit(130)
