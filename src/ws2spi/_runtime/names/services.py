"""Services and their classes: what the DLL asks every provider to do, and a table that a provider may keep.

WSASetService and WSAInstallServiceClass go to all providers that are meant. They succeed when one provider did what was
asked; else the code is the first one that says more than "not known" and "not supported".
"""

import dataclasses
import threading
import uuid
from collections.abc import Callable, Iterable

from ws2spi._abi import names as n
from ws2spi._abi.errors import WinsockError, WSAError
from ws2spi._runtime.names.catalog import name_spaces
from ws2spi._runtime.names.entries import NameSpaceEntry
from ws2spi._runtime.names.lookups import class_info, class_info_memory
from ws2spi._runtime.names.querysets import guid_pointer, pack_class, pack_service, read_class
from ws2spi._runtime.names.records import Query, Service, ServiceClass
from ws2spi._runtime.names.routines import Started

# Codes that another provider's code outweighs, the weightier first.
_SILENT = (WSAError.WSATYPE_NOT_FOUND, WSAError.WSASERVICE_NOT_FOUND, WSAError.WSAEOPNOTSUPP)


def set_service(service: Service, operation: int, flags: int) -> None:
    """Register, deregister or delete a service with the providers that its name space and provider id mean.

    Errors:
        WSAEINVAL: no class, no name, or no such operation. WSASERVICE_NOT_FOUND: no provider, or no such service.
        Else the providers'.
    """
    if service.class_id is None or service.name is None:
        raise WinsockError(WSAError.WSAEINVAL, "a service has a name and a class")
    if operation not in (n.RNRSERVICE_REGISTER, n.RNRSERVICE_DEREGISTER, n.RNRSERVICE_DELETE):
        raise WinsockError(WSAError.WSAEINVAL, f"operation {operation}")
    memory = pack_service(service).owned()

    def register(started: Started) -> None:
        info = class_info(started, service.class_id)
        described = None if info is None else pack_class(info).owned()
        started.call_by_id("NSPSetService", described, memory, operation, flags)

    _each(name_spaces.select(service.namespace, service.provider_id), register)


def install_class(info: ServiceClass) -> None:
    """Tell a service class to the providers of the name spaces it speaks of, to all if it speaks of none.

    Errors:
        WSAEINVAL: no name. WSAEALREADY: it is known. Else the providers'.
    """
    if not info.name:
        raise WinsockError(WSAError.WSAEINVAL, "a service class has a name")
    spoken = {value.namespace for value in info.values} - {n.NS_ALL}
    entries = [one for one in name_spaces.select(n.NS_ALL, None) if not spoken or one.namespace in spoken]
    if not entries:
        raise WinsockError(WSAError.WSA_INVALID_PARAMETER, f"no provider of name spaces {sorted(spoken)}")
    memory = pack_class(info).owned()
    _each(entries, lambda started: started.call_by_id("NSPInstallServiceClass", memory))


def remove_class(class_id: uuid.UUID) -> None:
    """Make every provider forget a service class; WSATYPE_NOT_FOUND when none knows it."""
    pointer = guid_pointer(class_id)
    _each(
        name_spaces.select(n.NS_ALL, None),
        lambda started: started.call_by_id("NSPRemoveServiceClass", pointer),
    )


def class_of(provider_id: uuid.UUID, class_id: uuid.UUID) -> ServiceClass:
    """Return what one provider says of a class.

    Errors:
        WSAEINVAL: no such provider. Else the provider's.
    """
    for entry in name_spaces.view():
        if entry.provider_id == provider_id and entry.active:
            return read_class(class_info_memory(name_spaces.started(entry), class_id))
    raise WinsockError(WSAError.WSAEINVAL, f"no name-space provider {provider_id}")


def class_name(class_id: uuid.UUID) -> str:
    """Return a class's name, as the first provider knows it that does.

    Errors:
        WSA_INVALID_PARAMETER: nobody knows the class. WSANO_DATA: it is known, but has no name. Else the providers'.
    """
    found: list[str] = []

    def ask(started: Started) -> None:
        info = read_class(class_info_memory(started, class_id))
        if not info.name:
            raise WinsockError(WSAError.WSANO_DATA, f"service class {class_id} has no name")
        found.append(info.name)

    try:
        _each(name_spaces.select(n.NS_ALL, None), ask)
    except WinsockError as error:
        if error.code != WSAError.WSATYPE_NOT_FOUND:
            raise
        raise WinsockError(WSAError.WSA_INVALID_PARAMETER, f"service class {class_id}") from None
    return found[0]


