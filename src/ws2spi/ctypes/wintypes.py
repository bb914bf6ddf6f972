"""`ctypes.wintypes` with Windows' sizes: DWORD, LONG and BOOL have 4 bytes, WCHAR has 2."""

# ruff: noqa: RUF012 - ctypes reads `_fields_` once, when the class is made

import ctypes
from typing import Any

from ws2spi._abi.wide import LPWSTR as _LPWSTR
from ws2spi._abi.wide import WCHAR, Structure

_P: Any = ctypes.POINTER

BYTE = ctypes.c_ubyte
WORD = ctypes.c_ushort
DWORD = ctypes.c_uint32
CHAR = ctypes.c_char
UINT = ctypes.c_uint32
INT = ctypes.c_int32
DOUBLE = ctypes.c_double
FLOAT = ctypes.c_float
BOOLEAN = BYTE
BOOL = ctypes.c_int32
ULONG = ctypes.c_uint32
LONG = ctypes.c_int32
USHORT = ctypes.c_ushort
SHORT = ctypes.c_short
LARGE_INTEGER = _LARGE_INTEGER = ctypes.c_longlong
ULARGE_INTEGER = _ULARGE_INTEGER = ctypes.c_ulonglong
LPOLESTR = LPCOLESTR = OLESTR = _LPWSTR
LPWSTR = LPCWSTR = _LPWSTR
LPSTR = LPCSTR = ctypes.c_char_p
LPVOID = LPCVOID = ctypes.c_void_p
WPARAM = ctypes.c_uint64
LPARAM = ctypes.c_int64
ATOM = WORD
LANGID = WORD
COLORREF = LGRPID = LCTYPE = LCID = DWORD


class VARIANT_BOOL(ctypes.c_int16):
    def __repr__(self) -> str:
        return f"{self.__class__.__name__}({self.value!r})"


HANDLE = ctypes.c_void_p
HACCEL = HBITMAP = HBRUSH = HCOLORSPACE = HDC = HDESK = HDWP = HENHMETAFILE = HFONT = HGDIOBJ = HGLOBAL = HANDLE
HHOOK = HICON = HINSTANCE = HKEY = HKL = HLOCAL = HMENU = HMETAFILE = HMODULE = HMONITOR = HPALETTE = HPEN = HANDLE
HRGN = HRSRC = HSTR = HTASK = HWINSTA = HWND = SC_HANDLE = SERVICE_STATUS_HANDLE = HANDLE


class RECT(Structure):
    _fields_ = [("left", LONG), ("top", LONG), ("right", LONG), ("bottom", LONG)]


tagRECT = _RECTL = RECTL = RECT


class _SMALL_RECT(Structure):
    _fields_ = [("Left", SHORT), ("Top", SHORT), ("Right", SHORT), ("Bottom", SHORT)]


SMALL_RECT = _SMALL_RECT


class _COORD(Structure):
    _fields_ = [("X", SHORT), ("Y", SHORT)]


class POINT(Structure):
    _fields_ = [("x", LONG), ("y", LONG)]


tagPOINT = _POINTL = POINTL = POINT


class SIZE(Structure):
    _fields_ = [("cx", LONG), ("cy", LONG)]


tagSIZE = SIZEL = SIZE


def RGB(red: int, green: int, blue: int) -> int:
    """A COLORREF."""
    return red + (green << 8) + (blue << 16)


class FILETIME(Structure):
    _fields_ = [("dwLowDateTime", DWORD), ("dwHighDateTime", DWORD)]


_FILETIME = FILETIME


class MSG(Structure):
    _fields_ = [
        ("hWnd", HWND),
        ("message", UINT),
        ("wParam", WPARAM),
        ("lParam", LPARAM),
        ("time", DWORD),
        ("pt", POINT),
    ]


tagMSG = MSG
MAX_PATH = 260


class WIN32_FIND_DATAA(Structure):
    _fields_ = [
        ("dwFileAttributes", DWORD),
        ("ftCreationTime", FILETIME),
        ("ftLastAccessTime", FILETIME),
        ("ftLastWriteTime", FILETIME),
        ("nFileSizeHigh", DWORD),
        ("nFileSizeLow", DWORD),
        ("dwReserved0", DWORD),
        ("dwReserved1", DWORD),
        ("cFileName", CHAR * MAX_PATH),
        ("cAlternateFileName", CHAR * 14),
    ]


class WIN32_FIND_DATAW(Structure):
    _fields_ = [
        ("dwFileAttributes", DWORD),
        ("ftCreationTime", FILETIME),
        ("ftLastAccessTime", FILETIME),
        ("ftLastWriteTime", FILETIME),
        ("nFileSizeHigh", DWORD),
        ("nFileSizeLow", DWORD),
        ("dwReserved0", DWORD),
        ("dwReserved1", DWORD),
        ("cFileName", WCHAR * MAX_PATH),
        ("cAlternateFileName", WCHAR * 14),
    ]


LPBOOL = PBOOL = _P(BOOL)
PBOOLEAN = _P(BOOLEAN)
LPBYTE = PBYTE = _P(BYTE)
PCHAR = _P(CHAR)
LPCOLORREF = _P(COLORREF)
LPDWORD = PDWORD = _P(DWORD)
LPFILETIME = PFILETIME = _P(FILETIME)
PFLOAT = _P(FLOAT)
LPHANDLE = PHANDLE = _P(HANDLE)
PHKEY = _P(HKEY)
LPHKL = _P(HKL)
LPINT = PINT = _P(INT)
PLARGE_INTEGER = _P(LARGE_INTEGER)
PLCID = _P(LCID)
LPLONG = PLONG = _P(LONG)
LPMSG = PMSG = _P(MSG)
LPPOINT = PPOINT = _P(POINT)
PPOINTL = _P(POINTL)
LPRECT = PRECT = _P(RECT)
LPRECTL = PRECTL = _P(RECTL)
LPSC_HANDLE = _P(SC_HANDLE)
PSHORT = _P(SHORT)
LPSIZE = PSIZE = _P(SIZE)
LPSIZEL = PSIZEL = _P(SIZEL)
PSMALL_RECT = _P(SMALL_RECT)
LPUINT = PUINT = _P(UINT)
PULARGE_INTEGER = _P(ULARGE_INTEGER)
PULONG = _P(ULONG)
PUSHORT = _P(USHORT)
PWCHAR = _P(WCHAR)
LPWIN32_FIND_DATAA = PWIN32_FIND_DATAA = _P(WIN32_FIND_DATAA)
LPWIN32_FIND_DATAW = PWIN32_FIND_DATAW = _P(WIN32_FIND_DATAW)
LPWORD = PWORD = _P(WORD)
