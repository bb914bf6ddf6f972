"""The changes of a catalog: each a function from one snapshot to the next, or a refusal with its documented code.

Where the pages are silent the rules are those of `docs/catalog.md`: chains name only what is there, no layer stands
twice in a chain, removing a member of other chains is allowed and leaves those broken.
"""

import dataclasses
import uuid
from collections.abc import Callable, Sequence

from ws2spi._abi import constants as c
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.catalog.entries import BASE_ENTRIES, BASE_PROVIDERS, FIRST_PRIVATE_ID, CatalogEntry
from ws2spi._runtime.catalog.snapshot import BASE_PATH, Applications, Installed, Snapshot


def _invalid(detail: str) -> WinsockError:
    return WinsockError(WSAError.WSAEINVAL, detail)


def check_text(text: str, what: str, longest: int | None = None) -> None:
    """Raise WSAEINVAL for what cannot be stored: half a UTF-16 pair, or more than `longest` UTF-16 units."""
    try:
        length = len(text.encode("utf-16-le")) // 2
    except UnicodeEncodeError:
        raise _invalid(f"{what} is no text: {text!r}") from None
    if longest is not None and length > longest:
        raise _invalid(f"{what} has {length} characters, {longest} are allowed")


def check_entry(snapshot: Snapshot, entry: CatalogEntry) -> None:
    """Raise WSAEINVAL for an entry that the catalog cannot hold."""
    check_text(entry.name, "szProtocol", c.WSAPROTOCOL_LEN)
    chain = entry.chain
    if len(chain) > c.MAX_PROTOCOL_CHAIN:
        raise _invalid(f"the chain of {entry.name!r} has {len(chain)} entries, {c.MAX_PROTOCOL_CHAIN} are allowed")
    known = {one.catalog_id for one in snapshot.entries}
    for member in chain:
        if member not in known:
            raise _invalid(f"the chain of {entry.name!r} names {member}, which is not in the catalog")
    if len(set(chain)) != len(chain):
        raise _invalid(f"the chain of {entry.name!r} names a layer twice")


def _numbered(snapshot: Snapshot, count: int) -> int:
    """Return the first of `count` new ids."""
    if snapshot.next_id + count >= FIRST_PRIVATE_ID:
        raise WinsockError(WSAError.WSANO_RECOVERY, "the catalog has run out of ids")
    return snapshot.next_id


def install(snapshot: Snapshot, provider_id: uuid.UUID, path: str, entries: Sequence[CatalogEntry]) -> Snapshot:
    """Add a provider's entries at the end of the order.

    Errors:
        WSAEINVAL: no path, no entries, or one that `check_entry` refuses.
        WSANO_RECOVERY: the provider id is installed.
    """
    if not path:
        raise _invalid("no path")
    check_text(path, "lpszProviderDllPath")
    if not entries:
        raise _invalid("no entries to install")
    if provider_id in snapshot.providers:
        raise WinsockError(WSAError.WSANO_RECOVERY, f"provider {provider_id} is already installed")
    first = _numbered(snapshot, len(entries))
    for entry in entries:
        check_entry(snapshot, entry)
    made = tuple(
        dataclasses.replace(entry, provider_id=provider_id, catalog_id=first + number)
        for number, entry in enumerate(entries)
    )
    providers = {**snapshot.providers, provider_id: Installed(path)}
    return Snapshot((*snapshot.entries, *made), providers, first + len(made))


def deinstall(snapshot: Snapshot, provider_id: uuid.UUID) -> Snapshot:
    """Remove every entry of a provider id, and those that its installation made under ids of their own.

    Chains of other providers that name a removed entry stay, broken.

    Errors:
        WSAEINVAL: not installed.
    """
    if provider_id not in snapshot.providers:
        raise _invalid(f"provider {provider_id} is not installed")
    gone = {one for one, known in snapshot.providers.items() if provider_id in (one, known.owner)}
    return Snapshot(
        tuple(entry for entry in snapshot.entries if entry.provider_id not in gone),
        {one: known for one, known in snapshot.providers.items() if one not in gone},
        snapshot.next_id,
    )


