"""A started Winsock whose name-space catalog is as it comes, before and after."""

from collections.abc import Callable, Iterator

import pytest

from support import winsock
from ws2spi._runtime.names.catalog import InstalledNameSpace, install_name_space, name_spaces
from ws2spi._runtime.names.provider import NameSpaceProvider


@pytest.fixture
def started() -> Iterator[None]:
    """WSAStartup before, the last WSACleanup afterwards."""
    name_spaces.store.reset()
    winsock.start()
    yield
    winsock.stop()
    name_spaces.store.reset()


@pytest.fixture
def install(started: None) -> Iterator[Callable[..., InstalledNameSpace]]:
    """Installs a provider for this process, and takes it out again."""
    installed = []

    def put(provider: NameSpaceProvider, *arguments: object, **more: object) -> InstalledNameSpace:
        installed.append(install_name_space(provider, *arguments, **more))  # type: ignore[arg-type]
        return installed[-1]

    yield put
    for one in installed:
        one.remove()
