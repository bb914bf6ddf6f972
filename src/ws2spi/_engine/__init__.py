"""The engine: performing socket operations for layers written once, as coroutines.

`operations` says what a coroutine may wait for; `transport` is the bottom, a Linux socket; `boundary` joins layers;
`connection` owns one socket's mailbox, turns, requests and inbox; `blocking` parks operations on the calling thread and
`epoll` on a thread of its own (a third place, a fake with its own clock, is in `ws2spi.testing`); `filepair` gives a
connection a descriptor that anybody may read and write.

Imported by `_runtime` and everything below it. Errors are `WinsockError`, whose number the floors above understand.

Never: SOCKET handles, OVERLAPPED records or flags of the Winsock API.
"""
