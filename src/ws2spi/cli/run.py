"""`ws2spi run`: the command line of the launcher."""

import argparse
from typing import TYPE_CHECKING, Any

from ws2spi.cli.console import FAILED, complain

if TYPE_CHECKING:
    from ws2spi.providers.layer import Layer

_DESCRIPTION = """\
Run a program under a stack of layers. The layers see the TCP connections that
it and its children open; its output and its exit status are its own. Layers
are given from the top, which is nearest to the program, to the bottom; those
that are installed (ws2spi catalog) lie beneath them all.
"""

_PROGRAM = """\
PROGRAM                 looked up in PATH
[ARGUMENT ...]          passed untouched, whatever they look like
"""

_EPILOG = """\
exit status: the program's own; 128+N if signal N ended it; 125 when ws2spi
failed, 126 when the program cannot be executed, 127 when it is not found

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
    )
    parser.failure = FAILED
    parser.takes_program = True
    parser.add_argument_group("the program", _PROGRAM)
    parser.add_argument(
        "-l",
        "--layer",
        dest="layers",
        metavar="LAYER",
        action="append",
        type=lambda text: (False, text),
        default=[],
        help="add a layer beneath those given so far: NAME or FILE.py:CLASS, with options as :key=value,...",
    )
    parser.add_argument(
        "--stack",
        dest="layers",
        metavar="FILE",
        action="append",
        type=lambda text: (True, text),
        help="add the layers of a TOML file, beneath those given so far",
    )
    parser.add_argument(
        "--no-catalog", action="store_true", help="leave out the layers that are installed (ws2spi catalog)"
    )
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="name connections, and what passes without layers, on stderr"
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="say nothing about the run, not even about layers that fail"
    )


def main(arguments: argparse.Namespace) -> int:
    from ws2spi.layers.registry import LayerSpecError, load_stack, parse, sees_nothing

    layers: list[Layer] = []
    try:
        for is_file, text in arguments.layers:
            layers += load_stack(text) if is_file else [parse(text)]
    except LayerSpecError as error:
        complain(str(error))
        return FAILED
    from ws2spi._runtime.catalog import place
    from ws2spi.providers.stack import Stack

    stack = Stack(layers)
    if not arguments.no_catalog and place.exists():
        from ws2spi._abi.errors import WinsockError
        from ws2spi.providers.installed import over_installed

        try:
            stack = over_installed(layers, arguments.argv)
        except WinsockError as error:
            complain(f"{error.detail} (run --no-catalog leaves the catalog out, ws2spi catalog verify tells more)")
            return FAILED
    if not arguments.quiet:
        for layer in {type(layer): layer for layer in stack.layers}.values():
            reason = sees_nothing(type(layer))
            if reason:
                complain(f"layer {layer.name!r} sees nothing of the program: {reason}")

    from ws2spi.redirect.launch import run

    return run(arguments.argv, stack, verbose=arguments.verbose, quiet=arguments.quiet)
