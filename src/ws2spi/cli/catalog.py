"""`ws2spi catalog`: what is installed for every later run, and how it is changed."""

import argparse
from typing import TYPE_CHECKING, Any

from ws2spi.cli import categories
from ws2spi.cli.console import complain, say

if TYPE_CHECKING:
    import uuid

    from ws2spi._runtime.catalog.entries import CatalogEntry
    from ws2spi._runtime.catalog.snapshot import Snapshot

_WRONG = 1  # refused, or something is wrong with the catalog

_DESCRIPTION = """\
The catalog of service providers. Layers that are installed in it lie beneath
those of every later "ws2spi run", and under the sockets of Winsock programs.
It is the file $WS2SPI_CATALOG, else ~/.config/ws2spi/catalog.sqlite, and need
not exist: then there are the built-in entries alone.
"""

_EPILOG = """\
exit status: 0; 1 when something is refused or wrong; 2 for a mistaken usage

examples:
  ws2spi catalog install throttle:rate=1MB/s
  ws2spi catalog install ./mine.py:Upper --name upper --family inet
  ws2spi catalog show
  ws2spi catalog remove throttle
  ws2spi catalog verify
"""

_FAMILIES = {"inet": (2,), "inet6": (23,), "all": (2, 23)}
_FAMILY_NAMES = {2: "IPv4", 23: "IPv6"}
_PROTOCOL_NAMES = {6: "TCP", 17: "UDP"}


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "catalog", help="install layers for every later run", description=_DESCRIPTION, epilog=_EPILOG
    )
    actions = parser.add_subparsers(
        prog="ws2spi catalog",
        title="actions",
        metavar="ACTION",
        dest="action",
        required=True,
        parser_class=type(parser),
    )
    show = actions.add_parser("show", help="list what is installed, in the order in which it is tried")
    show.add_argument("--json", action="store_true", help="print JSON, for programs")
    install = actions.add_parser(
        "install",
        help="install a layer over everything that is there",
        epilog="examples:\n  ws2spi catalog install throttle:rate=1MB/s\n"
        "  ws2spi catalog install ./wall.py:WSPStartup --ifs --name wall\n",
    )
    install.add_argument(
        "layer", metavar="LAYER", help="NAME, FILE.py:CLASS or a module's MODULE:NAME, with options as :key=value,..."
    )
    install.add_argument(
        "--name", metavar="NAME", help="what its entries are called; the layer's own name unless given"
    )
    install.add_argument("--family", choices=sorted(_FAMILIES), default="all", help="for these sockets only")
    install.add_argument(
        "--ifs", action="store_true", help="a hand-written provider gives out the handles of the one below"
    )
    install.add_argument(
        "--categories", metavar="NAME,...", default="", help=f"LSP categories: {', '.join(categories.CATEGORIES)}"
    )
    remove = actions.add_parser("remove", help="remove a layer with its chains")
    remove.add_argument("layer", metavar="LAYER", help="its name, the id of one of its entries, or its provider id")
    remove.add_argument("--force", action="store_true", help="even if this breaks the chains of layers above it")
    categories.add_parser(actions)
    order = actions.add_parser("order", help="put entries before the others, in the order given")
    order.add_argument(
        "entries", metavar="ENTRY", nargs="+", help="an entry's id, or a layer's name for all its entries"
    )
    actions.add_parser("reset", help="leave the built-in entries alone, whatever there is")
    verify = actions.add_parser("verify", help="look for broken chains and for what cannot be found")
    verify.add_argument("--json", action="store_true", help="print JSON, for programs")
    export = actions.add_parser("export", help="print the catalog as JSON")
    export.add_argument("file", metavar="FILE", nargs="?", help="write it there instead")
    import_ = actions.add_parser("import", help="replace the catalog by an exported one")
    import_.add_argument("file", metavar="FILE", help='what export wrote; "-" for standard input')


def main(arguments: argparse.Namespace) -> int:
    from ws2spi._abi.errors import WinsockError

    action = {
        "show": _show, "install": _install, "remove": _remove, "order": _order, "reset": _reset, "verify": _verify,
        "export": _export, "import": _import, "categories": categories.main,
    }[arguments.action]  # fmt: skip
    try:
        return action(arguments)
    except WinsockError as error:
        complain(error.detail or str(error))
    except (ValueError, OSError) as error:
        complain(str(error) if isinstance(error, ValueError) else f"{error.filename}: {error.strerror}")
    return _WRONG


# -- looking -----------------------------------------------------------------------------------------------------------


