"""Where the catalog file is. Imports nothing but `os`: `ws2spi run` asks before every program."""

import os

VARIABLE = "WS2SPI_CATALOG"


def path() -> str:
    """Return the path of the catalog file of this user, whether or not it exists.

    `$WS2SPI_CATALOG`, else `ws2spi/catalog.sqlite` under `$XDG_CONFIG_HOME` (which counts only when it is absolute, as
    its specification says), else under `~/.config`. Root has no other default: a catalog for the whole machine is one
    that WS2SPI_CATALOG names in everybody's environment.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return os.path.abspath(chosen)
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(folder):
        folder = os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(folder, "ws2spi", "catalog.sqlite")


def exists(file: str | None = None) -> bool:
    """Tell whether there is a catalog file; without one there are the built-in entries alone.

    One that cannot be looked at counts: opening it will say why, and nobody goes past it in silence.
    """
    try:
        os.stat(file or path())
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True
