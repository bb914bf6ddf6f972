"""The types of layers' options."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ws2spi.layers.options import Duration, Rate, Size


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("2MB/s", 2e6),
        ("1.5Mbit/s", 187_500),
        ("500kB/s", 5e5),
        ("500 kB/s", 5e5),
        ("1Mbps", 125_000),
        ("256kbit", 32_000),
        ("1MiB/s", 2**20),
        ("2m", 2e6),
        ("10", 10),
        ("8bit/s", 1),
        (".5GB/s", 5e8),
    ],
)
def test_rate_of_text_is_bytes_per_second(text: str, rate: float) -> None:
    assert Rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "fast", "2MB/h", "-1MB/s", "1e3", "0", "0MB/s", "2 M B", "1.2.3", "/s", "inf", "nan"]
)
def test_rate_of_nonsense_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="2MB/s"):
        Rate(text)


def test_rate_small_b_is_refused_with_both_ways_out() -> None:
    with pytest.raises(ValueError, match="write Mbit or MB"):
        Rate("10Mb/s")


@pytest.mark.parametrize(
    ("text", "size"), [("64KiB", 65536), ("10MB", 10**7), ("4096", 4096), ("0", 0), ("1.5k", 1500), ("8bit", 1)]
)
def test_size_of_text_is_bytes(text: str, size: int) -> None:
    assert Size(text) == size
    assert isinstance(Size(text), int)


@pytest.mark.parametrize("text", ["", "many", "1.5", "4bit", "-1", "3 apples"])
def test_size_of_nonsense_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="64KiB"):
        Size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("1.5s", 1.5), ("2min", 120), ("2m", 120), ("3", 3), ("5us", 5e-6), ("1h", 3600)],
)
def test_duration_of_text_is_seconds(text: str, seconds: float) -> None:
    assert Duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "1 fortnight", "-1s"])
def test_duration_of_nonsense_says_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="250ms"):
        Duration(text)


@pytest.mark.parametrize("kind", [Rate, Size, Duration])
def test_number_below_zero_is_refused(kind: type[Rate | Size | Duration]) -> None:
    with pytest.raises(ValueError, match="such as"):
        kind(-1)


@given(st.floats(min_value=1, max_value=1e15))
def test_rate_shown_is_the_rate(rate: float) -> None:
    assert Rate(str(Rate(rate))) == pytest.approx(rate, rel=1e-3)


@given(st.text(max_size=12))
def test_any_text_is_a_rate_or_a_value_error(text: str) -> None:
    try:
        rate = Rate(text)
    except ValueError:
        return
    assert rate > 0


def test_numbers_show_their_units() -> None:
    assert str(Rate("2MB/s")) == "2 MB/s"
    assert str(Size("64kB")) == "64 kB"
    assert str(Duration("250ms")) == "250ms"
    assert str(Duration("90s")) == "90s"
