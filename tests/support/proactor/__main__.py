"""`python -m support.proactor KIND NAME... [not WORD...]`: unit tests of CPython's over a stack of that kind.

Tests whose names contain one of the words are left out.
"""

import sys
import unittest
from contextlib import ExitStack

from support.stacks import BY_HAND, installed


def _chosen(suite: unittest.TestSuite, without: list[str]) -> unittest.TestSuite:
    chosen = unittest.TestSuite()
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            chosen.addTest(_chosen(test, without))
        elif not any(word in test.id() for word in without):
            chosen.addTest(test)
    return chosen


def main(kind: str, names: list[str], without: list[str]) -> int:
    assert kind in BY_HAND, f"one of {BY_HAND}"
    with ExitStack() as stack:
        stack.enter_context(installed(kind))
        from support.proactor.loop import become_windows

        become_windows()
        suite = unittest.defaultTestLoader.loadTestsFromNames(names)
        result = unittest.TextTestRunner(verbosity=2).run(_chosen(suite, without))
        return 0 if result.wasSuccessful() and result.testsRun > len(result.skipped) else 1


if __name__ == "__main__":
    words = sys.argv[2:]
    cut = words.index("not") if "not" in words else len(words)
    sys.exit(main(sys.argv[1], words[:cut], words[cut + 1 :]))
