"""The reasons for documented error codes that no test provokes (tests/provoked.toml) are about codes that exist."""

from support import provoked


def test_reasons_are_for_documented_codes() -> None:
    documented = provoked.documented()
    for name, codes in provoked.reasons().items():
        if name != "every":
            assert name in documented, name
            assert set(codes) <= documented[name], name
        assert all(text.endswith(".") for text in codes.values()), name


def test_a_missing_code_and_an_idle_reason_are_told() -> None:
    record = provoked.Record()
    record.documented = {"ws2_32.f": {"WSAEFAULT", "WSAEINVAL", "WSAENOTSOCK"}}
    record.answered = {("ws2_32.f", provoked.CODES["WSAEFAULT"])}
    found = record.report({"ws2_32.f": {"WSAEINVAL": "a reason.", "WSAEFAULT": "idle."}})
    assert [line.split(" ")[1] for line in found] == ["WSAENOTSOCK", "WSAEFAULT"]


def test_what_as_another_function_means() -> None:
    documented = provoked.documented()
    assert documented["ws2_32.send"] == documented["ws2_32.WSASend"] - {
        "WSA_IO_PENDING",
        "WSA_INVALID_HANDLE",
        "WSA_OPERATION_ABORTED",
    }
    assert documented["ws2_32.WSAAsyncGetHostByAddr"] >= documented["ws2_32.WSAAsyncGetHostByName"]
