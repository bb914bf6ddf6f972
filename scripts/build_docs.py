"""Build the generated pages under docs/: "Differences from Windows", the reference of the exact faces, the clauses, the
table of all functions (functions_page.py).

All come from docstrings, so that a page cannot say what the code does not; other differences come from
docs/witness-rows.toml. With --check nothing is written; the exit status is 1 for a stale page.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import functions_page

ROOT = Path(__file__).parents[1]
FACES = ("ws2_32", "kernel32", "user32", "mswsock")
# The sections of a docstring of an exact face; the first three must be there.
SECTIONS = ("Returns", "Errors", "Source", "Differs")

_HEADER = "<!-- Written by scripts/build_docs.py from the docstrings; change those, then `make docs`. -->\n\n"
_SECTION = re.compile(rf"^({'|'.join(SECTIONS)}):[ \t]*", re.MULTILINE)


class Function(NamedTuple):
    """A function of an exact face, as its docstring describes it."""

    name: str
    parameters: str
    summary: str
    sections: dict[str, str]


def functions(face: str) -> Iterator[Function]:
    """The functions of a face, by name. A face is a module or, once it has grown, a package."""
    source = ROOT / "src" / "ws2spi"
    files = [source / f"{face}.py", *sorted((source / face).glob("*.py"))]
    found = {}
    for path in files:
        if path.exists():
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                    docstring = ast.get_docstring(node)
                    if docstring and "Source:" in docstring:
                        found[node.name] = _read(node.name, ast.unparse(node.args), docstring)
    yield from (found[name] for name in sorted(found, key=str.lower))


def _read(name: str, parameters: str, docstring: str) -> Function:
    parts = _SECTION.split(docstring)
    sections = {key: text.rstrip() for key, text in zip(parts[1::2], parts[2::2], strict=True)}
    return Function(name, _names(parameters), parts[0].strip(), sections)


def _names(parameters: str) -> str:
    """The parameters' names, without types and defaults."""
    return ", ".join(
        re.split(r"[:=]", word)[0].strip() for word in re.sub(r"\[[^]]*\]", "", parameters).split(",") if word
    )


def _flat(text: str) -> str:
    return " ".join(text.split())


def differences() -> str:
    page = "# Differences from Windows\n\n"
    page += _HEADER
    page += (
        "Every function of the exact faces says in its docstring where it differs from what the documents say of\n"
        "Windows; this page collects those lines. A function that is not named here differs in nothing that we know.\n"
        "Where the documents leave something open, the answer is in [decisions](decisions/README.md).\n"
    )
    for face in FACES:
        rows = [
            f"- `{function.name}`: {_flat(function.sections['Differs'])}"
            for function in functions(face)
            if _flat(function.sections.get("Differs", "nothing")).rstrip(".").lower() not in ("nothing", "")
        ]
        page += f"\n## ws2spi.{face}\n\n" + ("\n".join(rows) if rows else "Nothing.") + "\n"
    witness = tomllib.loads((ROOT / "docs" / "witness-rows.toml").read_text())
    page += (
        "\n## Where Windows does otherwise than its documents, or they say nothing\n\n"
        "The letters and numbers are rows of the [witness](witness.md).\n\n"
    )
    page += "\n".join(
        f"- {row}: {entry['rule']} {entry['windows']}" for row, entry in witness.items() if "windows" in entry
    )
    return page + "\n"


def reference() -> str:
    page = "# Reference: the exact faces\n\n"
    page += _HEADER
    page += (
        "`ws2spi.ws2_32`, `ws2spi.kernel32` and `ws2spi.user32` are called as `ctypes.windll.ws2_32` and its kin are\n"
        "on Windows. Only the import changes: see [From windll](tutorial.md#from-windll).\n"
    )
    for face in FACES:
        page += f"\n## ws2spi.{face}\n"
        for function in functions(face):
            page += f"\n### {function.name}\n\n`{function.name}({function.parameters})`\n\n{function.summary}\n"
            for section in SECTIONS:
                text = function.sections.get(section, "")
                if text:
                    page += f"\n**{section}**{_listed(text)}\n"
    return page


def _listed(text: str) -> str:
    """A section's text: as it is, or as a list where each line is `CODE: when` (further indented lines continue)."""
    lines = [line for line in text.splitlines() if line.strip()]
    if "\n" not in text.strip("\n") and not text.startswith("\n"):
        return f": {_flat(text)}"
    margin = min(len(line) - len(line.lstrip()) for line in lines[1:] or lines)
    items: list[str] = []
    for line in lines:
        if len(line) - len(line.lstrip()) > margin and items:
            items[-1] += " " + line.strip()
        else:
            items.append(line.strip())
    if not all(re.match(r"[A-Z][A-Z0-9_, ]+:", item) for item in items):
        return f": {_flat(text)}"
    return "\n\n" + "\n".join(f"- {item}" for item in items)


def clauses() -> str:
    """The clauses of `check_provider`, by module and in the order in which they are tried."""
    page = "# Clauses\n\n"
    page += _HEADER
    page += "What [`check_provider`](conformance.md) tries, with the pages and rows that ask for it.\n"
    for path in sorted((ROOT / "src/ws2spi/testing/conformance/contract").glob("[a-z]*.py")):
        module = ast.parse(path.read_text())
        title = (ast.get_docstring(module) or "").splitlines()[0]
        page += f"\n## {path.stem}\n\n{title}\n\n| clause | source | for | rule |\n|---|---|---|---|\n"
        for node in module.body:
            if (
                isinstance(node, ast.FunctionDef)
                and node.decorator_list
                and isinstance(node.decorator_list[0], ast.Call)
            ):
                words = [ast.literal_eval(argument) for argument in node.decorator_list[0].args]
                rule = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split()).replace("|", "\\|")
                page += f"| `{node.name}` | {words[0]} | {words[1] if len(words) > 1 else 'stream'} | {rule} |\n"
    return page


PAGES = {
    "clauses.md": clauses,
    "differences.md": differences,
    "functions.md": functions_page.functions,
    "reference.md": reference,
}


def main(arguments: list[str]) -> int:
    stale = []
    for name, build in PAGES.items():
        path, text = ROOT / "docs" / name, build()
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.write_text(text)
            print(f"written: docs/{name}")
    if stale and "--check" in arguments:
        print(f"build_docs: stale: {', '.join(f'docs/{name}' for name in stale)} (make docs)", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
