"""Lines measured on programs under `ws2spi run`: connects, relays, memory, start-up."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.rounds import Group, Limit, Line, Measure, Unavailable

HERE = Path(__file__).parent
PLACES = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
WATCH, PASS, SLOW = (f"{HERE / 'layers.py'}:{name}" for name in ("Watch", "Pass", "Slow"))

# Quoted from the design and not measured here: milliseconds to the first instruction, µs for a connect (80 to 90).
PROXYCHAINS_START, SANDLOCK_CONNECT = 22.0, 85.0

Words = list[str]


def find(tool: str) -> str:
    path = shutil.which(tool, path=PLACES)
    if path is None:
        raise Unavailable(f"{tool} is not installed")
    return path


def under(*layers: str) -> Words:
    """The words before a program that put it under `layers`."""
    command = Path(sys.executable).parent / "ws2spi"
    own = [str(command)] if command.exists() else [sys.executable, "-m", "ws2spi.cli.main"]
    return [*own, "run", *(word for layer in layers for word in ("-l", layer)), "--"]


def number_from(*command: str) -> Measure:
    """A case: run a command that prints one number."""

    def case() -> float:
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=600, check=False)
        if done.returncode:
            raise Unavailable(f"{' '.join(command[:6])} ... left with status {done.returncode}")
        return float(done.stdout)

    return case


def build(stack: ExitStack) -> str:
    """The compiled net.c."""
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ws2spi-bench-"))
    program = f"{folder}/net"
    subprocess.run(
        [find("gcc"), "-O2", "-static", "-pthread", "-o", program, str(HERE / "net.c")], check=True, timeout=60
    )
    return program


def background(stack: ExitStack, *command: str, **options: object) -> "subprocess.Popen[str]":
    process: subprocess.Popen[str] = subprocess.Popen(command, text=True, **options)  # type: ignore[call-overload]
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def server(stack: ExitStack, net: str) -> str:
    process = background(stack, net, "serve", stdout=subprocess.PIPE)
    assert process.stdout is not None
    stack.callback(process.stdout.close)
    return process.stdout.readline().strip()


def free_port() -> str:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return str(sock.getsockname()[1])


def wait_for(port: str) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", int(port))).close()
            return
        except OSError:
            time.sleep(0.02)
    raise Unavailable(f"nothing answers on port {port}")


def _connect(stack: ExitStack, quick: bool) -> Iterator[Line]:
    net = build(stack)
    port = server(stack, net)
    connects = [net, "connect", "127.0.0.1", port, "300" if quick else "1000"]
    cases = {"native": number_from(*connects)}
    try:
        cases["strace"] = number_from(find("strace"), "-f", "-e", "trace=connect", "-o", "/dev/null", *connects)
    except Unavailable:
        pass
    control = dict(cases)
    control["ws2spi, control-plane"] = number_from(*under(WATCH), *connects)
    # Linux 6.6 brought the synchronous wake-up of user notifications.
    version = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    yield Line(
        "connect under run, control-plane",
        "µs",
        control,
        "ws2spi, control-plane",
        [Limit(3 if version >= (6, 6) else 5, "native")],
        {"Sandlock (Rust)": SANDLOCK_CONNECT},
    )
    data = {"native": cases["native"], "ws2spi, data-plane": number_from(*under(PASS), *connects)}
    yield Line("connect under run, data-plane", "µs", data, "ws2spi, data-plane", [Limit(10, "native")])


_TICKS = """
import asyncio, sys, time
longest = 0.0
async def tick():
    global longest
    last = time.perf_counter()
    while True:
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        longest = max(longest, now - last)
        last = now
async def main():
    ticking = asyncio.create_task(tick())
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    ticking.cancel()
    writer.close()
