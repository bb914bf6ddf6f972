"""Scripts written for `ctypes.windll` on Windows, run with only their import changed (issue "How it is judged").

`windll_scripts/` holds them as they would run there. Here `import ctypes` becomes `from ws2spi import ctypes`, and
`from ctypes` becomes `from ws2spi.ctypes`; nothing else is touched.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent / "windll_scripts"

EXPECTED = {
    "accept_server.py": """\
served 24 bytes 384 True
cleanup 0
""",
    "apc.py": """\
[(1, True), (2, True), (3, True), ('again', 10), (11, True)]
ended: 31
0 0 0xc0 [7] 0
""",
    "port_server.py": """\
clients [20, 20, 20, 20, 20, 20] bytes 57420
cleanup 0
""",
    "routines.py": """\
300000 True {0}
[995] True
0
""",
    "events.py": """\
True 996
[(2, b'message 0 for 2'), (0, b'message 1 for 0'), (3, b'message 2 for 3'), (3, b'message 3 for 3'), \
(1, b'message 4 for 1')]
0 [b'all', b'all', b'all', b'all']
0 -1 10093
""",
    "habits.py": """\
True 16
nothing to read: 0
0 b'to 0' 4 True
1 b'to 1' 4 True
2 b'to 2' 4 True
3 b'to 3' 4 True
1 5 True True
15 b'several buffers'
type 1
0
""",
    "handles.py": """\
0x1000 0x1001 -1 True
b'1: WRITTEN AS A FILE, SENT'
b'2: WRITTEN AS A FILE, SENT'
16 42 b'THROUGH THE PORT' True
0 -1 True
0
""",
}


def test_every_script_has_an_expectation() -> None:
    assert {path.name for path in SCRIPTS.glob("*.py")} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_script_for_windll(name: str, tmp_path: Path) -> None:
    text = (SCRIPTS / name).read_text()
    text, plain = re.subn(r"^import ctypes$", "from ws2spi import ctypes", text, flags=re.MULTILINE)
    text, named = re.subn(r"^from ctypes import", "from ws2spi.ctypes import", text, flags=re.MULTILINE)
    assert plain + named
    (tmp_path / name).write_text(text)
    run = subprocess.run(
        [sys.executable, "-W", "error", tmp_path / name], capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.stdout, run.stderr, run.returncode) == (EXPECTED[name], "", 0)
