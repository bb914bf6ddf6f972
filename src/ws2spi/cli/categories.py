"""`ws2spi catalog categories`: which layers and applications were categorised, and how that is changed."""

import argparse
from typing import TYPE_CHECKING, Any

from ws2spi.cli.console import complain, did_you_mean, say

if TYPE_CHECKING:
    from ws2spi._runtime.catalog.snapshot import Applications, Snapshot

_WRONG, _USAGE = 1, 2

# {category, as it is typed: its bit}
CATEGORIES = {
    "system": 0x80000000, "inspector": 0x1, "redirector": 0x2, "proxy": 0x4, "firewall": 0x8, "inbound-modify": 0x10,
    "outbound-modify": 0x20, "crypto-compress": 0x40, "local-cache": 0x80,
}  # fmt: skip
_NONE = "none"

_DESCRIPTION = f"""\
A layer and an application may be put into categories. An application that was
not categorised has all layers; one that was has those alone that share a
category with it and have none beyond its own, and, if it has "system", have
that, too. A chain with a layer that is not permitted is passed over.

categories: {", ".join(CATEGORIES)};
or "none", which for an application means: no layers
"""

_EPILOG = """\
examples:
  ws2spi catalog categories
  ws2spi catalog categories --layer wall --set firewall
  ws2spi catalog categories --application curl --set firewall,inspector
  ws2spi catalog categories --application curl --arguments="-sS http://127.0.0.1/" --set none
  ws2spi catalog categories --application curl --clear
"""


def numbers(words: str) -> int:
    """Return the bits of categories with commas between them.

    Errors:
        ValueError: there is no such category; the text says which there are.
    """
    found = 0
    for word in filter(None, words.split(",")):
        if word not in CATEGORIES and word != _NONE:
            guess, known = did_you_mean(word, CATEGORIES), ", ".join(CATEGORIES)
            raise ValueError(f"there is no category {word!r}{guess or f'; known are {known}'}")
        found |= CATEGORIES.get(word, 0)
    return found


def words_of(categories: int | None) -> str:
    """Return categories as they are typed; "-" for what was not categorised."""
    if categories is None:
        return "-"
    return ",".join(word for word, bit in CATEGORIES.items() if categories & bit) or _NONE


