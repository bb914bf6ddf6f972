"""The procedure table of a provider written in Python: its methods under their C signatures.

The runtime routes every call through a procedure table, and a hand-written layer calls the provider below it through
one. So the conversion of C arguments for Python providers is here and nowhere else: one module for each family of
functions, joined in `Served`.

Never: a rule of a contract that a provider could hold itself; nothing is decided here but how arguments are read.
"""

from ws2spi._runtime.serve.answering import fail
from ws2spi._runtime.serve.served import Served, table_of

__all__ = ["Served", "fail", "table_of"]
