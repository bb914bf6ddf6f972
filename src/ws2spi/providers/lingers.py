"""The closesocket that waits: SO_LINGER with a time, on a blocking socket."""

import socket
import time

from ws2spi._executive.events import Event
from ws2spi._executive.waits import wait
from ws2spi.providers.socket_state import Socket

_LOOK = 0.01  # seconds between two looks; Linux tells nobody when the last byte is acknowledged


def linger(state: Socket) -> None:
    """Wait until the peer has what was sent and knows of the end, or for the linger time; then reset the connection."""
    connection = state.connection
    if connection.engine.serves_here() or connection.mailbox.held_by_me():
        return  # who serves all connections, or this one, must not wait
    deadline = time.monotonic() + state.linger
    never = Event(manual=True)
    ended = connection.submit_shutdown(socket.SHUT_WR)  # after all sends
    while not ended.done or (ended.error is None and connection.transport.unsent_bytes()):
        left = deadline - time.monotonic()
        if left <= 0:
            connection.abort()
            return
        wait((never,), timeout=min(left, _LOOK))
