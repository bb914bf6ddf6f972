"""The command line: what is printed where, and with which status."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from ws2spi.cli import main as module
from ws2spi.cli.main import SUBCOMMANDS, build_parser, main

Outcome = tuple[int, str, str]


@pytest.fixture
def ws2spi(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """`ws2spi("layers", "log")` is (exit status, stdout, stderr)."""

    def call(*words: str) -> Outcome:
        try:
            status = main(words)
        except SystemExit as leaving:
            status = int(leaving.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return call


def test_version(ws2spi: Callable[..., Outcome]) -> None:
    status, out, err = ws2spi("--version")
    assert (status, err) == (0, "")
    assert out.startswith("ws2spi 0.")


def test_nothing_prints_the_help_and_is_a_mistake(ws2spi: Callable[..., Outcome]) -> None:
    status, out, _ = ws2spi()
    assert status == 2
    assert all(name in out for name in SUBCOMMANDS)


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_subcommand_has_help_with_what_it_is_for(ws2spi: Callable[..., Outcome], name: str) -> None:
    status, out, err = ws2spi(name, "--help")
    assert (status, err) == (0, "")
    assert f"usage: ws2spi {name}" in out


@pytest.mark.parametrize("words", [["lyers"], ["--nope"], ["layers", "--nope"], ["completion"], ["completion", "tcsh"]])
def test_usage_error_is_one_line_and_status_2(ws2spi: Callable[..., Outcome], words: list[str]) -> None:
    status, out, err = ws2spi(*words)
    assert (status, out) == (2, "")
    assert err.startswith("ws2spi: ")
    assert err.count("\n") == 1
    assert "--help" in err


def test_usage_error_of_run_is_status_125(ws2spi: Callable[..., Outcome]) -> None:
    status, _, err = ws2spi("run", "--nope", "--", "true")
    assert status == 125
    assert err.count("\n") == 1


def test_summaries_agree_with_the_parsers(ws2spi: Callable[..., Outcome]) -> None:
    _, out, _ = ws2spi("--help")
    for summary in SUBCOMMANDS.values():
        assert summary[1] in " ".join(out.split())


def test_run_does_not_import_the_other_subcommands() -> None:
    script = "import sys; from ws2spi.cli.main import build_parser; build_parser('run'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    slow = {"asyncio", "dataclasses", "inspect", "tomllib", "importlib.metadata", "json", "ws2spi.cli.completion"}
    assert not slow & set(loaded)


def test_reader_who_leaves_early_is_no_error() -> None:
    process = subprocess.run(
        f"{sys.executable} -m ws2spi.cli.main layers | true", shell=True, capture_output=True, text=True, check=False
    )
    assert process.stderr == ""


# layers


def test_layers_lists_all_with_their_options(ws2spi: Callable[..., Outcome]) -> None:
    status, out, err = ws2spi("layers")
    assert (status, err) == (0, "")
    assert "\nthrottle: " in out
    assert "  rate=RATE\n" in out
    assert "  format=text|json\n" in out


def test_layers_name_tells_all_of_one(ws2spi: Callable[..., Outcome]) -> None:
    _, out, _ = ws2spi("layers", "throttle")
    assert "RATE: a rate such as" in out
    assert "(default: no)" in out
    assert "throttle:up=256kbit/s" in out
    assert "Options:\n" not in out
    assert "log" not in out


def test_layers_own_file(ws2spi: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "free.py").write_text(
        "from ws2spi.providers.layer import Layer\n\n\nclass Free(Layer):\n    '''Sees nothing.'''\n\n"
        "    def __init__(self, where: str) -> None: ...\n"
    )
    _, out, _ = ws2spi("layers", f"{tmp_path}/free.py")
    assert "Free: Sees nothing." in out
    assert "where=TEXT  (required)" in out
    assert "cost nothing" in out


def test_layers_json_is_for_programs(ws2spi: Callable[..., Outcome]) -> None:
    _, out, _ = ws2spi("layers", "--json")
    layers = {layer["name"]: layer for layer in json.loads(out)}
    assert set(layers) >= {"log", "throttle"}
    assert layers["log"]["options"][0] == {
        "name": "format",
        "allowed": "text or json",
        "required": False,
        "default": "text",
        "help": "text for people, json for programs (one object in a line)",
    }
    _, out, _ = ws2spi("layers", "log", "--json")
    assert json.loads(out)["sees_bytes"] is True


def test_layers_unknown_name_is_refused(ws2spi: Callable[..., Outcome]) -> None:
    assert ws2spi("layers", "throtle") == (
        2,
        "",
        "ws2spi: there is no layer 'throtle', did you mean throttle? (ws2spi layers lists them)\n",
    )


# doctor


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[SimpleNamespace]:
    """The checks that doctor is told of."""
    results = [SimpleNamespace(name="kernel", ok=True, detail="6.1", advice="")]
    fake = ModuleType("ws2spi.redirect.doctor")
    fake.checks = lambda: results  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ws2spi.redirect.doctor", fake)
    return results


def test_doctor_all_well(ws2spi: Callable[..., Outcome], machine: list[SimpleNamespace]) -> None:
    assert ws2spi("doctor") == (0, "ok    kernel: 6.1\n", "")


def test_doctor_something_missing_gives_advice_and_status_1(
    ws2spi: Callable[..., Outcome], machine: list[SimpleNamespace]
) -> None:
    machine.append(SimpleNamespace(name="pidfd_getfd", ok=False, detail="EPERM", advice="allow SYS_PTRACE"))
    status, out, _ = ws2spi("doctor")
    assert status == 1
    assert out.endswith("FAIL  pidfd_getfd: EPERM\n      allow SYS_PTRACE\n")
    status, out, _ = ws2spi("doctor", "--json")
    assert status == 1
    assert json.loads(out)[1] == {"name": "pidfd_getfd", "ok": False, "detail": "EPERM", "advice": "allow SYS_PTRACE"}


# completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_subcommands_options_and_layers(ws2spi: Callable[..., Outcome], shell: str) -> None:
    status, out, err = ws2spi("completion", shell)
    assert (status, err) == (0, "")
    for word in [*SUBCOMMANDS, "throttle", "json", "layer"]:
        assert word in out


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ws2spi l", ["layers"]),
        ("ws2spi run -l thr", ["throttle"]),
        ("ws2spi layers --js", ["--json"]),
        ("ws2spi layers lo", ["log"]),
        ("ws2spi completion z", ["zsh"]),
    ],
)
def test_completion_bash_completes(
    ws2spi: Callable[..., Outcome], tmp_path: Path, line: str, expected: list[str]
) -> None:
    _, script, _ = ws2spi("completion", "bash")
    words = line.split()
    (tmp_path / "try.sh").write_text(
        f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _ws2spi; printf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
    )
    done = subprocess.run(
        ["bash", "try.sh"], cwd=tmp_path, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert [word for word in done.stdout.split() if "/" not in word and not word.endswith(".sh")] == expected


def test_parser_of_one_subcommand_has_no_others() -> None:
    assert "doctor" not in build_parser("layers").format_help()
    assert module.SUBCOMMANDS.keys() >= {"run", "layers", "doctor", "completion"}
