"""`ws2spi run`: the command line of the launcher."""

import argparse
import sys
from typing import Any

_OURS = 125

_DESCRIPTION = """\
Run a program under a stack of layers. The layers see the TCP connections that it and its children open; its output
and its exit status are its own. Layers are given from the top, which is nearest to the program, to the bottom.
"""

_EPILOG = """\
exit status: the program's own; 128+N if signal N ended it; 125 when ws2spi failed, 126 when the program cannot be
executed, 127 when it is not found

examples:
  ws2spi run -l log -- curl -O http://127.0.0.1:8080/file
  ws2spi run -l log -l throttle:rate=2MB/s -- git clone http://127.0.0.1:8080/repository
  ws2spi run --stack layers.toml -- make test
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "run",
        help="run a program under a stack of layers",
        usage="ws2spi run [options] [--] PROGRAM [ARGUMENT ...]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-l",
        "--layer",
        dest="layers",
        metavar="LAYER",
        action="append",
        default=[],
        help="add a layer beneath those given so far: NAME or FILE.py:CLASS, with options as :key=value,...",
    )
    parser.add_argument("--stack", metavar="FILE", help="read the layers from a TOML file; those of -l come beneath")
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="name connections, and what passes without layers, on stderr"
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="say nothing about the run, not even about layers that fail"
    )
    parser.add_argument("program", metavar="PROGRAM", help="the program, looked up in PATH")
    arguments = parser.add_argument(
        "arguments", metavar="ARGUMENT", nargs=argparse.REMAINDER, help="its arguments, passed untouched"
    )
    arguments.required = False  # argparse takes the rest of a line for something that must be there


def main(arguments: argparse.Namespace) -> int:
    from ws2spi.layers.registry import LayerSpecError, load_stack, parse

    try:
        layers = load_stack(arguments.stack) if arguments.stack else []
        layers += [parse(spec) for spec in arguments.layers]
    except LayerSpecError as error:
        sys.stderr.write(f"ws2spi: {error}\n")
        return _OURS

    from ws2spi.providers.stack import Stack
    from ws2spi.redirect.launch import run

    argv = [arguments.program, *arguments.arguments]
    return run(argv, Stack(layers), verbose=arguments.verbose, quiet=arguments.quiet)
