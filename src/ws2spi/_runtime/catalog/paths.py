"""What a provider's path says: which file or module, which name in it, and with which options.

A path is `/folder/file.py` or `package.module`, then, if one likes, `:Name`, and `:option=value,...`.
`%NAME%`, `$NAME`, `${NAME}` and a leading `~` stand for what the environment of the loading process says.
"""

import os
import re
from typing import NamedTuple


class Parts(NamedTuple):
    """A path taken apart: one of `file` and `module` is empty."""

    file: str = ""
    module: str = ""
    name: str = ""
    options: str = ""


def expand(path: str) -> str:
    """Return a path with its environment strings replaced; a variable that is not set stays as it was written."""
    path = re.sub(r"%(\w+)%", lambda match: os.environ.get(match[1], match[0]), path)
    return os.path.expandvars(os.path.expanduser(path))


def parts(path: str) -> Parts:
    """Take a path apart, expanding environment strings."""
    head, _, rest = expand(path).partition(":")
    head = head.strip()
    name, _, options = rest.partition(":")
    if "=" in name:  # no name, options at once
        name, options = "", rest
    if "/" in head or head.endswith(".py"):
        return Parts(file=head, name=name, options=options)
    return Parts(module=head, name=name, options=options)
