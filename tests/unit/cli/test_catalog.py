"""`ws2spi catalog`: what is printed, what is changed, and with which status."""

import json
import shutil
import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.catalogs import LAYERS, TCP, entry, without_rights
from ws2spi._abi.constants import XP1_IFS_HANDLES
from ws2spi._abi.errors import WinsockError
from ws2spi._runtime.catalog import BASE_ENTRIES, StoredCatalog
from ws2spi._runtime.catalog.categories import this_process
from ws2spi._runtime.names.entries import DNS_ENTRY, NameSpaceEntry
from ws2spi._runtime.names.stored import StoredNameSpaces
from ws2spi.cli.completion import _SHELLS
from ws2spi.cli.main import build_parser, main
from ws2spi.providers.installed import StackByFamily, over_installed

Outcome = tuple[int, str, str]
Run = Callable[..., Outcome]


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoredCatalog:
    monkeypatch.setenv("WS2SPI_CATALOG", str(tmp_path / "catalog.sqlite"))
    return StoredCatalog()


@pytest.fixture
def catalog(stored: StoredCatalog, capsys: pytest.CaptureFixture[str]) -> Run:
    """`catalog("show")` is (exit status, stdout, stderr)."""

    def call(*words: str) -> Outcome:
        try:
            status = main(["catalog", *words])
        except SystemExit as leaving:
            status = int(leaving.code or 0)
        out, err = capsys.readouterr()
        assert err.count("\n") <= 1, err
        return status, out, err

    return call


@pytest.fixture
def layers(tmp_path: Path) -> str:
    path = tmp_path / "layers.py"
    path.write_text(LAYERS)
    return str(path)


def names(stored: StoredCatalog) -> list[str]:
    return [one.name for one in stored.entries() if not one.chain_length]


def test_show_without_a_file_lists_the_built_in_entries(catalog: Run, stored: StoredCatalog) -> None:
    status, out, err = catalog("show")
    assert (status, err) == (0, "")
    assert all(one.name in out for one in BASE_ENTRIES)
    assert "no such file" in out
    assert not stored.exists()


def test_install_lies_over_everything_and_says_how_to_remove(catalog: Run, stored: StoredCatalog) -> None:
    status, out, err = catalog("install", "throttle:rate=1MB/s")
    assert (status, err) == (0, "")
    assert "catalog remove throttle" in out
    assert stored.provider_path(stored.entries()[0].provider_id) == "ws2spi.layers.throttle:Throttle:rate=1MB/s"
    assert catalog("install", "log", "--family", "inet6", "--categories", "inspector,system")[0] == 0
    assert [one.chain for one in stored.entries()[1:3]] == [(1010, 1008, 1003), (1010, 1009, 1004)]
    assert stored.get_categories(stored.entries()[0].provider_id) == 0x80000001
    assert names(stored) == ["log", "throttle"]


def test_a_layer_of_control_calls_is_installed_as_an_ifs_one_while_it_can(
    catalog: Run, stored: StoredCatalog, layers: str
) -> None:
    assert catalog("install", f"{layers}:Control")[0] == 0
    assert all(one.service_flags & XP1_IFS_HANDLES for one in stored.entries()[:5])
    assert catalog("install", f"{layers}:Bytes")[0] == 0
    assert catalog("install", f"{layers}:Control", "--name", "second")[0] == 0
    assert not stored.entries()[1].ifs, "over handles of another provider's own it gives out its own"
    status, _, err = catalog("install", f"{layers}:Bytes", "--ifs", "--name", "third")
    assert status == 1
    assert "looks at bytes" in err


