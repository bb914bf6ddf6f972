"""Service providers: `base`, the one over Linux sockets, and `Layer`, the base class of those that are stacked on it.

`layer` and `stack` say what authors write and how it is put together; `sockets` is the Winsock behaviour of a socket
over a connection of the engine, common to the base provider and to stacks; `base` and `layered` are the two providers.

Never: `base` importing layers, or layers importing `base`.
"""
