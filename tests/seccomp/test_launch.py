"""Starting a program and leaving as it left; what bad input gets."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from support.http_server import HttpServer
from support.runs import OWN, Server, command, own, run, tell_and_echo


def refused(done: object, status: int) -> str:
    """The one line with which a run was refused."""
    assert done.returncode == status  # type: ignore[attr-defined]
    assert done.stdout == ""  # type: ignore[attr-defined]
    (line,) = done.stderr.splitlines()  # type: ignore[attr-defined]
    assert line.startswith("ws2spi: ")
    return str(line)


@pytest.mark.parametrize("status", [0, 1, 42, 125, 255])
def test_exit_status_is_the_programs(status: int) -> None:
    done = run([own("Bytes")], ["sh", "-c", f"echo out; echo err >&2; exit {status}"])
    assert (done.returncode, done.stdout, done.stderr) == (status, "out\n", "err\n")


@pytest.mark.parametrize("number", [1, 6, 9, 11, 15])
def test_end_by_a_signal_is_128_and_its_number(number: int) -> None:
    assert run([], ["sh", "-c", f"kill -{number} $$"]).returncode == 128 + number


def test_missing_program() -> None:
    assert "nosuchprogram" in refused(run([], ["nosuchprogram"]), 127)
    assert "/no/such" in refused(run([], ["/no/such"]), 127)


def test_program_that_cannot_be_executed(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_text("no program")
    assert "Permission denied" in refused(run([], [file]), 126)
    assert "cannot be executed" in refused(run([], [tmp_path]), 126)


def test_script_without_a_first_line_is_run_by_the_shell(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("echo $1\n")
    script.chmod(0o755)
    assert run([], [script, "hello"]).stdout == "hello\n"


BAD = ["nosuchlayer", "log:nosuch=1", "throttle:rate=fast", "./nosuch.py:Layer", f"{__file__}:No"]


@pytest.mark.parametrize("layer", BAD)
def test_bad_layer_is_refused_and_nothing_is_started(layer: str, tmp_path: Path) -> None:
    refused(run([layer], ["touch", tmp_path / "started"]), 125)
    assert not (tmp_path / "started").exists()


def test_layer_file_that_does_not_import(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import nosuchmodule\n")
    assert "bad.py" in refused(run([f"{tmp_path}/bad.py:Layer"], ["true"]), 125)


def test_stack_file_that_is_missing(tmp_path: Path) -> None:
    assert "stack.toml" in refused(run([], ["true"], "--stack", str(tmp_path / "stack.toml")), 125)


def test_stack_file(server: Callable[..., Server], tmp_path: Path) -> None:
    """Its layers are above those of -l."""
    echo = server(tell_and_echo)
    file = tmp_path / "stack.toml"
    file.write_text(f'[[layer]]\nuse = "{OWN}:Refuse"\nerror = 13\n\n[[layer]]\nuse = "{OWN}:Bytes"\n')
    code = f"import socket; print(socket.socket().connect_ex(('127.0.0.1', {echo.port})))"
    done = run([own("Refuse", error=1)], [sys.executable, "-c", code], "--stack", str(file))
    assert (done.stdout, done.stderr) == ("13\n", "")


def test_no_program_is_a_usage_error() -> None:
    refused(run([], []), 125)


def test_nested_run_is_refused() -> None:
    line = refused(run([], command([], ["true"])), 125)
    assert "already" in line


def test_stdin_arguments_and_environment_reach_the_program() -> None:
    code = "import os, sys; print(sys.argv[1:], sys.stdin.read(), os.environ['WORD'])"
    words = ["", "-v", "--", "a b", "-l", "ü"]
    done = run([own("Bytes")], [sys.executable, "-c", code, *words], input="text", env={**os.environ, "WORD": "value"})
    assert done.stdout == f"{words} text value\n"


STATE = """
import os, resource, signal
print(sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1])
print(resource.getrlimit(resource.RLIMIT_NOFILE))
status = dict(line.split(":\\t") for line in open("/proc/self/status") if line.startswith("Sig"))
print(status["SigBlk"], status["SigIgn"], os.getpgrp(), os.getsid(0), os.getcwd(), os.umask(0))
"""


def test_program_gets_the_surroundings_it_would_have_had() -> None:
    words = ["-S", "-c", STATE]  # Python ignores two signals for itself; a plain program shows what it was given
    look = "grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status; ulimit -n; ulimit -Hn; ls /proc/self/fd | wc -l"
    shell = ["sh", "-c", look]
    for argv in ([sys.executable, *words], shell):
        assert run([own("Bytes")], argv).stdout == run(None, argv).stdout


def test_inherited_descriptor_stays_open(tmp_path: Path) -> None:
    with open(tmp_path / "file", "w+") as file:
        code = f"import os; os.write({file.fileno()}, b'text\\n')"
        done = run([], [sys.executable, "-c", code], pass_fds=[file.fileno()])
        assert done.returncode == 0
        file.seek(0)  # the position is shared
        assert file.read() == "text\n"


def test_broken_pipe_ends_the_program_as_without_us() -> None:
    words = ["sh", "-c", "yes | head -n 1; echo ${PIPESTATUS}"]
    assert run([own("Bytes")], words).stdout == run(None, words).stdout


def test_ordinary_user(nobody: Sequence[str], need: Callable[[str], str], http_server: HttpServer) -> None:
    """Without root and without any capability, in every way a connection can take."""
    if run(None, [*nobody, sys.executable, "-c", "import ws2spi.redirect.launch"], cwd="/").returncode:
        pytest.skip("an ordinary user cannot read this checkout or its interpreter")
    program = [need("curl"), "-s", "-o", os.devnull, "-w", "%{http_code} %{size_download}", f"{http_server.url}/big"]
    for layers in ([], ["log:file=/dev/null"], ["throttle:rate=1GB/s"]):
        done = run(None, [*nobody, *command(layers, program, "--no-catalog")], cwd="/")
        assert (done.stdout, done.stderr, done.returncode) == (f"200 {http_server.big.stat().st_size}", "", 0)


def test_exec_and_threads_stay_under_the_filter(server: Callable[..., Server]) -> None:
    echo = server(tell_and_echo)
    code = f"""
