"""Real clients: the same bytes, the same stdout and the same exit status as without us."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from support.http_server import HttpServer
from support.runs import PROGRAMS, own, run

STACKS = {
    "none": [],
    "control": [own("Control")],
    "log": ["log:file={folder}/log"],
    "three": ["log:file={folder}/log", "throttle:rate=1GB/s", own("Bytes")],
    "late": [own("Late"), own("Bytes")],
    "held": [own("Late"), own("Bytes")],  # on a kernel without simultaneous open
}

Compiled = Callable[..., Path]


@pytest.fixture(params=STACKS)
def layers(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sequence[str]:
    if request.param == "held":
        monkeypatch.setenv("WS2SPI_NO_SIMULTANEOUS_OPEN", "1")
    return [layer.format(folder=tmp_path) for layer in STACKS[request.param]]


def same(layers: Sequence[str], argv: Sequence[object], **keywords: object) -> subprocess.CompletedProcess[str]:
    """Run natively and under layers; what both show must not differ. Returns the run under layers."""
    native, layered = run(None, argv, **keywords), run(layers, argv, **keywords)
    assert (layered.returncode, layered.stdout, layered.stderr) == (native.returncode, native.stdout, native.stderr)
    return layered


def test_curl(layers: Sequence[str], need: Callable[[str], str], http_server: HttpServer, tmp_path: Path) -> None:
    curl, file = need("curl"), tmp_path / "file"
    done = same(layers, [curl, "-s", "-S", "-o", file, "-w", "%{http_code}", f"{http_server.url}/big"])
    assert done.returncode == 0
    assert file.read_bytes() == http_server.big.read_bytes()
    assert same(layers, [curl, "-s", "-f", f"{http_server.url}/missing"]).returncode == 22


def test_curl_to_a_closed_port(layers: Sequence[str], need: Callable[[str], str], closed_port: int) -> None:
    done = run(layers, [need("curl"), "-s", f"http://127.0.0.1:{closed_port}/"])
    assert (done.returncode, done.stdout) == (7, "")


def test_curl_over_ipv6(layers: Sequence[str], need: Callable[[str], str], http_server6: HttpServer) -> None:
    digest = run(None, [need("sha256sum"), http_server6.big]).stdout.split()[0]
    words = [need("sh"), "-c", f"curl -s -g '{http_server6.url}/big' | sha256sum"]
    assert same(layers, words).stdout.split()[0] == digest


def test_curl_tries_both_families_of_a_name(
    layers: Sequence[str], need: Callable[[str], str], http_server: HttpServer
) -> None:
    """The one that is refused must not keep the other from being tried."""
    names = f"two.test:{http_server.port}:[::1],127.0.0.1"
    argv = [need("curl"), "-s", "--resolve", names, "-o", os.devnull, "-w", "%{http_code} %{remote_ip}"]
    assert same(layers, [*argv, f"http://two.test:{http_server.port}/big"]).stdout == "200 127.0.0.1"


def test_wget(layers: Sequence[str], need: Callable[[str], str], http_server: HttpServer, tmp_path: Path) -> None:
    same(layers, [need("wget"), "-q", "-O", tmp_path / "file", f"{http_server.url}/big"])
    assert (tmp_path / "file").read_bytes() == http_server.big.read_bytes()


@pytest.fixture(scope="module")
def git_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """(URL of a repository that can be pushed to, environment for git)."""
    from support.tools import need as find_tool

    git = find_tool("git")
    folder = tmp_path_factory.mktemp("git")
    identity = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    settings = {**os.environ, **identity, **alone}
    subprocess.run([git, "init", "-q", "--bare", "-b", "main", folder / "r.git"], check=True, env=settings)
    subprocess.run([git, "-C", folder / "r.git", "config", "http.receivepack", "true"], check=True, env=settings)
    work = folder / "work"
    subprocess.run([git, "init", "-q", "-b", "main", work], check=True, env=settings)
    (work / "file").write_bytes(os.urandom(3_000_000))
    for words in (["add", "."], ["commit", "-q", "-m", "one"], ["push", "-q", folder / "r.git", "main"]):
        subprocess.run([git, "-C", work, *words], check=True, env=settings)
    process = subprocess.Popen(
        [sys.executable, PROGRAMS / "git_server.py", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=settings,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    yield f"http://127.0.0.1:{int(process.stdout.readline())}/r.git", settings
    process.stdin.close()
    process.wait(20)
    process.stdout.close()


def test_git_clone_and_push(
    layers: Sequence[str], git_server: tuple[str, dict[str, str]], need: Callable[[str], str], tmp_path: Path
) -> None:
    url, settings = git_server
    git, copy = need("git"), tmp_path / "copy"
    clone = run(layers, [git, "clone", "-q", url, copy], env=settings)
    assert (clone.returncode, clone.stdout, clone.stderr) == (0, "", "")
    assert run(None, [git, "-C", copy, "fsck"], env=settings).returncode == 0
    (copy / "file").write_bytes(os.urandom(2_000_000))
    run(None, [git, "-C", copy, "commit", "-q", "-a", "-m", "two"], env=settings)
    # The server does not read chunks, so what is pushed must go in one piece.
    push = run(layers, [git, "-C", copy, "-c", "http.postBuffer=10000000", "push", "-q"], env=settings)
    assert (push.returncode, push.stdout, push.stderr) == (0, "", "")
    head = run(None, [git, "-C", copy, "rev-parse", "HEAD"], env=settings).stdout.strip()
    assert run(None, [git, "ls-remote", url, "main"], env=settings).stdout.split() == [head, "refs/heads/main"]


URLLIB = """
import hashlib, sys, threading, urllib.request
def fetch(): digests.append(hashlib.sha256(urllib.request.urlopen(sys.argv[1]).read()).hexdigest())
digests = []
threads = [threading.Thread(target=fetch) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(digests), set(digests))
"""

ASYNCIO = """
import asyncio, hashlib, sys, urllib.parse
async def fetch(url):
    parts = urllib.parse.urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(f"GET {parts.path} HTTP/1.0\\r\\n\\r\\n".encode())
    data = await reader.read()
    writer.close()
    await writer.wait_closed()
    return hashlib.sha256(data.partition(b"\\r\\n\\r\\n")[2]).hexdigest()
