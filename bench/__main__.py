"""The command of `make bench`: `python -m bench [--quick] [GROUP ...]`."""

import argparse
import os
import platform
import sys

from bench import faces, objects, programs
from bench.rounds import run

GROUPS = {**objects.GROUPS, **faces.GROUPS, **programs.GROUPS}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description="Measure the budgets beside their peers.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"only these: {', '.join(GROUPS)}")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and fewer bytes")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.groups if name not in GROUPS]
    if unknown:
        parser.error(f"no group {unknown[0]!r}; there are {', '.join(GROUPS)}")
    print(
        f"Linux {platform.release()}, Python {platform.python_version()}, {os.cpu_count()} processors. "
        "Medians of interleaved rounds, with the least and the greatest; less is better unless it says at least."
    )
    chosen = arguments.groups or list(GROUPS)
    run({name: GROUPS[name] for name in chosen}, arguments.quick)
    return 0


if __name__ == "__main__":
    sys.exit(main())
