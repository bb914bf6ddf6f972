"""Make this process one in which asyncio finds Windows; nothing undoes it."""

import errno
import importlib
import pkgutil
import select
import socketserver  # noqa: F401
import sys
import types
from typing import Any

import ws2spi
import ws2spi._engine
import ws2spi._runtime
import ws2spi.providers
from support.proactor import overlapped, sockets
from ws2spi._abi.errors import WSAError

# What asks for the platform when it is imported has to be here before it changes.
import ctypes.util  # isort: skip  # noqa: F401
import multiprocessing.connection  # isort: skip  # noqa: F401
import ssl  # isort: skip  # noqa: F401
import subprocess  # isort: skip  # noqa: F401
import sysconfig  # isort: skip
import tempfile  # isort: skip  # noqa: F401
import unittest  # isort: skip  # noqa: F401
import wsgiref.simple_server  # isort: skip  # noqa: F401


def _module(name: str, members: dict[str, Any]) -> None:
    module = types.ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module


def become_windows() -> Any:
    """Returns asyncio as it is on Windows."""
    sysconfig.get_config_vars()
    sockets.start()
    # The library stands on Linux's sockets, and so do the servers of CPython's tests, as peers of the loop's: what is
    # imported by now keeps the module `socket`, and what comes later finds another copy of it.
    for package in (ws2spi._engine, ws2spi._runtime, ws2spi.providers):
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(found.name)
    members = {name: value for name, value in vars(overlapped).items() if not name.startswith("_")}
    _module("_overlapped", members)
    _module("_winapi", members | {"DUPLICATE_SAME_ACCESS": 2, "WAIT_FAILED": 0xFFFFFFFF})
    _module("msvcrt", {"get_osfhandle": overlapped.get_osfhandle, "open_osfhandle": None})
    sys.modules["socket"] = sockets.module
    _module("select", vars(select) | {"select": sockets.select})
    for code in WSAError:
        if code.name.startswith("WSAE"):
            setattr(errno, code.name, int(code))
    assert "asyncio" not in sys.modules
    sys.platform = "win32"
    import asyncio

    return asyncio
