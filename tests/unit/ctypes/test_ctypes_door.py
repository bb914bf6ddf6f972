"""The standard ctypes plus Windows' names, and functions with restype, argtypes and errcheck."""

import copy
import ctypes as standard
import threading
from typing import Any

import pytest

from support.threads import Running
from ws2spi import ctypes, kernel32
from ws2spi._executive.threads import current
from ws2spi.ctypes import wintypes
from ws2spi.ctypes._function import Function, callback, exact, number_of, pointer_as

STRUCTURES = {
    "RECT": 16, "SMALL_RECT": 8, "POINT": 8, "SIZE": 8, "FILETIME": 8, "MSG": 48, "WIN32_FIND_DATAA": 320,
    "WIN32_FIND_DATAW": 592,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_apcs_of_others() -> None:
    current().pending.clear()


def test_windows_names_are_there() -> None:
    names = "windll WinDLL WINFUNCTYPE GetLastError FormatError WinError get_last_error set_last_error oledll HRESULT"
    assert all(hasattr(ctypes, name) for name in names.split())


def test_the_rest_is_the_standard_module() -> None:
    assert ctypes.byref is standard.byref
    assert ctypes.c_int is standard.c_int
    assert ctypes._Pointer is standard._Pointer  # type: ignore[attr-defined]
    assert issubclass(ctypes.Structure, standard.Structure)
    with pytest.raises(AttributeError):
        ctypes.no_such_name  # noqa: B018


def test_star_import_gives_them() -> None:
    names: dict[str, Any] = {}
    exec("from ws2spi.ctypes import *", names)
    assert names["windll"] is ctypes.windll
    assert names["sizeof"](names["c_long"]) == 4
    assert names["create_unicode_buffer"]("ab").value == "ab"


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *dict.fromkeys(["BYTE", "CHAR", "BOOLEAN"], 1).items(),
        *dict.fromkeys(["WORD", "SHORT", "USHORT", "WCHAR", "ATOM", "VARIANT_BOOL"], 2).items(),
        *dict.fromkeys(["DWORD", "LONG", "ULONG", "BOOL", "INT", "UINT", "FLOAT", "COLORREF", "LCID"], 4).items(),
        *dict.fromkeys(
            ["HANDLE", "HWND", "WPARAM", "LPARAM", "LARGE_INTEGER", "LPWSTR", "LPVOID", "DOUBLE"], 8
        ).items(),
        *STRUCTURES.items(),
    ],
)
def test_wintypes_have_windows_sizes(name: str, size: int) -> None:
    assert standard.sizeof(getattr(wintypes, name)) == size


def test_wintypes_has_every_name_of_the_standard_one() -> None:
    import ctypes.wintypes as theirs

    missing = [name for name in vars(theirs) if not name.startswith("__") and not hasattr(wintypes, name)]
    assert missing == ["ctypes"] or not missing


def test_longs_have_four_bytes() -> None:
    assert standard.sizeof(ctypes.c_long) == standard.sizeof(ctypes.c_ulong) == 4
    assert standard.sizeof(ctypes.c_wchar) == 2


def test_windll_gives_the_faces() -> None:
    dll = ctypes.windll.kernel32
    assert dll is ctypes.windll.kernel32
    assert dll.SleepEx(0, False) == 0
    assert ctypes.windll["kernel32.dll"].GetCurrentThread() == -2, "results are C ints by default"
    assert kernel32.GetCurrentThread() == 2**64 - 2, "the face itself gives the documented value"
    assert ctypes.windll.LoadLibrary("KERNEL32.DLL").GetCurrentProcess() == -1
    with pytest.raises(AttributeError, match="'NoSuchFunction' not found"):
        dll.NoSuchFunction  # noqa: B018
    with pytest.raises(FileNotFoundError, match="gdi32"):
        ctypes.WinDLL("gdi32")
    assert "kernel32" in repr(dll)


def test_each_windll_object_has_settings_of_its_own() -> None:
    first, second = ctypes.WinDLL("kernel32", use_last_error=True), ctypes.WinDLL("C:\\Windows\\kernel32.dll")
    first.GetCurrentThread.restype = wintypes.HANDLE
    assert first.GetCurrentThread() == 2**64 - 2
    assert second.GetCurrentThread() == -2
    assert first["GetCurrentThread"].restype is ctypes.c_int32


