"""The extension functions (AcceptEx, ConnectEx, DisconnectEx, TransmitFile, TransmitPackets, WSARecvMsg, WSASendMsg):
their C arguments as Python values, and the function pointers that SIO_GET_EXTENSION_FUNCTION_POINTER gives out.

A client calls such a pointer directly, past the DLL's dispatch; so they look up the socket themselves and set the
thread's last error. What they do to a socket is its provider's affair (`providers.extensions`).
Never: sockets of its own, or a rule about them.
"""
