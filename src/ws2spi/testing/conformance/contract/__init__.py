"""The clauses, one module for each family of functions; importing this package registers all of them.

Never: helpers; those are in `client`.
"""

# ruff: noqa: F401 - imported for what they register
from ws2spi.testing.conformance.contract import (
    cleanup,
    datagrams,
    duplicates,
    extensions,
    handles,
    life,
    messages,
    naming,
    options,
    overlapped,
    readiness,
    streams,
    windows,
)