def test_windll_ws2_32_is_the_other_face() -> None:
    dll = ctypes.WinDLL("ws2_32.dll")
    assert dll.WSAGetLastError is not None


def test_last_error_is_one_slot() -> None:
    kernel32.SetLastError(5)
    assert ctypes.GetLastError() == ctypes.get_last_error() == kernel32.GetLastError() == 5
    assert ctypes.set_last_error(6) == 5
    assert ctypes.windll.kernel32.GetLastError() == 6


def test_formaterror_and_winerror() -> None:
    kernel32.SetLastError(258)
    assert "timed out" in ctypes.FormatError()
    assert ctypes.FormatError(10061) == "WSAECONNREFUSED (10061)"
    assert ctypes.FormatError(99999) == "99999"
    error = ctypes.WinError()
    assert isinstance(error, OSError)
    assert error.winerror == 258
    assert "mine" in str(ctypes.WinError(6, "mine"))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (2, FileNotFoundError), (5, PermissionError), (6, OSError), (1225, OSError), (10004, InterruptedError),
        (10035, BlockingIOError), (10053, ConnectionAbortedError), (10054, ConnectionResetError),
        (10058, BrokenPipeError), (10060, TimeoutError), (10061, ConnectionRefusedError),
    ],
)  # fmt: skip
def test_winerror_is_of_the_class_that_windows_has(code: int, kind: type[OSError]) -> None:
    error = ctypes.WinError(code)
    assert isinstance(error, kind)
    assert isinstance(error, ConnectionError) == (kind.__base__ is ConnectionError)
    assert error.winerror == code
    assert copy.copy(error).winerror == code


def test_an_ordinal_is_not_found() -> None:
    with pytest.raises(AttributeError, match="ordinal 115"):
        ctypes.windll.ws2_32[115]


def test_cfunctype_finds_functions_too() -> None:
    """With the standard one's dlsym it ended the process."""
    swap = ctypes.CFUNCTYPE(ctypes.c_ushort, ctypes.c_ushort)(("htons", ctypes.windll.ws2_32))
    assert swap(0x0102) == 0x0201
    assert ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(abs)(-3) == 3


def test_winfunctype_is_one_class_for_each_signature() -> None:
    kind = ctypes.WINFUNCTYPE(None, ctypes.c_size_t)
    assert kind is ctypes.WINFUNCTYPE(None, ctypes.c_size_t)
    assert kind is not ctypes.WINFUNCTYPE(ctypes.c_int, ctypes.c_size_t)
    seen: list[int] = []
    kind(seen.append)(3)
    assert seen == [3]


def test_winfunctype_of_a_name_and_a_dll() -> None:
    sleep = ctypes.WINFUNCTYPE(wintypes.DWORD, wintypes.DWORD, wintypes.BOOL)(("SleepEx", ctypes.windll.kernel32))
    assert sleep(0, True) == 0
    with pytest.raises(standard.ArgumentError):
        sleep("0", True)


# Functions


@exact
def Answer(value: int, other: object = None) -> int:
    """Give back what came in."""
    return value


def fresh(default: Any = None) -> Function:
    return Answer.copy() if default is None else Answer.copy(default)


def test_a_function_looks_like_its_body() -> None:
    assert (Answer.__name__, Answer.__doc__) == ("Answer", "Give back what came in.")
    assert Answer(5, other=1) == 5
    assert "Answer" in repr(Answer)


@pytest.mark.parametrize(
    ("restype", "value", "expected"),
    [
        (wintypes.DWORD, -1, 0xFFFFFFFF),
        (wintypes.BOOL, 0xFFFFFFFF, -1),
        (wintypes.HANDLE, 0, None),
        (wintypes.HANDLE, 2**64 - 1, 2**64 - 1),
        (standard.c_size_t, -1, 2**64 - 1),
        (standard.c_bool, 2, True),
        (None, 5, None),
        (hex, 255, "0xff"),
        (str, 0xFFFFFFFF, "-1"),
    ],
)
def test_restype(restype: Any, value: int, expected: object) -> None:
    function = fresh()
    function.restype = restype
    assert function.restype is restype
    assert function(value) == expected


