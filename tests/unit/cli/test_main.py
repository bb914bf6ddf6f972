"""The command line: what is printed where, and with which status."""

import json
import os
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


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "--nope", "--", "true"], "there is no option '--nope' (see: ws2spi run --help)"),
        (["run", "--quite", "true"], "there is no option '--quite', did you mean --quiet? (see: ws2spi run --help)"),
        (["run", "--stac", "f", "true"], "there is no option '--stac', did you mean --stack?"),
        (["run", "-l", "--", "true"], "argument -l/--layer: expected one argument (see: ws2spi run --help)"),
        (["run", "-l", "log"], "no program was given: PROGRAM [ARGUMENT ...] is wanted behind the options (see: ws2"),
        (["run", "-l", "log", "--"], "no program was given"),
        (["run", "-l", "", "true"], "'' names no layer"),
        (["run", "--stack", "", "true"], "'' names no file"),
    ],
)
def test_usage_error_of_run_is_status_125(ws2spi: Callable[..., Outcome], words: list[str], says: str) -> None:
    status, out, err = ws2spi(*words)
    assert (status, out) == (125, "")
    assert err.count("\n") == 1
    assert err.startswith(f"ws2spi: {says}")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["layer"], "ws2spi: there is no subcommand 'layer', did you mean layers? (see: ws2spi --help)\n"),
        (["help"], "ws2spi: there is no subcommand 'help' (see: ws2spi --help)\n"),
        (["layers", "a", "b"], "ws2spi: unexpected argument 'b' (see: ws2spi layers --help)\n"),
        (
            ["doctor", "--jason"],
            "ws2spi: there is no option '--jason', did you mean --json? (see: ws2spi doctor --help)\n",
        ),
    ],
)
def test_usage_error_says_where_to_read_on(ws2spi: Callable[..., Outcome], words: list[str], says: str) -> None:
    assert ws2spi(*words) == (2, "", says)


@pytest.mark.parametrize("word", ['-l=log:file="a\nb', "--stack=no\x1b[31m\nfile", "--st\n"])
def test_complaint_is_one_line_whatever_was_typed(ws2spi: Callable[..., Outcome], word: str) -> None:
    status, _, err = ws2spi("run", word, "true")
    assert status == 125
    assert err[:-1].isprintable()


def test_help_of_run_shows_that_arguments_may_be_missing(ws2spi: Callable[..., Outcome]) -> None:
    _, out, _ = ws2spi("run", "--help")
    assert "PROGRAM [ARGUMENT ...]\n" in out
    assert "  [ARGUMENT ...] " in out
    assert max(map(len, out.splitlines())) <= 90


@pytest.mark.parametrize(
    ("words", "options", "argv"),
    [
        (["echo", "--", "x"], [], ["echo", "--", "x"]),
        (["--", "echo", "--", "x"], [], ["echo", "--", "x"]),
        (["-l", "log", "sh", "-l", "x", "--help"], [(False, "log")], ["sh", "-l", "x", "--help"]),
        (["-llog", "-q", "true"], [(False, "log")], ["true"]),
        (["-vl", "log", "true"], [(False, "log")], ["true"]),
        (["--layer=log", "--", "-odd"], [(False, "log")], ["-odd"]),
        (["-l", "a", "--stack", "f", "-l", "b", "--stack=g", "-"],
         [(False, "a"), (True, "f"), (False, "b"), (True, "g")], ["-"]),
    ],
)  # fmt: skip
def test_words_of_the_program_are_its_own(words: list[str], options: list[tuple[bool, str]], argv: list[str]) -> None:
    arguments = build_parser("run").parse_args(["run", *words])
    assert (arguments.layers, arguments.argv) == (options, argv)


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


def command(text: str) -> subprocess.CompletedProcess[str]:
    """A line of shell in which `ws2spi` is the command under test."""
    script = f'ws2spi() {{ "{sys.executable}" -m ws2spi.cli.main "$@"; }}; {text}'
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60)


ANSWERS = ["layers", "layers --json", "layers log", "doctor", "completion bash", "--version", "--help", "run --help"]


