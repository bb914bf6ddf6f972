"""Any sequence of changes of the catalog by several processes, beside a model of a dozen lines."""

import tempfile
import uuid
from pathlib import Path
from typing import Any

from hypothesis import strategies as some
from hypothesis.stateful import Bundle, consumes, initialize, invariant, multiple, rule

from support.catalogs import KINDS, entry
from support.machines import SHORT, Counted, Length, run
from ws2spi._abi.constants import LSP_FIREWALL, LSP_INSPECTOR, XP1_IFS_HANDLES
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.catalog import BASE_ENTRIES, BASE_PROVIDERS, Catalog, StoredCatalog
from ws2spi._runtime.catalog.transfer import export, import_

PROCESSES = 3
HERE = __file__


def outcome(function: Any, *arguments: Any) -> tuple[Any, Exception | None]:
    """What a function returns, and what it raises."""
    try:
        return function(*arguments), None
    except (WinsockError, ValueError) as error:
        return None, error


class Changes(Counted):
    """Each process has a `StoredCatalog` of its own and the view that it took at its start-up."""

    providers: Bundle[uuid.UUID] = Bundle("providers")
    documents: Bundle[Any] = Bundle("documents")

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        path = str(Path(self.folder.name) / "catalog.sqlite")
        self.stored = [StoredCatalog(path) for _ in range(PROCESSES)]
        self.views = [Catalog() for _ in range(PROCESSES)]
        self.seen: list[Any] = [list(BASE_ENTRIES) for _ in range(PROCESSES)]
        # The model: [(id, name, provider)] in order, who owns which provider, and every id that was ever given out.
        self.model: list[tuple[int, str, uuid.UUID]] = [(e.catalog_id, e.name, e.provider_id) for e in BASE_ENTRIES]
        self.owner: dict[uuid.UUID, uuid.UUID] = {provider: provider for provider in BASE_PROVIDERS}
        self.given = {one[0] for one in self.model}
        self.serial = 0
        self.number = 0

    def teardown(self) -> None:
        self.folder.cleanup()

    def changed(self) -> None:
        self.serial += 1

    def refused(self, code: WSAError, function: Any, *arguments: Any) -> None:
        _, error = outcome(function, *arguments)
        assert isinstance(error, WinsockError)
        assert error.code is code, error

    def took(self, found: list[Any], at: int) -> None:
        """New entries stand at a place of the order; their ids are new."""
        ids = [one.catalog_id for one in found]
        assert not self.given & set(ids), "an id was given out before"
        assert len(set(ids)) == len(ids)
        self.given |= set(ids)
        self.model[at:at] = [(one.catalog_id, one.name, one.provider_id) for one in found]
        self.changed()

    @rule(target=providers, who=some.integers(0, PROCESSES - 1), count=some.integers(1, 3))
    def install(self, who: int, count: int) -> uuid.UUID:
        self.number += 1
        provider = uuid.UUID(int=self.number)
        entries = [entry(f"plain {self.number}.{n}", protocol=100 + n) for n in range(count)]
        made = self.stored[who].install(provider, HERE, entries)
        assert [one.name for one in made] == [one.name for one in entries]
        self.owner[provider] = provider
        self.took(made, len(self.model))
        return provider

    @rule(
        target=providers,
        who=some.integers(0, PROCESSES - 1),
        kinds=some.none() | some.lists(some.sampled_from(KINDS), min_size=1, max_size=4),
        ifs=some.booleans(),
    )
    def install_layer(self, who: int, kinds: Any, ifs: bool) -> Any:
        self.number += 1
        provider = uuid.UUID(int=self.number)
        before = self.stored[who].snapshot()
        flags = XP1_IFS_HANDLES if ifs else 0
        own, error = outcome(self.stored[who].install_chains, provider, HERE, f"layer {self.number}", flags, kinds)
        if isinstance(error, WinsockError):
            # Too long a chain, or an IFS layer over one of the other kind: then nothing has changed.
            assert error.code in (WSAError.WSANO_RECOVERY, WSAError.WSAEINVAL)
            assert self.stored[who].snapshot() == before
            return multiple()
        made = [one for one in self.stored[who].entries() if before.get(one.catalog_id) is None]
        assert made[0].catalog_id == own
        assert made[0].chain_length == 0
        assert all(one.chain[0] == own and len(one.chain) <= 7 for one in made[1:])
        over = (
            kinds
            if kinds is not None
            else [one.kind for one in before.entries if one.chain_length == 1 and not one.hidden]
        )
        assert [one.kind for one in made[1:]] == list(dict.fromkeys(over)), "one chain for each protocol"
        for one in made:
            self.owner[one.provider_id] = provider
        self.took(made, 0)
        return provider

    @rule(who=some.integers(0, PROCESSES - 1), provider=providers)
    def install_again(self, who: int, provider: uuid.UUID) -> None:
        if provider in self.owner:
            self.refused(WSAError.WSANO_RECOVERY, self.stored[who].install, provider, HERE, [entry()])
            self.refused(WSAError.WSAEINVAL, self.stored[who].install_chains, provider, HERE, "again")

    @rule(who=some.integers(0, PROCESSES - 1), provider=consumes(providers))
    def deinstall(self, who: int, provider: uuid.UUID) -> None:
        if provider not in self.owner:
            self.refused(WSAError.WSAEINVAL, self.stored[who].deinstall, provider)
            return
        self.stored[who].deinstall(provider)
        gone = {one for one, owner in self.owner.items() if owner == provider}
        self.model = [one for one in self.model if one[2] not in gone]
        self.owner = {one: owner for one, owner in self.owner.items() if one not in gone}
        self.changed()

    @rule(who=some.integers(0, PROCESSES - 1), provider=providers, extra=some.integers(0, 2))
    def update(self, who: int, provider: uuid.UUID, extra: int) -> None:
        own = [one for one in self.stored[who].entries() if one.provider_id == provider]
        if not own:
            self.refused(WSAError.WSAEINVAL, self.stored[who].update, provider, HERE, [entry()])
            return
        self.number += 1
        named = [entry(f"new {self.number}.{n}", catalog_id=one.catalog_id) for n, one in enumerate(reversed(own))]
        added = [entry(f"added {self.number}.{n}") for n in range(extra)]
        self.stored[who].update(provider, HERE, [*named, *added])
        names = {one.catalog_id: one.name for one in named}
        self.model = [(one[0], names.get(one[0], one[1]), one[2]) for one in self.model]
        self.took(self.stored[who].entries()[len(self.model) :], len(self.model))

    @rule(who=some.integers(0, PROCESSES - 1), data=some.data())
    def order(self, who: int, data: Any) -> None:
        ids = [one[0] for one in self.model]
        shuffled = data.draw(some.permutations(ids))
        for wrong in (shuffled[1:], [*shuffled, 77], [*shuffled, *shuffled[:1]]):
            if wrong != shuffled:
                self.refused(WSAError.WSAEINVAL, self.stored[who].order, wrong)
        self.stored[who].order(shuffled)
        self.model.sort(key=lambda one: shuffled.index(one[0]))
        self.changed()

    @rule(who=some.integers(0, PROCESSES - 1), provider=providers, value=some.sampled_from([0, 1, 8, 9]))
    def categorise(self, who: int, provider: uuid.UUID, value: int) -> None:
        snapshot = self.stored[who].snapshot()
        if any(not one.chain_length and not one.base for one in snapshot.of(provider)):
            self.stored[who].set_categories(provider, value)
            assert self.stored[who].get_categories(provider) == value
            self.changed()
        else:
            self.refused(WSAError.WSAEINVAL, self.stored[who].set_categories, provider, value)

    @rule(who=some.integers(0, PROCESSES - 1))
    def reset(self, who: int) -> None:
        assert self.stored[who].reset() == ""
        self.model = [(e.catalog_id, e.name, e.provider_id) for e in BASE_ENTRIES]
        self.owner = {provider: provider for provider in BASE_PROVIDERS}
        self.changed()

    @rule(target=documents, who=some.integers(0, PROCESSES - 1))
    def save(self, who: int) -> Any:
        return export(self.stored[who]), list(self.model), dict(self.owner)

    @rule(who=some.integers(0, PROCESSES - 1), saved=documents)
    def restore(self, who: int, saved: Any) -> None:
        document, model, owner = saved
        _, error = outcome(import_, self.stored[who], document)
        if error is not None:
            assert "broken" in str(error), error
            return
        self.model, self.owner = list(model), dict(owner)
        self.changed()

    @rule(who=some.integers(0, PROCESSES - 1), permits=some.sampled_from([None, LSP_FIREWALL, LSP_INSPECTOR]))
    def start_up(self, who: int, permits: int | None) -> None:
        snapshot = self.stored[who].snapshot()
        self.views[who].take(snapshot, permits)
        self.seen[who] = list(snapshot.entries)
        if permits is None:
            shown = self.views[who].enum_protocols()
            assert shown == [one for one in snapshot.entries if not one.hidden]

    @invariant()
    def all_see_what_the_model_says(self) -> None:
        for stored in self.stored:
            snapshot = stored.snapshot()
            assert [(one.catalog_id, one.name, one.provider_id) for one in snapshot.entries] == self.model
            assert set(snapshot.providers) == set(self.owner)
            assert stored.serial() == self.serial
            assert snapshot.next_id > max(self.given)

    @invariant()
    def a_process_keeps_what_it_saw_at_its_start_up(self) -> None:
        for view, seen in zip(self.views, self.seen, strict=True):
            assert view.enum_protocols(hidden=True) == seen

    @invariant()
    def nothing_is_wrong_but_chains_whose_members_were_removed(self) -> None:
        there = {one[0] for one in self.model}
        broken = [one for one in self.stored[0].entries() if not there.issuperset(one.chain)]
        problems = self.stored[0].problems()
        assert {problem.kind for problem in problems} <= {"chain"}
        assert len(problems) == len(broken)


def test_catalog_is_what_the_model_says(length: Length) -> None:
    """catalog 4, 5, 6, 9, 11. A step here writes and reads files: the suite takes fewer of them."""
    steps = length.steps if length.steps > SHORT else SHORT // 4
    assert run(Changes, length._replace(steps=steps)) >= steps
