"""A received datagram that has more to tell than its bytes and its sender."""

from typing import Any


class Datagram(tuple[Any, ...]):
    """(bytes, sender) with its control data: [(level, type, data)] in Linux' numbers, and recvmsg's flags."""

    control: Any = ()
    flags = 0