def update(snapshot: Snapshot, provider_id: uuid.UUID, path: str, entries: Sequence[CatalogEntry]) -> Snapshot:
    """Give an installed provider a new path and new entries; ids and places in the order stay.

    Each given entry takes the place of the one whose id it has. One without an id takes the place of the provider's
    next entry that none of the others names; when there is none left it is new, and goes to the end.

    Errors:
        WSAEINVAL: not installed, no path, no entries, an id of somebody else, or an entry that `check_entry` refuses.
    """
    if provider_id not in snapshot.providers:
        raise _invalid(f"provider {provider_id} is not installed")
    if not path or not entries:
        raise _invalid("no entries" if path else "no path")
    check_text(path, "lpszProviderDllPath")
    own = [entry.catalog_id for entry in snapshot.of(provider_id)]
    named = [entry.catalog_id for entry in entries if entry.catalog_id]
    if len(set(named)) != len(named) or not set(named) <= set(own):
        raise _invalid("an entry has the id of somebody else, or one twice")
    free = [catalog_id for catalog_id in own if catalog_id not in named]
    next_id = _numbered(snapshot, len(entries))
    changed: dict[int, CatalogEntry] = {}  # {id: the entry as it is from now on}
    for entry in entries:
        check_entry(snapshot, entry)
        catalog_id = entry.catalog_id or (free.pop(0) if free else 0)
        if not catalog_id:
            catalog_id, next_id = next_id, next_id + 1
        changed[catalog_id] = dataclasses.replace(entry, provider_id=provider_id, catalog_id=catalog_id)
    kept = [changed.pop(entry.catalog_id, entry) for entry in snapshot.entries]
    providers = {**snapshot.providers, provider_id: snapshot.providers[provider_id]._replace(path=path)}
    return Snapshot((*kept, *changed.values()), providers, next_id)


def order(snapshot: Snapshot, ids: Sequence[int]) -> Snapshot:
    """Put the entries into the order of `ids`.

    Errors:
        WSAEINVAL: not every id of the catalog exactly once.
    """
    by_id = {entry.catalog_id: entry for entry in snapshot.entries}
    if len(ids) != len(by_id) or set(ids) != set(by_id):
        raise _invalid("the new order must name every entry exactly once")
    return dataclasses.replace(snapshot, entries=tuple(by_id[one] for one in ids))


def reset(snapshot: Snapshot) -> Snapshot:
    """Leave the built-in entries alone, under their ids; the ids that were given out stay used."""
    providers = {provider: Installed(BASE_PATH) for provider in BASE_PROVIDERS}
    return Snapshot(BASE_ENTRIES, providers, snapshot.next_id)


def categorise(snapshot: Snapshot, provider_id: uuid.UUID, categories: int | None) -> Snapshot:
    """Store the LSP categories of the layer whose own, hidden entry has this provider id; None: not categorised.

    Errors:
        WSAEINVAL: no layer has it, or there is no such category.
    """
    if not is_layer(snapshot, provider_id):
        raise _invalid(f"provider {provider_id} is no installed layer")
    if (categories or 0) & ~c.LSP_CATEGORIES:
        raise _invalid(f"categories 0x{categories:x}")
    known = snapshot.providers[provider_id]._replace(categories=categories)
    return dataclasses.replace(snapshot, providers={**snapshot.providers, provider_id: known})


def is_layer(snapshot: Snapshot, provider_id: uuid.UUID) -> bool:
    """Tell whether a layer's own entry (ChainLen 0) has this provider id."""
    return any(entry.chain_length == c.LAYERED_PROTOCOL for entry in snapshot.of(provider_id))


# -- layers with their chains ------------------------------------------------------------------------------------------


def topmost(snapshot: Snapshot) -> dict[tuple[int, int, int], CatalogEntry]:
    """Return {(family, type, protocol): the first entry of the order that sockets can be made of}."""
    found: dict[tuple[int, int, int], CatalogEntry] = {}
    for entry in snapshot.entries:
        if entry.chain_length:
            found.setdefault(entry.kind, entry)
    return found


def unique_bases(snapshot: Snapshot) -> list[CatalogEntry]:
    """Return the first base entry of each (family, type, protocol); raw sockets, which are hidden, are named or not."""
    found: dict[tuple[int, int, int], CatalogEntry] = {}
    for entry in snapshot.entries:
        if entry.chain_length == c.BASE_PROTOCOL and not entry.hidden:
            found.setdefault(entry.kind, entry)
    return list(found.values())


