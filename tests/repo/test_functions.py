"""Every documented function is there or has a reason, and every one that is there has a test (docs/functions.md)."""

import functions_page as page
from ws2spi import ws2_32

NAMES = [name for names in page.sections().values() for name in names]


def test_every_documented_function_is_there_or_has_a_reason() -> None:
    assert [name for name in NAMES if name not in page.places() and not page.reasons().get(name)] == []


def test_no_reason_outlives_its_function() -> None:
    """Who writes a function takes its reason out of docs/functions.toml; "not yet" is what others are at."""
    assert [name for name, why in page.reasons().items() if why != "not yet" and name in page.places()] == []
    assert [name for name in page.reasons() if name not in NAMES] == [], "a reason for what nobody documents"


def test_every_function_of_the_faces_is_on_the_page() -> None:
    faces = [name for face in ("ws2_32", "kernel32", "user32", "mswsock") for name in page.face_functions(face)]
    assert [name for name in faces if name not in NAMES] == []
    assert len(set(NAMES)) == len(NAMES)


def test_what_the_page_calls_there_is_exported() -> None:
    written = [name for name in page.face_functions("ws2_32") if name in page.places()]
    assert [name for name in written if not hasattr(ws2_32, name)] == []


def test_every_function_has_a_test_that_names_it() -> None:
    """Name the function in the test of it: `ws2_32.send`, "WSPSend", `lpWSPSend`, `queue_apc` for WPUQueueApc."""
    there = [name for name in NAMES if name in page.places() and page.reasons().get(name) != "not yet"]
    assert [name for name in there if not page.tests_of(name) and not _tested_through_its_caller(name)] == []


def test_every_function_of_a_provider_is_held_by_a_clause() -> None:
    from ws2spi._abi.mswsock import EXTENSIONS
    from ws2spi._abi.types import WSPPROC_NAMES

    functions = ["WSPStartup", *WSPPROC_NAMES, *EXTENSIONS]
    assert [name for name in functions if not page.clauses_of(name)] == []


def _tested_through_its_caller(name: str) -> bool:
    caller = page.caller(name)
    return bool(caller and page.tests_of(caller))
