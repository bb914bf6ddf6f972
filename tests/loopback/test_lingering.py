"""Heart rule 6: closesocket, WSACleanup and the end of the process deliver what sends had accepted."""

import socket
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, os, socket, struct, sys
from ws2spi import Layer, Stack, install, sleep, ws2_32

class Slow(Layer):
    async def send(self, conn, data):
        await sleep(0.2)
        await conn.below.send(data)

ws2_32.WSAStartup(0x0202, ctypes.byref(ws2_32.WSADATA()))
install(Stack([Slow()]))
s = ws2_32.socket(2, 1, 6)
address = struct.pack("<H", 2) + struct.pack(">H", int(sys.argv[1])) + socket.inet_aton("127.0.0.1") + bytes(8)
assert ws2_32.connect(s, address, 16) == 0
name, size = ctypes.create_string_buffer(16), ctypes.c_int(16)
assert ws2_32.getsockname(s, name, ctypes.byref(size)) == 0
print(struct.unpack_from(">H", name.raw, 2)[0], flush=True)
ws2_32.ioctlsocket(s, 0x8004667E, ctypes.byref(ctypes.c_uint32(1)))
if sys.argv[2] == "by os.write":
    assert os.write(s, b"accepted") == 8
else:
    assert ws2_32.send(s, b"accepted", 8, 0) == 8
assert ws2_32.closesocket(s) == 0
if sys.argv[3] == "WSACleanup":
    assert ws2_32.WSACleanup() == 0
    os._exit(0)
"""


@pytest.mark.parametrize("end", ["WSACleanup", "exit"])
@pytest.mark.parametrize("way", ["by send", "by os.write"])
def test_what_was_accepted_is_delivered(way: str, end: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        words = [sys.executable, "-c", PROGRAM, str(listener.getsockname()[1]), way, end]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as program:
            assert program.stdout is not None
            port = int(program.stdout.readline())
            connection, peer = listener.accept()
            while peer[1] != port:  # somebody who meant the port's former owner
                connection.close()
                connection, peer = listener.accept()
            with connection:
                connection.settimeout(30)
                got = b""
                while piece := connection.recv(100):
                    got += piece
            assert got == b"accepted"
            assert program.wait(30) == 0
