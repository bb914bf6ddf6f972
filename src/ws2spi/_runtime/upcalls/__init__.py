"""What a service provider may call in Ws2_32, in Python: one function per upcall, named without the prefix WPU.

`threads` holds the five of thread identities and APCs, `handles` those of socket handles, `overlapped` the completion
of a request, `events` the four event functions, `messages` WPUPostMessage. They fail by raising `WinsockError`; the C
signatures, with `lpErrno`, are in the face `ws2spi.ws2_32`.

Never: converts C arguments, or calls a layer: an upcall goes straight to the runtime, whatever lies above the caller.
"""

from ws2spi._runtime.upcalls.events import close_event, create_event, reset_event, set_event
from ws2spi._runtime.upcalls.handles import (
    close_socket_handle,
    create_socket_handle,
    forget_ifs_handle,
    get_provider_path,
    modify_ifs_handle,
    query_socket_handle_context,
)
from ws2spi._runtime.upcalls.messages import is_window, post_message
from ws2spi._runtime.upcalls.overlapped import complete_overlapped_request
from ws2spi._runtime.upcalls.threads import close_thread, open_current_thread, queue_apc

__all__ = [
    "close_event",
    "close_socket_handle",
    "close_thread",
    "complete_overlapped_request",
    "create_event",
    "create_socket_handle",
    "forget_ifs_handle",
    "get_provider_path",
    "is_window",
    "modify_ifs_handle",
    "open_current_thread",
    "post_message",
    "query_socket_handle_context",
    "queue_apc",
    "reset_event",
    "set_event",
]
