"""Every function of an exact face is documented in one shape, which the reference is built from."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "ws2spi"
WORDS = re.compile(r"^(Returns|Errors|Source|Differs):", re.MULTILINE)


# Windows' names begin with a capital, but for those that come from Berkeley.
BERKELEY = {
    "accept",
    "bind",
    "closesocket",
    "connect",
    "freeaddrinfo",
    "gai_strerrorA",
    "gai_strerrorW",
    "getaddrinfo",
    "gethostbyaddr",
    "gethostbyname",
    "gethostname",
    "getnameinfo",
    "getpeername",
    "getprotobyname",
    "getprotobynumber",
    "getservbyname",
    "getservbyport",
    "getsockname",
    "getsockopt",
    "htond",
    "htonf",
    "htonl",
    "htonll",
    "htons",
    "inet_addr",
    "inet_ntoa",
    "inet_ntop",
    "inet_pton",
    "ioctlsocket",
    "listen",
    "ntohd",
    "ntohf",
    "ntohl",
    "ntohll",
    "ntohs",
    "recv",
    "recvfrom",
    "select",
    "send",
    "sendto",
    "setsockopt",
    "shutdown",
    "socket",
}


def functions() -> Iterator[tuple[str, str]]:
    """(name, docstring) of every function of the faces."""
    for face in ("ws2_32", "kernel32", "user32", "mswsock"):
        for path in [SOURCE / f"{face}.py", *sorted((SOURCE / face).glob("*.py"))]:
            if path.exists():
                for node in ast.parse(path.read_text()).body:
                    if isinstance(node, ast.FunctionDef) and (node.name[0].isupper() or node.name in BERKELEY):
                        yield f"{face}.{node.name}", ast.get_docstring(node) or ""


@pytest.mark.parametrize(("name", "docstring"), list(functions()))
def test_docstring_has_its_sections(name: str, docstring: str) -> None:
    sections = WORDS.findall(docstring)
    assert docstring.splitlines()[0].endswith("."), "one sentence first"
    assert {"Returns", "Source", "Differs"} <= set(sections), sections
