"""The kernel objects the SPI stands on: threads with APC queues, events, waits, completion ports, handles, overlapped.

Everything here is safe in an interrupt context: a signal handler, a weakref callback or `__del__` that strikes inside
any of these functions may call any of them.
Never: sockets, and never a blocking lock on the way of queue, post, set, reset or close.
"""