@pytest.mark.parametrize("words", ANSWERS)
@pytest.mark.parametrize(("where", "why"), [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")])
def test_answer_that_cannot_be_written_is_one_line_and_status_125(words: str, where: str, why: str) -> None:
    done = command(f"ws2spi {words} {where}")
    assert (done.returncode, done.stderr) == (125, f"ws2spi: cannot write to standard output: {why}\n")


@pytest.mark.parametrize("words", ANSWERS)
def test_reader_who_has_left_is_status_141_without_a_word(words: str) -> None:
    done = command(f"{{ sleep 0; ws2spi {words}; echo $? >&2; }} | :")
    assert done.stderr in ("141\n", "0\n")  # 0 where the answer was written before the reader left
    script = "import os, sys; r, w = os.pipe(); os.close(r); os.dup2(w, 1); os.execv(sys.argv[1], sys.argv[1:])"
    words_ = [sys.executable, "-c", script, sys.executable, "-m", "ws2spi.cli.main", *words.split()]
    gone = subprocess.run(words_, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (gone.returncode, gone.stderr) == (141, "")


@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-"])
@pytest.mark.parametrize(
    ("words", "status"), [("layers nope", 2), ("run -l nope true", 125), ("run --nope", 125), ("run -- ./no", 127)]
)
def test_complaint_that_nobody_hears_changes_no_status(words: str, status: int, where: str) -> None:
    done = command(f"ws2spi {words} {where}")
    assert (done.returncode, done.stdout) == (status, "")


def test_interrupt_while_a_layer_is_imported_is_quiet(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)\n")
    words = [sys.executable, "-m", "ws2spi.cli.main", "run", "-l", "./slow.py", "true"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (-2, "", "")


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
        "from ws2spi.providers.layer import Layer\n\n\nclass Free(Layer):\n    '''Sees little.'''\n\n"
        "    def __init__(self, where: str) -> None: ...\n"
        "    async def connect(self, conn, address): ...\n"
    )
    _, out, _ = ws2spi("layers", f"{tmp_path}/free.py")
    assert "Free: Sees little." in out
    assert "where=TEXT  (required)" in out
    assert "cost nothing" in out


@pytest.mark.parametrize(
    ("body", "sees"),
    [
        ("x = 1", "Sees: nothing of a program: Own overrides none of Layer's methods."),
        ("async def recieve(self, conn, size): ...", "none of Layer's methods ('recieve', did you mean recv"),
        ("async def getsockopt(self, *a): ...", "Own overrides getsockopt only, which no program's calls reach"),
        ("def WSPBind(self, below, s, name, namelen, lpErrno): ...", "Own overrides WSP functions only"),
        ("async def connect(self, conn, address): ...", "Sees: control calls only; the bytes stay in the kernel"),
        ("async def send(self, conn, data): ...", "Sees: the bytes of its connections."),
        (
            "handshakes = True\n    async def connect(self, conn, address): ...",
            "its connect talks to the peer before the program does (handshakes): where the program's connect blocks",
        ),
    ],
)
def test_layers_says_what_a_layer_sees(ws2spi: Callable[..., Outcome], tmp_path: Path, body: str, sees: str) -> None:
    (tmp_path / "own.py").write_text(f"from ws2spi import Layer\n\n\nclass Own(Layer):\n    {body}\n")
    status, out, err = ws2spi("layers", f"{tmp_path}/own.py")
    assert (status, err) == (0, "")
    assert sees in out


def test_layers_of_a_class_without_a_docstring(ws2spi: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text("from ws2spi import Layer\n\n\nclass Bare(Layer): ...\n")
    assert "bare.py:Bare: (its class has no docstring)\n" in ws2spi("layers", f"{tmp_path}/bare.py")[1]


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


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"CLICOLOR_FORCE": "1"}, True),
        ({"CLICOLOR_FORCE": "0"}, False),
        ({"CLICOLOR_FORCE": "1", "TERM": "dumb"}, True),
        ({"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_doctor_colours(
    ws2spi: Callable[..., Outcome],
    machine: list[SimpleNamespace],
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    expected: bool,
) -> None:
    monkeypatch.setattr(os, "isatty", lambda descriptor: False)
    for name in ("NO_COLOR", "CLICOLOR_FORCE", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[32m" in ws2spi("doctor")[1]) is expected


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


def test_what_run_starts_with_leaves_slow_modules_alone() -> None:
    """Each costs every start milliseconds; the budget is 80 from the command to the program's first instruction."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "import ws2spi.cli.main, ws2spi.cli.run, ws2spi.redirect.supervisor, ws2spi.redirect.launch\n"
        "import ws2spi.layers.log\n"
        "slow = {'asyncio', 'dataclasses', 'inspect', 'pathlib', 'sqlite3', 'ssl', 'tempfile', 'uuid'}\n"
        "print(*sorted(slow & (set(sys.modules) - before)))"
    )
    result = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(module.__file__).parents[2])},
    )
    assert (result.returncode, result.stdout) == (0, "\n"), result.stderr + result.stdout