def test_a_file_is_stored_by_its_whole_path(
    catalog: Run, stored: StoredCatalog, layers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(layers).parent)
    for spec, name in (("./layers.py:Bytes:mark=x", "a"), ("./layers.py", "b"), ("layers.py:factory", "c")):
        status, _, err = catalog("install", spec, "--name", name)
        assert (status, err) == (0, "")
    monkeypatch.chdir("/")
    paths = {one.name: stored.provider_path(one.provider_id) for one in stored.entries() if not one.chain_length}
    assert paths == {"a": f"{layers}:Bytes:mark=x", "b": layers, "c": f"{layers}:factory"}


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("install", "nope"), 2, "no layer 'nope'"),
        (("install", "throttle"), 2, "rate"),
        (("install", "throttle:rate=fast"), 2, "fast"),
        (("install", "/nowhere/x.py:A"), 2, "no such file"),
        (("install", "log", "--categories", "nonsense"), 2, "firewall"),
        (("install", "log", "--family", "ipx"), 2, "ipx"),
        (("install", "log", "--name", "x" * 256), 1, "255"),
        (("remove", "nope"), 1, "no layer is installed"),
        (("remove", "1001"), 1, "built in"),
        (("order", "nope"), 1, "no entry"),
        (("import", "/nowhere.json"), 1, "/nowhere.json"),
        ((), 2, "ACTION"),
        (("shwo",), 2, "there is no 'shwo', did you mean show?"),
        (("install", "log", "--name", ""), 1, "no name"),
    ],
)
def test_mistakes_are_one_line(
    catalog: Run, stored: StoredCatalog, words: tuple[str, ...], status: int, said: str
) -> None:
    found = catalog(*words)
    assert (found[0], found[1]) == (status, "")
    assert found[2].startswith("ws2spi: ")
    assert said in found[2]
    assert tuple(stored.entries()) == BASE_ENTRIES


def test_remove_by_name_id_and_provider(catalog: Run, stored: StoredCatalog, layers: str) -> None:
    for word in ("one", lambda: "1010", lambda: str(stored.entries()[1].provider_id)):
        assert catalog("install", f"{layers}:Control", "--name", "one")[0] == 0
        found = word if isinstance(word, str) else word()
        if found == "1010":
            found = str(stored.entries()[2].catalog_id)
        assert catalog("remove", found) == (0, "one is removed\n", "")
        assert tuple(stored.entries()) == BASE_ENTRIES
        assert len(stored.snapshot().providers) == 2


def test_what_others_lie_over_is_removed_by_force_only(catalog: Run, stored: StoredCatalog) -> None:
    """catalog 10: chains that contain it first"""
    catalog("install", "log", "--name", "below")
    catalog("install", "log", "--name", "above")
    status, _, err = catalog("remove", "below")
    assert (status, "above lies over it" in err) == (1, True)
    assert catalog("verify")[0] == 0
    assert catalog("remove", "below", "--force")[0] == 0
    status, out, _ = catalog("verify")
    assert status == 1
    assert "broken" in out
    assert catalog("verify", "--json")[0] == 1
    assert catalog("remove", "above")[0] == 0
    assert catalog("verify") == (0, f"nothing is wrong with {stored.path}\n", "")


def test_order_by_names_and_ids(catalog: Run, stored: StoredCatalog) -> None:
    catalog("install", "log", "--name", "a", "--family", "inet")
    catalog("install", "log", "--name", "b", "--family", "inet")
    assert catalog("order", "1004", "a") == (0, "", "")
    assert [one.catalog_id for one in stored.entries()] == [
        1004,
        1005,
        1006,
        1007,
        1008,
        1009,
        1010,
        1001,
        1002,
        1003,
        999,
        1000,
    ]
    assert stored.problems() == []


def test_show_as_json(catalog: Run, stored: StoredCatalog) -> None:
    catalog("install", "log")
    document = json.loads(catalog("show", "--json")[1])
    assert (document["file"], document["exists"]) == (stored.path, True)
    assert document["entries"][0]["path"] == "ws2spi.layers.log:Log"
    assert document["entries"][1]["chain"] == [1005, 1001]


def test_export_and_import_are_a_round_trip(catalog: Run, stored: StoredCatalog, tmp_path: Path, layers: str) -> None:
    catalog("install", f"{layers}:Control", "--categories", "firewall")
    catalog("install", "log", "--family", "inet")
    stored.install_chains(uuid.UUID(int=9), "/x.py", "both", both=True, path32="/32.py", kinds=[TCP])
    stored.set_application("/usr/bin/env", "-k x", 8)
    StoredNameSpaces().install(NameSpaceEntry(uuid.UUID(int=7), 99, "names", "/names.py", True, 1, b"\0blob"))
    file = tmp_path / "exported.json"
    assert catalog("export", str(file)) == (0, "", "")
    before, serial = stored.snapshot(), stored.serial()
    assert catalog("reset")[0] == 0
    assert tuple(stored.entries()) == BASE_ENTRIES
    assert StoredNameSpaces().entries() == [DNS_ENTRY]
    assert catalog("import", str(file)) == (0, "", "")
    assert stored.snapshot() == before
    assert StoredCatalog(bits=32).provider_path(uuid.UUID(int=9)) == "/32.py"
    assert stored.get_application("/usr/bin/env", "-k x") == 8
    assert StoredNameSpaces().entries()[1].blob == b"\0blob"
    assert stored.serial() > serial
    assert catalog("export")[1] == file.read_text()


