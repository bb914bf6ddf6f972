"""`ws2spi doctor`: what `ws2spi run` needs of this machine, tried one by one."""

import argparse
from typing import Any

from ws2spi.cli.console import say

_MARKS = {True: "ok  ", False: "FAIL"}
_COLOURS = {True: "\x1b[32m", False: "\x1b[31m"}


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "doctor",
        help="say what this machine lacks",
        description="Try everything that ws2spi run needs of this machine, and say what to do\nwhere it fails.",
        epilog="exit status: 0 when all is well, 1 when something is missing",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def _catalog() -> list[Any]:
    """What is installed for every run, and whether that can be used; nothing where nothing is."""
    from ws2spi._runtime.catalog import place

    if not place.exists():
        return []
    from types import SimpleNamespace

    from ws2spi.cli.catalog import installed

    names, wrong = installed()
    if not names and not wrong:
        return []
    detail = wrong[0] if wrong else ", ".join(names)
    advice = "ws2spi catalog verify tells all, reset starts over" if wrong else ""
    return [SimpleNamespace(name="installed layers", ok=not wrong, detail=detail, advice=advice)]


def main(arguments: argparse.Namespace) -> int:
    from ws2spi.redirect.doctor import checks

    results = [*checks(), *_catalog()]
    if arguments.json:
        import json

        fields = ("name", "ok", "detail", "advice")
        say(json.dumps([{field: getattr(check, field) for field in fields} for check in results], indent=2))
    else:
        from ws2spi.layers.terminal import coloured

        colours = _COLOURS if coloured(1) else {}
        for check in results:
            mark = _MARKS[bool(check.ok)]
            if colours:
                mark = f"{colours[bool(check.ok)]}{mark}\x1b[0m"
            say(f"{mark}  {check.name}{f': {check.detail}' if check.detail else ''}")
            if not check.ok and check.advice:
                say(f"      {check.advice}")
    return 0 if all(check.ok for check in results) else 1