def test_restype_subclass_stays_an_instance_and_pointer_points() -> None:
    class Mine(standard.c_uint32):
        pass

    function = fresh()
    function.restype = Mine
    assert isinstance(function(5), Mine)
    number = standard.c_int(7)
    function.restype = standard.POINTER(standard.c_int)
    assert function(standard.addressof(number)).contents.value == 7
    with pytest.raises(TypeError):
        function.restype = 5


def test_hresult_is_raised() -> None:
    function = fresh(ctypes.HRESULT)
    assert function(5) == 5
    with pytest.raises(OSError, match="-5"):
        function(-5)
    assert ctypes.oledll.kernel32.GetCurrentThreadId() is not None


def test_argtypes_convert_and_refuse() -> None:
    function = fresh()
    function.argtypes = [wintypes.DWORD, standard.c_void_p]
    assert function(-1, None) == 0xFFFFFFFF
    assert number_of(function(wintypes.DWORD(5), b"abc")) == 5
    with pytest.raises(standard.ArgumentError, match="argument 1: TypeError"):
        function("5", None)
    with pytest.raises(standard.ArgumentError, match="argument 2"):
        function(5, 1.5)
    with pytest.raises(TypeError, match="at least 2 arguments"):
        function(5)
    with pytest.raises(TypeError, match="from_param"):
        function.argtypes = [int]
    function.argtypes = None
    assert function("5") == "5"


def test_argtypes_keep_the_clients_pointer() -> None:
    seen: list[Any] = []
    function = exact(seen.append)
    function.argtypes = [standard.POINTER(standard.c_int)]
    number = standard.c_int(3)
    reference = standard.byref(number)
    function(reference)
    assert seen[0] is reference
    function(number)
    assert seen[1]._obj is number  # by reference: a body that expects a pointer must not take it for a number


def test_errcheck() -> None:
    function = fresh()
    calls: list[tuple[Any, ...]] = []

    def check(result: Any, checked: Any, arguments: Any) -> str:
        calls.append((result, checked, arguments))
        return "checked"

    function.restype = wintypes.DWORD
    function.errcheck = check
    assert function(-1) == "checked"
    assert calls == [(0xFFFFFFFF, function, (-1,))]
    with pytest.raises(TypeError):
        function.errcheck = 5  # type: ignore[assignment]
    function.errcheck = None
    assert function(-1) == 0xFFFFFFFF


def test_settings_reach_the_faces() -> None:
    dll = ctypes.WinDLL("kernel32")
    dll.WaitForSingleObject.argtypes = [wintypes.HANDLE, wintypes.DWORD]
    dll.WaitForSingleObject.restype = wintypes.DWORD

    def check(result: int, function: object, arguments: object) -> int:
        if result == 0xFFFFFFFF:
            raise ctypes.WinError(ctypes.get_last_error())
        return result

    dll.WaitForSingleObject.errcheck = check
    with pytest.raises(OSError, match="not valid"):
        dll.WaitForSingleObject(0x7FFFFFF0, 0)


def test_number_of() -> None:
    number = standard.c_int(3)
    for argument, expected in [
        (5, 5), (True, 1), (None, 0), (wintypes.DWORD(7), 7), (standard.c_void_p(None), 0),
        (standard.c_char(b"A"), 65), (standard.byref(number), standard.addressof(number)),
    ]:  # fmt: skip
        assert number_of(argument) == expected


def test_callback_kinds() -> None:
    prototype = standard.CFUNCTYPE(None, standard.c_size_t)
    assert callback(None, prototype) is None
    assert callback(0, prototype) is None
    assert callback(prototype(0), prototype) is None
    assert callback(print, prototype) is print


def test_pointer_as() -> None:
    class A(standard.Structure):
        _fields_ = [("x", standard.c_int)]

    class B(standard.Structure):
        _fields_ = [("y", standard.c_int)]

    a = A(5)
    assert standard.addressof(pointer_as(standard.POINTER(A), a).contents) == standard.addressof(a)
    assert pointer_as(standard.POINTER(B), a).contents.y == 5
    assert pointer_as(standard.POINTER(B), standard.addressof(a)).contents.y == 5
    assert pointer_as(standard.POINTER(B), standard.pointer(a)).contents.y == 5
    assert pointer_as(standard.POINTER(B), None) is None


# A script as one writes it for Windows: only its import differs.

