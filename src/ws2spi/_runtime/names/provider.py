"""`NameSpaceProvider`: the base class of name-space providers written in Python."""

import uuid
from collections.abc import Callable, Iterable

from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._abi.names import NS_DNS
from ws2spi._runtime.names.records import Query, Service, ServiceClass


class NameSpaceProvider:
    """A name space: override `lookup`, and what else there is to offer.

    One object serves one installed provider of one process. Its methods may be called by several threads at once. They
    fail with `WinsockError`; any other exception is reported with the provider's name and counts as WSANO_RECOVERY.

    Attributes:
        namespace: the NS_ number it is installed under; NS_DNS providers are asked by getaddrinfo.
        version: what WSAEnumNameSpaceProviders shows.
        blocking: whether a step of `lookup` may take time. Then it runs on a helper thread, and ending the lookup
            ends the wait for it; False for answers from memory saves that.
    """

    namespace: int = NS_DNS
    version: int = 1
    blocking: bool = True

    def lookup(self, query: Query) -> Iterable[Service]:
        """Yield the results, best first: `query.answer("10.0.0.5")`, or a Service of one's own.

        Nothing is looked for before the first result is asked for, so starting a lookup is quick by itself. No result
        means that there is no such service here (WSASERVICE_NOT_FOUND).
        """
        return ()

    def set_service(self, service: Service, operation: int, multiple: bool) -> None:
        """Register (0), deregister (1) or delete (2) a service; `ServiceTable.apply` knows the rules."""
        raise WinsockError(WSAError.WSAEOPNOTSUPP, "WSASetService")

    def install_class(self, info: ServiceClass) -> None:
        """Remember a service class."""
        raise WinsockError(WSAError.WSAEOPNOTSUPP, "WSAInstallServiceClass")

    def remove_class(self, class_id: uuid.UUID) -> None:
        """Forget a service class."""
        raise WinsockError(WSAError.WSAEOPNOTSUPP, "WSARemoveServiceClass")

    def class_info(self, class_id: uuid.UUID) -> ServiceClass:
        """Return what is known of a service class; WSATYPE_NOT_FOUND when nothing is."""
        raise WinsockError(WSAError.WSAEOPNOTSUPP, "WSAGetServiceClassInfo")

    def ioctl(self, query: Query, code: int, data: bytes) -> bytes:
        """Perform a control code on a lookup; SIO_NSP_NOTIFY_CHANGE does not come here, see `changed`."""
        raise WinsockError(WSAError.WSAEOPNOTSUPP, f"control code 0x{code:x}")

    #: Whether clients may ask to be told of changes (SIO_NSP_NOTIFY_CHANGE); set it where `changed` is called.
    notifies: bool = False

    def changed(self) -> None:
        """Say that earlier answers may be wrong by now: who asked to be told is told."""
        state = change_state(self)
        state.revision += 1
        for tell in tuple(state.listeners):
            tell()

    def cleanup(self) -> None:
        """The process is done with this provider."""


class ChangeState:
    """How often a provider's answers have changed, and who is to be told of the next time."""

    def __init__(self) -> None:
        self.revision = 0
        self.listeners: dict[Callable[[], None], None] = {}


def change_state(provider: NameSpaceProvider) -> ChangeState:
    """Return a provider's state of change; made at the first use, so that a subclass need not call __init__."""
    state: ChangeState = provider.__dict__.setdefault("_change_state", ChangeState())
    return state
