"""`ws2spi`: the subcommands and what they share, messages and exit statuses.

A refusal is one line on stderr that begins with `ws2spi:`. `run` leaves with the program's own status, or with 125,
126 or 127 for what went wrong on our side; the other subcommands leave with 2 for a usage that cannot be understood.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NoReturn

import ws2spi
from ws2spi.cli.console import USAGE, OutputError, Parser, did_you_mean, say

# {subcommand: (module under ws2spi.cli, one line)}. A module has add_parser(subparsers) and main(arguments) -> exit
# status.
SUBCOMMANDS = {
    "run": ("run", "run a program under a stack of layers"),
    "layers": ("layers", "list the layers and their options"),
    "catalog": ("catalog", "install layers for every later run"),
    "check": ("check", "hold a layer or a provider against the contract"),
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


class _Version(argparse.Action):
    """--version, with the number of the package that runs."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        say(f"ws2spi {ws2spi.__version__}")
        parser.exit()


def build_parser(only: str | None = None) -> Parser:
    """The parser of the whole command line, or of one subcommand `only`, which saves importing the others."""
    parser = Parser(
        prog="ws2spi",
        description="Layers written in Python between any program and the network.",
        epilog=_EPILOG,
    )
    parser.add_argument("-V", "--version", action=_Version, nargs=0, help="print the version and leave")
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
    parser.subcommands = subparsers.choices
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (sys.argv's by default) and return its exit status."""
    try:
        try:
            return _main(sys.argv[1:] if argv is None else list(argv))
        except BrokenPipeError as error:
            raise OutputError(error) from None
    except OutputError as error:
        return error.leave()
    except KeyboardInterrupt:
        # End as a program ends that has never heard of the signal, so that a shell's loop around us ends too.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        raise


def _main(words: list[str]) -> int:
    chosen = words[0] if words and words[0] in SUBCOMMANDS else None
    parser = build_parser(chosen)
    if chosen is None:
        if words and not words[0].startswith("-"):
            parser.error(f"there is no subcommand {words[0]!r}{did_you_mean(words[0], SUBCOMMANDS)}")
        parser.parse_args(words)
        parser.print_help()
        return USAGE
    arguments = parser.subcommands[chosen].parse_args(words[1:])
    handler: Callable[[Any], int] = import_module(f"ws2spi.cli.{SUBCOMMANDS[chosen][0]}").main
    return handler(arguments)


if __name__ == "__main__":
    sys.exit(main())