def _each(entries: Iterable[NameSpaceEntry], ask: Callable[[Started], None]) -> None:
    errors: list[WinsockError] = []
    done = False
    for entry in entries:
        try:
            ask(name_spaces.started(entry))
            done = True
        except WinsockError as error:
            errors.append(error)
    if not done:
        raise min(errors, key=lambda error: _SILENT.index(error.code) if error.code in _SILENT else -1)


class ServiceTable:
    """Registered services, for a provider that keeps its own: the rules of NSPSetService."""

    def __init__(self) -> None:
        self._services: dict[tuple[str, uuid.UUID | None], Service] = {}
        self._classes: dict[uuid.UUID, ServiceClass] = {}
        self._lock = threading.Lock()

    def apply(self, service: Service, operation: int, multiple: bool) -> None:
        """Do what NSPSetService asks for.

        Errors:
            WSAEINVAL: no name. WSASERVICE_NOT_FOUND: the service is not there, and the operation needs it.
        """
        if not service.name:
            raise WinsockError(WSAError.WSAEINVAL, "a service has a name")
        key = (service.name.lower(), service.class_id)
        with self._lock:
            known = self._services.get(key)
            if operation == n.RNRSERVICE_REGISTER:
                before = known.endpoints if known is not None and multiple else ()
                added = tuple(one for one in service.endpoints if one not in before)
                self._services[key] = dataclasses.replace(service, endpoints=before + added)
                return
            if known is None:
                raise WinsockError(WSAError.WSASERVICE_NOT_FOUND, service.name)
            left = tuple(one for one in known.endpoints if multiple and one not in service.endpoints)
            if operation == n.RNRSERVICE_DEREGISTER or left:
                self._services[key] = dataclasses.replace(known, endpoints=left)
            else:
                del self._services[key]

    def find(self, query: Query) -> list[Service]:
        """Return the services that a query means: of its class, its name (None and "*" mean any) and its version.

        A service whose addresses have all been taken away is deregistered, and not found.
        """
        with self._lock:
            known = list(self._services.values())
        return [one for one in known if self._means(query, one)]

    @staticmethod
    def _means(query: Query, one: Service) -> bool:
        if one.class_id != query.class_id or not one.endpoints:
            return False
        if query.name not in (None, "", "*") and (query.name or "").lower() != (one.name or "").lower():
            return False
        if query.version is not None:
            number = one.version[0] if one.version is not None else 0
            wanted, how = query.version
            if number < wanted or (how == n.COMP_EQUAL and number != wanted):
                return False
        return not query.protocols or any(
            family in (0, address.family) and protocol in (0, address.protocol)
            for family, protocol in query.protocols
            for address in one.endpoints
        )

    def install_class(self, info: ServiceClass) -> None:
        """Remember a class; WSAEALREADY when it is known."""
        with self._lock:
            if info.class_id in self._classes:
                raise WinsockError(WSAError.WSAEALREADY, f"service class {info.class_id}")
            self._classes[info.class_id] = info

    def remove_class(self, class_id: uuid.UUID) -> None:
        """Forget a class; WSATYPE_NOT_FOUND, or WSAETOOMANYREFS while services of it are registered."""
        with self._lock:
            if class_id not in self._classes:
                raise WinsockError(WSAError.WSATYPE_NOT_FOUND, f"service class {class_id}")
            if any(one.class_id == class_id for one in self._services.values()):
                raise WinsockError(WSAError.WSAETOOMANYREFS, f"service class {class_id} is in use")
            del self._classes[class_id]

    def class_info(self, class_id: uuid.UUID) -> ServiceClass:
        """Return a class; WSATYPE_NOT_FOUND when it is not known."""
        found = self._classes.get(class_id)
        if found is None:
            raise WinsockError(WSAError.WSATYPE_NOT_FOUND, f"service class {class_id}")
        return found


__all__ = ["ServiceTable", "class_name", "class_of", "install_class", "remove_class", "set_service"]
