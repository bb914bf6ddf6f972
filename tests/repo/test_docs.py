"""What the documents say is there: links, commands, layers, code."""

import ast
import importlib.util
import itertools
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import build_docs
from ws2spi import View, testing
from ws2spi._engine.boundary import METHODS
from ws2spi._engine.operations import Event
from ws2spi.cli.main import SUBCOMMANDS, build_parser
from ws2spi.layers.registry import LayerSpecError, describe, parse

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")])
WRITTEN = [page for page in PAGES if page.name not in ("reference.md", "differences.md", "functions.md")]


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: Path, *languages: str) -> Iterator[str]:
    """The code blocks of a page in one of `languages`."""
    for language, text in re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        if language in languages:
            yield text


def commands(page: Path) -> Iterator[str]:
    """Every shell command of a page: lines of sh blocks, and what stands behind "$ " in console blocks."""
    for text in blocks(page, "sh"):
        yield from (line for line in text.splitlines() if line.strip())
    for text in blocks(page, "console"):
        yield from (line[2:] for line in text.splitlines() if line.startswith("$ "))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{target}: no such file"
        assert not anchor or anchor in anchors(place), f"{target}: no such heading"


@pytest.mark.parametrize("page", WRITTEN, ids=shown)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = {word for line in commands(page) for word in re.findall(r"^make ([a-z][\w-]*)", line)}
    used |= set(re.findall(r"`make ([a-z][\w-]*)", page.read_text()))
    assert used <= targets


@pytest.mark.parametrize("page", WRITTEN, ids=shown)
def test_commands_are_understood(page: Path) -> None:
    for line in commands(page):
        match = re.search(r"\bws2spi ([^#>|)\"]*)", line)
        if match is None:
            continue
        words = match[1].split()
        if words[0].startswith("-"):
            assert words[0] in ("--help", "--version")
            continue
        assert words[0] in SUBCOMMANDS, line
        build_parser().parse_args(words)


@pytest.mark.parametrize("page", WRITTEN, ids=shown)
def test_layers_are_accepted(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a log opens its file
    for spec in re.findall(r"-l ([\w.]+(?::[\w=.,/]+)?)(?=[\s`])", "\n".join(commands(page))):
        name = spec.partition(":")[0]
        if name in ("NAME", "FILE.py") or name.startswith("."):
            continue
        try:
            parse(spec)
        except LayerSpecError as error:
            pytest.fail(f"{spec}: {error}")


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", WRITTEN, ids=shown)
def test_python_blocks_run(page: Path, tmp_path: Path) -> None:
    for number, text in enumerate(blocks(page, "python")):
        (tmp_path / f"block{number}.py").write_text(text)
        load(tmp_path / f"block{number}.py")


def test_layers_of_the_tutorial_are_layers(tmp_path: Path) -> None:
    for number, text in enumerate(blocks(ROOT / "docs" / "tutorial.md", "python")):
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef):
                path = tmp_path / f"layer{number}.py"
                path.write_text(text)
                assert describe(f"{path}:{node.name}").summary


def test_readme_shows_the_example_as_it_is() -> None:
    source = (ROOT / "examples" / "upper.py").read_text().strip()
    for page in ("README.md", "docs/tutorial.md"):
        assert source in [text.strip() for text in blocks(ROOT / page, "python")], page
    assert len([line for line in source.splitlines() if line.strip()]) <= 10


def test_page_on_layers_names_every_member() -> None:
    page = (ROOT / "docs" / "layers.md").read_text()
    for method in METHODS:
        assert f"`{method}(conn" in page, method
    for name in (name for cls in (View, Event) for name in vars(cls) if not name.startswith("_") and name != "park"):
        assert re.search(rf"`{name}(\(\w*\))?`", page), name
    for name in ("name", "on_error", "handshakes", "overrides()", "ifs()"):
        assert f"\n| `{name}` |" in page, name
    for name in testing.__all__:
        assert f"`{name}" in page, name


def test_toml_blocks_are_stacks() -> None:
    for page in WRITTEN:
        for text in blocks(page, "toml"):
            assert tomllib.loads(text)["layer"]


def test_no_two_decisions_have_the_same_number() -> None:
    numbers = [path.name[:4] for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md")]
    assert len(set(numbers)) == len(numbers) > 0


def test_generated_pages_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert build_docs.main(["--check"]) == 0, capsys.readouterr().err


def test_dependencies_page_names_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs" / "dependencies.md").read_text()
    wanted = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    for requirement in wanted:
        assert f"| {re.split(r'[>=<~ ]', requirement)[0]} " in page, requirement


def test_nothing_but_the_standard_library_is_imported() -> None:
    own = {"ws2spi"} | set(sys.stdlib_module_names)
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            assert {name.split(".")[0] for name in names} <= own, path
