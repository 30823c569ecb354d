"""The `w2v` command, and `python -m pipeline`, which is the same."""

import sys

from pipeline.core.interrupts import EXIT_INTERRUPTED, allow_interrupts


def main() -> None:
    """Run the command line and exit with its code."""
    allow_interrupts()  # what the command line needs takes a moment to import
    try:
        from pipeline.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        sys.exit(EXIT_INTERRUPTED)
    run()


if __name__ == "__main__":
    main()
