"""Names: the name-space providers and their catalog, lookups over them, and what getaddrinfo makes of it.

`text` turns addresses into strings and back; `records` are queries and results in Python, `querysets` and `memory` the
same in C memory. `entries` are the installed providers, `stored` the file that keeps them, `catalog` what this process
makes of it; `loading` and `routines` start one and call it through its NSP_ROUTINE. `provider` is the base class of
providers written in Python, `served` their C functions, `worker` the threads they may block; `dns` is the provider that
is always there. `lookups`, `services` and `notifications` are the inside of WSALookupService*, WSASetService and
WSANSPIoctl; `resolver`, `netdb` and `asynchronous` that of getaddrinfo and its elders.

Never: opens a socket, or knows a transport provider.
"""