def test_an_import_never_lowers_the_next_id(catalog: Run, stored: StoredCatalog, tmp_path: Path) -> None:
    """catalog 11.1"""
    file = tmp_path / "exported.json"
    catalog("export", str(file))
    catalog("install", "log")
    catalog("import", str(file))
    catalog("install", "log")
    assert stored.entries()[0].catalog_id == 1010


def _change(document: Any, *path: Any, to: Any) -> str:
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(document)


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("format",), "other"),
        (("version",), 2),
        (("catalogs",), {}),
        (("catalogs", "64", "entries", 0, "id"), 1002),
        (("catalogs", "64", "entries", 0, "id"), "x"),
        (("catalogs", "64", "entries", 0, "chain"), [4711, 1001]),
        (("catalogs", "64", "entries", 0, "provider"), "no guid"),
        (("catalogs", "64", "entries", 0, "protocol"), 2**40),
        (("catalogs", "64", "entries", 0, "name"), "x" * 300),
        (("catalogs", "64", "providers"), {}),
        (("catalogs", "64", "next_id"), 1002),
        (("catalogs", "64", "entries"), None),
        (("applications",), [{}]),
        (("name_spaces", 0, "blob"), "xyz"),
        (("name_spaces", 0, "path"), 5),
        (("name_spaces",), [{}]),
    ],
)
def test_an_import_of_nonsense_changes_nothing(
    catalog: Run, stored: StoredCatalog, tmp_path: Path, path: tuple[Any, ...], to: Any
) -> None:
    document = json.loads(catalog("export")[1])
    file = tmp_path / "exported.json"
    file.write_text(_change(document, *path, to=to))
    status, out, err = catalog("import", str(file))
    assert (status, out) == (1, "")
    assert str(file) in err or "characters" in err
    assert tuple(stored.entries()) == BASE_ENTRIES


def test_an_import_of_no_json(catalog: Run, tmp_path: Path) -> None:
    file = tmp_path / "exported.json"
    for content in (b"", b"[1, 2", b"\xff\xfe", b"[]"):
        file.write_bytes(content)
        status, _, err = catalog("import", str(file))
        assert (status, str(file) in err) == (1, True)


def test_a_damaged_file_and_no_rights(catalog: Run, stored: StoredCatalog, layers: str) -> None:
    Path(stored.path).write_bytes(b"rubbish" * 1000)
    for words in (("show",), ("install", "log"), ("remove", "log"), ("order", "1"), ("export",)):
        status, out, err = catalog(*words)
        assert (status, out) == (1, ""), words
        assert "catalog reset" in err
    assert catalog("verify")[0] == 1
    status, out, _ = catalog("reset")
    assert status == 0
    assert ".damaged" in out
    catalog("install", "log")
    with without_rights(Path(stored.path)):
        status, _, err = catalog("install", "throttle:rate=1MB/s")
    assert (status, "no rights" in err) == (1, True)


