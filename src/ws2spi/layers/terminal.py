"""Whether to write in colours, by the conventions that terminals' users know.

Sources: no-color.org (NO_COLOR), bixense.com/clicolors (CLICOLOR_FORCE), terminfo(5) (TERM=dumb).
"""

import os


def coloured(descriptor: int, *, forcible: bool = True) -> bool:
    """Whether what is written to `descriptor` may hold colours.

    Parameters:
        descriptor: an open file; colours are for terminals.
        forcible: whether CLICOLOR_FORCE counts; it is meant for what a person reads, not for a log file.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if forcible and os.environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    return os.isatty(descriptor) and os.environ.get("TERM") != "dumb"