asyncio.run(main())
print(longest * 1000)
"""


def _asyncio(stack: ExitStack, quick: bool) -> Iterator[Line]:
    net = build(stack)
    program = [sys.executable, "-c", _TICKS, server(stack, net)]
    yield Line(
        "an asyncio program's longest stop while a layer takes 1 s to connect",
        "ms",
        {"ws2spi, data-plane": number_from(*under(SLOW), *program)},
        "ws2spi, data-plane",
        [Limit(20)],
        {"holding SO_ERROR": 994.0},
        rounds=3,
    )


def _stream(stack: ExitStack, quick: bool) -> Iterator[Line]:
    net = build(stack)
    port = server(stack, net)
    size = str(10**9 if quick else 4 * 10**9)
    give = [net, "give", "127.0.0.1", port, size]
    yield Line(
        "bytes received under a control-plane stack",
        "Gbit/s",
        {"native": number_from(*give), "ws2spi, control-plane": number_from(*under(WATCH), *give)},
        "ws2spi, control-plane",
        [Limit(0.95, "native", least=True)],  # 1.00 but for the noise of the measurement
        rounds=5,
    )


def _haproxy(stack: ExitStack, target: str) -> str:
    port = free_port()
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ws2spi-haproxy-"))
    configuration = Path(folder) / "haproxy.cfg"
    configuration.write_text(
        "global\n  nbthread 1\n"
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
        f"listen relay\n  bind 127.0.0.1:{port}\n  server peer 127.0.0.1:{target}\n"
    )
    background(stack, find("haproxy"), "-f", str(configuration), "-db", stderr=subprocess.DEVNULL)
    wait_for(port)
    return port


def _socat(stack: ExitStack, target: str) -> str:
    port = free_port()
    listen = f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,nodelay"
    background(stack, find("socat"), "-b", "65536", listen, f"TCP:127.0.0.1:{target},nodelay")
    wait_for(port)
    return port


def _relay(stack: ExitStack, quick: bool) -> Iterator[Line]:
    net = build(stack)
    port = server(stack, net)
    peers = {}
    for name, start in (("haproxy", _haproxy), ("socat", _socat)):
        try:
            peers[name] = start(stack, port)
        except Unavailable as reason:
            print(f"\nrelay: without {name}: {reason}")

    def cases(mode: str, count: str) -> dict[str, Measure]:
        words = {"native": [net, mode, "127.0.0.1", port, count]}
        words |= {name: [net, mode, "127.0.0.1", at, count] for name, at in peers.items()}
        words["ws2spi, one layer"] = [*under(PASS), *words["native"]]
        return {who: number_from(*command) for who, command in words.items()}

    yield Line(
        "relay, 64-byte round trip",
        "µs",
        cases("echo", "2000" if quick else "10000"),
        "ws2spi, one layer",
        [Limit(1, "haproxy")],
    )
    size = str(10**9 if quick else 4 * 10**9)
    for mode, work in (("give", "relay, one stream received"), ("swallow", "relay, one stream sent")):
        yield Line(work, "Gbit/s", cases(mode, size), "ws2spi, one layer", [Limit(1, "socat", least=True)], rounds=5)


def _peak_of(pid: int, done: threading.Event, from_: float) -> float:
    """By how many MB the peak of a process' resident memory grows from `from_` seconds on until `done`."""
    done.wait(from_)
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak starts anew
    first = _status(pid, "VmRSS")
    peak = first
    while not done.wait(0.05):
        try:
            peak = max(peak, _status(pid, "VmHWM"))
        except (OSError, StopIteration):
            break
    return (peak - first) / 1024


def _status(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def _grows(command: Sequence[str], from_: float) -> Measure:
    """A case: run a command, and by how many MB it (not its children) grows after its first moments."""

    def case() -> float:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        done, found = threading.Event(), []
        watcher = threading.Thread(target=lambda: found.append(_peak_of(process.pid, done, from_)))
        watcher.start()
        status = process.wait()
        done.set()
        watcher.join()
        if status or not found:
            raise Unavailable(f"the program left with status {status}")
        return found[0]

    return case


_ONE_SEND = """
import sys, threading, socket
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from bench.layers import Pass
from bench.programs import _status
from ws2spi.providers.stack import Stack
from ws2spi._engine.epoll import Engine
from ws2spi._engine.transport import SocketTransport
import os
ours, theirs = socket.socketpair()
def drain():
    left = 10**8
    while left:
        left -= len(theirs.recv(65536))
reader = threading.Thread(target=drain)
engine = Engine(); engine.start()
connection = Stack([Pass() for _ in range(5)]).connection(engine, SocketTransport(ours))
data = bytes(range(256)) * (10**8 // 256)
data += bytes(10**8 - len(data))
reader.start()
connection.send(b"")
Path("/proc/self/clear_refs").write_text("5")
before = _status(os.getpid(), "VmRSS")
connection.send(data)
reader.join()
print((_status(os.getpid(), "VmHWM") - before) / 1024)
os._exit(0)
"""


def _memory(stack: ExitStack, quick: bool) -> Iterator[Line]:
    net = build(stack)
    size = 10**9 if quick else 10**10
    command = [*under(*[PASS] * 5), net, "give", "127.0.0.1", server(stack, net), str(size)]
    yield Line(
        f"memory while {size // 10**9} GB pass through five layers, growth of the supervisor",
        "MB",
        {"ws2spi, five layers": _grows(command, 0.5)},
        "ws2spi, five layers",
        [Limit(4)],
        rounds=1,
        note="flat; mitmdump grows by every byte",
    )
    yield Line(
        "memory during one send of 100 MB through five layers, growth",
        "MB",
        {"ws2spi, in process": number_from(sys.executable, "-c", _ONE_SEND, str(HERE.parent))},
        "ws2spi, in process",
        [Limit(4)],
        rounds=3,
    )


def _start(stack: ExitStack, quick: bool) -> Iterator[Line]:
    net = build(stack)

    def until_first_instruction(*words: str) -> Measure:
        def case() -> float:
            began = time.monotonic()
            done = subprocess.run([*words, net, "clock"], stdout=subprocess.PIPE, check=True, timeout=30)
            return (float(done.stdout) - began) * 1000

        return case

    yield Line(
        "time from `ws2spi run` to the program's first instruction",
        "ms",
        {
            "native": until_first_instruction(),
            "an empty Python program": until_first_instruction(
                sys.executable, "-c", "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"
            ),
            "ws2spi, one layer": until_first_instruction(*under("log")),
        },
        "ws2spi, one layer",
        [Limit(80)],
        {"proxychains": PROXYCHAINS_START},
        rounds=15,
    )


GROUPS: dict[str, Group] = {
    "connect": _connect,
    "asyncio": _asyncio,
    "stream": _stream,
    "relay": _relay,
    "memory": _memory,
    "start": _start,
}
