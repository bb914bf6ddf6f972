"""The types of layers' options: numbers with units, made from what a user typed.

Each is a plain number in one fixed unit (bytes per second, bytes, seconds) that can also be made from text, so that a
layer calculates with it and never parses. A text that does not fit raises ValueError, whose message says what is
allowed; the registry puts the names of layer and option before it.
"""

import math
import os
import re

# A number, a space if one likes, and a unit. No sign: no option of ours means anything below zero.
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-zµ/]*)\s*")

# {prefix: factor}; the decimal ones mean what network people mean, the binary ones are spelt out.
_PREFIXES = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}

# {unit: seconds}
_DURATIONS = {
    "": 1.0,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
}


def _split(text: str, allowed: str) -> tuple[float, str]:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not {allowed}")
    return float(match[1]), match[2]


def _bytes_in(unit: str) -> float | None:
    """How many bytes one `unit` is ("MB", "Mbit", "KiB", "k"), or None when it is no such unit.

    A capital B is a byte and "bit" is a bit. A small "b" is refused, since half of those who write 10Mb mean bits and
    the other half bytes.
    """
    if unit.lower().endswith("bit"):
        prefix, size = unit[:-3], 0.125
    elif unit.endswith("B"):
        prefix, size = unit[:-1], 1.0
    else:
        prefix, size = unit, 1.0
    if unit.endswith("b"):
        raise ValueError(f"{unit!r} may mean bits or bytes: write {unit[:-1]}bit or {unit[:-1]}B")
    factor = _PREFIXES.get(prefix.lower())
    return None if factor is None else factor * size


class Rate(float):
    """Bytes per second: `Rate("2MB/s")`, `Rate("1.5Mbit/s")`, `Rate(500_000)`."""

    allowed = 'a rate such as "2MB/s", "500kB/s" or "1.5Mbit/s"'

    def __new__(cls, value: str | float) -> "Rate":
        rate = cls._parse(value) if isinstance(value, str) else float(value)
        if not (rate > 0 and math.isfinite(rate)):
            raise ValueError(f"{value!r} is not above zero: allowed is {cls.allowed}")
        return super().__new__(cls, rate)

    @classmethod
    def _parse(cls, text: str) -> float:
        number, unit = _split(text, cls.allowed)
        # "Mbps" is Mbit/s wherever it is written.
        unit = unit[:-3] + "bit" if unit.lower().endswith("bps") else unit.removesuffix("/s")
        factor = _bytes_in(unit)
        if factor is None:
            raise ValueError(f"{text!r} is not {cls.allowed}")
        return number * factor

    def __str__(self) -> str:
        return _human(self, "B/s")


class Size(int):
    """A number of bytes: `Size("64KiB")`, `Size("10MB")`, `Size(4096)`."""

    allowed = 'a size such as "64KiB", "10MB" or "4096"'

    def __new__(cls, value: str | int) -> "Size":
        size = cls._parse(value) if isinstance(value, str) else int(value)
        if size != value and not isinstance(value, str):  # half a byte, from a stack file
            raise ValueError(f"{value!r} is not {cls.allowed}")
        if size < 0:
            raise ValueError(f"{value!r} is below zero: allowed is {cls.allowed}")
        return super().__new__(cls, size)

    @classmethod
    def _parse(cls, text: str) -> int:
        number, unit = _split(text, cls.allowed)
        factor = _bytes_in(unit)
        size = number * factor if factor is not None else math.nan
        if not size.is_integer():
            raise ValueError(f"{text!r} is not {cls.allowed}")
        return int(size)

    def __str__(self) -> str:
        return _human(self, "B")


class Duration(float):
    """Seconds: `Duration("250ms")`, `Duration("1.5s")`, `Duration("2min")`, `Duration(3)`."""

    allowed = 'a duration such as "250ms", "1.5s" or "2min"'

    def __new__(cls, value: str | float) -> "Duration":
        seconds = cls._parse(value) if isinstance(value, str) else float(value)
        if not (seconds >= 0 and math.isfinite(seconds)):
            raise ValueError(f"{value!r} is not {cls.allowed}")
        return super().__new__(cls, seconds)

    @classmethod
    def _parse(cls, text: str) -> float:
        number, unit = _split(text, cls.allowed)
        factor = _DURATIONS.get(unit.lower())
        if factor is None:
            raise ValueError(f"{text!r} is not {cls.allowed}")
        return number * factor

    def __str__(self) -> str:
        if self and self < 1:
            return f"{self * 1000:g}ms"
        return f"{float(self):g}s"


class File(str):
    """The path of a file, `~` expanded. A text and not a pathlib.Path, whose import would cost every start 3 ms."""

    allowed = "the path of a file"

    def __new__(cls, value: str) -> "File":
        if not value:
            raise ValueError(f"{value!r} is not {cls.allowed}")
        if value == "-":  # where other programs mean one of the standard streams
            raise ValueError("'-' is no file here: write /dev/stdout or /dev/stderr, or ./- for a file of that name")
        return super().__new__(cls, os.path.expanduser(value))


def _human(number: float, unit: str) -> str:
    """`number` with the largest decimal prefix that leaves something before the point: 2 MB/s, 512 B."""
    value, prefix = float(number), ""
    for prefix in ("", "k", "M", "G", "T"):
        if value < 1000 or prefix == "T":
            break
        value /= 1000
    return f"{value:.4g} {prefix}{unit}"
