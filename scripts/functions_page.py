"""The page docs/functions.md: every SPI and API function, whether and where it is, what holds it, where it differs.

All of it is found in the sources: the functions by their definitions, the tests by the names in them, the witness rows
by their rules, the clauses of `check_provider` by their sources. docs/functions.toml has what no source can tell: what
Microsoft documents, and why one of those is not there. `scripts/functions_page.py NAME` prints a function's tests.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "ws2spi"
TITLES = {
    "winsock2": "winsock2.h: the functions of applications",
    "ws2tcpip": "ws2tcpip.h: names and addresses",
    "catalogs": "ws2spi.h, sporder.h: the catalogs",
    "name_space_providers": "ws2spi.h: name-space providers",
    "mswsock": "mswsock.h: the extension functions",
}
_WORD = re.compile(r"\b_*[A-Za-z]\w+\b")
_FILES = 3  # named in a row; the rest are counted


class Place(NamedTuple):
    """Where a function is written: the module, and its docstring's "Differs"."""

    path: Path
    differs: str


@cache
def contents() -> dict[str, dict[str, str]]:
    """docs/functions.toml."""
    return dict(tomllib.loads((ROOT / "docs" / "functions.toml").read_text()))


@cache
def reasons() -> dict[str, str]:
    """{function: why it is not there}."""
    found = {name: text for names, text in contents()["not-there"].items() for name in names.split()}
    return found | dict.fromkeys(contents()["not-yet"]["names"].split(), "not yet")


@cache
def places() -> dict[str, Place]:
    """Every function by its exported name: those of the faces, of the procedure tables, and the start-up functions."""
    found = {}
    for face in ("ws2_32", "kernel32", "user32", "mswsock"):
        for path in [SOURCE / f"{face}.py", *sorted((SOURCE / face).glob("*.py"))]:
            if path.exists():
                for node in ast.parse(path.read_text()).body:
                    text = (ast.get_docstring(node) or "") if isinstance(node, ast.FunctionDef) else ""
                    if isinstance(node, ast.FunctionDef) and re.search(r"^Source:", text, re.MULTILINE):
                        differs = re.search(r"^Differs:(.*?)(?:^\w+:|\Z)", text, re.MULTILINE | re.DOTALL)
                        found[node.name] = Place(path, " ".join((differs[1] if differs else "").split()))
    for path in sorted((SOURCE / "_runtime").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and re.match(r"(WSP|NSP|[A-Z]\w+Ex$|TransmitPackets$)", node.name):
                found.setdefault(node.name, Place(path, ""))
    return found


def face_functions(face: str) -> list[str]:
    """The functions of one face, by name."""
    folder = SOURCE / face
    return sorted((name for name, place in places().items() if folder in place.path.parents), key=str.lower)


def _spellings(name: str) -> set[str]:
    """What stands for a function in a test: its name, that in a table, the bare name of a W form, the Python form."""
    found = {name, f"lp{name}"}
    if name.endswith("W") and f"{name[:-1]}A" in places():
        found.add(name[:-1])
    if name.endswith(("A", "W")):
        found.add(f'"{name[:-1]}')
    if name.startswith("WPU"):
        found.add(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name[3:].replace("IFS", "Ifs").replace("FDIs", "FdIs")).lower())
    return found


@cache
def tests() -> dict[str, list[str]]:
    """{word: the tests that name it}, "file::test". What a test's file defines for it counts as the test's own."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        module = ast.parse(path.read_text())
        defined: dict[str, set[str]] = {}
        for node in module.body:
            names = [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            for name in names:
                defined[name] = set(_words(node))
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for word in _with_helpers(set(_words(node)), defined):
                    found.setdefault(word, []).append(f"{path.relative_to(ROOT / 'tests')}::{node.name}")
    return found


def _with_helpers(words: set[str], defined: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    while new := (words & defined.keys()) - seen:
        seen |= new
        for name in new:
            words = words | defined[name]
    return words


def _words(node: ast.AST) -> Iterator[str]:
    """Names and attributes; of texts the words with an inner capital, since "send" in a sentence names no function."""
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute):
            base = ast.unparse(part.value)
            # socket.send of Python's own module is not ws2_32.send.
            if not part.attr.islower() or "_" in part.attr or base.endswith(("ws2_32", "kernel32", "dll", "face")):
                yield part.attr
        elif isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield from (word for word in _WORD.findall(part.value) if re.search(r"[A-Z_]", word[1:]))
            if _WORD.fullmatch(part.value):
                yield part.value
                yield f'"{part.value}'  # as getattr(ws2_32, "WSASocket" + form), which names both forms


def tests_of(name: str) -> list[str]:
    """The tests that name a function, "file::test"."""
    return sorted({test for spelling in _spellings(name) for test in tests().get(spelling, ())})


def caller(name: str) -> str:
    """The function of applications that a provider's function answers; "" for none."""
    if not name.startswith(("WSP", "NSP")):
        return ""
    bare = name[3:]
    for form in (f"WSA{bare}", bare.lower(), f"WSA{bare}W"):
        if form in places():
            return form
    return ""


