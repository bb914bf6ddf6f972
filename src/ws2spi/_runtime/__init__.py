"""The inside of Ws2_32: start-up counting, the catalog, which provider owns which SOCKET, and the upcalls.

Holds everything the exact faces and the providers share and nobody else decides: `process` (start-up and clean-up),
`catalog`, `sockets` (SOCKET to provider), `provider` (the Python spelling of the WSP functions), `tables` and `serve`
(the C spelling, in both directions), `completion` (how the end of an overlapped operation reaches the client),
`upcalls` (what a provider may call).

Never: touches the bytes of a stream, decides how a socket operation is performed, or knows a layer by name.
"""
