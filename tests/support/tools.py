"""Programs that tests run against: found, or the test is skipped with the reason (and fails where CI is set)."""

import os
import shutil
from typing import NoReturn

import pytest

# Where Debian keeps servers; an ordinary user's PATH does not name them.
_PLACES = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"


def need(tool: str) -> str:
    """The path of `tool`. Without it the test is skipped, or fails when CI is set: there all must be installed."""
    path = shutil.which(tool, path=_PLACES)
    if path is None:
        missing(f"{tool} is not installed (scripts/test-tools installs it)")
    return path


def missing(reason: str) -> NoReturn:
    """Skip because something is missing here, or fail when CI is set."""
    if os.environ.get("CI"):
        pytest.fail(f"CI is set, so nothing may be missing: {reason}", pytrace=False)
    pytest.skip(reason)
