"""`ws2spi`: the subcommands and what they share, messages and exit statuses.

A refusal is one line on stderr that begins with `ws2spi:`. `run` leaves with the program's own status, or with 125,
126 or 127 for what went wrong on our side; the other subcommands leave with 2 for a usage that cannot be understood.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NoReturn

import ws2spi

_FAILED = 125  # ours, in `run`, as timeout(1) and env(1) have it
_USAGE = 2

# {subcommand: (module under ws2spi.cli, one line)}. A module has add_parser(subparsers) and main(arguments) -> exit
# status.
SUBCOMMANDS = {
    "run": ("run", "run a program under a stack of layers"),
    "layers": ("layers", "list the layers and their options"),
    "doctor": ("doctor", "say what this machine lacks"),
    "completion": ("completion", "print the completions for a shell"),
}

_EPILOG = """\
examples:
  ws2spi run -l log -- curl -O https://example.org/file
  ws2spi run -l log -l throttle:rate=2MB/s -- git clone http://127.0.0.1:8080/repository
  ws2spi run -l ./mine.py:Upper -- nc 127.0.0.1 7
  ws2spi layers throttle

"ws2spi SUBCOMMAND --help" tells more of each.
"""


class Parser(argparse.ArgumentParser):
    """Argparse with our way of refusing: one line, and a word where to read on."""

    failure = _USAGE

    def error(self, message: str) -> NoReturn:
        self.exit(self.failure, f"ws2spi: {message} (see: {self.prog} --help)\n")


class _Version(argparse.Action):
    """--version, with the number of the package that runs."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        print(f"ws2spi {ws2spi.__version__}")
        parser.exit()


def build_parser(only: str | None = None) -> Parser:
    """The parser of the whole command line, or of one subcommand `only`, which saves importing the others."""
    parser = Parser(
        prog="ws2spi",
        description="Layers written in Python between any program and the network.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and leave")
    subparsers = parser.add_subparsers(
        prog="ws2spi",  # known, so that argparse need not make a formatter (and import shutil) to find it out
        title="subcommands",
        metavar="SUBCOMMAND",
        dest="subcommand",
        parser_class=Parser,
    )
    for name, (module, _) in SUBCOMMANDS.items():
        if only in (None, name):
            import_module(f"ws2spi.cli.{module}").add_parser(subparsers)
    if only == "run":  # whether argparse refuses in the whole parser or in the subcommand's
        parser.failure = subparsers.choices["run"].failure = _FAILED
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (sys.argv's by default) and return its exit status."""
    words = sys.argv[1:] if argv is None else list(argv)
    chosen = words[0] if words and words[0] in SUBCOMMANDS else None
    parser = build_parser(chosen)
    arguments = parser.parse_args(words)
    if arguments.subcommand is None:
        parser.print_help()
        return _USAGE
    module = import_module(f"ws2spi.cli.{SUBCOMMANDS[arguments.subcommand][0]}")
    handler: Callable[[Any], int] = module.main
    try:
        status = handler(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader of our stdout has left (`ws2spi layers | head -1`). What is still in the buffer goes nowhere,
        # or else the interpreter would complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141  # 128 + SIGPIPE, what the shell would show


if __name__ == "__main__":
    sys.exit(main())
