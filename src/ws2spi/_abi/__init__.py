"""The words of Winsock: constants, error codes and their one errno table, structures, raw memory.

Holds what Windows' headers hold, at Windows' 64-bit sizes, plus the translation between errno, WSA, Win32 and NTSTATUS
codes. Everything above may import it.
Never: behaviour. Nothing here opens, waits, starts a thread or keeps state.
"""
