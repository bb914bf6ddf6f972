"""Where the program's sockets meet ours: one place per family, made when it is first needed.

A stone where the kernel completes simultaneous opens, a door where it does not.
"""

import socket
from typing import Any

from ws2spi.redirect.door import Door
from ws2spi.redirect.stone import Stone


class Meetings:
    """See the module's text.

    Parameters:
        engine: whose loop serves the doors.
        simultaneous: whether the kernel has been seen to complete simultaneous opens (on the IPv4 loopback; the other
            one is tried when it is needed).
    """

    def __init__(self, engine: Any, simultaneous: bool = True) -> None:
        self._engine = engine
        self._simultaneous = simultaneous
        self._places: dict[int, Stone | Door] = {}  # {family: place}

    def for_socket(self, family: int, mapped: bool) -> Stone | Door:
        """The place for a socket of `family`; IPv6 sockets that go to an IPv4 address need the IPv4 one."""
        wanted = socket.AF_INET if mapped else family
        place = self._places.get(wanted)
        if place is None:
            place = self._places[wanted] = self._make(wanted)
        return place

    def _make(self, family: int) -> Stone | Door:
        if self._simultaneous:
            stone = Stone(family)
            if family == socket.AF_INET or stone.works():
                return stone
            stone.close()
        return Door(family, self._engine)

    def close(self) -> None:
        for place in self._places.values():
            place.close()