def chain_over(own_id: int, lower: CatalogEntry, name: str, flags: int) -> CatalogEntry:
    """Return the entry of a layer laid over another entry, without id; it speaks for the whole chain.

    ChainEntries[0] is the layer's own entry, [1] what it was laid over, then come the lower entry's own members. An IFS
    layer passes on the handle from below, so its chain has XP1_IFS_HANDLES only over an entry that has it.

    Errors:
        WSANO_RECOVERY: the chain would be too long.
    """
    chain = (own_id, lower.catalog_id, *lower.chain[1:])
    if len(chain) > c.MAX_PROTOCOL_CHAIN:
        raise WinsockError(WSAError.WSANO_RECOVERY, f"a chain has at most {c.MAX_PROTOCOL_CHAIN} entries")
    title = f"{name} over [{lower.name}]"
    while len(title.encode("utf-16-le", "surrogatepass")) > 2 * c.WSAPROTOCOL_LEN:
        title = title[:-1]
    return dataclasses.replace(
        lower,
        name=title,
        catalog_id=0,
        service_flags=lower.service_flags if flags else lower.service_flags & ~c.XP1_IFS_HANDLES,
        chain=chain,
        base=False,
    )


def install_chains(
    snapshot: Snapshot,
    provider_id: uuid.UUID,
    path: str,
    name: str,
    flags: int,
    kinds: Sequence[tuple[int, int, int]] | None,
    *,
    new_id: Callable[[], uuid.UUID] = uuid.uuid4,
) -> tuple[Snapshot, int]:
    """Add a layer: its own hidden entry and a chain for each protocol, before all others in the order.

    The chains of a layer with handles of its own have its provider id. Those of an IFS layer get ids of their own, one
    each: a provider is started once for each id, and the table of an IFS layer depends on what lies below.

    Parameters:
        flags: XP1_IFS_HANDLES or 0.
        kinds: lay it over the topmost entry of each (family, type, protocol); None: over the base entries.
    Returns: the catalog, and the id of the layer's own entry.
    Errors:
        WSAEINVAL: no path or name, other flags, no kinds, id or name are used already, nothing matches a kind.
        WSANO_RECOVERY: no base entry, or a chain would be too long.
    """
    if not path or not name:
        raise _invalid("no name" if path else "no path")
    check_text(path, "lpszProviderDllPath")
    check_text(name, "lpszLspName", c.WSAPROTOCOL_LEN)
    if flags not in (0, c.XP1_IFS_HANDLES):
        raise _invalid(f"service flags 0x{flags:x}")
    if kinds is not None and not kinds:
        raise _invalid("an empty list of protocols")
    if provider_id in snapshot.providers:
        raise _invalid(f"provider {provider_id} is already installed")
    if any(entry.name == name for entry in snapshot.entries):
        raise _invalid(f"the name {name!r} is taken")
    lower = _below(snapshot, kinds)
    own_id = _numbered(snapshot, 1 + len(lower))
    own = dataclasses.replace(
        BASE_ENTRIES[0],
        name=name,
        provider_id=provider_id,
        catalog_id=own_id,
        service_flags=flags,
        provider_flags=c.PFL_HIDDEN,
        base=False,
    )
    providers = {**snapshot.providers, provider_id: Installed(path)}
    made = [own]
    for number, entry in enumerate(lower, 1):
        chain_id = provider_id
        if flags:
            chain_id = new_id()
            providers[chain_id] = Installed(path, provider_id)
        chain = chain_over(own_id, entry, name, flags)
        made.append(dataclasses.replace(chain, provider_id=chain_id, catalog_id=own_id + number))
    return Snapshot((*made, *snapshot.entries), providers, own_id + len(made)), own_id


def _below(snapshot: Snapshot, kinds: Sequence[tuple[int, int, int]] | None) -> list[CatalogEntry]:
    """Return what a layer is laid over."""
    if kinds is None:
        bases = unique_bases(snapshot)
        if not bases:
            raise WinsockError(WSAError.WSANO_RECOVERY, "there is no base provider")
        return bases
    found = topmost(snapshot)
    missing = [kind for kind in kinds if kind not in found]
    if missing:
        raise _invalid(f"nothing matches family {missing[0][0]}, type {missing[0][1]}, protocol {missing[0][2]}")
    return [found[kind] for kind in dict.fromkeys(kinds)]


def permit(applications: Applications, key: tuple[str, str], categories: int | None) -> Applications:
    """Return the applications with `categories` as what `key` permits; None: it is not categorised.

    Errors:
        WSAEINVAL: there is no such category.
    """
    if categories is None:
        return {one: known for one, known in applications.items() if one != key}
    if categories & ~c.LSP_CATEGORIES:
        raise _invalid(f"categories 0x{categories:x}")
    for text in key:
        check_text(text, "the application")
    return {**applications, key: categories}