def add_parser(actions: Any) -> None:
    parser = actions.add_parser(
        "categories",
        help="show or change which layers an application may have",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument("--layer", metavar="LAYER", help="an installed layer: its name, an id of it, its provider id")
    whose.add_argument("--application", metavar="PROGRAM", help="a program, found as the shell finds it")
    parser.add_argument(
        "--arguments",
        metavar="TEXT",
        help="the program with these very arguments, one space between them; --arguments=TEXT if they begin with -",
    )
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--set", metavar="NAME,...", help="give it these categories and no others")
    change.add_argument("--add", metavar="NAME,...", help="give it these categories, too")
    change.add_argument("--clear", action="store_true", help="as if it had never been categorised")


def main(arguments: argparse.Namespace) -> int:
    changes = arguments.clear or arguments.set is not None or arguments.add is not None
    given = arguments.set if arguments.set is not None else arguments.add
    try:
        wanted = numbers(given or "")
    except ValueError as error:
        complain(str(error))
        return _USAGE
    usage = ""
    if changes and arguments.layer is None and arguments.application is None:
        usage = "whose categories? --layer LAYER or --application PROGRAM says it"
    elif given is not None and not given.strip(","):
        usage = f'no categories; "{_NONE}" is one, and --clear forgets them'
    elif arguments.arguments is not None and arguments.application is None:
        usage = "--arguments are those of an --application"
    if usage:
        complain(usage)
        return _USAGE
    if arguments.layer is not None:
        return _of_layer(arguments, wanted, changes)
    if arguments.application is not None:
        return _of_application(arguments, wanted, changes)
    return _show(arguments)


def _result(arguments: argparse.Namespace, before: int | None, wanted: int) -> int | None:
    """Return the categories after a change."""
    if arguments.clear:
        return None
    return wanted if arguments.set is not None else (before or 0) | wanted


def _of_layer(arguments: argparse.Namespace, wanted: int, changes: bool) -> int:
    from ws2spi._runtime.catalog import StoredCatalog, operations
    from ws2spi.cli.catalog import layer_of

    stored = StoredCatalog()
    told: list[tuple[str, int | None]] = []

    def change(before: "Snapshot") -> "Snapshot":
        own, provider = layer_of(before, arguments.layer)
        now = before.providers[provider].categories
        if changes:
            now = _result(arguments, now, wanted)
            before = operations.categorise(before, provider, now)
        told.append((own.name, now))
        return before

    if changes:
        stored.replace(change)
    else:
        change(stored.snapshot())
    name, now = told[-1]
    if arguments.json:
        _print_json({"layer": name, "categories": _listed(now)})
    else:
        say(f"{name}: {words_of(now)}")
    return 0


def _of_application(arguments: argparse.Namespace, wanted: int, changes: bool) -> int:
    import os

    from ws2spi._runtime.catalog import StoredCatalog
    from ws2spi._runtime.catalog.categories import identity, permitted
    from ws2spi._runtime.catalog.launching import found

    path, extra = identity(found(arguments.application), arguments.arguments or "")
    if not os.path.exists(path) and not arguments.clear:
        raise ValueError(f"there is no program {arguments.application!r}")
    stored = StoredCatalog()
    if changes:
        stored.change_application(path, extra, lambda before: _result(arguments, before, wanted))
    snapshot, applications, _ = stored.view()
    exact = applications.get((path, extra))
    counts = permitted(applications, path, extra)
    if arguments.json:
        _print_json(
            {
                "application": path,
                "arguments": extra,
                "categories": _listed(exact),
                "layers": _admitted(snapshot, counts),
            }
        )
        return 0
    say(f"{f'{path} {extra}'.rstrip()}: {words_of(exact)}")
    if exact is None and counts is not None:
        say(f"whatever its arguments: {words_of(counts)}")
    layers = _admitted(snapshot, counts)
    if any(not entry.chain_length for entry in snapshot.entries):
        say(f"permits {', '.join(layers) if layers else 'none of the installed layers'}")
    return 0


def _admitted(snapshot: "Snapshot", application: int | None) -> list[str]:
    """The names of the layers that an application permits, from the top."""
    from ws2spi._runtime.catalog.categories import admits

    return [
        entry.name
        for entry in snapshot.entries
        if not entry.chain_length and admits(application, snapshot.providers[entry.provider_id].categories)
    ]


def _show(arguments: argparse.Namespace) -> int:
    from ws2spi._runtime.catalog import StoredCatalog

    snapshot, applications, _ = StoredCatalog().view()
    layers = [
        (entry.name, snapshot.providers[entry.provider_id].categories)
        for entry in snapshot.entries
        if not entry.chain_length
    ]
    if arguments.json:
        _print_json(
            {
                "layers": [{"layer": name, "categories": _listed(categories)} for name, categories in layers],
                "applications": [
                    {"application": path, "arguments": extra, "categories": _listed(categories)}
                    for (path, extra), categories in sorted(applications.items())
                ],
            }
        )
        return 0
    rows = [("LAYER", "CATEGORIES"), *((name, words_of(categories)) for name, categories in layers)]
    _print_rows(rows if layers else [("no layer is installed", "")])
    say("")
    _print_rows(_application_rows(applications))
    return 0


def _application_rows(applications: "Applications") -> list[tuple[str, str]]:
    if not applications:
        return [("no application is categorised: each permits every layer", "")]
    found = [(f"{path} {extra}".rstrip(), words_of(bits)) for (path, extra), bits in sorted(applications.items())]
    return [("APPLICATION", "PERMITS"), *found]


def _print_rows(rows: list[tuple[str, str]]) -> None:
    width = max(len(first) for first, _ in rows)
    for first, second in rows:
        say(f"{first.ljust(width)}  {second}".rstrip())


def _listed(categories: int | None) -> list[str] | None:
    """For JSON: None for what was not categorised."""
    return None if categories is None else [word for word, bit in CATEGORIES.items() if categories & bit]


def _print_json(value: Any) -> None:
    import json

    say(json.dumps(value, indent=2))
