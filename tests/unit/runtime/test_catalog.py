"""The catalog: entries, order, the choice of socket() (catalog 4, 5, 8, 11)."""

import dataclasses
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from support.memory_provider import memory_entry
from ws2spi._abi.constants import PFL_HIDDEN, XP1_MESSAGE_ORIENTED, XP1_PSEUDO_STREAM
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.types import WSAPROTOCOL_INFOW
from ws2spi._runtime import protocol_info
from ws2spi._runtime.catalog import BASE_ENTRIES, BASE_IPV4, Catalog, CatalogEntry
from ws2spi._runtime.catalog.entries import FIRST_PRIVATE_ID


def loader(entry: CatalogEntry) -> Any:
    return entry


def test_the_base_entries_come_first_and_begin_at_1001() -> None:
    entries = Catalog().enum_protocols()
    assert [entry.catalog_id for entry in entries] == [1001, 1002, 1003, 1004]
    assert [(entry.address_family, entry.socket_type) for entry in entries] == [(2, 1), (2, 2), (23, 1), (23, 2)]
    assert all(entry.ifs and entry.chain_length == 1 for entry in entries)
    assert [entry.stream for entry in entries] == [True, False, True, False]


def test_installed_entries_go_on_top_in_their_order_or_to_the_end() -> None:
    catalog = Catalog()
    top = catalog.install([memory_entry(name="a"), memory_entry(name="b")], loader)
    bottom = catalog.install([memory_entry(name="z")], loader, top=False)
    assert [entry.name for entry in catalog.enum_protocols()][:2] == ["a", "b"]
    assert catalog.enum_protocols()[-1].name == "z"
    assert [entry.catalog_id for entry in (*top, *bottom)] == [FIRST_PRIVATE_ID + n for n in range(3)]
    assert catalog.find(2, 1, 6).name == "a"


def test_ids_only_grow() -> None:
    """catalog 11.1"""
    catalog = Catalog()
    first = catalog.install([memory_entry()], loader)[0]
    catalog.remove([first.catalog_id])
    assert catalog.get(first.catalog_id) is None
    assert catalog.install([memory_entry()], loader)[0].catalog_id == first.catalog_id + 1
    catalog.reset()
    assert [entry.catalog_id for entry in catalog.enum_protocols()] == [1001, 1002, 1003, 1004]
    assert catalog.install([memory_entry()], loader)[0].catalog_id == first.catalog_id + 2


def test_a_chain_names_the_layers_own_entry_and_what_is_below() -> None:
    """catalog 4: 0 stands for the entry installed with it"""
    catalog = Catalog()
    own, chain = catalog.install([memory_entry(base=False), memory_entry(chain=(0, 1001))], loader)
    assert (own.chain_length, chain.chain_length) == (0, 2)
    assert chain.chain == (own.catalog_id, 1001)
    assert own not in catalog.enum_protocols()
    assert own in catalog.enum_protocols(hidden=True)
    assert catalog.find(2, 1, 6) is chain


def test_hidden_entries_are_found_but_not_listed() -> None:
    catalog = Catalog()
    entry = catalog.install([memory_entry(provider_flags=PFL_HIDDEN)], loader)[0]
    assert entry not in catalog.enum_protocols()
    assert catalog.find(2, 1, 6) is entry


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([], WSAError.WSAEINVAL),
        ([memory_entry(chain=(0, 4711))], WSAError.WSAEINVAL),
        ([memory_entry(chain=(0, *[1001] * 7))], WSAError.WSAEINVAL),
        ([memory_entry(provider_id=BASE_IPV4)], WSAError.WSANO_RECOVERY),
    ],
)
def test_refused_installations_change_nothing(entries: list[CatalogEntry], code: WSAError) -> None:
    """catalog 11.2, 11.5"""
    catalog = Catalog()
    with pytest.raises(WinsockError) as raised:
        catalog.install(entries, loader)
    assert raised.value.code is code
    assert len(catalog.enum_protocols(hidden=True)) == 6


def test_a_provider_id_cannot_be_installed_twice() -> None:
    catalog = Catalog()
    entry = memory_entry()
    catalog.install([entry, dataclasses.replace(entry, socket_type=2)], loader)  # several entries of one id are one
    with pytest.raises(WinsockError) as raised:
        catalog.install([entry], loader)
    assert raised.value.code is WSAError.WSANO_RECOVERY


def test_a_protocol_range_and_protocol_zero() -> None:
    """catalog 8.2"""
    catalog = Catalog()
    entry = catalog.install([memory_entry(protocol=200, protocol_max_offset=5, provider_flags=0)], loader)[0]
    assert catalog.find(2, 1, 203) is entry
    assert catalog.find(2, 1, 0).catalog_id == 1001


def test_an_empty_catalog_is_wsaeinval() -> None:
    catalog = Catalog()
    catalog.remove(range(999, 1005))
    with pytest.raises(WinsockError) as raised:
        catalog.find(2, 1, 6)
    assert raised.value.code is WSAError.WSAEINVAL


def test_message_protocols_that_ignore_boundaries_are_streams() -> None:
    """provider-functions 5.3"""
    assert not memory_entry(service_flags=XP1_MESSAGE_ORIENTED).stream
    assert memory_entry(service_flags=XP1_MESSAGE_ORIENTED | XP1_PSEUDO_STREAM).stream


@given(
    some.integers(0, 2**31 - 1),
    some.text(some.characters(codec="utf-8", exclude_characters="\0"), max_size=100),
    some.uuids(),
    some.lists(some.integers(1, 2**31), min_size=2, max_size=7),
)
def test_structures_carry_every_field(number: int, name: str, provider_id: uuid.UUID, chain: list[int]) -> None:
    entry = memory_entry(
        name=name, provider_id=provider_id, chain=tuple(chain), service_flags4=number, message_size=number, base=False
    )
    assert protocol_info.read(protocol_info.structure(entry)) == entry


def test_structures_of_base_entries() -> None:
    for entry in BASE_ENTRIES:
        info = protocol_info.structure(dataclasses.replace(entry, catalog_id=1001))
        assert isinstance(info, WSAPROTOCOL_INFOW)
        assert (info.ProtocolChain.ChainLen, info.ProtocolChain.ChainEntries[0]) == (1, 1001)
        assert protocol_info.read(info).provider_id == entry.provider_id