import os, subprocess, sys, threading
inner = "import socket; socket.create_connection(('127.0.0.1', {echo.port})); print('connected')"
threading.Thread(target=lambda: subprocess.run([sys.executable, "-c", inner])).run()
if os.fork() == 0:
    os.execv(sys.executable, [sys.executable, "-c", inner])
os.wait()
os.execv(sys.executable, [sys.executable, "-c", inner])
"""
    done = run([own("Refuse", error=111)], [sys.executable, "-c", code])
    assert done.stdout == ""
    assert done.stderr.count("ConnectionRefusedError") == 3
    assert echo.accepted == 0


def test_doctor_finds_nothing_missing_where_these_tests_pass() -> None:
    done = run(None, [sys.executable, "-m", "ws2spi.cli.main", "doctor", "--json"])
    assert done.returncode == 0, done.stdout


def test_doctor_names_a_supervisor_that_is_there() -> None:
    done = run([], [sys.executable, "-m", "ws2spi.cli.main", "doctor"])
    assert done.returncode == 1
    assert "a supervisor is there already" in done.stdout


def test_doctor_names_what_is_worse_without_simultaneous_open() -> None:
    settings = {**os.environ, "WS2SPI_NO_SIMULTANEOUS_OPEN": "1"}
    done = run(None, [sys.executable, "-m", "ws2spi.cli.main", "doctor"], env=settings)
    assert done.returncode == 0, done.stdout
    assert "WS2SPI_NO_SIMULTANEOUS_OPEN is set: an event loop stops for as long as a layer takes" in done.stdout


def test_loopback_that_connects_nothing_is_refused_with_one_line() -> None:
    broken = "import sys\nfrom ws2spi.redirect import door, stone\nstone.Stone.works = lambda self: False\n"
    broken += "door.Door.works = lambda self: False\nfrom ws2spi.cli.main import main\nsys.exit(main())"
    words = command([own("Bytes")], ["true"])
    words[1:3] = ["-c", broken]
    assert "on the loopback cannot be connected" in refused(run(None, words), 125)


REAPER = """
import ctypes, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER, which run does itself where Yama asks for it
from ws2spi.cli.main import main
sys.exit(main())
"""


def test_orphans_that_have_become_ours_are_reaped_and_nobody_else(
    server: Callable[..., Server], tmp_path: Path
) -> None:
    """A layer's own child is not: the layer waits for it, and must hear how it ended."""
    layer, told = tmp_path / "starts.py", tmp_path / "told"
    layer.write_text(
        "import subprocess\nfrom ws2spi import Layer\n\n\nclass Starts(Layer):\n"
        "    child = None\n\n"
        "    async def connect(self, conn, address):\n"
        "        if self.child is None:\n"
        "            self.child = subprocess.Popen(['sh', '-c', 'exit 7'])\n"
        "        else:\n"
        f"            open({str(told)!r}, 'w').write(str(self.child.wait()))\n"
        "        await conn.below.connect(address)\n"
    )
    code = f"""
import os, socket, sys
port = {server(tell_and_echo).port}
socket.create_connection(("127.0.0.1", port)).close()
for _ in range(5):
    if (child := os.fork()) == 0:
        if os.fork() == 0:
            sys.stdin.read(1)
        os._exit(0)
    os.waitpid(child, 0)
run = os.getppid()
print("orphans", flush=True)
sys.stdin.read()
while len(open(f"/proc/{{run}}/task/{{run}}/children").read().split()) > 2:  # we and the layer's
    pass
socket.create_connection(("127.0.0.1", port)).close()
sys.exit(3)
"""
    words = command([f"{layer}:Starts"], [sys.executable, "-c", code])
    words[1:3] = ["-c", REAPER]
    done = run(None, words, input="xxxxx")
    assert (done.returncode, done.stdout, done.stderr) == (3, "orphans\n", "")
    assert told.read_text() == "7"


def test_status_is_known_although_sigchld_was_ignored() -> None:
    words = command([], ["sh", "-c", "grep SigIgn /proc/self/status; exit 9"])
    script = 'trap "" CHLD; exec "$@"'
    done = run(None, ["sh", "-c", script, "sh", *words])
    natively = run(None, ["sh", "-c", script, "sh", "sh", "-c", "grep SigIgn /proc/self/status"])
    assert (done.returncode, done.stdout) == (9, natively.stdout)


def test_package_is_the_command_too() -> None:
    done = run(None, [sys.executable, "-m", "ws2spi", "run", "--", "sh", "-c", "exit 4"])
    assert (done.returncode, done.stdout, done.stderr) == (4, "", "")
