"""CPython's own asyncio for Windows, its ProactorEventLoop, on this library: a client that nobody here has written.

`overlapped` is the C module `_overlapped` in terms of windll, `sockets` what the module `socket` is on Windows, and
`loop` puts both where asyncio looks for them. A process that does so believes it runs on Windows, so it is one of its
own: `python -m support.proactor KIND test.test_asyncio.test_sock_lowlevel...` runs unit tests of CPython's there.
"""