@cache
def _rows() -> dict[str, str]:
    rows = tomllib.loads((ROOT / "docs" / "witness-rows.toml").read_text())
    return {row: f"{entry['rule']} {entry.get('windows', '')}" for row, entry in rows.items()}


@cache
def _clauses() -> dict[str, str]:
    """{clause of check_provider: the words of its source and rule}."""
    found = {}
    for path in sorted((SOURCE / "testing/conformance/contract").glob("[a-z]*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.decorator_list:
                source = " ".join(ast.unparse(one) for one in node.decorator_list)
                found[node.name] = f"{source} {ast.get_docstring(node) or ''}"
    return found


def _naming(texts: dict[str, str], name: str) -> list[str]:
    if name.islower():
        return []  # "accept" in a sentence is a verb
    words = re.compile(rf"\b(?:{'|'.join(_spellings(name))})\b")
    return [key for key, text in texts.items() if words.search(text)]


def clauses_of(name: str) -> list[str]:
    """The clauses of check_provider whose source or rule names a function."""
    return _naming(_clauses(), name)


def _held(name: str) -> str:
    parts = []
    named = tests_of(name)
    if named:
        counts: dict[str, int] = {}
        for test in named:
            file = test.partition("::")[0]
            counts[file] = counts.get(file, 0) + 1
        files = sorted(counts, key=lambda file: (-counts[file], file))
        shown = ", ".join(f"[{Path(file).stem[5:]}](../tests/{file})" for file in files[:_FILES])
        more = f" and {len(files) - _FILES} more" if len(files) > _FILES else ""
        parts.append(f"{len(named)} test{'s'[: len(named) > 1]}: {shown}{more}")
    if above := caller(name):
        parts.append(f"through `{above}` {len(tests_of(above))}")
    if rows := _naming(_rows(), name):
        parts.append(f"rows {', '.join(rows)}")
    if clauses := clauses_of(name):
        parts.append(f"clauses {', '.join(f'`{clause}`' for clause in clauses)}")
    return "; ".join(parts)


def _row(name: str) -> str:
    place = places().get(name)
    if place is None:
        return f"| `{name}` | – | **not there**: {reasons().get(name, '')} | | |\n"
    path = place.path.relative_to(ROOT)
    where = str(place.path.relative_to(SOURCE)).removesuffix(".py")
    differs = _differs(place)
    if (above := caller(name)) and _differs(places()[above]):
        differs = f"as `{above}`"
    return f"| `{name}` | [{where}](../{path}) | there | {_held(name)} | {differs} |\n"


def _differs(place: Place) -> str:
    return "" if place.differs.rstrip(".").lower() == "nothing" else place.differs.replace("|", "\\|")


def _table(names: list[str]) -> str:
    return (
        "| function | where | state | held by | differs from Windows |\n|---|---|---|---|---|\n"
        + "".join(_row(name) for name in names)
        + "\n"
    )


def sections() -> dict[str, list[str]]:
    """{title: functions}, in the order of the page."""
    from ws2spi._abi.types import WSPPROC_NAMES, WSPUPCALL_NAMES

    found = {
        "The thirty functions of a provider": ["WSPStartup", *WSPPROC_NAMES],
        "The sixteen upcalls": [*WSPUPCALL_NAMES, "WPUCompleteOverlappedRequest"],
    }
    found |= {TITLES[header]: names.split() for header, names in contents()["documented"].items()}
    found |= {f"ws2spi.{face}": face_functions(face) for face in ("kernel32", "user32")}
    return found


def functions() -> str:
    """The page."""
    page = (
        "# Functions\n\n"
        "<!-- Written by scripts/functions_page.py from the sources; change those, then `make docs`. -->\n\n"
        "Every function of the service provider interface, and every one that Ws2_32.dll and its headers have for\n"
        "applications. *Held by* counts the tests that name a function (`python scripts/functions_page.py NAME`\n"
        "prints them), and rows of the [witness](witness.md) and [clauses](clauses.md) of `check_provider`.\n"
        "A function of a provider is also held by what tests the function that calls it, and differs where that one\n"
        "does. The error codes are in the [reference](reference.md).\n\n"
    )
    for title, names in sections().items():
        page += f"## {title}\n\n{_table(names)}"
    return page.rstrip("\n") + "\n"


if __name__ == "__main__":
    print("\n".join(test for name in sys.argv[1:] for test in tests_of(name)))
