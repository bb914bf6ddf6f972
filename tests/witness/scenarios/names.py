"""The catalog's list, and addresses as text (rows R)."""

from common import *


def protocols(*wanted, room=65536):
    n, buffer = wintypes.DWORD(room), create_string_buffer(65536)
    asked = (c_int * len(wanted))(*wanted) if wanted else None
    return E(w.WSAEnumProtocolsW, asked, buffer, byref(n)), n.value


def read_text(source, family, room):
    size = c_int(room)
    result = E(w.WSAStringToAddressW, source, family, None, x, byref(size))
    return f"{result} size {size.value}"


start()
row("R6", "short buffer")
result, size = protocols(room=4)
see(result), num(size % 628), num(size > 628)
row("R6", "TCP only")
see(protocols(6, 0)[0])
row("R6", "an unknown protocol")
see(protocols(77, 0)[0])
x, text, n = lo(80), create_unicode_buffer(128), wintypes.DWORD(128)
row("R7", "address to text")
see(E(w.WSAAddressToStringW, x, 16, None, text, byref(n))), num(n.value), num(len(text.value))
row("R7", "address to text, short")
n.value = 5
see(E(w.WSAAddressToStringW, x, 16, None, text, byref(n))), num(n.value)
row("R7", "text to address")
see(read_text("127.0.0.1:80", AF_INET, 16)), num(int.from_bytes(x.raw[2:4], "big"))
row("R7", "text to address, short")
see(read_text("127.0.0.1", AF_INET, 4))
row("R7", "text to address, wrong")
see(read_text("127.0.0.x", AF_INET, 16))
row("R7", "text to address, family 0")
see(read_text("127.0.0.1", 0, 16))
finish()
