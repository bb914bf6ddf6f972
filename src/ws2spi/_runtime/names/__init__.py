"""Names: the name-space providers and their catalog, lookups over them, and what getaddrinfo makes of it.

`text` turns addresses into strings and back; `records` are queries and results in Python, `querysets` the same in C
memory; `catalog` lists the providers, `routines` starts one and calls it through its NSP_ROUTINE, `provider` is the
base class of providers written in Python and `served` their C functions; `dns` is the provider that is always there.
`lookups`, `services` and `ioctl` are the inside of WSALookupService*, WSASetService and WSANSPIoctl; `resolver`,
`netdb` and `memory` that of getaddrinfo and its elders.

Never: opens a socket, or knows a transport provider.
"""