def _show(arguments: argparse.Namespace) -> int:
    from ws2spi._runtime.catalog import StoredCatalog

    stored = StoredCatalog()
    snapshot = stored.snapshot()
    if arguments.json:
        import json

        from ws2spi._runtime.catalog.transfer import entry_as_object

        found = [{**entry_as_object(entry), "path": _path(snapshot, entry)} for entry in snapshot.entries]
        say(json.dumps({"file": stored.path, "exists": stored.exists(), "entries": found}, indent=2))
        return 0
    rows = [("ID", "KIND", "SOCKETS", "NAME", "FROM")]
    for entry in snapshot.entries:
        kind = ("layer", "base")[entry.chain_length] if not entry.chain else "chain"
        where = " > ".join(map(str, entry.chain)) or _path(snapshot, entry)
        rows.append((str(entry.catalog_id), kind, _sockets(entry), entry.name, where))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        say("  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[4]]))
    say(f"\n{stored.path}{'' if stored.exists() else ' (no such file: the built-in entries)'}")
    return 0


def _sockets(entry: "CatalogEntry") -> str:
    if not entry.chain_length:
        return "-"
    protocol = _PROTOCOL_NAMES.get(entry.protocol, f"protocol {entry.protocol}")
    return f"{protocol}/{_FAMILY_NAMES.get(entry.address_family, f'family {entry.address_family}')}"


def _path(snapshot: "Snapshot", entry: "CatalogEntry") -> str:
    known = snapshot.providers.get(entry.provider_id)
    return known.path if known is not None else "?"


def _verify(arguments: argparse.Namespace) -> int:
    from ws2spi._runtime.catalog import StoredCatalog

    stored = StoredCatalog()
    found = stored.problems()
    if arguments.json:
        import json

        say(json.dumps([problem._asdict() for problem in found], indent=2))
    else:
        for problem in found:
            say(problem.text)
        if not found:
            say(f"nothing is wrong with {stored.path}" if stored.exists() else "there is no file, so nothing is wrong")
    return _WRONG if found else 0


def installed() -> tuple[list[str], list[str]]:
    """(the names of the installed layers, from the top; what is wrong, in words), for `ws2spi doctor`."""
    from ws2spi._abi.errors import WinsockError
    from ws2spi._runtime.catalog import StoredCatalog

    stored = StoredCatalog()
    try:
        problems = [problem.text for problem in stored.problems()]
        return [entry.name for entry in stored.entries() if not entry.chain_length], problems
    except WinsockError as error:
        return [], [error.detail]


# -- changing ----------------------------------------------------------------------------------------------------------


def _install(arguments: argparse.Namespace) -> int:
    import uuid

    from ws2spi._abi.constants import SOCK_RAW, XP1_IFS_HANDLES
    from ws2spi._runtime.catalog import StoredCatalog, operations
    from ws2spi._runtime.resolving import resolve
    from ws2spi.layers.registry import LayerSpecError, parse, provider_path
    from ws2spi.providers.stack import Stack

    try:
        wanted = categories.numbers(arguments.categories)
    except ValueError as error:
        complain(str(error))
        return 2
    try:
        found: Any = Stack([parse(arguments.layer)])
        path = provider_path(arguments.layer)
    except LayerSpecError as error:
        path = _hand_written(arguments.layer)
        if not path:
            complain(str(error))
            return 2
        found = resolve(path)
    name = arguments.name
    if name is None:
        name = " over ".join(layer.name for layer in found.layers) if isinstance(found, Stack) else _stem(path)
    if isinstance(found, Stack) and arguments.ifs and not found.ifs:
        complain(f"{name} looks at bytes: it cannot be an IFS layer, which never sees them")
        return _WRONG
    provider = uuid.uuid4()

    def change(before: "Snapshot") -> "Snapshot":
        lower = {
            kind: entry
            for kind, entry in operations.topmost(before).items()
            if entry.address_family in _FAMILIES[arguments.family] and entry.socket_type != SOCK_RAW
        }
        ifs = found.ifs if isinstance(found, Stack) else arguments.ifs
        flags = XP1_IFS_HANDLES if ifs and all(entry.ifs for entry in lower.values()) else 0
        after, _ = operations.install_chains(before, provider, path, name, flags, list(lower))
        return operations.categorise(after, provider, wanted) if arguments.categories.strip(",") else after

    stored = StoredCatalog()
    stored.replace(change)
    say(f"{name} is installed (ws2spi catalog remove {_quoted(name)} removes it)")
    if not isinstance(found, Stack):
        say("It is written by hand, for Winsock programs of Python: ws2spi run starts no other while it is installed,")
        say("but with --no-catalog, or for an application that does not permit it (ws2spi catalog categories).")
    return 0


def _stem(path: str) -> str:
    """What a hand-written provider is called: its file or module."""
    from ws2spi._runtime.catalog.paths import parts

    place = parts(path)
    return place.file.rpartition("/")[2].removesuffix(".py") or place.module.rpartition(".")[2]


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)


