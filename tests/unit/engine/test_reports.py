"""One-line reports: where they go, and that they never become a failure of their own."""

import io
import sys

import pytest

from ws2spi._engine import reports


def test_a_report_goes_to_stderr_under_our_name(capsys: pytest.CaptureFixture[str]) -> None:
    reports.report("a layer failed")
    assert capsys.readouterr().err == "ws2spi: a layer failed\n"


def test_set_sink_redirects_and_returns_the_sink_before(capsys: pytest.CaptureFixture[str]) -> None:
    texts: list[str] = []
    before = reports.set_sink(texts.append)
    try:
        reports.report("one")
        assert reports.set_sink(before) == texts.append
    finally:
        reports.set_sink(before)
    assert texts == ["one"]
    assert capsys.readouterr().err == ""


def test_set_sink_none_is_stderr_again(capsys: pytest.CaptureFixture[str]) -> None:
    before = reports.set_sink(lambda text: None)
    try:
        reports.set_sink(None)
        reports.report("back")
    finally:
        reports.set_sink(before)
    assert capsys.readouterr().err == "ws2spi: back\n"


def test_a_sink_that_raises_is_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    before = reports.set_sink(lambda text: 1 // 0)  # type: ignore[arg-type, return-value]
    try:
        reports.report("still heard")
    finally:
        reports.set_sink(before)
    assert capsys.readouterr().err == "ws2spi: still heard\n"


@pytest.mark.parametrize("stderr", ["closed", "none"])
def test_a_missing_stderr_is_no_second_failure(stderr: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream if stderr == "closed" else None)
    reports.report("nobody hears this")
