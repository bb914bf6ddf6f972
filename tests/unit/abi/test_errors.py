"""Codes and their one errno table."""

import errno
import pickle

import pytest

from ws2spi._abi import constants as c
from ws2spi._abi.errors import (
    ERRNO_TO_WSA,
    ProviderContractError,
    WinsockError,
    WSAError,
    errno_from_wsa,
    status_from_wsa,
    win32_from_status,
    wsa_from_errno,
    wsa_from_status,
)

# Families of errno values that no socket call of ours gives, and so have no line in the table.
NOT_FROM_SOCKETS = {
    "files and folders": "EEXIST EXDEV ENOTDIR EISDIR EFBIG ENOSPC EROFS EMLINK ETXTBSY ENOTBLK ESPIPE EMEDIUMTYPE",
    "media and keys": "ENOMEDIUM ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED",
    "processes": "ESRCH E2BIG ENOEXEC ECHILD ERESTART EOWNERDEAD ENOTRECOVERABLE EDEADLK EDEADLOCK ENOLCK EBUSY",
    "devices": "ENXIO EBADFD EREMCHG EHWPOISON ERFKILL EREMOTEIO EBADMSG EOVERFLOW EILSEQ",
    "STREAMS and System V": "ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR "
    "EXFULL ENOANO EBADRQC EBADSLT EBFONT ENOSTR ENODATA ETIME ENOSR ENOPKG ENOLINK EADV ESRMNT ECOMM EMULTIHOP "
    "EDOTDOT ENOTUNIQ ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC ESTRPIPE EUCLEAN ENOTNAM ENAVAIL EISNAM",
}


def test_every_errno_is_mapped_or_listed_with_a_reason() -> None:
    listed = {name for names in NOT_FROM_SOCKETS.values() for name in names.split()}
    numbers = {getattr(errno, name) for name in listed if hasattr(errno, name)}
    assert not {errno.errorcode[n] for n in errno.errorcode if n not in ERRNO_TO_WSA and n not in numbers}
    assert not {errno.errorcode[n] for n in numbers if n in ERRNO_TO_WSA}


@pytest.mark.parametrize("code", list(WSAError), ids=lambda code: code.name)
def test_every_code_has_an_errno(code: WSAError) -> None:
    assert errno_from_wsa(code) in errno.errorcode


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EAGAIN, WSAError.WSAEWOULDBLOCK),
        (errno.EINPROGRESS, WSAError.WSAEWOULDBLOCK),
        (errno.EBADF, WSAError.WSAENOTSOCK),
        (errno.EPIPE, WSAError.WSAESHUTDOWN),
        (errno.ECONNRESET, WSAError.WSAECONNRESET),
        (errno.EXDEV, WSAError.WSASYSCALLFAILURE),
    ],
)
def test_wsa_from_errno(number: int, code: int) -> None:
    """errors.md 5."""
    assert wsa_from_errno(number) == code


def test_errno_from_wsa_never_says_einprogress_for_reentry() -> None:
    assert errno_from_wsa(WSAError.WSAEINPROGRESS) == errno.EBUSY
    assert errno_from_wsa(123456) == errno.EIO


@pytest.mark.parametrize(
    ("code", "status", "win32"),
    [
        (WSAError.WSA_OPERATION_ABORTED, 0xC0000120, 995),
        (WSAError.WSAECONNRESET, 0xC000020D, 64),
        (WSAError.WSAECONNREFUSED, 0xC0000236, 1225),
        (WSAError.WSAEMSGSIZE, 0x80000005, 234),
        (WSAError.WSAEOPNOTSUPP, 0xC00000BB, 50),
        (WSAError.WSAECONNABORTED, 0xC0000241, 1236),
        (0, 0, 0),
    ],
)
def test_statuses_of_the_witness(code: int, status: int, win32: int) -> None:
    """G3, I2, K2, Q7."""
    assert status_from_wsa(code) == status
    assert wsa_from_status(status) == code
    assert win32_from_status(status) == win32


@pytest.mark.parametrize("code", list(WSAError), ids=lambda code: code.name)
def test_every_code_survives_the_status_block(code: WSAError) -> None:
    status = status_from_wsa(code)
    assert wsa_from_status(status) == code
    assert status & 0x80000000
    assert status != c.STATUS_PENDING
    assert win32_from_status(status) > 0


def test_exception_says_name_number_and_detail() -> None:
    error = WinsockError(10061, "127.0.0.1:9")
    assert str(error) == "WSAECONNREFUSED (10061): 127.0.0.1:9"
    assert error.code is WSAError.WSAECONNREFUSED
    assert error.errno == errno.ECONNREFUSED
    assert error.winerror == 10061
    assert isinstance(error, OSError)
    assert str(WinsockError(10035)) == "WSAEWOULDBLOCK (10035)"
    assert str(WinsockError(1225)) == "1225"


def test_exception_keeps_the_errno_behind_it() -> None:
    error = WinsockError.from_errno(errno.ENFILE, "socket")
    assert (error.code, error.errno) == (WSAError.WSAEMFILE, errno.ENFILE)
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.code, copy.errno, copy.detail) == (error.code, error.errno, "socket")


def test_contract_error_names_layer_and_rule() -> None:
    error = ProviderContractError("upper", "recv returned None")
    assert str(error) == "layer 'upper': recv returned None"
