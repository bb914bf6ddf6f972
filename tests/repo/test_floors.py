"""The shape of the source: floors of imports, what folders promise, length of files."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "ws2spi"

# {name under ws2spi: floor}; a module may import its own floor and those with a smaller number. As the table of
# docs/how-it-works.md.
FLOORS = {
    "_abi": 0,
    "_executive": 1,
    "_engine": 2,
    "_runtime": 3,
    "providers": 4,
    "layers": 5,
    "redirect": 6,
    "ctypes": 7,
    "kernel32": 7,
    "mswsock": 7,
    "user32": 7,
    "ws2_32": 7,
    "": 8,  # ws2spi/__init__.py, the public door
    "testing": 9,
    "cli": 10,
    "__main__": 10,
    "pytest_plugin": 10,
}

FILES = sorted(SOURCE.rglob("*.py"))
FOLDERS = sorted({path.parent for path in FILES})


def shown(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def first_part(module: str) -> str:
    """`providers` of `ws2spi.providers.layer`, "" of `ws2spi`."""
    return module.split(".")[1] if "." in module else ""


def is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def imports(node: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """(line, module) of all that is imported at run time, in functions too; imports for type checkers are left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and is_type_checking(child.test):
            for other in child.orelse:
                yield from imports(other, package)
        elif isinstance(child, ast.Import):
            for alias in child.names:
                yield child.lineno, alias.name
        elif isinstance(child, ast.ImportFrom):
            base = child.module or ""
            if child.level:
                above = package.split(".")[: len(package.split(".")) - child.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            for alias in child.names:
                # "from ws2spi import kernel32" imports a module, "from ws2spi import Layer" the door.
                full = f"{base}.{alias.name}"
                yield child.lineno, full if exists(full) else base
        else:
            yield from imports(child, package)


def exists(module: str) -> bool:
    path = SOURCE.parent.joinpath(*module.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def ours(path: Path) -> Iterator[tuple[int, str]]:
    name = module_name(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for line, module in imports(ast.parse(path.read_text()), package):
        if module == "ws2spi" or module.startswith("ws2spi."):
            yield line, module


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_imports_run_towards_lower_floors_only(path: Path) -> None:
    floor = FLOORS[first_part(module_name(path))]
    wrong = [
        f"line {line}: {module} is floor {FLOORS[first_part(module)]}, this file is floor {floor}"
        for line, module in ours(path)
        if FLOORS[first_part(module)] > floor
    ]
    assert not wrong, "\n".join(wrong)


def test_layers_do_not_import_each_other() -> None:
    helpers = {"ws2spi.layers", "ws2spi.layers.options", "ws2spi.layers.registry", "ws2spi.layers.terminal"}
    wrong = [
        f"{shown(path)}:{line} imports {module}"
        for path in sorted((SOURCE / "layers").rglob("*.py"))
        for line, module in ours(path)
        if module.startswith("ws2spi.layers") and module not in helpers and path.stem != "registry"
    ]
    assert not wrong


def test_imports_inside_functions_are_seen() -> None:
    tree = ast.parse(
        "if TYPE_CHECKING:\n    import ws2spi.cli\ndef f():\n    from ws2spi.redirect import launch\n"
        "from . import b\nfrom ..x import c\n"
    )
    seen = {module for _, module in imports(tree, "ws2spi.layers")}
    assert "ws2spi.cli" not in seen
    assert any(module.startswith("ws2spi.redirect") for module in seen)
    assert {"ws2spi.layers", "ws2spi.x"} <= seen


@pytest.mark.parametrize("folder", FOLDERS, ids=shown)
def test_folder_says_what_it_never_does(folder: Path) -> None:
    init = folder / "__init__.py"
    assert init.exists(), "a folder of source is a package"
    docstring = ast.get_docstring(ast.parse(init.read_text())) or ""
    assert any(line.startswith("Never:") for line in docstring.splitlines()), "its docstring has no line 'Never: ...'"


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_file_has_a_docstring_and_a_bearable_length(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "no module docstring"
    lines = len(text.splitlines())
    assert lines <= 800, f"{lines} lines: split it by reason"
    assert lines <= 500 or "Why one file" in text, f'{lines} lines: split it, or say "Why one file" in its docstring'