SCRIPT = """
from ws2spi import ctypes
from ws2spi.ctypes import wintypes

kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
PAPCFUNC = ctypes.WINFUNCTYPE(None, ctypes.c_void_p)

class OVERLAPPED(ctypes.Structure):
    _fields_ = [("Internal", ctypes.c_void_p), ("InternalHigh", ctypes.c_void_p),
                ("Offset", wintypes.DWORD), ("OffsetHigh", wintypes.DWORD), ("hEvent", wintypes.HANDLE)]

kernel32.CreateIoCompletionPort.restype = wintypes.HANDLE
kernel32.CreateIoCompletionPort.argtypes = [wintypes.HANDLE, wintypes.HANDLE, ctypes.c_void_p, wintypes.DWORD]
kernel32.PostQueuedCompletionStatus.argtypes = [wintypes.HANDLE, wintypes.DWORD, ctypes.c_void_p,
                                                ctypes.POINTER(OVERLAPPED)]
kernel32.GetQueuedCompletionStatus.argtypes = [wintypes.HANDLE, ctypes.POINTER(wintypes.DWORD),
    ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.POINTER(OVERLAPPED)), wintypes.DWORD]
kernel32.GetCurrentThread.restype = wintypes.HANDLE

log = []
@PAPCFUNC
def apc(parameter):
    log.append(parameter)

assert kernel32.QueueUserAPC(apc, wintypes.HANDLE(kernel32.GetCurrentThread()), ctypes.c_void_p(11))
assert kernel32.SleepEx(100, True) == 0xC0
assert log == [11]

port = kernel32.CreateIoCompletionPort(wintypes.HANDLE(-1), None, 0, 0)
assert port
ov = OVERLAPPED()
ov.Offset = 99
assert kernel32.PostQueuedCompletionStatus(port, 10, 20, ctypes.byref(ov))
count, key, pov = wintypes.DWORD(), ctypes.c_void_p(), ctypes.POINTER(OVERLAPPED)()
assert kernel32.GetQueuedCompletionStatus(port, ctypes.byref(count), ctypes.byref(key), ctypes.byref(pov), 1000)
assert (count.value, key.value, pov.contents.Offset) == (10, 20, 99)
assert not kernel32.GetQueuedCompletionStatus(port, ctypes.byref(count), ctypes.byref(key), ctypes.byref(pov), 1)
assert ctypes.get_last_error() == 258
events = (wintypes.HANDLE * 2)(kernel32.CreateEventW(None, True, False, None),
                               kernel32.CreateEventW(None, False, True, None))
assert kernel32.WaitForMultipleObjects(2, events, False, 0xFFFFFFFF) == 1
for event in events:
    assert kernel32.CloseHandle(event)
assert kernel32.CloseHandle(port)
assert kernel32.CloseHandle(port) == 0 and ctypes.GetLastError() == 6
"""


def test_a_script_for_windows_runs_with_its_import_changed() -> None:
    names: dict[str, Any] = {"__name__": "script"}

    def run() -> str:
        exec(compile(SCRIPT, "script", "exec"), names)
        return "done"

    assert Running(run).result() == "done"
    assert threading.active_count()


def test_the_way_of_a_call_follows_what_is_set() -> None:
    """Decision 0032: the short ways and the general one answer alike, whichever order settings come and go in."""
    seen: list[tuple[Any, ...]] = []

    @exact
    def big(*arguments: Any) -> int:
        """Answers a DWORD beyond a C int."""
        seen.append(arguments)
        return 0xFFFFFFFE

    assert (big(1, 2), big.copy(standard.c_int32)(3)) == (0xFFFFFFFE, -2)
    assert seen == [(1, 2), (3,)]
    for function, plain in ((big, 0xFFFFFFFE), (big.copy(standard.c_int32), -2)):
        assert isinstance(function, Function)
        function.argtypes = [standard.c_uint8]
        function(0x1FF)
        assert seen[-1] == (0xFF,)
        function.argtypes = None
        assert function(0x1FF) == plain
        assert seen[-1] == (0x1FF,)
        function.errcheck = lambda result, f, arguments: (result, f is function, arguments)  # noqa: B023
        assert function(5) == (plain, True, (5,))
        function.errcheck = None
        function.restype = standard.c_int64
        assert function(5) == 0xFFFFFFFE
        assert big(6) == 0xFFFFFFFE, "the copy's settings are its own"
    assert (big.__name__, big.__doc__) == ("big", "Answers a DWORD beyond a C int.")
