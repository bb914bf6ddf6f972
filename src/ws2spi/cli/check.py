"""`ws2spi check`: a layer or a hand-written provider, held against the contract of the SPI clause by clause."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ws2spi.cli.console import USAGE, complain, did_you_mean, say

if TYPE_CHECKING:
    from ws2spi.testing.conformance import Outcome

BROKEN = 1

_EPILOG = """\
exit status: 0 when every clause that was tried is kept, 1 when one is broken,
2 when the command line cannot be understood

examples:
  ws2spi check throttle:rate=1GB/s
  ws2spi check ./mine.py:Upper --kind stream
  ws2spi check ./provider.py --where alone --clause acceptex_waits_for_a_connection
  ws2spi check --list
"""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "check",
        help="hold a layer or a provider against the contract",
        description="Hold a layer, layers over each other (top first), or the WSPStartup of a file against the\n"
        "contract of the service provider interface: alone, twice, above and below awkward neighbours,\n"
        "on sockets of the loopback. Each broken clause is one line with its page.",
        epilog=_EPILOG,
    )
    parser.add_argument(
        "layers", nargs="*", metavar="LAYER", help="NAME, FILE.py:CLASS or FILE.py, with options as :key=value,..."
    )
    parser.add_argument(
        "--kind", choices=("stream", "datagram"), help="the only kind of socket that it is made for (default: both)"
    )
    parser.add_argument("--clause", action="append", metavar="CLAUSE", help="try this one only; may be repeated")
    parser.add_argument(
        "--known", action="append", default=[], metavar="CLAUSE", help="leave out what is known to be broken"
    )
    parser.add_argument("--where", action="append", metavar="PLACE", help='"alone", "twice", "over lazy", ... only')
    parser.add_argument("--ipv6", action="store_true", help="try IPv6, too")
    parser.add_argument(
        "--patience", type=float, default=10.0, metavar="SECONDS", help="how long a call may take (default: 10)"
    )
    parser.add_argument(
        "--stop-after", type=int, default=20, metavar="NUMBER", help="leave out the rest after so many (default: 20)"
    )
    parser.add_argument("--list", action="store_true", help="list the clauses with their pages, and the places")
    parser.add_argument("-v", "--verbose", action="store_true", help="a line for each clause, kept or not")


def main(arguments: argparse.Namespace) -> int:
    from ws2spi.testing.conformance import clauses, places, run_clauses

    if arguments.list:
        for one in clauses():
            say(f"{one.name} ({one.source}): {one.text}")
        say(f"places: {', '.join(places())}")
        return 0
    wrong = _unknown("clause", [*(arguments.clause or ()), *arguments.known], [one.name for one in clauses()])
    wrong = wrong or _unknown("place", arguments.where or (), places())
    if not arguments.layers:
        wrong = wrong or "no layer was given"
    if arguments.patience <= 0 or arguments.stop_after < 1:
        wrong = wrong or "--patience and --stop-after want numbers above 0"
    if wrong:
        complain(f"{wrong} (see: ws2spi check --help)")
        return USAGE
    from ws2spi._abi.constants import AF_INET, AF_INET6
    from ws2spi._abi.errors import WinsockError
    from ws2spi.layers.registry import LayerSpecError

    def tell(outcome: "Outcome") -> None:
        if outcome.problem or arguments.verbose:
            say(str(outcome))

    try:
        report = run_clauses(
            lambda: _made(arguments.layers),
            kinds=(arguments.kind,) if arguments.kind else ("stream", "datagram"),
            only=arguments.clause,
            known=arguments.known,
            arrangements=arguments.where,
            families=(AF_INET, AF_INET6) if arguments.ipv6 else (AF_INET,),
            patience=arguments.patience,
            stop_after=arguments.stop_after,
            progress=tell,
        )
    except LayerSpecError as error:
        complain(str(error))
        return USAGE
    except WinsockError as error:
        complain(error.detail)
        return USAGE
    say(report.summary())
    return BROKEN if report.broken or not report.tried else 0


def _unknown(what: str, words: Iterable[str], known: list[str]) -> str:
    """What is wrong with the first word that is none of `known`, or ""."""
    for word in words:
        if word not in known:
            return f"there is no {what} {word!r}{did_you_mean(word, known)}"
    return ""


def _made(specs: list[str]) -> Any:
    """Layers by their names and files; a file with a WSPStartup is a provider."""
    from ws2spi._abi.errors import WinsockError
    from ws2spi._runtime.resolving import NoEntryPointError, resolve
    from ws2spi.layers.registry import LayerSpecError, parse

    if len(specs) == 1:
        try:
            return parse(specs[0])
        except LayerSpecError:
            if ".py" not in specs[0]:
                raise
            try:
                return resolve(specs[0])
            except NoEntryPointError:
                pass
            except WinsockError:
                raise
            raise
    return [parse(spec) for spec in specs]
