"""`make demo`: a real client downloads a file under two layers; what `log` saw, the rate asked and the rate measured.

Everything is local and temporary. The exit status is 1 when the bytes differ or the rate is off by more than a tenth.
"""

import filecmp
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

RATE = 2_000_000
SIZE = 3 * RATE  # three seconds
SLACK = 0.10

# What curl does, for a machine without curl.
_PYTHON_CLIENT = """
import sys, time, urllib.request
url, target = sys.argv[1:]
began = time.monotonic()
with urllib.request.urlopen(url) as answer, open(target, "wb") as file:
    while piece := answer.read(65536):
        file.write(piece)
print(time.monotonic() - began)
"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def _serve(folder: Path) -> http.server.ThreadingHTTPServer:
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *arguments: _Quiet(*arguments, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _client(url: str, target: Path) -> list[str]:
    """A command that downloads `url` and prints the seconds it took."""
    curl = shutil.which("curl")
    if curl:
        return [curl, "--silent", "--show-error", "--noproxy", "*", "-o", str(target), "-w", "%{time_total}", url]
    return [sys.executable, "-c", _PYTHON_CLIENT, url, str(target)]


def _download(folder: Path, url: str) -> tuple[float, Path]:
    """Download under `log` and `throttle`; returns (seconds, the log's file)."""
    log, target = folder / "connections.jsonl", folder / "received"
    layers = [f"log:format=json,file={log}", f"throttle:rate={RATE // 1_000_000}MB/s"]
    client = _client(url, target)
    words = [word for layer in layers for word in ("-l", layer)]
    print(f"$ ws2spi run -l log -l {layers[1]} -- {Path(client[0]).name} {url}", flush=True)
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, "-m", "ws2spi.cli.main", "run", *words, "--", *client],
        stdout=subprocess.PIPE,
        env=environment,
        timeout=60,
        check=False,
    )
    if done.returncode:
        sys.exit(
            f"demo: the client left with status {done.returncode}; `.venv/bin/ws2spi doctor` says what may be missing"
        )
    return float(done.stdout), log


def _show(log: Path) -> None:
    print("\nWhat the log layer saw:")
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        words = [f"{name}={value}" for name, value in entry.items() if name not in ("time", "event")]
        print(f"  {entry['event']:8} {' '.join(words)}")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="ws2spi-demo-") as name:
        folder = Path(name)
        (folder / "www").mkdir()
        big = folder / "www" / "big"
        big.write_bytes(os.urandom(SIZE))
        server = _serve(folder / "www")
        try:
            seconds, log = _download(folder, f"http://127.0.0.1:{server.server_port}/big")
        finally:
            server.shutdown()
            server.server_close()
        _show(log)
        same = filecmp.cmp(big, folder / "received", shallow=False)
        received = (folder / "received").stat().st_size
    measured = received / seconds
    error = measured / RATE - 1
    print(f"\nrate asked     {RATE / 1e6:.2f} MB/s")
    print(f"rate measured  {measured / 1e6:.2f} MB/s ({error:+.1%}), {received} bytes in {seconds:.2f} s")
    print(f"bytes          {'the same as served' if same else 'DIFFERENT from what was served'}")
    if not same or abs(error) > SLACK:
        print("demo: failed", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