def test_doctor_tells_of_installed_layers(catalog: Run, stored: StoredCatalog) -> None:
    from ws2spi.cli.doctor import _catalog

    assert _catalog() == []
    catalog("install", "log")
    assert [(check.ok, check.detail) for check in _catalog()] == [(True, "log")]
    stored.install(uuid.UUID(int=5), "/nowhere.py", [entry("lost")])
    (check,) = _catalog()
    assert not check.ok
    assert "/nowhere.py" in check.detail
    with sqlite3.connect(stored.path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    assert "newer" in _catalog()[0].detail


def test_completions_know_the_actions_and_their_options() -> None:
    from ws2spi.cli.completion import _words

    words = _words(build_parser())["catalog"]
    assert {"show", "install", "remove", "order", "reset", "verify", "export", "import"} < set(words)
    assert {"--json", "--ifs", "--family", "--name", "--force"} < set(words)
    assert all("catalog" in make({"run": [], "layers": [], "catalog": words}, ["log"]) for make in _SHELLS.values())


# -- what a run gets ---------------------------------------------------------------------------------------------------


def test_a_run_has_the_installed_layers_beneath_its_own(catalog: Run, stored: StoredCatalog, layers: str) -> None:
    from ws2spi.layers.registry import parse

    catalog("install", f"{layers}:Control")
    catalog("install", f"{layers}:Bytes")
    stack = over_installed([parse("log")], ["true"])
    assert [type(layer).__name__ for layer in stack.layers] == ["Log", "Bytes", "Control"]
    assert not isinstance(stack, StackByFamily)


def test_a_layer_for_one_family_is_beneath_its_sockets_only(catalog: Run, stored: StoredCatalog, layers: str) -> None:
    import socket

    catalog("install", f"{layers}:Control")
    catalog("install", f"{layers}:Bytes", "--family", "inet6")
    stack = over_installed([], ["true"])
    assert isinstance(stack, StackByFamily)
    assert not stack.ifs, "what must be seen is decided by all of them"
    four, six = stack._stacks[socket.AF_INET], stack._stacks[socket.AF_INET6]
    assert ([layer.name for layer in four.layers], [layer.name for layer in six.layers]) == (
        ["control"],
        ["bytes", "control"],
    )
    assert four.layers[0] is six.layers[1], "one layer, one state"


def test_categories_of_the_program_decide(catalog: Run, stored: StoredCatalog, layers: str) -> None:
    """catalog 7"""
    catalog("install", f"{layers}:Control", "--categories", "firewall")
    catalog("install", f"{layers}:Bytes", "--categories", "inspector")
    true = shutil.which("true") or ""
    stored.set_application(true, "", 0x8)
    stored.set_application(true, "-x", 0x9)
    for argv, found in ((["true"], ["control"]), ([true, "-y"], ["control"]), (["true", "-x"], ["bytes", "control"])):
        assert [layer.name for layer in over_installed([], argv).layers] == found
    assert len(over_installed([], [this_process()[0]]).layers) == 2


@pytest.mark.parametrize(
    ("path", "said"),
    [("/nowhere/x.py", "no such file"), ("{}", "hand-written"), ("{}:broken", "not today")],
)
def test_a_run_does_not_pass_by_what_it_cannot_use(
    stored: StoredCatalog, layers: str, path: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stored.install_chains(uuid.UUID(int=1), path.format(layers), "mine", 0, [TCP])
    with pytest.raises(WinsockError) as raised:
        over_installed([], ["true"])
    assert said in raised.value.detail
    assert main(["run", "--", "true"]) == 125
    (line,) = capsys.readouterr().err.splitlines()
    assert "--no-catalog" in line


def test_a_run_over_a_broken_chain_or_a_base_of_another_is_refused(stored: StoredCatalog, layers: str) -> None:
    stored.install_chains(uuid.UUID(int=1), layers, "a", 0, [TCP])
    stored.install_chains(uuid.UUID(int=2), layers, "b", 0, [TCP])
    stored.deinstall(uuid.UUID(int=1))
    with pytest.raises(WinsockError, match="broken"):
        over_installed([], ["true"])
    stored.reset()
    (own,) = stored.install(uuid.UUID(int=3), layers, [entry("my own base")])
    stored.order([own.catalog_id, 1001, 1002, 1003, 1004, 999, 1000])
    with pytest.raises(WinsockError, match="my own base"):
        over_installed([], ["true"])


def test_a_hand_written_provider_has_the_name_of_its_file_and_what_it_means_is_said(
    catalog: Run, stored: StoredCatalog, layers: str
) -> None:
    status, out, err = catalog("install", f"{layers}:WSPStartup")
    assert (status, err, names(stored)) == (0, "", ["layers"])
    assert "ws2spi run starts no other while it is installed" in out
    assert len(catalog("install", "log")[1].splitlines()) == 1


# -- categories --------------------------------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An executable that the shell would find as `tool`."""
    path = tmp_path / "bin" / "tool"
    path.parent.mkdir()
    path.touch(0o755)
    monkeypatch.setenv("PATH", str(path.parent))
    return str(path)


def test_an_application_is_categorised_and_forgotten(catalog: Run, stored: StoredCatalog, program: str) -> None:
    catalog("install", "log", "--categories", "inspector")
    catalog("install", "log", "--name", "wall", "--categories", "firewall")
    catalog("install", "log", "--name", "plain")
    tool = ("categories", "--application", "tool")
    assert catalog(*tool) == (0, f"{program}: -\npermits plain, wall, log\n", "")
    assert catalog(*tool, "--set", "firewall") == (0, f"{program}: firewall\npermits wall\n", "")
    assert stored.get_application(program, "") == 0x8
    assert catalog(*tool, "--add", "inspector") == (0, f"{program}: inspector,firewall\npermits wall, log\n", "")
    assert catalog(*tool, "--set", "none")[1] == f"{program}: none\npermits none of the installed layers\n"
    assert stored.get_application(program, "") == 0
    assert catalog(*tool, "--clear")[1] == f"{program}: -\npermits plain, wall, log\n"
    with pytest.raises(WinsockError):
        stored.get_application(program, "")


def test_arguments_make_another_application(catalog: Run, stored: StoredCatalog, program: str) -> None:
    tool = ("categories", "--application", program)
    assert catalog(*tool, "--set", "proxy") == (0, f"{program}: proxy\n", "")
    assert catalog(*tool, "--arguments=-v x")[1] == f"{program} -v x: -\nwhatever its arguments: proxy\n"
    assert catalog(*tool, "--arguments=-v x", "--set", "firewall")[1] == f"{program} -v x: firewall\n"
    assert (stored.get_application(program, ""), stored.get_application(program, "-v x")) == (4, 8)
    assert catalog("categories")[1].splitlines()[2:] == [
        f"{'APPLICATION':<{len(program) + 5}}  PERMITS",
        f"{program:<{len(program) + 5}}  proxy",
        f"{program} -v x  firewall",
    ]
    told = json.loads(catalog(*tool, "--arguments=-v x", "--json")[1])
    assert told == {"application": program, "arguments": "-v x", "categories": ["firewall"], "layers": []}


def test_a_layer_is_categorised_by_any_of_its_names(catalog: Run, stored: StoredCatalog) -> None:
    catalog("install", "log")
    own, chain = stored.entries()[:2]
    for word, change, now in (
        ("log", ("--set", "firewall,system"), 0x80000008),
        (str(chain.catalog_id), ("--add", "proxy"), 0x8000000C),
        (str(own.provider_id), ("--set", "none"), 0),
        ("log", ("--clear",), None),
    ):
        assert catalog("categories", "--layer", word, *change)[0] == 0
        assert stored.snapshot().providers[own.provider_id].categories == now
    assert catalog("categories", "--layer", "log", "--json")[1] == '{\n  "layer": "log",\n  "categories": null\n}\n'
    assert catalog("categories")[1] == (
        "LAYER  CATEGORIES\nlog    -\n\nno application is categorised: each permits every layer\n"
    )


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--set", "firewall"), 2, "whose"),
        (("--layer", "log", "--set", "firewal"), 2, "did you mean firewall"),
        (("--layer", "log", "--set", ""), 2, "no categories"),
        (("--layer", "log", "--set", "proxy", "--clear"), 2, "not allowed"),
        (("--layer", "log", "--arguments", "x"), 2, "--application"),
        (("--layer", "log", "--application", "tool"), 2, "not allowed"),
        (("--layer", "nope", "--set", "proxy"), 1, "no layer 'nope'"),
        (("--layer", "1001"), 1, "is no layer"),
        (("--application", "nope", "--set", "proxy"), 1, "no program 'nope'"),
    ],
)
def test_mistakes_with_categories(
    catalog: Run, stored: StoredCatalog, program: str, words: tuple[str, ...], status: int, said: str
) -> None:
    catalog("install", "log")
    before = stored.serial()
    found = catalog("categories", *words)
    assert (found[0], found[1]) == (status, "")
    assert said in found[2]
    assert stored.serial() == before


@pytest.mark.parametrize("shell", sorted(_SHELLS))
def test_categories_are_completed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert "outbound-modify" in out
    assert "categories" in out