async def main():
    digests = await asyncio.gather(*[fetch(sys.argv[1]) for _ in range(20)])
    print(len(digests), set(digests))
asyncio.run(main())
"""


@pytest.mark.parametrize("code", [URLLIB, ASYNCIO], ids=["urllib", "asyncio"])
def test_python(code: str, layers: Sequence[str], http_server: HttpServer) -> None:
    done = same(layers, [sys.executable, "-c", code, f"{http_server.url}/big"])
    assert http_server.big_digest in done.stdout


def test_static_go_program_downloads_300_files_at_once(
    layers: Sequence[str], compiled: Compiled, http_server: HttpServer
) -> None:
    (http_server.root / "small").write_bytes(b"0123456789" * 2000)
    done = same(layers, [compiled("downloads.go"), f"{http_server.url}/small"])
    assert done.stdout.startswith("map[200 OK ")
    assert done.stdout.rstrip().endswith(":300]")


@pytest.fixture
def crowd_server() -> Iterator[int]:
    process = subprocess.Popen(
        [sys.executable, PROGRAMS / "crowd_server.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    yield int(process.stdout.readline())
    process.stdin.close()
    process.wait(20)
    process.stdout.close()


@pytest.mark.parametrize("stack", [[own("Bytes")], [own("Control")], [own("Late"), own("Bytes")]], ids=str)
def test_two_thousand_connections_at_once(stack: Sequence[str], compiled: Compiled, crowd_server: int) -> None:
    done = run(stack, [compiled("crowd.go"), f"127.0.0.1:{crowd_server}", 2000])
    assert (done.stdout, done.stderr, done.returncode) == ("map[ok:2000]\n", "", 0)
