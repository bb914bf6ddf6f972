"""The docstrings' error lists against the codes of Microsoft's pages (docs/error-codes.toml)."""

import itertools
import tomllib
from collections.abc import Iterator

import pytest

from support import provoked

TABLE = tomllib.loads((provoked.ROOT / "docs" / "error-codes.toml").read_text())
PAGES = {name: set(codes.split()) for names, codes in TABLE["pages"].items() for name in names.split()}
DOCUMENTED = {name.partition(".")[2]: codes for name, codes in provoked.documented().items()}
KINDS = ["not-here", "ours"]


def of_functions(kind: str) -> Iterator[tuple[str, str, str]]:
    """(function, code, reason)"""
    for names, codes in TABLE[kind]["functions"].items():
        for name, (code, reason) in itertools.product(names.split(), codes.items()):
            yield name, code, reason


def reason(kind: str, name: str, code: str) -> str:
    own = {(function, number): why for function, number, why in of_functions(kind)}
    general = {**TABLE[kind]["every"], **TABLE[kind].get("from-below", {})}
    return own.get((name, code)) or general.get(code, "")


def away(kind: str, name: str) -> set[str]:
    """The codes of a function that need a reason."""
    return PAGES[name] - DOCUMENTED[name] if kind == "not-here" else DOCUMENTED[name] - PAGES[name]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_each_code_of_the_page_is_documented_or_has_its_reason(name: str) -> None:
    assert sorted(code for code in away("not-here", name) if not reason("not-here", name, code)) == []


@pytest.mark.parametrize("name", sorted(PAGES))
def test_each_documented_code_is_on_the_page_or_has_its_reason(name: str) -> None:
    assert sorted(code for code in away("ours", name) if not reason("ours", name, code)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_no_reason_is_idle(kind: str) -> None:
    idle = [(name, code) for name, code, _ in of_functions(kind) if code not in away(kind, name)]
    assert idle == []
    needed = set().union(*(away(kind, name) for name in PAGES))
    assert set(TABLE[kind]["every"]) | set(TABLE[kind].get("from-below", {})) <= needed


@pytest.mark.parametrize("kind", KINDS)
def test_reasons_are_sentences_about_codes(kind: str) -> None:
    every = [(code, why) for part in ("every", "from-below") for code, why in TABLE[kind].get(part, {}).items()]
    for code, why in [*every, *((code, why) for _, code, why in of_functions(kind))]:
        assert code in provoked.CODES, code
        assert why.endswith("."), why


def test_every_function_of_winsock_that_has_codes_has_its_page() -> None:
    """kernel32 and user32: their pages name no codes but in passing."""
    documented = {name.partition(".")[::2]: codes for name, codes in provoked.documented().items()}
    faces = {name for (face, name), codes in documented.items() if codes and face in ("ws2_32", "mswsock")}
    assert faces - set(PAGES) == set(TABLE["without-a-table"]["names"].split())
    assert set(PAGES) <= set(DOCUMENTED)
