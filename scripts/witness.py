"""Compare what we do with what Wine does: `make witness`.

Each scenario under tests/witness/scenarios is a C program, built with mingw-w64 and run under Wine, and a Python twin,
which makes the same calls through `ws2spi.ctypes`. Both print one line for each observation. Where the two differ on
purpose, tests/witness/differences.toml has the line, what we do and why; everything else that differs is unexpected,
and so is an expected difference that is gone. The exit status is 0 when nothing is unexpected, 1 when something is, 2
when the tools are missing. See docs/witness.md.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "witness"
SCENARIOS = FOLDER / "scenarios"
RECORDED = FOLDER / "recorded"
BUILD = ROOT / "build" / "witness"
COMPILER = "x86_64-w64-mingw32-gcc"
SECONDS = 120  # for one program; the longest needs about five


class UnusableError(Exception):
    """Something that is needed is missing or fails; the text says what."""


class Line(NamedTuple):
    """One observation: `row situation | seen`; `turn` tells lines of the same name apart."""

    name: str
    turn: int
    seen: str

    @property
    def row(self) -> str:
        return self.name.split(" ", 1)[0]


class Outcome(NamedTuple):
    """One line of both sides; `why` is the reason when the difference is a known one."""

    name: str
    wine: str
    ours: str
    expected: bool
    why: str

    @property
    def same(self) -> bool:
        return self.wine == self.ours


def names() -> list[str]:
    """The scenarios there are."""
    return sorted(path.stem for path in SCENARIOS.glob("*.c"))


def lines(text: str) -> list[Line]:
    """A program's output, read."""
    turns: Counter[str] = Counter()
    found = []
    for line in text.splitlines():
        name, bar, seen = line.partition(" | ")
        if not bar:
            name, bar, seen = line.removesuffix(" |"), " |", ""
        found.append(Line(name, turns[name], seen.strip()))
        turns[name] += 1
    return found


def differences() -> dict[str, dict[str, str]]:
    """{line name: {"ours": what we print, "why": the reason}}."""
    return tomllib.loads((FOLDER / "differences.toml").read_text())


def compare(wine: Sequence[Line], ours: Sequence[Line], known: dict[str, dict[str, str]]) -> Iterator[Outcome]:
    """Every line of both sides, in Wine's order; a line that only one side has is unexpected."""
    left = {(line.name, line.turn): line.seen for line in wine}
    right = {(line.name, line.turn): line.seen for line in ours}
    for key in [*left, *(key for key in right if key not in left)]:
        theirs, mine = left.get(key, "(no such line)"), right.get(key, "(no such line)")
        entry = known.get(key[0])
        if entry is None:
            yield Outcome(key[0], theirs, mine, theirs == mine, "")
        else:
            yield Outcome(key[0], theirs, mine, mine == entry["ours"] and theirs != mine, entry["why"])


def run_ours(name: str) -> str:
    """The output of a Python twin."""
    path = f"{SCENARIOS}{os.pathsep}{ROOT / 'src'}"
    command = [sys.executable, "-W", "error", str(SCENARIOS / f"{name}.py")]
    return _run(command, {**os.environ, "PYTHONPATH": path}, f"{name}.py")


def recorded(name: str) -> str:
    """What Wine printed when it was last asked."""
    return (RECORDED / f"{name}.txt").read_text()


def run_wine(name: str, wine: str) -> str:
    """Build a C program and return what it prints under Wine."""
    BUILD.mkdir(parents=True, exist_ok=True)
    program = BUILD / f"{name}.exe"
    quiet = [
        f"-Wno-{warning}" for warning in ("unused-function", "unused-variable", "cast-function-type", "parentheses")
    ]
    flags = ["-O1", "-Wall", "-Wextra", *quiet]
    source = str(SCENARIOS / f"{name}.c")
    _run([COMPILER, *flags, "-o", str(program), source, "-lws2_32", "-lmswsock"], dict(os.environ), f"{name}.c")
    return _run([wine, str(program)], _surroundings(), f"{name}.exe").replace("\r", "")


def _surroundings() -> dict[str, str]:
    prefix = ROOT / "build" / "wine"
    kept = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return {**kept, "WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}


def _run(command: list[str], surroundings: dict[str, str], what: str) -> str:
    try:
        done = subprocess.run(
            command, env=surroundings, capture_output=True, text=True, timeout=SECONDS, check=False, errors="replace"
        )
    except subprocess.TimeoutExpired:
        raise UnusableError(f"{what} did not end within {SECONDS} s") from None
    if done.returncode:
        tail = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise UnusableError(f"{what} ended with status {done.returncode}: {' / '.join(tail)}")
    return done.stdout


def tools() -> str:
    """The path of Wine; raises when it or the compiler is missing."""
    wine = shutil.which("wine64") or shutil.which("wine")
    if wine is None and os.access("/usr/lib/wine/wine64", os.X_OK):  # Debian's wine64 puts nothing on the path
        wine = "/usr/lib/wine/wine64"
    missing = [name for name, found in (("wine64", wine), (COMPILER, shutil.which(COMPILER))) if not found]
    if wine is None or missing:
        packages = "wine64 gcc-mingw-w64-x86-64"
        raise UnusableError(f"not here: {' '.join(missing)} (Debian: sudo apt-get install {packages})")
    return wine


def report(outcomes: Sequence[Outcome], verbose: bool) -> int:
    """Print the table; returns how many lines are unexpected."""
    unexpected = [outcome for outcome in outcomes if not outcome.expected]
    expected = [outcome for outcome in outcomes if outcome.expected and not outcome.same]
    if verbose:
        for outcome in outcomes:
            if outcome.same:
                print(f"  {outcome.name}: {outcome.ours}")
    for title, group in (("Differs, as it should", expected), ("UNEXPECTED", unexpected)):
        if group:
            print(f"\n{title}:")
        for outcome in group:
            print(f"  {outcome.name}\n      Wine  {outcome.wine}\n      ours  {outcome.ours}")
            if outcome.why:
                gone = "; the line in differences.toml is out of date" if not outcome.expected else ""
                print(f"      why   {outcome.why}{gone}")
    rows = {outcome.name.split(" ", 1)[0] for outcome in outcomes}
    same = sum(outcome.same and outcome.expected for outcome in outcomes)
    print(
        f"\n{len(rows)} rows, {len(outcomes)} lines: {same} the same, {len(expected)} differ as they should, "
        f"{len(unexpected)} unexpected"
    )
    return len(unexpected)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="witness", description="what Wine does, beside what we do")
    parser.add_argument("scenario", nargs="*", help=f"one of: {', '.join(names())} (default: all)")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the lines that are the same, too")
    parser.add_argument("--record", action="store_true", help="write what Wine printed to tests/witness/recorded")
    options = parser.parse_args(arguments)
    unknown = set(options.scenario) - set(names())
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))} (there are: {', '.join(names())})")
    outcomes: list[Outcome] = []
    try:
        wine, known = tools(), differences()
        if not (ROOT / "build" / "wine" / "system.reg").exists():
            print("witness: preparing Wine, once", file=sys.stderr)
            (ROOT / "build").mkdir(exist_ok=True)
            _run([wine, "wineboot", "-i"], _surroundings(), "wineboot")
        for name in options.scenario or names():
            output = run_wine(name, wine)
            outcomes += compare(lines(output), lines(run_ours(name)), known)
            if options.record:
                (RECORDED / f"{name}.txt").write_text(output)
    except UnusableError as error:
        print(f"witness: {error}", file=sys.stderr)
        return 2
    return 1 if report(outcomes, options.verbose) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