def _hand_written(spec: str) -> str:
    """The path of what is no layer: a file's or a module's WSPStartup, Stack, or function. "" if it is not there."""
    import os

    from ws2spi._abi.errors import WinsockError
    from ws2spi._runtime.catalog.paths import parts
    from ws2spi._runtime.resolving import resolve

    place = parts(spec)
    head, colon, rest = spec.partition(":")
    path = f"{os.path.realpath(os.path.expanduser(head))}{colon}{rest}" if place.file else spec
    if place.module and "." not in place.module and not place.name:
        return ""
    try:
        resolve(path)
    except WinsockError:
        return ""
    return path


def _named(snapshot: "Snapshot", word: str) -> "CatalogEntry | None":
    """The layer's own entry, or any other, that `word` means: a name, an id, a provider id."""
    for entry in snapshot.entries:
        if word == entry.name and not entry.chain_length:
            return entry
    for entry in snapshot.entries:
        if word in (str(entry.catalog_id), str(entry.provider_id), entry.name):
            return entry
    return None


def _layer_names(snapshot: "Snapshot") -> str:
    names = [entry.name for entry in snapshot.entries if not entry.chain_length]
    return f"; installed are {', '.join(names)}" if names else "; no layer is installed"


def layer_of(snapshot: "Snapshot", word: str) -> "tuple[CatalogEntry, uuid.UUID]":
    """The layer that `word` means: its own entry, and the provider id that it is installed under.

    Errors:
        ValueError: there is none.
    """
    entry = _named(snapshot, word)
    if entry is None:
        raise ValueError(f"there is no layer {word!r}{_layer_names(snapshot)}")
    own = snapshot.get(entry.chain[0]) if entry.chain else entry
    if own is None or own.chain_length:
        raise ValueError(f"{entry.name!r} is no layer{_layer_names(snapshot)}")
    return own, own.provider_id


def _remove(arguments: argparse.Namespace) -> int:
    from ws2spi._runtime.catalog import StoredCatalog, operations

    removed: list[str] = []

    def change(before: "Snapshot") -> "Snapshot":
        entry = _named(before, arguments.layer)
        if entry is None:
            raise ValueError(f"there is no layer {arguments.layer!r}{_layer_names(before)}")
        own = before.get(entry.chain[0]) if entry.chain else entry
        known = before.providers.get(entry.provider_id)
        provider = (known.owner if known is not None else None) or entry.provider_id
        if own is not None and entry.base:
            raise ValueError(f"{entry.name!r} is built in, and stays")
        after = operations.deinstall(before, provider)
        gone = {one.catalog_id for one in before.entries} - {one.catalog_id for one in after.entries}
        above = sorted(
            {
                getattr(after.get(one.chain[0]), "name", one.name)
                for one in after.entries
                if gone & set(one.chain) and not gone >= set(one.chain[:1])
            }
        )
        if above and not arguments.force:
            raise ValueError(f"{', '.join(above)} lies over it: remove that first, or --force leaves its chains broken")
        removed.append(own.name if own is not None else entry.name)
        return after

    StoredCatalog().replace(change)
    say(f"{removed[0]} is removed")
    return 0


def _order(arguments: argparse.Namespace) -> int:
    from ws2spi._runtime.catalog import StoredCatalog, operations

    def change(before: "Snapshot") -> "Snapshot":
        first: list[int] = []
        for word in arguments.entries:
            entry = _named(before, word)
            if entry is None:
                raise ValueError(f"there is no entry {word!r}{_layer_names(before)}")
            if word == str(entry.catalog_id):
                first.append(entry.catalog_id)
            else:
                first += [
                    one.catalog_id for one in before.entries if entry.catalog_id in (one.catalog_id, *one.chain[:1])
                ]
        first = list(dict.fromkeys(first))
        return operations.order(before, first + [e.catalog_id for e in before.entries if e.catalog_id not in first])

    StoredCatalog().replace(change)
    return 0


def _reset(arguments: argparse.Namespace) -> int:
    from ws2spi._runtime.catalog import StoredCatalog

    aside = StoredCatalog().reset()
    say("the built-in entries are left" + (f"; what was there lies at {aside}" if aside else ""))
    return 0


def _export(arguments: argparse.Namespace) -> int:
    import json

    from ws2spi._runtime.catalog import StoredCatalog
    from ws2spi._runtime.catalog.transfer import export

    text = json.dumps(export(StoredCatalog()), indent=2)
    if arguments.file is None:
        say(text)
    else:
        with open(arguments.file, "w") as stream:
            stream.write(text + "\n")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    import json
    import sys

    from ws2spi._runtime.catalog import StoredCatalog
    from ws2spi._runtime.catalog.transfer import import_

    try:
        if arguments.file == "-":
            document = json.load(sys.stdin)
        else:
            with open(arguments.file) as stream:
                document = json.load(stream)
        import_(StoredCatalog(), document)
    except ValueError as error:  # json's own are such, and those of text that is none
        raise ValueError(f"{arguments.file}: {error}") from None
    return 0
